"""Keep what the error would rise without even after all other entries were solved again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from recprune.errors import SurveyError
from recprune.importance.entries import matrix_of
from recprune.importance.probe import Probe, Products
from recprune.tracing.site import FLAT, Cut, Kind, Site

__all__ = ["RefitIncrease"]

ROWS = 1024
"""Rows of the matrix that are looked at together."""

LOOKED_AT = 64
"""Outputs by which the ridge strength is found, those of the most frequent items."""


@dataclass(frozen=True)
class RefitIncrease:
    """Entries (i, j) of an item-item matrix W that is solved in closed form: w_ij² / ([H_i⁻¹]_jj), H_i = X'X + reg I
    without row and column i, X the histories: the rise of output i's squared error, penalty included, when the entry
    leaves and the others of its row are solved again. Hassibi & Stork 1993 (Second order derivatives for network
    pruning: Optimal Brain Surgeon), equation 5, without the factor 1/2.

    Nothing is inverted: at the solution 1 / [(X'X + reg I)⁻¹]_jj = (X'X)_jj + reg - sum_k (X'X)_jk w_jk, what the other
    inputs do not tell of input j, and taking out row i lowers [H⁻¹]_jj by w_ij² [H⁻¹]_ii (Steck 2019, equation 8, and
    the inverse of a bordered matrix). reg is found from W, by least squares of (X'X)_i - W_i X'X on W_i. A matrix that
    is no solution is scored as if it were one. Besides the scores (float32) numbers are held for a thousand rows at a
    time. Raises SurveyError for other kinds than entries, and for entries that are not of one square linear layer.
    """

    def __call__(self, site: Site, probe: Probe) -> Tensor:
        matrix, cut, places = _matrix(site, probe)
        products = probe.input_products(cut.tensor)
        most, apart = _apart(matrix, products)
        worth = torch.empty_like(matrix, dtype=torch.float32)
        for begin in range(0, len(matrix), ROWS):
            rows = slice(begin, begin + ROWS)
            squares = matrix[rows].float().square()
            inverse = (1 / apart - squares / apart[rows, None]).clamp_(min=1 / most)
            torch.div(squares, inverse, out=worth[rows])
        flat = worth.reshape(-1)
        return flat if places is None else flat[places]


def _matrix(site: Site, probe: Probe) -> tuple[Tensor, Cut, Tensor | None]:
    """The (outputs, inputs) matrix, the cut of its numbers and, where only some are stored, where they stand in it."""
    cut = site.cuts[0]
    owner, _, name = cut.tensor.rpartition(".")
    module: Any = probe.model.get_submodule(owner)
    tensor = getattr(module, name)
    square = getattr(module, "in_features", 0) == getattr(module, "out_features", -1)
    whole = cut.start == 0 and site.size == tensor.numel()
    if site.kind is Kind.ENTRY and square and whole and matrix_of(module) == name:
        if tensor.dim() == 2 and cut.dim == FLAT:
            return tensor.detach(), cut, None
        if tensor.dim() == 1 and hasattr(module, "dense"):
            return module.dense().detach(), cut, module.rows() * module.in_features + module.indices.long()
    raise SurveyError(
        f"site {site.name!r}: refit_increase scores all entries of a square linear layer that scores items by items; "
        "take mse_increase, taylor or magnitude",
        site=site.name,
        kind=site.kind,
    )


def _apart(matrix: Tensor, products: Products) -> tuple[Tensor, Tensor]:
    """(inputs,) squares of each input, and of them what the other inputs do not tell; reg is added to both."""
    n = len(matrix)
    blocks = [slice(begin, min(begin + ROWS, n)) for begin in range(0, n, ROWS)]
    sizes, told = torch.zeros(n), torch.zeros(n)
    for rows in blocks:
        block = products(rows.start, rows.stop)
        sizes[rows] = block.diagonal(rows.start).float()
        told[rows] = (block * matrix[rows]).sum(1).float()
    some = sizes.topk(min(LOOKED_AT, n)).indices
    left, right = torch.zeros(len(some), n), matrix[some].float()
    for rows in blocks:
        left += right[:, rows] @ products(rows.start, rows.stop).float()
    wanted = torch.stack([products(int(item), int(item) + 1)[0].float() for item in some])
    along, length = float(((wanted - left) * right).sum()), float(right.square().sum())
    reg = max(along / length, 0.0) if length else 0.0
    most = (sizes + reg).clamp(min=1e-9)
    return most, torch.minimum((sizes + reg - told).clamp(min=1e-6 * most), most)
