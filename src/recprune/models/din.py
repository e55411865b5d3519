"""DIN: the items of the past are weighed by what is offered now. Zhou et al. 2018, "Deep Interest Network"."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.errors import DataError
from recprune.models._fields import FieldModel, described
from recprune.models._tower import reset_layers, tower

__all__ = ["DIN"]


class DIN(FieldModel):
    """logit = tower(sum_t a(e_t, e_i) e_t, e_i, other fields), t over the items of the past (Zhou et al. 2018, eq. 3).

    The weight a is a small network of `attention` units with PReLU over [e_i, e_t, e_i - e_t, e_i * e_t]; weights are
    not made to add up to 1 (section 4.3). Candidate and past share the table `item`, whose row 0 is the padding and
    every unknown item; the other fields are those of FieldModel. The tower is `hidden` layers of Linear, BatchNorm (if
    `norm`), ReLU and Dropout, then one unit.

    fields, sizes: the other fields; n_items: rows of the item table, its row 0 included. length: how many items of the
    past are looked at when it serves, the last ones; `of` takes as many as the rows hold.
    forward: item (batch,), sequence (batch, length) the past, one column for each other field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        n_items: int,
        dim: int = 16,
        attention: Sequence[int] = (32,),
        hidden: Sequence[int] = (128, 128),
        dropout: float = 0.3,
        norm: bool = True,
        multi: Sequence[str] = (),
        missing: bool = False,
        length: int = 50,
    ) -> None:
        if length < 1:
            raise DataError(f"length is 1 or more, not {length}", length=length)
        if {"item", "sequence"} & set(fields):
            raise DataError("item and sequence are always taken; fields are the others", fields=tuple(fields))
        super().__init__(fields, sizes, dim, multi, missing, linear=False)
        self.config |= {"n_items": n_items, "dim": dim, "attention": list(attention)}
        self.config |= {"hidden": list(hidden), "dropout": dropout, "norm": norm, "length": length}
        self.columns = ("item", "sequence", *fields)
        self.item = nn.Embedding(n_items, dim, padding_idx=0)
        widths = [4 * dim, *attention]
        layers = [m for a, b in zip(widths, attention, strict=False) for m in (nn.Linear(a, b), nn.PReLU(b))]
        self.attention = nn.Sequential(*layers, nn.Linear(widths[-1], 1))
        self.tower = tower((2 + len(fields)) * dim, hidden, dropout, norm)
        self.reset_parameters()

    @classmethod
    def of(cls, split: Split, fields: Sequence[str] | None = None, **options: Any) -> Self:
        """The model for the items of a split and its other fields, or those named among them.

        It is trained and judged on rows with a column `sequence` (`recprune.data.pasts.with_pasts`). Raises DataError
        for another `length` than those have.
        """
        past = split.train.columns.get("sequence")
        if past is not None and past.ndim == 2:
            width = int(past.shape[1])
            if options.setdefault("length", width) != width:
                raise DataError(
                    f"the rows hold the last {width} items of a past, and length is {options['length']}: leave it out, "
                    f"or prepare them with --pasts {options['length']}",
                    length=options["length"],
                )
        names, sizes, more = described(split, fields)
        others = [name for name in names if name != "item"]
        known = dict(zip(names, sizes, strict=True))
        model = cls(others, [known[name] for name in others], n_items=split.train.n_items, **more, **options)
        model.standardise_(split.train)
        return model

    def reset_parameters(self) -> None:
        """Vectors with standard deviation 0.01, item 0 zero, PReLU at 1/4, layers as torch initialises them."""
        self.reset_fields()
        nn.init.normal_(self.item.weight, std=0.01)
        with torch.no_grad():
            self.item.weight[0] = 0.0
        reset_layers(self)
        for layer in self.attention:
            if isinstance(layer, nn.PReLU):
                nn.init.constant_(layer.weight, 0.25)

    def forward(self, *columns: Tensor) -> Tensor:
        item, sequence, *others = columns
        candidate = self.item(item)
        parts = [self.interest(candidate, sequence), candidate]
        if others:
            parts.append(self.vectors(self.found(others)).flatten(1))
        logits: Tensor = self.tower(torch.cat(parts, 1)).squeeze(1)
        return logits

    def interest(self, candidate: Tensor, sequence: Tensor) -> Tensor:
        """(batch, dim): the items of the past, each by its weight; zeros where there is none."""
        past = self.item(sequence)
        offered = candidate.unsqueeze(1).expand(-1, past.shape[1], -1)
        met = torch.cat([offered, past, offered - past, offered * past], 2)
        hidden = met.flatten(0, 1)
        weights = self.attention(hidden).view(sequence.shape).masked_fill(sequence == 0, 0.0)
        interest: Tensor = (weights.unsqueeze(1) @ past).squeeze(1)
        return interest
