"""joint: cuts and bits in one plan. Every byte is spent where it counts."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import ItemItem
from recprune.encodings.pairs import Pairs
from recprune.encodings.placing import refusal
from recprune.encodings.spelled import spelled
from recprune.errors import BudgetError
from recprune.importance.probe import Probe
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.corrected import corrected
from recprune.planning.file_size import file_size, planned_facts
from recprune.planning.filled import filled
from recprune.planning.held import sparse_matrices
from recprune.planning.hull import lower_hull
from recprune.planning.measured import Counts, rise_without
from recprune.planning.plan import Plan
from recprune.planning.sized import sized
from recprune.planning.step import Step
from recprune.tracing.build import named_tensors
from recprune.tracing.site import Kind, Survey

__all__ = ["ENCODINGS", "Step", "by_estimate", "encoding_steps", "joint"]

ENCODINGS = (
    *("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows"),
    *("shared_values", "product_rows", "bf16", FOLDED),
)
"""Encodings that a plan tries where none are named; batch norms go into the layers before them."""

TINY = 1e-12

FAINT = 1e-3
"""Share of the loss that a tensor of which nothing is left is taken to add to the measured rise, by bits or by cuts:
what cannot be told apart by the loss is told apart by how near the weights come."""

MEASURED = 4
"""Plans that look best by estimate and are measured."""

Say = Callable[[str], None]


def joint(
    model: nn.Module,
    survey: Survey,
    scores: Mapping[str, Tensor],
    probe: Probe,
    budget: Budget,
    *,
    names: Sequence[str] = ENCODINGS,
    folded: Mapping[str, str] | None = None,
    scaled: Collection[str] = (),
    rule: str = "",
    rounds: int = 3,
    counts: Counts | None = None,
    left: float = 1.0,
    spare: Collection[Kind] = (),
    say: Say | None = None,
) -> Plan:
    """A plan for a budget in bytes in which units that leave and tensors stored in fewer bits compete per byte.

    model: what is to be cut; what it costs is measured on that of the probe, which has the same tensors.
    scores: in units of the loss (`measured`). For every matrix that can be packed the rise of the loss by each encoding
    is measured; going from one to the next that is worth it is a step with a price a byte, and steps are taken in the
    order of their prices: none, the first, the first two, and so on. For each such choice of encodings the units that
    must still leave are chosen; the plans that look cheapest by the sum of both are measured, and the best of them is
    corrected in `rounds` rounds (`corrected`); with 1 round the sums decide, as they must for scores of after
    fine-tuning; bytes that are left over go to bits (`filled`). So cuts alone and bits alone are two of the plans that
    it looks at. folded: tensors of norms that are folded, which costs nothing (`packing.folding`). scaled: weights of
    the layers that take them in: they are stored by what codes each row alone, as a norm multiplies rows. left: share
    of the rise by bits that fine-tuning leaves, where scores are of after it too. spare: as for `choose`.
    Raises BudgetError where the budget is not in bytes, or no choice meets it.
    """
    if budget.bytes is None:
        raise BudgetError(f"bits count for a budget in bytes, not for {budget.amount}", budget=budget.amount)
    tell = say or _silent
    steps = probe.once(("steps", *names), lambda: encoding_steps(model, survey, probe, names, tell, scaled))
    scores = _with_faint(survey, scores, probe)
    found = by_estimate(survey, scores, budget, steps, folded=folded, rule=rule, left=left, spare=spare)
    tries = MEASURED if rounds > 1 else 1
    measured = [(_rise(survey, plan, probe, counts), n, plan) for n, (_, plan) in enumerate(found[:tries])]
    rise, _, best = min(measured, key=lambda one: one[:2])
    tell(f"{len(found)} plans, {len(measured)} measured, rise {rise:.4g}")
    stored = {tensor: name for tensor, name in best.encodings.items() if name != "item_item"}
    best = filled(best, steps)
    if not best.kept or rounds < 2:
        return best
    asked = probe.model
    again = corrected(asked, survey, scores, probe, budget, rule=rule, encodings=stored, rounds=rounds, counts=counts)
    both = best, filled(again, steps)
    return min(both, key=lambda plan: _rise(survey, plan, probe, counts))


def by_estimate(
    survey: Survey,
    scores: Mapping[str, Tensor],
    budget: Budget,
    steps: Sequence[Step],
    *,
    folded: Mapping[str, str] | None = None,
    rule: str = "",
    left: float = 1.0,
    spare: Collection[Kind] = (),
) -> list[tuple[float, Plan]]:
    """(estimated rise of the loss, plan) for none of the steps, the first, the first two and so on, in the order of
    their prices; the cheapest plan first. The arguments are those of `joint`. Raises BudgetError where none meets it,
    that of the one that comes nearest.
    """
    steps = sorted(steps, key=lambda s: (s.price, s.tensor, s.encoding))
    found: list[tuple[float, Plan]] = []
    refused: list[BudgetError] = []
    for taken in range(len(steps) + 1):
        encodings = {**(folded or {}), **{step.tensor: step.encoding for step in steps[:taken]}}
        try:
            plan = choose(survey, scores, budget, rule=rule, encodings=encodings, spare=spare)
        except BudgetError as error:
            refused.append(error)
            continue
        cut = sum(float(scores[n][plan.leaving(survey.site(n))].sum()) for n in plan.kept)
        found.append((cut + left * sum(step.rise for step in steps[:taken]), plan))
        if not plan.kept:
            break
    if not found:
        raise min(refused, key=_reachable)
    return sorted(found, key=lambda pair: pair[0])


def _reachable(refused: BudgetError) -> Any:
    return refused.parts.get("reachable", 0)


def encoding_steps(
    model: nn.Module,
    survey: Survey,
    probe: Probe,
    names: Sequence[str] = ENCODINGS,
    say: Say | None = None,
    scaled: Collection[str] = (),
) -> list[Step]:
    """For every matrix that can be packed, the encodings that are worth it, from the dearest in bytes to the cheapest.

    Only corners of the lower convex hull of (bytes saved, rise) remain: what another encoding, or a mixture of two,
    does better is left out. A rise below 0 counts as 0. The squared error of the weights, relative to their squares,
    counts too, for next to nothing (`FAINT`): often the loss does not rise at all before weights are far off, and then
    bytes that are left over still go to weights that are nearer. scaled: as for `joint`.
    """
    tell, out = say or _silent, []
    for tensor in _packable(model, survey):
        tell(f"bits of {tensor}")
        shape = survey.shapes[tensor]
        left = {tensor: (shape, math.prod(shape))}
        whole = file_size(planned_facts(survey, left, {}))
        points = [(0, 0.0, "")]
        ways = dict.fromkeys(way for said in names if said != FOLDED for way in _ways(said, shape))
        for name in (way for way in ways if tensor not in scaled or spelled(way).kind.alone):
            saved = whole - file_size(planned_facts(survey, left, {tensor: name}))
            if saved > 0:
                points.append((saved, _rise_by(survey, probe, tensor, name), name))
        corners = _hull(sorted(points))
        out += [Step(tensor, b[2], b[1] - a[1], b[0] - a[0]) for a, b in pairwise(corners)]
    return out + list(_of_entries(model, survey))


def _rise_by(survey: Survey, probe: Probe, tensor: str, name: str) -> float:
    """The rise of the loss by an encoding of one tensor, 0 at least, and a faint share of what its weights are off."""
    weight = named_tensors(probe.model)[tensor].detach()
    decoded = spelled(name).encode(weight).dense()
    rise = rise_without(probe.model, survey, {}, probe, encodings={tensor: name}, decoded={tensor: decoded})
    off = float((decoded.double() - weight.double()).square().sum() / weight.double().square().sum().clamp(min=TINY))
    return max(rise, 0.0) + FAINT * max(abs(probe.loss), TINY) * off


def _with_faint(survey: Survey, scores: Mapping[str, Tensor], probe: Probe) -> dict[str, Tensor]:
    """The scores, and of each unit the faint share of the weights that leave with it."""
    faint, out, tensors = FAINT * max(abs(probe.loss), TINY), {}, named_tensors(probe.model)
    for name, worth in scores.items():
        site, off = survey.site(name), torch.zeros(len(worth), dtype=torch.float64)
        for cut in site.cuts:
            whole = float(tensors[cut.tensor].detach().float().square().sum())
            off += probe.weights(cut, site.size).square().sum(1).double() / max(whole, TINY)
        out[name] = worth.double() + faint * off
    return out


def _ways(name: str, shape: Sequence[int]) -> list[str]:
    """The encoding as it is written, or with each of the options that are worth trying where none are said."""
    found = spelled(name)
    if found.options:
        return [name] if math.prod(shape[1:]) <= found.kind.widest else []
    return [str(replace(found, options=options)) for options in found.kind.worth_trying(shape[0], math.prod(shape[1:]))]


def _of_entries(model: nn.Module, survey: Survey) -> Iterator[Step]:
    """Sparse matrices are stored by what is made for them, which changes nothing or next to nothing."""
    for tensor, one in sparse_matrices(survey).items():
        left = {part: (survey.shapes[part], math.prod(survey.shapes[part])) for part in (tensor, *one.beside)}
        stays = model.get_submodule(tensor.rpartition(".")[0])
        if isinstance(stays, ItemItem):
            names = ("pair_bits", "pair_gaps") if Pairs.suits(stays) else ("item_bytes",)
            sizes = [file_size(planned_facts(survey, left, sized(survey, {tensor: name}, {}))) for name in names]
            saved = file_size(planned_facts(survey, left, {})) - min(sizes)
            if saved > 0:
                yield Step(tensor, names[sizes.index(min(sizes))], 0.0, saved)


def _hull(points: list[tuple[int, float, str]]) -> list[tuple[int, float, str]]:
    """Corners of the lower convex hull; of points that save as much the first."""
    lowest: dict[int, tuple[float, str]] = {}
    for saved, rise, name in points:
        lowest.setdefault(saved, (rise, name))
    corners = lower_hull(list(lowest), [rise for rise, _ in lowest.values()])
    return [(int(saved), rise, lowest[int(saved)][1]) for saved, rise in corners]


def _packable(model: nn.Module, survey: Survey) -> Iterator[str]:
    learned = {n for n, t in named_tensors(model).items() if isinstance(t, nn.Parameter) and t.is_floating_point()}
    for tensor, shape in survey.shapes.items():
        path, _, attribute = tensor.rpartition(".")
        if tensor in learned and len(shape) > 1 and not refusal(model.get_submodule(path), attribute):
            yield tensor


def _rise(survey: Survey, plan: Plan, probe: Probe, counts: Counts | None) -> float:
    leaving = {site.name: plan.leaving(site) for site in survey.sites if site.name in plan.kept}
    return rise_without(probe.model, survey, leaving, probe, counts=counts, encodings=plan.encodings)


def _silent(_: str) -> None:
    return None
