"""The honest rivals of a pruned model: chance, the same size from scratch, bits alone, rare ids alone."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.data.dataset import Split
from recprune.encodings.folded import FOLDED
from recprune.errors import BudgetError, ExtensionError, RecpruneError
from recprune.importance.rules.frequency import Frequency
from recprune.importance.score import score, spelled
from recprune.packing import pack, storing, unpack
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.held import cut_by_entries
from recprune.planning.plan import Plan
from recprune.recipe.chance import drawn_alike
from recprune.recipe.probing import probe
from recprune.recipe.pruned import Pruned, carry_out, followed
from recprune.recipe.restrict import restrict
from recprune.recipe.rounding import ROUNDING, rounding_in
from recprune.recipe.stages import Stage, epochs, silent
from recprune.recipe.uses import uses
from recprune.rewrites.fold_norm import unfold_norm
from recprune.surgery import pack_planned
from recprune.tracing.site import Kind, Survey
from recprune.training.fit import Fit, FitOptions, fit
from recprune.training.scratch import fresh_copy

__all__ = [
    "BITS",
    "RIVALS",
    "TRAINED",
    "Rivals",
    "by_chance",
    "by_rare_ids",
    "from_scratch",
    "in_bits",
    "rivals_of",
    "stored_alone",
    "work_of",
]

TRAINED = ("random", "from scratch", "rare ids")
"""Names of the rivals that are trained."""

BITS = {"int8 rows": "int8_rows", "int4 rows": "int4_rows"}
"""Name of a rival that is the large model in fewer bits -> how it is stored."""

RIVALS = (*TRAINED, *BITS)
"""Names of all rivals, in the order in which they are shown."""


@dataclass(frozen=True, slots=True, eq=False)
class Rivals:
    """models: name -> rival; codes: name -> its renumbering, where ids left. without: name -> why there is none."""

    models: dict[str, nn.Module] = field(default_factory=dict)
    codes: dict[str, Any] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)


def rivals_of(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    tuning: FitOptions,
    options: FitOptions,
    distilled: bool = False,
    names: Collection[str] = RIVALS,
    seed: int = 0,
    stage: Stage = silent,
) -> Rivals:
    """Every rival of those names that there can be, and a word on every one that there cannot.

    tuning: of what is cut and trained further, as the pruned model was; options: of the training from scratch, with the
    epochs of the large model's training and the fine-tuning together. distilled: the model teaches those that are cut.
    Raises ExtensionError for a name that there is not.
    """
    unknown = set(names) - set(RIVALS)
    if unknown:
        raise ExtensionError(f"no rival named {sorted(unknown)[0]!r}; there are: {', '.join(RIVALS)}")
    make: dict[str, Callable[[], Pruned]] = {
        "random": lambda: by_chance(model, split, pruned, options=tuning, distilled=distilled, seed=seed),
        "from scratch": lambda: from_scratch(model, split, pruned, options=options, seed=seed),
        "rare ids": lambda: by_rare_ids(model, split, pruned, options=tuning, distilled=distilled),
    }
    out = stored_alone(model, [name for name in BITS if name in names])
    for name in (name for name in TRAINED if name in names):
        try:
            with stage(f"rival: {name}"):
                made = make[name]()
            out.models[name], out.codes[name] = made.model, made.renumber
        except RecpruneError as error:
            out.without[name] = str(error)
    return replace(out, models={name: out.models[name] for name in RIVALS if name in out.models})


def stored_alone(
    model: nn.Module, names: Collection[str] = tuple(BITS), without: Mapping[str, str] | None = None
) -> Rivals:
    """The rivals that take no training: the large model in fewer bits. without: what else is not there, and why."""
    out = Rivals(without=dict(without or {}))
    for name in names:
        try:
            out.models[name] = in_bits(model, BITS[name])
        except RecpruneError as error:
            out.without[name] = str(error)
    return out


def in_bits(model: nn.Module, encoding: str) -> nn.Module:
    """The large model, uncut and trained no further, with every matrix that gets smaller stored by an encoding.

    Raises BudgetError where none gets smaller, SurgeryError where one cannot be stored so.
    """
    ways = storing(model, encoding)
    if not ways:
        raise BudgetError(f"no matrix of this model gets smaller by {encoding}")
    return pack(model, ways)


def by_rare_ids(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    options: FitOptions | None = None,
    distilled: bool = False,
    stage: Stage = silent,
) -> Pruned:
    """The same bytes, met by dropping the rarest ids alone, fine-tuned and stored in the same bits.

    The ids that occur least in train share their column's fall-back row, whatever the model says: what a threshold on
    counts does before training. Raises BudgetError where the bytes cannot be met so, or are met by the bits alone.
    """
    found, size = followed(pruned.plan.survey, split), pruned.plan.file_bytes()
    budget = Budget(bytes=size, kinds=frozenset({Kind.ID}))
    stored = {n: e for n, e in _packed(pruned.plan).items() if "k" not in pruned.plan.packed()[n].kind.known}
    stored |= {n: text for n, text in pruned.plan.encodings.items() if text == FOLDED}
    scores = score(found, Frequency(), probe(model, found, split, most=1), kinds=budget.kinds)
    drawn = choose(pruned.plan.survey, scores, budget, rule=spelled(Frequency()), encodings=stored)
    if not drawn.kept:
        raise BudgetError(f"no id has to leave: the bits alone meet {size:,} bytes", bytes=size)
    return carry_out(model, split, drawn, options=options, distilled=distilled, stage=stage)


def by_chance(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    options: FitOptions | None = None,
    distilled: bool = False,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """The same number of units of every site, drawn at random (`drawn_alike`), fine-tuned and stored alike.

    distilled: the model teaches. Raises BudgetError where chance has nothing to choose.
    """
    drawn = drawn_alike(pruned.plan, seed)
    return carry_out(model, split, drawn, options=options, distilled=distilled, stage=stage)


def from_scratch(
    model: nn.Module,
    split: Split,
    pruned: Pruned,
    *,
    options: FitOptions,
    rounding: float = ROUNDING,
    seed: int = 0,
    stage: Stage = silent,
) -> Pruned:
    """The same size with newly drawn weights, trained by `options`: give them the epochs of the large model's training
    and of the fine-tuning together. Its weights are stored as those of the pruned model are, and act so in the last
    share `rounding` of its epochs (`carry_out`).

    An item-item matrix has nothing to draw: its rival keeps as many entries, those of the most similar items by cosine,
    chosen before any model is trained, and is solved on them (fsSLIM; Ning & Karypis 2011, section 4.3).
    """
    if cut_by_entries(pruned.plan.survey, pruned.plan.encodings):
        scores, stored = _similar(pruned.plan.survey, split), pruned.plan.encodings
        drawn = choose(
            pruned.plan.survey, scores, pruned.plan.size_budget(), rule="cosine of the histories", encodings=stored
        )
        return carry_out(model, split, drawn, options=options, stage=stage)
    fresh = fresh_copy(unfold_norm(unpack(pruned.model)), seed)
    with stage("train from scratch") as say, rounding_in(fresh, pruned.plan, options, rounding, split) as steps:
        own = restrict(split, pruned.renumber)
        done = fit(fresh, own, options, progress=epochs(say, options.epochs), before_epoch=steps)
    return replace(pruned, model=pack_planned(fresh, pruned.plan, used=uses(pruned.plan, split)), fit=done)


def _packed(plan: Plan) -> dict[str, str]:
    """What the plan stores in fewer bits."""
    return {name: str(encoding) for name, encoding in plan.packed().items()}


def work_of(*fits: Fit | None) -> int:
    """Epochs of several trainings together, at least 1."""
    return max(1, sum(len(one.history) for one in fits if one is not None))


def _similar(found: Survey, split: Split) -> dict[str, Tensor]:
    """Entry site -> (items * items,) cosine of every two items over the users of train."""
    matrix = split.train.histories().matrix()
    together = np.asarray((matrix.T @ matrix).todense(), dtype=np.float32)
    norms = np.sqrt(np.maximum(together.diagonal(), 1.0))
    cosine = together / norms[:, None] / norms[None, :]
    np.fill_diagonal(cosine, 0.0)
    flat = torch.from_numpy(cosine.reshape(-1))
    return {site.name: flat for site in found.sites if site.kind is Kind.ENTRY}
