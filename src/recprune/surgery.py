"""apply: model + plan -> a new, smaller model, checked before it is handed back."""

from __future__ import annotations

import copy
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.item_item import ItemItem, by_entries
from recprune.errors import BudgetError, PlanError, SurgeryError
from recprune.packing import pack, pack_entries, replace_module, unpack, weight_to_pack
from recprune.planning.held import sparse_matrices
from recprune.planning.plan import Plan
from recprune.rewrites.open_attention import open_attention
from recprune.tracing.build import fingerprint, named_tensors
from recprune.tracing.comparing import difference, larger_batch
from recprune.tracing.cutting import (
    Leaving,
    codes_after,
    fallback_rows,
    inputs_after,
    masked_copy,
    outputs_after,
    smaller_copy,
)
from recprune.tracing.inputs import Example, call, changed
from recprune.tracing.kept_width import still
from recprune.tracing.regrowing import regrown
from recprune.tracing.site import FLAT, Absent

__all__ = [
    "absent_after",
    "apply",
    "attributes_after",
    "dense_tensors",
    "masked",
    "pack_planned",
    "renumber",
    "shrink_inputs",
    "shrink_outputs",
]


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
    _same_model(model, plan)
    _check_packing(model, plan)
    columns, place = _columns(model, plan), next((t.device for t in named_tensors(model).values()), CPU)
    if place.type == "cuda":  # which adds up in an order that goes by the shapes, so that nothing would be equal
        there = changed(example, lambda _, value: value.cpu(), columns)
        small = _cut(copy.deepcopy(model).cpu(), plan, there, counts or {}).to(place)
    else:
        small = _cut(model, plan, example, counts or {})
    return pack_planned(small, plan, shrink_inputs(plan, example, columns)) if packed else small


def pack_planned(model: nn.Module, plan: Plan, example: Example | None = None) -> nn.Module:
    """What `apply(..., packed=False)` made, fine-tuned or not, with its weights stored as the plan says: a new model.

    example: in the codes and columns of that model (`shrink_inputs`). A plan that packs nothing gives the model itself.
    Raises what `pack` raises.
    """
    stored = plan.packed()
    for name in [n for n in stored if by_entries(stored[n].name)]:
        path = name.rpartition(".")[0]
        if isinstance(model.get_submodule(path), ItemItem):
            model = pack_entries(model, path, stored.pop(name), example)
    return pack(model, {name: str(encoding) for name, encoding in stored.items()}, example) if stored else model


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
    _same_model(model, plan)
    model, leaving = open_attention(model), _leaving(plan)
    if small is not None:
        tensors = regrown(model, plan.survey, leaving, dense_tensors(small, plan.survey.shapes))
        return masked_copy(model, plan.survey, leaving, {}, tensors)
    return _masked(model, plan, leaving, fallback_rows(model, plan.survey, leaving, counts or {}), _stays(plan))


def dense_tensors(model: nn.Module, names: Container[str]) -> dict[str, Tensor]:
    """Name -> tensor, decoded where it is stored as codes; dense where it is stored by its entries, if it is of these
    names: those of the model that it was cut from, which may have held entries only."""
    plain = unpack(model)
    out = named_tensors(plain)
    for path, module in plain.named_modules():
        if isinstance(module, ItemItem) and f"{path}.weight" in names:
            out[f"{path}.weight"] = module.dense()
    return out


def renumber(plan: Plan) -> dict[str, NDArray[np.int64]]:
    """Column -> (old rows,) the new code of each old code, for columns whose ids leave; 0 for those that left.

    Ids that are answers too are items: their codes stand under `item` as well, by which lists are read and judged.
    """
    codes = codes_after(plan.survey, _leaving(plan))
    found = [codes[site.columns[0]] for site in plan.survey.sites if site.answers and site.columns[0] in codes]
    return {"item": found[0], **codes} if found else codes


def shrink_inputs(plan: Plan, inputs: Example, columns: Sequence[str] = ()) -> Any:
    """Inputs of the old model as the smaller one takes them: ids renumbered, columns that left dropped.

    columns: names of the tensors, those of the survey where none are said. A sequence comes back as a tuple, a mapping
    as a dict.
    """
    return inputs_after(plan.survey, _leaving(plan), inputs, columns)


def shrink_outputs(plan: Plan, output: Any) -> Any:
    """What the old model gives, or the masked one, as the smaller one gives it: without the answers that left.

    Only ids that are read and found in one table leave the answers; otherwise it is the output as it is.
    """
    return outputs_after(plan.survey, _leaving(plan), output)


def attributes_after(plan: Plan) -> dict[str, int]:
    """Whole numbers that modules hold beside their tensors, as they are in the smaller model."""
    return {name: len(plan.units(site)) for site in plan.survey.sites for name in site.attributes}


def absent_after(plan: Plan) -> list[Absent]:
    """Columns of mappings that do not come any more to the smaller model, for `fill_absent_`."""
    return [site.absent for site in plan.survey.sites if site.absent is not None and len(plan.leaving(site))]


def _check_packing(model: nn.Module, plan: Plan) -> None:
    """Raise SurgeryError or BudgetError before anything is cut where the plan asks for what cannot be packed."""
    rows = {row.tensor: row for row in plan.account().rows}
    sparse = sparse_matrices(plan.survey)
    for name, encoding in plan.packed().items():
        beside = sparse[name].beside if name in sparse else ()
        if not beside:
            weight_to_pack(model, name)
        widths = plan.survey.bytes_per_entry
        plain = sum(math.prod(rows[part].after) * widths[part] for part in (name, *beside))
        if rows[name].bytes_after >= plain:
            raise BudgetError(
                f"what stays of {name!r}, {rows[name].after}, takes {plain:,} bytes, and {rows[name].bytes_after:,} as "
                f"{encoding}; leave its encoding out of the plan",
                tensor=name,
            )


def _cut(model: nn.Module, plan: Plan, example: Example, counts: Mapping[str, NDArray[Any]]) -> nn.Module:
    leaving, stays = _leaving(plan), _stays(plan)
    if not leaving and not stays:
        return smaller_copy(model, plan.survey, {}, {})
    model = open_attention(model)
    fallback = fallback_rows(model, plan.survey, leaving, counts)
    small = smaller_copy(model, plan.survey, leaving, fallback)
    _encode(small, plan, stays)
    _check(_masked(model, plan, leaving, fallback, stays), small, plan, example)
    return small


def _leaving(plan: Plan) -> Leaving:
    """Site -> the units that leave, but for entries, of which there may be very many (`_stays`)."""
    sites = [site for site in plan.survey.sites if site.name in plan.kept and any(c.dim != FLAT for c in site.cuts)]
    found = {site.name: plan.leaving(site) for site in sites}
    return {name: units for name, units in found.items() if len(units)}


def _stays(plan: Plan) -> dict[str, Tensor]:
    """Tensor -> (its entries,) bool: which stay, where some leave one by one."""
    out: dict[str, Tensor] = {}
    for site in plan.survey.sites:
        if len(plan.kept.get(site.name, ())) == site.size or site.name not in plan.kept:
            continue
        stays = torch.zeros(site.size, dtype=torch.bool)
        stays[torch.from_numpy(plan.kept[site.name])] = True
        for cut in site.cuts:
            if cut.dim == FLAT:
                whole = torch.ones(math.prod(plan.survey.shapes[cut.tensor]), dtype=torch.bool)
                mask = out.setdefault(cut.tensor, whole)
                mask[cut.start : cut.start + site.size * cut.width].view(site.size, cut.width).mul_(stays[:, None])
    return out


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


def _columns(model: nn.Module, plan: Plan) -> tuple[str, ...]:
    """Names of the inputs: those of the survey, which old plans lack."""
    return plan.survey.columns or tuple(getattr(model, "columns", ()))


def _same_model(model: nn.Module, plan: Plan) -> None:
    if fingerprint(model) == plan.survey.fingerprint:
        return
    here = {n: tuple(t.shape) for n, t in named_tensors(model).items()}
    there = {n: tuple(s) for n, s in plan.survey.shapes.items()}
    name = next((n for n in [*there, *here] if here.get(n) != there.get(n)), "a type")
    raise PlanError(
        f"this plan was made for another model: {name} is {there.get(name, 'absent')} there and "
        f"{here.get(name, 'absent')} here. Survey this model and choose again.",
        tensor=name,
    )


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


def _check(reference: nn.Module, small: nn.Module, plan: Plan, example: Example) -> None:
    account, stored = plan.account(), plan.packed()
    whole = {name for name, encoding in stored.items() if not by_entries(encoding.name)}
    said = sum(math.prod(r.after) if r.tensor in whole else r.entries_after for r in account.rows if r.learned)
    counted = sum(p.numel() for p in small.parameters())
    if counted != said:
        raise SurgeryError(f"the smaller model holds {counted:,} parameters, the plan says {said:,}")
    columns = _columns(reference, plan)
    floats = [t.dtype for t in named_tensors(reference).values() if t.is_floating_point()]
    tolerance = 1e-5 if all(t in (torch.float32, torch.float64) for t in floats) else 2e-2
    for inputs in (example, larger_batch(plan.survey, example, columns)):
        with still(reference), still(small):
            before = shrink_outputs(plan, call(reference, inputs))
            after = _run(small, plan, shrink_inputs(plan, inputs, columns))
        apart = difference(before, after)
        if not apart <= tolerance:
            raise SurgeryError(
                f"the smaller model does not equal the masked one: relative difference {apart:.3g} where at most "
                f"{tolerance:.3g} is allowed. Nothing was changed; please report the module.",
                difference=apart,
            )


def _run(small: nn.Module, plan: Plan, inputs: Example) -> Any:
    try:
        return call(small, inputs)
    except Exception as error:
        cut = sorted(plan.kept)
        raise SurgeryError(
            f"the smaller model does not run: {type(error).__name__}: {error}. A width written into forward as a "
            f"number is the usual cause; sites that were cut: {', '.join(cut[:8])}. Leave the site out with "
            "Budget(sites=...), or take the width from the tensor's own shape.",
            sites=tuple(cut),
        ) from error


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute
