"""Shrinker: prune while you train, in a loop that is written by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from torch import Tensor, nn
from torch.optim import Optimizer

from recprune.errors import BudgetError
from recprune.evaluation.inputs import device_of
from recprune.importance.passes import Batch, Loss
from recprune.importance.probe import Probe
from recprune.importance.score import Rule, score, spelled
from recprune.integrations.carry_over import carry_over_
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.compose import remainder
from recprune.planning.lifted import lifted
from recprune.planning.measured import measured
from recprune.planning.origins import Origins
from recprune.planning.plan import Plan
from recprune.recipe.gradual import cubic, towards
from recprune.recipe.pruned import as_rule, usual_budget
from recprune.surgery import apply
from recprune.tracing.inputs import Example, changed
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey

__all__ = ["INSIDE", "Shrinker"]

INSIDE = frozenset({Kind.DIM, Kind.NEURON, Kind.FILTER, Kind.HEAD})
"""Units whose leaving changes nothing about what a model is called with."""


class Shrinker:
    """Makes a model physically smaller between epochs, step by step, until a budget is met.

    budget: the share of the parameters to remove, or a `Budget` of a factor or of bytes, of the model as it is at the
    first cut. Dims, neurons, filters and heads leave, so that batches stay as they are; ids, fields and entries stay.
    example: a small batch that the model can be called with, as for `recprune.survey`. at: after how many epochs it is
    cut, ascending: much at the first of them, less and less later (Zhu & Gupta 2017, section 3), and after the last the
    budget is met. batches and loss: ((inputs, ...), target) pairs and loss(output, target), by which the units are
    rated and what leaves together is measured; without them weights are all that there is to go by.
    rule: None takes "taylor" with batches and "magnitude" without.

    plan: what has left so far, of the model as it was; None before the first cut. `recprune.apply(model, plan,
    example)` makes the same shapes at once.
    Raises BudgetError for a budget that has to be measured, no epoch, or epochs that do not rise.

    >>> shrinker = Shrinker(0.8, (users, items), at=(2, 4, 6))
    >>> for epoch in range(10):
    ...     train_one_epoch(model, optimizer)
    ...     model = shrinker(model, optimizer, done=epoch + 1)
    """

    def __init__(
        self,
        budget: float | Budget,
        example: Example,
        *,
        at: Sequence[int],
        rule: str | Rule | None = None,
        batches: Iterable[Batch] = (),
        loss: Loss | None = None,
        seed: int = 0,
    ) -> None:
        said = budget if isinstance(budget, Budget) else usual_budget(budget)
        towards(said, 1.0, 0)
        if not at or list(at) != sorted(set(at)) or at[0] < 0:
            raise BudgetError(f"at says after which epochs the model is cut, ascending, as in (2, 4, 6); not {at!r}")
        self.budget = replace(said, kinds=said.kinds & INSIDE)
        self.at = tuple(at)
        self.plan: Plan | None = None
        self._example, self._batches, self._loss = example, tuple(batches), loss
        self._rule = as_rule(rule or ("taylor" if loss is not None and self._batches else "magnitude"), seed)

    def __call__(self, model: nn.Module, *optimizers: Optimizer, done: int) -> nn.Module:
        """The model to go on with after `done` epochs: the same where none is cut, else a new, smaller one, with whose
        parameters and what they remember of them the optimizers go on (`carry_over_`).

        The new model answers as the old one does with zeros where units left; that is checked.
        Raises BudgetError (at the first cut) where the budget cannot be met, SurveyError where the model cannot be
        traced, PlanError for another model than the last one that was given back.
        """
        if done not in self.at:
            return model
        found = survey(model, self._on(model))
        first = self.plan or Plan(found, {}, Budget(0.0))
        chosen = self._chosen(model, Origins(first, found), self.at.index(done))
        further = remainder(chosen, first, found)
        small = apply(model, further, self._on(model), packed=False)
        for optimizer in optimizers:
            carry_over_(optimizer, model, small, further)
        self.plan = chosen
        return small

    @property
    def met(self) -> bool:
        """Whether as much has left as was asked for."""
        return self.plan is not None and self.plan.meets(self.budget)

    def _chosen(self, model: nn.Module, origins: Origins, step: int) -> Plan:
        """What has left after a step; before the first of them it is seen whether the last can be made."""
        first, rule = origins.first, spelled(self._rule)
        whole = Plan(first.survey, {}, Budget(0.0)).file_bytes()
        budget = towards(self.budget, cubic(1.0, len(self.at))[step], whole)
        if first.meets(budget):
            return replace(first, budget=budget)
        told = lifted(self._scores(model, origins), origins)
        if self.plan is None:
            choose(first.survey, told, self.budget, rule=rule)
        return choose(first.survey, told, budget, rule=rule)

    def _scores(self, model: nn.Module, origins: Origins) -> Mapping[str, Tensor]:
        asked = Probe(model, origins.survey, self._batches, self._loss)
        scores = score(origins.survey, self._rule, asked, kinds=self.budget.kinds)
        if self._loss is None or not self._batches or len(scores) < 2:
            return scores
        return measured(model, origins.survey, scores, asked)

    def _on(self, model: nn.Module) -> Example:
        """The example where the model is."""
        place = device_of(model)
        moved: Example = changed(self._example, lambda _, tensor: tensor.to(place))
        return moved
