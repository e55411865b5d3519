"""decide(): scores become a plan: measured, corrected, and with the bits that pay, where the budget is in bytes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from recprune.encodings.folded import FOLDED, folded_norms
from recprune.errors import BudgetError
from recprune.evaluation.inputs import ranks
from recprune.importance.probe import Probe
from recprune.packing import folding, storing
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.corrected import ROUNDS, corrected
from recprune.planning.joint import ENCODINGS, joint
from recprune.planning.measured import Counts
from recprune.planning.plan import Plan
from recprune.recipe.stages import Stage, silent
from recprune.rewrites.fold_norm import layer_before
from recprune.tracing.site import FLAT, Kind, Survey

__all__ = ["decide", "entries_alone"]


def entries_alone(found: Survey, encodings: Sequence[str] | None) -> bool:
    """Whether entries of dense matrices are all that can leave, and those that stay may be stored by item_bytes: then
    no bits compete with the cuts."""
    return 0 < len(_flat(found)) == len(found.sites) and (encodings is None or "item_bytes" in encodings)


def _flat(found: Survey) -> list[str]:
    return [cut.tensor for site in found.sites for cut in site.cuts if site.kind is Kind.ENTRY and cut.dim == FLAT]


def decide(
    model: nn.Module,
    found: Survey,
    scores: Mapping[str, Tensor],
    asked: Probe,
    budget: Budget,
    *,
    rule: str = "",
    encodings: Sequence[str] | None = None,
    rounds: int = ROUNDS,
    counts: Counts | None = None,
    left: float = 1.0,
    stage: Stage = silent,
) -> Plan:
    """The plan for a budget that is a factor or bytes.

    scores: where several sites compete, in one currency (`measured`); the plan is then measured as a whole and
    corrected in up to `rounds` rounds (`corrected`); 1 where scores are of after fine-tuning, which is not measured
    there. left: as for `joint`. encodings: that may store what stays, for a budget in bytes; None takes `ENCODINGS`, an
    empty sequence none.
    For a factor, which counts parameters, one encoding may be named: it stores every matrix that it makes smaller.
    Where entries of item-item matrices are all that can leave, those that stay are stored by item_bytes, if it is
    among the encodings or none are named: bits and entries need not compete there.
    Raises BudgetError where the budget cannot be met.
    """
    if budget.bytes is None and encodings and len(encodings) > 1:
        raise BudgetError(
            f"for {budget.amount} one encoding may store what stays, not {' and '.join(encodings)}; several compete "
            "for a budget in bytes",
            encodings=tuple(encodings),
        )
    how: dict[str, Any] = {"rule": rule, "rounds": rounds, "counts": counts}
    with stage("choose") as say:
        if budget.bytes is not None and entries_alone(found, encodings):
            chosen = choose(found, scores, budget, rule=rule, encodings=dict.fromkeys(_flat(found), "item_bytes"))
        elif budget.bytes is not None and (encodings is None or encodings):
            names = ENCODINGS if encodings is None else encodings
            norms = _norms(asked) if FOLDED in names else {}
            how["spare"] = () if ranks(model) else (Kind.ID,)  # a list is judged by its order, and not by the loss
            chosen = joint(model, found, scores, asked, budget, names=names, left=left, say=say, **norms, **how)
        else:
            stored = storing(model, encodings[0]) if encodings else {}
            chosen = _cut(found, scores, asked, budget, stored, say, **how)
        account = chosen.account()
        say(f"{account.share_removed:.1%} of {account.parameters_before:,} parameters leave")
    return chosen


def _cut(
    found: Survey,
    scores: Mapping[str, Tensor],
    asked: Probe,
    budget: Budget,
    stored: Mapping[str, str],
    say: Callable[[str], None],
    **how: Any,
) -> Plan:
    """A plan in which encodings are settled. how: rule, and rounds and counts where several sites compete."""
    if len(scores) < 2:
        return choose(found, scores, budget, rule=how["rule"], encodings=stored)

    def told(number: int, rounds: int, rise: float) -> None:
        say(f"round {number} of {rounds}: the loss rises by {rise:.4g}")

    return corrected(asked.model, found, scores, asked, budget, encodings=stored, progress=told, **how)


def _norms(asked: Probe) -> dict[str, Any]:
    """What `joint` is told of norms that are folded: their tensors, and the weights that take them in."""
    inputs = next((tuple(inputs) for inputs, _ in asked.batches), None)
    tensors = folding(asked.model, inputs)
    into = {f"{layer_before(asked.model, path)}.weight" for path in folded_norms(tensors)}
    return {"folded": tensors, "scaled": into}
