"""log_to_tensorboard(): a comparison and a plan's account as scalars and text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from recprune.errors import DataError
from recprune.evaluation.comparison import Comparison
from recprune.integrations.tracked import numbers_of
from recprune.planning.plan import Plan

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

__all__ = ["log_to_tensorboard"]


def log_to_tensorboard(
    writer: SummaryWriter, comparison: Comparison | None = None, plan: Plan | None = None, *, step: int = 0
) -> None:
    """Log to a `torch.utils.tensorboard.SummaryWriter` (`pip install 'recprune[tensorboard]'`).

    Scalars are those of `numbers_of` under `recprune/`; texts are the verdict and a table of the plan: tensor, shape
    before and after. step: the x-axis, an epoch or the number of a cut. Raises DataError where nothing is given.
    """
    if comparison is None and plan is None:
        raise DataError("nothing to log: give a comparison or a plan")
    for name, value in numbers_of(comparison, plan).items():
        writer.add_scalar(f"recprune/{name}", value, step)
    if comparison is not None:
        writer.add_text("recprune/verdict", comparison.verdict(), step)
    if plan is not None:
        writer.add_text("recprune/plan", _table(plan), step)
    writer.flush()


def _table(plan: Plan) -> str:
    rows = [f"| {row.tensor} | {row.before} | {row.after} |" for row in plan.account().rows]
    return "\n".join(["| tensor | before | after |", "|---|---|---|", *rows])
