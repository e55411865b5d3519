"""AutoInt: fields attend to each other. Song et al. 2019, "AutoInt"."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.models._fields import FieldModel
from recprune.models._tower import reset_layers, tower

__all__ = ["AutoInt"]


class AutoInt(FieldModel):
    """`layers` of attention over the vectors of all fields (FieldModel), then one layer over all that they gave.

    In a layer each head h compares fields by <W_q e_f, W_k e_g>, takes shares over g by a softmax and adds up shares of
    W_v e_g (Song et al. 2019, equations 5 and 6); the heads stand side by side, and ReLU(heads + W_r e_f) goes on
    (equations 7 and 8). Each of the `heads` is `inside` wide. With `hidden` a tower over the vectors is added to the
    logit (section 5.5, AutoInt+). sizes: rows of each field, its row 0 included; 0 for a numeric field.

    forward: one column a field -> logits (batch,).
    """

    def __init__(
        self,
        fields: Sequence[str],
        sizes: Sequence[int],
        dim: int = 16,
        layers: int = 3,
        heads: int = 2,
        inside: int = 16,
        hidden: Sequence[int] = (),
        dropout: float = 0.3,
        norm: bool = True,
        multi: Sequence[str] = (),
        missing: bool = False,
    ) -> None:
        if min(layers, heads, inside) < 1:
            raise DataError(f"AutoInt has 1 or more layers, heads and numbers in a head: {layers}, {heads}, {inside}")
        super().__init__(fields, sizes, dim, multi, missing, linear=False)
        self.config |= {"dim": dim, "layers": layers, "heads": heads, "inside": inside}
        self.config |= {"hidden": list(hidden), "dropout": dropout, "norm": norm}
        widths = [dim, *[heads * inside] * layers]
        self.attention = nn.ModuleList(FieldAttention(width, heads, inside) for width in widths[:-1])
        self.output = nn.Linear(len(fields) * heads * inside, 1)
        self.tower = tower(len(fields) * dim, hidden, dropout, norm) if hidden else None
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Vectors with standard deviation 0.01, the layers as torch initialises them."""
        self.reset_fields()
        reset_layers(self)

    def forward(self, *columns: Tensor) -> Tensor:
        vectors = self.vectors(self.found(columns))
        x = vectors
        for layer in self.attention:
            x = layer(x)
        logits: Tensor = self.output(x.flatten(1)).squeeze(1)
        return logits if self.tower is None else logits + self.tower(vectors.flatten(1)).squeeze(1)


class FieldAttention(nn.Module):
    """(batch, fields, width) -> (batch, fields, heads * inside)."""

    def __init__(self, width: int, heads: int, inside: int) -> None:
        super().__init__()
        self.heads, self.inside = heads, inside
        self.query, self.key, self.value, self.residual = (
            nn.Linear(width, heads * inside, bias=False) for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = (part(x).unflatten(2, (self.heads, self.inside)) for part in (self.query, self.key, self.value))
        query, key, value = (part.transpose(1, 2) for part in parts)
        likeness = query @ key.transpose(2, 3)
        mixed = _learning(likeness, value) if self.training else torch.softmax(likeness, 3) @ value
        return torch.relu(mixed.transpose(1, 2).flatten(2) + self.residual(x))


def _learning(likeness: Tensor, value: Tensor) -> Tensor:
    """softmax(likeness) @ value, divided by its sums in the end: over a few fields a softmax and its gradient take
    longer than all the rest of a layer."""
    shares = torch.exp(likeness - likeness.detach().amax(3, keepdim=True))
    return (shares @ value) / shares.sum(3, keepdim=True)
