"""apply: model + plan -> a new, smaller model, checked before it is handed back."""

from __future__ import annotations

import copy
from collections.abc import Container, Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.item_item import ItemItem, by_entries
from recprune.errors import SurgeryError
from recprune.packing import check_same, pack_weights, replace_module, unpack
from recprune.planning.plan import Plan
from recprune.rewrites.fold_norm import FoldedNorm, fold_norm, foldable, layer_before
from recprune.rewrites.open_attention import open_attention
from recprune.surgery.after import shrink_inputs
from recprune.surgery.checks import check_cut, check_model, check_packing, columns_of
from recprune.surgery.leaving import leaving_of, stays_of
from recprune.tracing.build import named_tensors
from recprune.tracing.cutting import Leaving, fallback_rows, masked_copy, smaller_copy
from recprune.tracing.inputs import Example, changed
from recprune.tracing.regrowing import regrown

__all__ = ["apply", "dense_tensors", "masked", "pack_planned", "without_norms"]

CPU = torch.device("cpu")


def apply(
    model: nn.Module,
    plan: Plan,
    example: Example,
    *,
    counts: Mapping[str, NDArray[Any]] | None = None,
    packed: bool = True,
) -> nn.Module:
    """A new model without the units that leave, its weights stored as the plan says; the old one is untouched.

    example: a small batch as for `survey`. counts: column -> how often each code occurs; where ids leave, their shared
    fall-back row becomes the mean of the rows that leave and of itself, weighed by these counts (the plain mean of what
    leaves where they are not given).
    packed=False leaves weights as they are after the cut, so that they can be trained; `pack_planned` packs them then.
    Before it is handed back the new model is compared: its parameters with the plan's account, its output with that of
    the old model with the same units masked, on the example and on a longer batch; and packed, as `pack` compares it.
    Raises PlanError for a plan of another model, SurgeryError where the smaller model does not run or does not equal
    the masked one or a weight cannot be packed, BudgetError for an encoding that would take no fewer bytes.
    """
    check_model(model, plan)
    check_packing(model, plan)
    columns, place = columns_of(model, plan), next((t.device for t in named_tensors(model).values()), CPU)
    if place.type == "cuda":  # which adds up in an order that goes by the shapes, so that nothing would be equal
        there = changed(example, lambda _, value: value.cpu(), columns)
        small = _cut(copy.deepcopy(model).cpu(), plan, there, counts or {}).to(place)
    else:
        small = _cut(model, plan, example, counts or {})
    return pack_planned(small, plan, shrink_inputs(plan, example, columns)) if packed else small


def pack_planned(
    model: nn.Module, plan: Plan, example: Example | None = None, *, used: Mapping[str, Tensor] | None = None
) -> nn.Module:
    """What `apply(..., packed=False)` made, fine-tuned or not, with its weights stored as the plan says: a new model.

    example: in the codes and columns of that model (`shrink_inputs`). A plan that packs nothing gives the model itself.
    Batch norms that the plan folds go first, into the layers before them. used: as for `pack`. Raises what `pack`
    raises, and SurgeryError where a norm cannot be folded.
    """
    model = without_norms(model, plan, example)
    return pack_weights(model, {name: str(encoding) for name, encoding in plan.packed().items()}, example, used=used)


def without_norms(model: nn.Module, plan: Plan, example: Example | None = None) -> nn.Module:
    """The model, in evaluation mode, with the batch norms in the layers before them that the plan folds; the model
    itself where it folds none. example: as for `pack_planned`. Raises SurgeryError where a norm cannot be folded."""
    if not plan.folded():
        return model
    missing = [path for path in plan.folded() if path not in foldable(model)]
    if missing:
        raise SurgeryError(f"no layer of this model takes in {missing[0]!r}; leave it out of the plan's encodings")
    out = fold_norm(model, plan.folded())
    if example is not None:
        check_same(model, out, example, "the folded model", "the one with its norms")
    return out


def masked(
    model: nn.Module,
    plan: Plan,
    *,
    counts: Mapping[str, NDArray[Any]] | None = None,
    small: nn.Module | None = None,
) -> nn.Module:
    """A copy of the model, same shapes, where what leaves holds zeros and ids that leave hold their fall-back row.

    small: what was cut from the model by this plan, trained further or not, packed or not: its (decoded) numbers take
    the place of the model's own. Raises SurgeryError where they do not fit.
    """
    check_model(model, plan)
    model, leaving = open_attention(model), leaving_of(plan)
    if small is not None:
        tensors = regrown(model, plan.survey, leaving, dense_tensors(small, plan.survey.shapes))
        return masked_copy(model, plan.survey, leaving, {}, tensors)
    return _masked(model, plan, leaving, fallback_rows(model, plan.survey, leaving, counts or {}), stays_of(plan))


def dense_tensors(model: nn.Module, names: Container[str]) -> dict[str, Tensor]:
    """Name -> tensor, decoded where it is stored as codes; dense where it is stored by its entries, if it is of these
    names: those of the model that it was cut from, which may have held entries only. Of a norm that was folded those
    of one that changes nothing."""
    plain = unpack(model)
    out = named_tensors(plain)
    for path, module in plain.named_modules():
        if isinstance(module, FoldedNorm):
            idle = module.idle(out[f"{layer_before(plain, path)}.bias"])
            out |= {f"{path}.{name}": value for name, value in idle.items()}
        if isinstance(module, ItemItem) and f"{path}.weight" in names:
            out[f"{path}.weight"] = module.dense()
    return out


def _cut(model: nn.Module, plan: Plan, example: Example, counts: Mapping[str, NDArray[Any]]) -> nn.Module:
    leaving, stays = leaving_of(plan), stays_of(plan)
    if not leaving and not stays:
        return smaller_copy(model, plan.survey, {}, {})
    opened = open_attention(model)
    if opened is not model:
        check_same(model, opened, example, "the model with its attention opened", "the one that was given")
    model = opened
    fallback = fallback_rows(model, plan.survey, leaving, counts)
    small = smaller_copy(model, plan.survey, leaving, fallback)
    _encode(small, plan, stays)
    check_cut(_masked(model, plan, leaving, fallback, stays), small, plan, example)
    return small


def _masked(
    model: nn.Module,
    plan: Plan,
    leaving: Leaving,
    fallback: Mapping[tuple[str, int], Tensor],
    stays: Mapping[str, Tensor],
) -> nn.Module:
    """Same shapes, zeros where units and entries leave."""
    tensors = named_tensors(model)
    for name, mask in stays.items():
        tensors[name] = tensors[name].detach() * mask.view(tensors[name].shape).to(tensors[name].device)
    return masked_copy(model, plan.survey, leaving, fallback, tensors)


def _encode(small: nn.Module, plan: Plan, stays: Mapping[str, Tensor]) -> None:
    """Entries leave through an encoding, in place: those that stay take the place of the module that held the dense
    tensor, and for an encoding of any matrix what leaves is zeros until then."""
    for name, encoding in plan.encodings.items():
        module, attribute = _place(small, name)
        dense = getattr(module, attribute)
        if name not in stays:
            continue
        if not by_entries(encoding):
            dense.data.masked_fill_(~stays[name].view(dense.shape), 0)
            continue
        encoded = ItemItem.encode(dense, stays[name].nonzero().flatten())
        if module is small:
            raise SurgeryError(f"{name!r} belongs to the model itself: put the Linear into a module that holds it")
        replace_module(small, module, encoded)


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute
