"""agree(): the pruned model and the masked original are asked the same things, and their answers are compared."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.artifact.proof import Agreement, Proof, Table
from recprune.artifact.writing import checksum
from recprune.data.dataset import Split
from recprune.data.vocabulary import Vocabulary
from recprune.encodings.codes import Codes
from recprune.encodings.item_bytes import ItemBytes
from recprune.encodings.pairs import Pairs
from recprune.encodings.placing import packed_weights
from recprune.encodings.spelled import name_of
from recprune.evaluation.inputs import ranks, row_inputs, user_inputs
from recprune.planning.plan import Plan
from recprune.recipe.probing import code_counts
from recprune.recipe.shelf import drawn
from recprune.recipe.stages import Stage, silent
from recprune.surgery import apply, dense_tensors, masked, shrink_inputs, shrink_outputs, without_norms
from recprune.tracing.build import fingerprint, named_tensors
from recprune.tracing.inputs import call, laid_flat
from recprune.tracing.kept_width import still

__all__ = ["REQUESTS", "agree", "agreement", "asks", "proven"]

REQUESTS = 10_000
"""Users, or rows, that are asked; all of them where there are fewer."""
WORK = 5e11
"""Multiplications that are spent on a dense model of all items: fewer requests are made where one takes very many."""
LARGE = 250_000_000
"""Numbers of an original that is asked without having been told to: it is held several times meanwhile."""
LIST = 100
"""Rows that make a list, for a model that scores one row at a time."""

ROWS = 1024
"""Rows of a sparse matrix that are looked at together."""

Inputs = tuple[Tensor, ...]


def agree(
    model: nn.Module,
    plan: Plan,
    small: nn.Module,
    vocabularies: Mapping[str, Vocabulary],
    split: Split | None = None,
    *,
    requests: int = REQUESTS,
    k: int = 20,
    seed: int = 0,
) -> Proof:
    """Prove that `small`, as it is stored, answers as the masked original does.

    model: the original; small: what was made of it by the plan, trained further or not, packed or not. The reference
    is the original with the units masked that leave, in which the (decoded) numbers of the small one stand. Asked are
    users (rows) of train, drawn without repetition, or drawn ids where there is no data. Of matrices stored as codes it
    is compared how far rows moved, where they were not trained after the cut. Raises PlanError for a plan of another
    model, SurgeryError where the small model does not come from this cut.
    """
    reference = masked(model, plan, small=small)
    batches = asks(model, vocabularies, split, requests=requests, seed=seed)
    cut = agreement(reference, small, plan, batches, k=k)
    example = next(iter(asks(model, vocabularies, split, requests=3, seed=seed)))
    trained, tables = _tables(model, plan, small, example, split)
    where = "drawn ids" if split is None else "users" if ranks(model) else "rows"
    return Proof(cut, tables, plan.survey.fingerprint, checksum(small), where, seed, trained)


def proven(
    model: nn.Module,
    plan: Plan,
    small: nn.Module,
    vocabularies: Mapping[str, Vocabulary],
    split: Split | None = None,
    *,
    seed: int = 0,
    stage: Stage = silent,
) -> Proof | None:
    """What `agree` finds, said on the way; None where the plan is of another model, as after schedules that train anew,
    or the original has more than LARGE numbers: `verify` asks it when somebody wants to know.
    """
    if plan.survey.fingerprint != fingerprint(model) or sum(p.numel() for p in model.parameters()) > LARGE:
        return None
    with stage("prove") as say:
        found = agree(model, plan, small, vocabularies, split, seed=seed)
        say(found.sentence())
    return found


def asks(
    model: nn.Module,
    vocabularies: Mapping[str, Vocabulary],
    split: Split | None,
    *,
    requests: int = REQUESTS,
    seed: int = 0,
) -> Iterator[Inputs]:
    """Inputs in the codes of the original, batch by batch."""
    numbers = sum(p.numel() for p in model.parameters())
    listed = ranks(model)
    most = min(requests, max(256, int(WORK / max(numbers, 1)))) if listed else requests
    step = 64 if listed else 10 * LIST
    if split is None:
        for start in range(0, most, step):
            yield drawn(model, vocabularies, min(step, most - start), seed + start)
        return
    rng, histories = np.random.default_rng(seed), split.train.histories() if listed else None
    there = np.arange(len(split.train)) if histories is None else np.flatnonzero(histories.counts())
    chosen = np.sort(rng.permutation(there)[:most])
    for start in range(0, len(chosen), step):
        part = chosen[start : start + step]
        yield row_inputs(model, split.train, part) if histories is None else user_inputs(model, histories, part)


def agreement(reference: nn.Module, small: nn.Module, plan: Plan, batches: Iterator[Inputs], *, k: int) -> Agreement:
    """Both asked batch by batch."""
    floats = {t.dtype for t in named_tensors(reference).values() if t.is_floating_point()}
    share = 1e-5 if floats <= {torch.float32, torch.float64} else 2e-2
    requests = lists = same = tied = 0
    largest, allowed, longest = 0.0, share, 0
    for inputs in batches:
        with torch.no_grad(), still(reference), still(small):
            before = _scores(shrink_outputs(plan, call(reference, inputs)))
            after = _scores(call(small, shrink_inputs(plan, inputs, plan.survey.columns)))
        requests += len(inputs[0])
        lists += len(before)
        apart, size = _apart(before, after)
        largest, allowed = max(largest, apart), max(allowed, share * size)
        longest = max(longest, min(k, before.shape[1]))
        equal, near = _lists(before, after, k, 2 * share * max(1.0, size))
        same, tied = same + equal, tied + near
    return Agreement(requests, lists, longest, same, tied, largest, allowed)


def _scores(said: Any) -> Tensor:
    """(lists, candidates) scores; a model that gives one score a row is asked for lists of LIST rows."""
    scores = said if isinstance(said, Tensor) else next(iter(laid_flat((said,)).values()))
    if scores.dim() > 1 and scores.shape[-1] > 1:
        return scores.detach().reshape(-1, scores.shape[-1]).double()
    flat = scores.detach().reshape(-1).double()
    return flat.view(-1, LIST) if len(flat) % LIST == 0 and len(flat) else flat.view(1, -1)


def _apart(before: Tensor, after: Tensor) -> tuple[float, float]:
    """The largest difference, and the largest score, at least 1."""
    equal = (before == after) | (before.isnan() & after.isnan())
    far = torch.where(equal, torch.zeros_like(before), (before - after).abs())
    finite = before[before.isfinite()].abs()
    worst = float(far.max()) if far.numel() else 0.0
    return worst if math.isfinite(worst) else math.inf, max(1.0, float(finite.max()) if finite.numel() else 1.0)


def _lists(before: Tensor, after: Tensor, k: int, near: float) -> tuple[int, int]:
    """Lists whose best k are the same in order, and those that differ among ties alone."""
    k = min(k, before.shape[1])
    first, then = before.topk(k, 1).indices, after.topk(k, 1).indices
    equal = (first == then).all(1)
    one, other = before.gather(1, first), before.gather(1, then)
    ties = ((one - other).abs().nan_to_num(0.0) <= near).all(1) & ~equal
    return int(equal.sum()), int(ties.sum())


def _tables(
    model: nn.Module, plan: Plan, small: nn.Module, example: Inputs, split: Split | None
) -> tuple[bool, dict[str, Table]]:
    """Whether it was trained after the cut, and of every matrix stored as codes how far it is off."""
    cut = apply(model, plan, example, counts=None if split is None else code_counts(split), packed=False)
    cut = without_norms(cut, plan)
    names = plan.survey.shapes
    was, now = dense_tensors(cut, names), dense_tensors(small, names)
    kinds = {name: packed.stored for name, packed in packed_weights(small)}
    sparse = {n: one for n, one in kinds.items() if isinstance(one, ItemBytes | Pairs) and n not in names}
    coded = kinds.keys() | {f"{name.removesuffix('weight')}values" for name in sparse}
    trained = any(not torch.equal(was[name], now[name]) for name in was if name not in coded)
    told = {name: encoding.options for name, encoding in plan.packed().items()}
    return trained, {
        name: _of_entries(sparse[name], None if trained else cut.get_submodule(name.removesuffix(".weight")))
        if name in sparse
        else _table(stored, None if trained else was[name], now[name], told.get(name, {}))
        for name, stored in kinds.items()
    }


def _of_entries(stored: ItemBytes | Pairs, was: Any) -> Table:
    """The same of a sparse matrix that was never dense, some rows at a time. was: an `ItemItem`, or None."""
    now = stored.opened()
    before, bound, moved = now if was is None else was, 0.0, 0.0
    for begin in range(0, now.out_features, ROWS):
        one, other = before.block(begin, begin + ROWS), now.block(begin, begin + ROWS)
        entries = int((other != 0).sum())
        bound = max(bound, float(type(stored).bound(one, entries=entries).max()) if entries else 0.0)
        moved = max(moved, float((one - other).norm(dim=1).max()))
    return Table(name_of(type(stored)), bound, None if was is None else moved)


def _table(stored: Codes, was: Tensor | None, now: Tensor, told: Mapping[str, int]) -> Table:
    options = {**type(stored).options(dict(stored.named_buffers())), **told}
    bound = float(type(stored).bound((now if was is None else was).detach().float().flatten(1), **options).max())
    moved = None if was is None else float((was - now).detach().float().flatten(1).norm(dim=1).max())
    return Table(name_of(type(stored)), bound, moved)
