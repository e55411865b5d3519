"""weighed(): kinds of unit weighed against each other by trying: plans are carried out and fine-tuned for a while."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.evaluation.inputs import ranks
from recprune.importance.probe import Probe
from recprune.planning.plan import Plan
from recprune.recipe.an_epoch import loss_after, some_rows
from recprune.recipe.probing import MOST, PER_ID
from recprune.recipe.stages import Stage, silent
from recprune.tracing.site import Kind
from recprune.training.options import FitOptions
from recprune.training.together import Alone

__all__ = ["BEST", "BITS", "EPOCHS", "FACTOR", "TRIES", "Estimate", "weighed"]

BITS = "bits"
"""What is weighed beside the kinds of unit."""

FACTOR = 4.0
"""A kind is taken to cost so many times as much as it was estimated to, or so many times less."""

TRIES = 10
"""Plans that are tried at most, beside the one that comes from the scores as they are and those that are given."""

BEST = 4
"""Plans that are tried once more."""

EPOCHS = 4
"""For so many epochs, or as many as the fine-tuning has."""

Weights = dict[str, float]

Estimate = Callable[[Mapping[str, Tensor], float], Plan]
"""(scores, weight of bits) -> the plan."""


def weighed(
    model: nn.Module,
    split: Split,
    first: Plan,
    scores: Mapping[str, Tensor],
    asked: Probe,
    estimate: Estimate,
    *,
    others: Mapping[str, Plan] | None = None,
    options: FitOptions | None = None,
    seed: int = 0,
    stage: Stage = silent,
    workers: Alone | None = None,
) -> Plan:
    """The plan, of the first and some others, whose model has the smallest loss after some fine-tuning.

    Scores say what units of a kind cost after fine-tuning when they leave alone (`recovered`); together, for a small
    budget, kinds cost more or less than that by up to several times. So the plan is made again with the cost of one
    kind, or of bits, `FACTOR` times and 1 / `FACTOR` times what it was; then further in the direction that was best,
    for as long as that helps. Each plan that is new is carried out and fine-tuned for one epoch, on 262,144
    rows at most, and judged by the loss on the rows of the probe. One epoch tells good plans from bad ones, not the
    good ones apart: the `BEST` of them are fine-tuned anew, for `EPOCHS`, and the best of these is taken.
    first: the plan by the scores as they are. others: what it is called -> a plan that was made otherwise, and is tried
    beside it. Models that rank are not tried, as their epochs are long. workers: of those who plan together the first
    tries, and all go by its losses.
    """
    if ranks(model):
        return first
    plans = _Plans(first, scores, estimate, others or {})
    most = TRIES + len(plans.found)
    ways = [{name: factor} for name in [*plans.named(), BITS] for factor in (FACTOR, 1 / FACTOR)]
    for weights in ways:
        plans.add(weights)
    if len(plans.found) == 1:
        return first
    part, losses = some_rows(model, split, PER_ID * MOST, seed), dict[str, float]()
    with stage("weigh") as say:

        def loss(label: str, epochs: int) -> float:
            plan = plans.found[label][0]
            found = loss_after(model, part, plan, asked, options, seed=seed, workers=workers, epochs=epochs)
            say(f"{plans.words(label)}: loss {found:.5g} after {'an epoch' if epochs == 1 else f'{epochs} epochs'}")
            return found

        def tried(label: str) -> float:
            losses[label] = loss(label, 1)
            return losses[label]

        best = min(list(plans.found)[:most], key=tried)
        while len(losses) < most:
            label = plans.further(best)
            if label is None or tried(label) >= losses[best]:
                break
            best = label
        epochs = EPOCHS if options is None else min(EPOCHS, options.epochs)
        if epochs > 1:
            best = min(sorted(losses, key=losses.__getitem__)[:BEST], key=lambda label: loss(label, epochs))
        say(f"{len(losses)} plans tried, best: {plans.words(best)}")
    return plans.found[best][0]


class _Plans:
    """Plans that differ, and the weights that they come from.

    found: label -> (plan, weights), the first plan in front, whose weights are all 1, and behind it those that were
    made otherwise, which have none either. others: what each of these is called -> the plan.
    """

    def __init__(
        self, first: Plan, scores: Mapping[str, Tensor], estimate: Estimate, others: Mapping[str, Plan]
    ) -> None:
        self.found = {_label(first): (first, Weights())}
        self._names = {_label(plan): name for name, plan in others.items()}
        for plan in others.values():
            self.found.setdefault(_label(plan), (plan, Weights()))
        self._scores, self._estimate = scores, estimate
        self._kinds = {name: first.survey.site(name).kind for name in scores}

    def named(self) -> list[Kind]:
        """Kinds of unit that can be weighed."""
        return sorted(set(self._kinds.values()))

    def words(self, label: str) -> str:
        """How people are told of a plan."""
        weights = ", ".join(f"{name} x {factor:g}" for name, factor in self.found[label][1].items())
        return weights or ("as estimated" if label == next(iter(self.found)) else self._names[label])

    def add(self, weights: Weights) -> str | None:
        """The label of the plan by these weights, or None where it was found before."""
        brought = {name: worth * weights.get(self._kinds[name], 1.0) for name, worth in self._scores.items()}
        plan = self._estimate(brought, weights.get(BITS, 1.0))
        label = _label(plan)
        if label in self.found:
            return None
        self.found[label] = plan, weights
        return label

    def further(self, label: str) -> str | None:
        """The label of the plan whose weights go the same way once more; None where that is no other plan, and for the
        first, which goes nowhere."""
        weights = self.found[label][1]
        more = {name: factor * (FACTOR if factor > 1 else 1 / FACTOR) for name, factor in weights.items()}
        return self.add(more) if more else None


def _label(plan: Plan) -> str:
    """Tells plans apart."""
    return repr(({n: units.tobytes() for n, units in plan.kept.items()}, sorted(plan.encodings.items())))
