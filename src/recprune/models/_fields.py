"""What click models share: fields of every sort become vectors of one width, and weights of a linear part."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Dataset, Split
from recprune.errors import DataError
from recprune.models._precision import alike

__all__ = ["FieldModel", "Found"]


class Found(NamedTuple):
    """The columns of a batch by their sort: rows of the table (batch, categorical fields), standardised numbers and
    which of them are missing, 1 or 0 (batch, numeric fields), codes (batch, width) of each multi-valued field; None
    where there is no such field, or nothing is made of what is missing."""

    rows: Tensor | None
    numbers: Tensor | None
    missing: Tensor | None
    bags: Sequence[Tensor]


class FieldModel(nn.Module):
    """A model of fields; what is computed of their vectors is up to the class below.

    A categorical field c gives row `offsets[c] + code` of one table of all of them; row 0 of each field answers for ids
    that are unknown or missing. A numeric field n gives z w_n + b_n, where z = (x - mean) / deviation over train, and
    b_n + m_n where x is missing (NaN), with `missing` a vector of its own and without zeros. A multi-valued field gives
    the mean of the rows of its codes that are not 0, in a table of its own; zeros where it has none. Vectors stand in
    this order of sorts. The linear part has one number in the place of each vector (a numeric field z w there, or m).

    sizes: rows of each field, its row 0 included; 0 for a numeric field. dim: width of a vector; 0 for none. multi: the
    fields that hold many codes a row. missing: whether numeric fields have what stands for a missing number. linear:
    whether there is a linear part.
    forward: one column a field: (batch,) codes, (batch,) numbers or (batch, width) codes.
    """

    config: dict[str, Any]
    of_rows = True

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int,
        multi: Sequence[str] = (),
        missing: bool = False,
        *,
        linear: bool,
    ) -> None:
        super().__init__()
        if len(fields) != len(sizes) or not fields:
            raise DataError(f"{len(fields)} fields and {len(sizes)} sizes; each field needs one", fields=tuple(fields))
        stray = sorted(set(multi) - {name for name, size in zip(fields, sizes, strict=True) if size})
        if stray:
            raise DataError(f"multi-valued fields are fields with a size, and {stray} are none", fields=stray)
        self.config = {"fields": list(fields), "sizes": list(sizes), **({"multi": list(multi)} if multi else {})}
        self.config |= {"missing": True} if missing else {}
        self.columns: tuple[str, ...] = tuple(fields)
        rows = [size for name, size in zip(fields, sizes, strict=True) if size and name not in multi]
        bags = [size for name, size in zip(fields, sizes, strict=True) if name in multi]
        if rows and dim:
            self.table = nn.Embedding(sum(rows), dim)
        if rows and linear:
            self.linear = nn.Embedding(sum(rows), 1)
        if rows:
            self.offsets: Tensor
            self.register_buffer("offsets", torch.tensor([0, *rows[:-1]]).cumsum(0))
        self._add_numbers(sum(size == 0 for size in sizes), dim, linear, missing)
        if bags and dim:
            self.bags = nn.ModuleList(_bag(size, dim) for size in bags)
        if bags and linear:
            self.bags_linear = nn.ModuleList(_bag(size, 1) for size in bags)

    def _add_numbers(self, numbers: int, dim: int, linear: bool, missing: bool) -> None:
        if not numbers:
            return
        self.number_mean: Tensor
        self.number_scale: Tensor
        self.register_buffer("number_mean", torch.zeros(numbers))
        self.register_buffer("number_scale", torch.ones(numbers))
        if dim:
            self.number_weight = nn.Parameter(torch.empty(numbers, dim))
            self.number_bias = nn.Parameter(torch.empty(numbers, dim))
        if linear:
            self.number_linear = nn.Parameter(torch.empty(numbers))
        if missing and dim:
            self.missing_weight = nn.Parameter(torch.empty(numbers, dim))
        if missing and linear:
            self.missing_linear = nn.Parameter(torch.empty(numbers))

    @classmethod
    def of(cls, split: Split, fields: Sequence[str] | None = None, **options: Any) -> Self:
        """The model for all fields of a split, or those named: categorical, then numeric, then multi-valued ones.

        Numbers are standardised by their mean and deviation over train; where train lacks some there is a vector of its
        own for that. Raises DataError where there are no fields.
        """
        names, sizes, more = described(split, fields)
        model = cls(names, sizes, **more, **options)
        model.standardise_(split.train)
        return model

    def standardise_(self, train: Dataset) -> None:
        """Take mean and deviation of the numeric fields over train; a number that never varies has the deviation 1."""
        names = [name for name, size in zip(self.config["fields"], self.config["sizes"], strict=True) if not size]
        for place, name in enumerate(names):
            values = train[name].astype(np.float64)
            values = values[np.isfinite(values)]
            deviation = float(values.std()) if len(values) else 0.0
            self.number_mean[place] = float(values.mean()) if len(values) else 0.0
            self.number_scale[place] = 1 / deviation if deviation > 1e-12 else 1.0

    def reset_fields(self) -> None:
        """Vectors with standard deviation 0.01, no linear weights."""
        for table in self._tables("table", "bags"):
            nn.init.normal_(table.weight, std=0.01)
        for table in self._tables("linear", "bags_linear"):
            nn.init.zeros_(table.weight)
        if hasattr(self, "number_weight"):
            nn.init.normal_(self.number_weight, std=0.01)
            nn.init.zeros_(self.number_bias)
        for name in ("number_linear", "missing_weight", "missing_linear"):
            if hasattr(self, name):
                nn.init.zeros_(getattr(self, name))

    def _tables(self, *names: str) -> list[Any]:
        found = [getattr(self, name) for name in names if hasattr(self, name)]
        return [table for part in found for table in (part if isinstance(part, nn.ModuleList) else [part])]

    def found(self, columns: Sequence[Tensor]) -> Found:
        """The columns by their sort, whichever of them are left."""
        codes = [x for x in columns if x.dim() == 1 and not x.is_floating_point()]
        numbers = [x for x in columns if x.dim() == 1 and x.is_floating_point()]
        centred = torch.stack(numbers, 1) - self.number_mean if numbers else None
        lacking = centred if centred is not None and self.config.get("missing") else None
        return Found(
            torch.stack(codes, 1) + self.offsets if codes else None,
            None if centred is None else alike((centred * self.number_scale).nan_to_num(), self.number_scale),
            None if lacking is None else lacking.isnan().to(self.number_scale.dtype),
            [x for x in columns if x.dim() == 2],
        )

    def vectors(self, found: Found) -> Tensor:
        """(batch, fields, dim)."""
        parts = [] if found.rows is None else [self.table(found.rows)]
        if found.numbers is not None:
            parts.append(found.numbers.unsqueeze(2) * self.number_weight + self.number_bias)
        if found.missing is not None:
            parts[-1] = parts[-1] + found.missing.unsqueeze(2) * self.missing_weight
        parts += [bag(codes).unsqueeze(1) for bag, codes in zip(self._tables("bags"), found.bags, strict=True)]
        return torch.cat(parts, 1) if len(parts) > 1 else parts[0]

    def weights(self, found: Found) -> Tensor:
        """(batch,) what the linear part adds up to."""
        parts = [] if found.rows is None else [self.linear(found.rows).sum((1, 2))]
        if found.numbers is not None:
            parts.append((found.numbers * self.number_linear).sum(1))
        if found.missing is not None:
            parts.append((found.missing * self.missing_linear).sum(1))
        parts += [bag(codes).sum(1) for bag, codes in zip(self._tables("bags_linear"), found.bags, strict=True)]
        total: Tensor = sum(parts[1:], parts[0])
        return total


def described(split: Split, fields: Sequence[str] | None) -> tuple[list[str], list[int], dict[str, Any]]:
    """Names and sizes of the fields of a split, or those named; of `multi` and `missing` what there is."""
    train, roles = split.train, split.train.roles
    many = [name for name in roles.multi if name in train.columns]
    numbers = [name for name in roles.numeric if name in train.columns and name not in many]
    names = [*train.fields, *numbers, *many] if fields is None else list(fields)
    missing = [name for name in names if name not in split.vocabularies and name not in numbers]
    if missing or not names:
        there = ", ".join([*split.vocabularies, *numbers])
        raise DataError(f"no field {missing or 'at all'}; there are: {there}", fields=missing)
    sizes = [0 if name in numbers else len(split.vocabularies[name]) for name in names]
    more: dict[str, Any] = {"multi": multi} if (multi := [name for name in names if name in many]) else {}
    lacking = any(np.isnan(train[name]).any() for name in names if name in numbers)
    return names, sizes, more | ({"missing": True} if lacking else {})


def _bag(size: int, dim: int) -> nn.EmbeddingBag:
    return nn.EmbeddingBag(size, dim, mode="mean", padding_idx=0)
