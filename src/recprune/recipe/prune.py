"""prune(): from a trained recommender to a smaller one, in one call."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from recprune.data.dataset import Split
from recprune.errors import BudgetError
from recprune.importance.score import Rule
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.frontier import ENCODINGS
from recprune.recipe.meet import within_drop
from recprune.recipe.pruned import Pruned, carry_out, usual_budget
from recprune.recipe.rating import choose_by, rate
from recprune.recipe.rounding import ROUNDING
from recprune.recipe.stages import Stage, silent
from recprune.training.options import FitOptions
from recprune.training.together import Alone
from recprune.training.usual import usual_tuning

__all__ = ["plan", "prune"]


def prune(
    model: nn.Module,
    split: Split,
    factor: float | None = None,
    *,
    budget: Budget | None = None,
    rule: str | Rule | None = None,
    options: FitOptions | None = None,
    finetuned: bool = True,
    distilled: bool = False,
    encodings: Sequence[str] | None = None,
    rounding: float = ROUNDING,
    seed: int = 0,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Pruned:
    """Survey, score, choose, apply and fine-tune; the model that is given stays as it is.

    Either `factor`, the share of the parameters to remove, or a whole `budget`. rule: its name, `package.module:Name`,
    or the rule itself; None takes `usual_rule`. options: of the fine-tuning (None: `usual_tuning`).
    distilled: what the larger model says is learned beside what was seen (not by a model solved in closed form).
    encodings: that may store what stays, for a budget in bytes (None: int8, int4 and rotated rows compete with the
    cuts; an empty sequence: none); tried at every step towards a `max_drop`; for a factor, the one that is to store it.
    rounding: share of the fine-tuning in which weights act as they will be stored (`carry_out`).
    workers: those who score and fine-tune together, each of whom calls this with the same arguments
    (`recprune.training.together`); None: this one alone. A `max_drop` is met by one alone.
    Raises BudgetError where the budget cannot be met, SurveyError where the model cannot be traced.

    >>> smaller = prune(model, split, factor=0.5)
    >>> smaller.plan.account().share_removed
    0.503
    """
    if budget is not None and budget.max_drop is not None:
        if workers is not None and workers.size > 1:
            raise BudgetError(f"{budget.amount} is met by trying, which one worker does: leave the others out")
        ways = ENCODINGS if encodings is None else encodings
        return within_drop(
            model,
            split,
            budget,
            encodings=ways,
            rule=rule,
            options=options,
            distilled=distilled,
            seed=seed,
            stage=stage,
        )
    tuning = (options or usual_tuning(model, split)) if finetuned else None
    chosen = plan(
        model,
        split,
        factor,
        budget=budget,
        rule=rule,
        encodings=encodings,
        tuning=tuning,
        seed=seed,
        stage=stage,
        workers=workers,
    )
    return carry_out(
        model,
        split,
        chosen,
        options=options,
        finetuned=finetuned,
        distilled=distilled,
        rounding=rounding,
        stage=stage,
        workers=workers,
    )


def plan(
    model: nn.Module,
    split: Split,
    factor: float | None = None,
    *,
    budget: Budget | None = None,
    rule: str | Rule | None = None,
    encodings: Sequence[str] | None = None,
    tuning: FitOptions | None = None,
    seed: int = 0,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Plan:
    """Survey, score and choose. The arguments are those of `prune`.

    tuning: of the fine-tuning that is to follow: where several kinds of unit compete they are then compared by what one
    epoch of it leaves of the loss (`recovery`), and plans are tried (`weighed`); None compares them as they are before.
    Ids leave only where a vocabulary of the split can shrink along (`followed`).
    workers: each looks at its share of the probe's batches, and all of them hand back the plan of the first.
    """
    budget = budget or usual_budget(0.5 if factor is None else factor)
    if budget.max_drop is not None:
        raise BudgetError(
            f"{budget.max_drop}: this is known after fine-tuning, which a plan comes before; `recprune run ... "
            "--max-drop` and recprune.prune meet it"
        )
    found = rate(
        model,
        split,
        budget,
        rule=rule,
        encodings=encodings,
        tuning=tuning,
        seed=seed,
        stage=stage,
        workers=workers,
    )
    return choose_by(
        found,
        model,
        split,
        budget,
        encodings=encodings,
        tuning=tuning,
        seed=seed,
        stage=stage,
        workers=workers,
    )
