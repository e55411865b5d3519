"""apply: model + plan -> a new, smaller model, checked before it is handed back."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.encodings.item_item import ItemItem
from recprune.errors import PlanError, SurgeryError
from recprune.planning.account import positions
from recprune.planning.plan import Plan
from recprune.tracing.build import fingerprint, named_tensors
from recprune.tracing.kept_width import KeptWidth, still
from recprune.tracing.site import FLAT, Kind, Site

__all__ = ["apply", "masked", "renumber", "reshape_", "shrink_inputs"]

Kept = dict[tuple[str, int], Tensor]


def apply(
    model: nn.Module, plan: Plan, example: Sequence[Tensor], *, counts: Mapping[str, NDArray[Any]] | None = None
) -> nn.Module:
    """A new model without the units that leave; the old one is untouched.

    example: a small batch as for `survey`. counts: column -> how often each code occurs; where ids leave, their shared
    fall-back row becomes the mean of the rows that leave, weighed by these counts (plainly where they are not given).
    Before it is handed back the new model is compared: its parameters with the plan's account, its output with that of
    the old model with the same units masked, on batches of another size than the example.
    Raises PlanError for a plan of another model, SurgeryError where the smaller model does not run or does not equal
    the masked one.
    """
    _same_model(model, plan)
    if not any(len(plan.leaving(site)) for site in plan.survey.sites):
        return copy.deepcopy(model)
    fallback = _fallback_rows(model, plan, counts or {})
    small = _smaller(model, plan, fallback)
    _check(_masked(model, plan, fallback), small, plan, example)
    return small


def masked(model: nn.Module, plan: Plan, *, counts: Mapping[str, NDArray[Any]] | None = None) -> nn.Module:
    """A copy of the model, same shapes, where what leaves holds zeros and ids that leave hold their fall-back row."""
    _same_model(model, plan)
    return _masked(model, plan, _fallback_rows(model, plan, counts or {}))


def renumber(plan: Plan) -> dict[str, NDArray[np.int64]]:
    """Column -> (old rows,) the new code of each old code, for columns whose ids leave; 0 for those that left."""
    out = {}
    for site in plan.survey.sites:
        if site.kind is Kind.ID and site.column is not None and site.name in plan.kept:
            codes = np.zeros(site.size + 1, dtype=np.int64)
            codes[plan.units(site) + 1] = np.arange(1, len(plan.units(site)) + 1)
            out[site.column] = codes
    return out


def shrink_inputs(plan: Plan, inputs: Sequence[Tensor], columns: Sequence[str]) -> tuple[Tensor, ...]:
    """Inputs of the old model as the smaller one takes them: ids renumbered, columns that left dropped."""
    gone = {s.column for s in plan.survey.sites if s.kind is Kind.FIELD and len(plan.leaving(s))}
    codes = {column: torch.from_numpy(new) for column, new in renumber(plan).items()}
    out = []
    for column, value in zip(columns, inputs, strict=True):
        if value.dim() == 2 and any(f"{column}.{j}" in gone or f"{column}.{j}" in codes for j in range(value.shape[1])):
            parts = [codes[k][v] if (k := f"{column}.{j}") in codes else v for j, v in enumerate(value.unbind(1))]
            out.append(torch.stack([v for j, v in enumerate(parts) if f"{column}.{j}" not in gone], 1))
        elif column not in gone:
            out.append(codes[column].to(value.device)[value.long()].to(value.dtype) if column in codes else value)
    return tuple(out)


def reshape_(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    encodings: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Give a fresh skeleton stored tensors of other shapes, in place: how an artifact comes back.

    tensors: the stored `state_dict`; encodings: tensor of the skeleton -> encoding that stores it now (its parts are
    then named after the module, as in "items.values"). Raises SurgeryError where a tensor is missing or has no place.
    """
    for name in encodings or {}:
        _put_encoded(model, name, tensors)
    places = dict(named_tensors(model))
    missing, extra = sorted(places.keys() - tensors.keys()), sorted(tensors.keys() - places.keys())
    if missing or extra:
        raise SurgeryError(f"stored tensors do not fit the model: missing {missing[:3]}, without a place {extra[:3]}")
    for name in places:
        module, attribute = _place(model, name)
        _assign(module, attribute, tensors[name])
    _correct_attributes(model)
    if columns is not None and hasattr(model, "columns"):
        setattr(model, "columns", tuple(columns))  # noqa: B010 (an nn.Module has no such attribute to a type checker)


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


def _gone(plan: Plan, *, ids: bool = True) -> dict[tuple[str, int], NDArray[np.int64]]:
    """(tensor, axis) -> positions that leave, ascending; without those of id sites where `ids` is False."""
    found: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
    for site in plan.survey.sites:
        leaving = plan.leaving(site) if ids or site.kind is not Kind.ID else ()
        for cut in site.cuts if len(leaving) else ():
            found.setdefault((cut.tensor, cut.dim), []).append(positions(cut, np.asarray(leaving)))
    return {key: np.unique(np.concatenate(parts)) for key, parts in found.items()}


def _id_cuts(plan: Plan) -> list[tuple[Site, str, int, NDArray[np.int64]]]:
    """For each table that loses ids: its site, its name, its fall-back row, the rows that leave."""
    out = []
    for site in plan.survey.sites:
        leaving = plan.leaving(site) if site.kind is Kind.ID else np.empty(0, dtype=np.int64)
        out += [(site, cut.tensor, cut.start - 1, cut.start + leaving) for cut in site.cuts if len(leaving)]
    return out


def _fallback_rows(model: nn.Module, plan: Plan, counts: Mapping[str, NDArray[Any]]) -> dict[tuple[str, int], Tensor]:
    tensors, out = named_tensors(model), {}
    padded = {f"{n}.weight".lstrip("."): m.padding_idx for n, m in model.named_modules() if hasattr(m, "padding_idx")}
    for site, table, row, rows in _id_cuts(plan):
        if padded.get(table) == row:
            continue
        weights = torch.ones(len(rows), dtype=torch.float64)
        if site.column is not None and site.column in counts:
            weights = torch.as_tensor(np.asarray(counts[site.column])[rows - row]).double().clamp(min=0) + 1e-9
        gone = tensors[table].detach()[torch.from_numpy(rows)].double()
        out[table, row] = ((weights[:, None] * gone).sum(0) / weights.sum()).to(tensors[table].dtype)
    return out


def _masked(model: nn.Module, plan: Plan, fallback: Mapping[tuple[str, int], Tensor]) -> nn.Module:
    tensors = named_tensors(model)
    new = {name: t.detach().clone() for name, t in tensors.items()}
    for (table, row), value in fallback.items():
        new[table][row] = value
    for _, table, row, rows in _id_cuts(plan):
        new[table][torch.from_numpy(rows)] = new[table][row].clone()
    for (tensor, dim), where in _gone(plan, ids=False).items():
        index = torch.from_numpy(where)
        if dim == FLAT:
            new[tensor].view(-1)[index] = 0
        elif tensor not in plan.survey.pointers:
            new[tensor].index_fill_(dim, index.to(new[tensor].device), 0)
    return _averaging(_copy(model, new), plan)


def _averaging(model: nn.Module, plan: Plan) -> nn.Module:
    """The masked model does layer norm, softmax and means over the units that stay."""
    left: dict[str, dict[int, Tensor]] = {}
    for site in plan.survey.sites:
        leaving = plan.leaving(site)
        for cut in site.averaged if len(leaving) else ():
            gone = torch.from_numpy(positions(cut, leaving))
            there = left.setdefault(cut.tensor, {}).get(cut.dim)
            left[cut.tensor][cut.dim] = gone if there is None else torch.cat([there, gone])
    if left:
        plain = model.forward

        def forward(*inputs: Any, **named: Any) -> Any:
            with still(model), KeptWidth(left):
                return plain(*inputs, **named)

        model.forward = forward
    return model


def _smaller(model: nn.Module, plan: Plan, fallback: Mapping[tuple[str, int], Tensor]) -> nn.Module:
    tensors, gone = named_tensors(model), _gone(plan)
    new = {}
    for name, tensor in tensors.items():
        value = tensor.detach()
        rows = {row: v for (t, row), v in fallback.items() if t == name}
        value = value.clone() if rows else value
        for row, row_value in rows.items():
            value[row] = row_value
        if name in plan.survey.pointers:
            value = _pointer(value, gone.get((plan.survey.pointers[name], 0), np.empty(0, dtype=np.int64)))
        for dim in range(tensor.dim()):
            if (name, dim) in gone:
                stays = np.setdiff1d(np.arange(tensor.shape[dim]), gone[name, dim], assume_unique=True)
                value = value.index_select(dim, torch.from_numpy(stays).to(value.device))
        new[name] = value
    small = _copy(model, new)
    for name in plan.encodings:
        stays = np.setdiff1d(np.arange(tensors[name].numel()), gone[name, FLAT], assume_unique=True)
        module, _ = _place(small, name)
        _replace(small, module, ItemItem.encode(new[name], torch.from_numpy(stays)))
    _correct_attributes(small)
    left = {s.column for s in plan.survey.sites if s.kind is Kind.FIELD and len(plan.leaving(s))}
    if left and hasattr(small, "columns"):
        reshaped = [c for c in getattr(small, "columns", ()) if c not in left]
        setattr(small, "columns", tuple(reshaped))  # noqa: B010 (as above)
    return small


def _pointer(values: Tensor, gone: NDArray[np.int64]) -> Tensor:
    """Row offsets when rows leave: each falls by the number of rows that left before it."""
    return values - torch.from_numpy(np.searchsorted(gone, values.cpu().numpy())).to(values)


def _copy(model: nn.Module, tensors: Mapping[str, Tensor]) -> nn.Module:
    """A deep copy of a model in which every parameter and buffer is replaced; what was one tensor stays one."""
    memo: dict[int, Any] = {}
    for name, old in named_tensors(model).items():
        value = tensors[name].contiguous()
        value = value.clone() if value.data_ptr() == old.data_ptr() else value
        memo[id(old)] = nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value
    return copy.deepcopy(model, memo)


def _check(reference: nn.Module, small: nn.Module, plan: Plan, example: Sequence[Tensor]) -> None:
    account = plan.account()
    counted = sum(p.numel() for p in small.parameters())
    if counted != account.parameters_after:
        raise SurgeryError(
            f"the smaller model holds {counted:,} parameters, the plan says {account.parameters_after:,}"
        )
    columns = tuple(getattr(reference, "columns", ()))
    columns = columns if len(columns) == len(example) else tuple(f"input{i}" for i in range(len(example)))
    reference.eval()
    mode = small.training
    small.eval()
    for inputs in (tuple(example), _other(plan, example, columns)):
        with torch.no_grad():
            before = reference(*inputs)
            after = _run(small, plan, shrink_inputs(plan, inputs, columns))
        _compare(before, after)
    small.train(mode)


def _other(plan: Plan, example: Sequence[Tensor], columns: Sequence[str]) -> tuple[Tensor, ...]:
    """The example as a longer batch; ids are drawn from the whole vocabulary where that is known."""
    generator = torch.Generator().manual_seed(0)
    sizes = {s.column: s.size + 1 for s in plan.survey.sites if s.kind is Kind.ID}
    out = []
    for column, value in zip(columns, example, strict=True):
        rows = torch.arange(2 * len(value) + 1) % len(value)
        longer = value[rows]
        if column in sizes and not value.is_floating_point():
            longer = torch.randint(sizes[column], longer.shape, generator=generator).to(value)
        out.append(longer)
    return tuple(out)


def _run(small: nn.Module, plan: Plan, inputs: Sequence[Tensor]) -> Any:
    try:
        return small(*inputs)
    except Exception as error:
        cut = sorted(s.name for s in plan.survey.sites if len(plan.leaving(s)))
        raise SurgeryError(
            f"the smaller model does not run: {type(error).__name__}: {error}. A width written into forward as a "
            f"number is the usual cause; sites that were cut: {', '.join(cut[:8])}. Leave the site out with "
            "Budget(sites=...), or take the width from the tensor's own shape.",
            sites=tuple(cut),
        ) from error


def _compare(before: Any, after: Any) -> None:
    if isinstance(before, Mapping):
        before, after = list(before.values()), list(after.values())
    if isinstance(before, tuple | list):
        for one, other in zip(before, after, strict=True):
            _compare(one, other)
        return
    if not isinstance(before, Tensor):
        return
    tolerance = 1e-5 if before.dtype in (torch.float32, torch.float64) else 2e-2
    scale = max(1.0, float(before.abs().max())) if before.numel() else 1.0
    same = before.shape == after.shape
    difference = float((before.double() - after.double()).abs().max()) if same and before.numel() else math.inf
    if before.numel() and not difference <= tolerance * scale:
        raise SurgeryError(
            f"the smaller model does not equal the masked one: largest difference {difference:.3g} where at most "
            f"{tolerance * scale:.3g} is allowed (shapes {tuple(before.shape)} and {tuple(after.shape)}). "
            "Nothing was changed; please report the module.",
            difference=difference,
        )


def _place(model: nn.Module, name: str) -> tuple[nn.Module, str]:
    path, _, attribute = name.rpartition(".")
    return model.get_submodule(path), attribute


def _assign(module: nn.Module, attribute: str, value: Tensor) -> None:
    if attribute in module._parameters:
        old = module._parameters[attribute]
        module._parameters[attribute] = nn.Parameter(value, requires_grad=old is None or old.requires_grad)
    else:
        module._buffers[attribute] = value


def _replace(model: nn.Module, old: nn.Module, new: nn.Module) -> None:
    for parent in list(model.modules()):
        for name, child in parent.named_children():
            if child is old:
                setattr(parent, name, new)


def _put_encoded(model: nn.Module, name: str, tensors: Mapping[str, Tensor]) -> None:
    module, _ = _place(model, name)
    path = name.rpartition(".")[0]
    parts = [f"{path}.{part}".lstrip(".") for part in ("values", "indices", "indptr")]
    if any(part not in tensors for part in parts):
        raise SurgeryError(f"the encoded tensor {name!r} is not whole: it needs {', '.join(parts)}")
    values, indices, indptr = (tensors[part] for part in parts)
    encoded = ItemItem(values, indices, indptr, int(getattr(module, "in_features", 0)))
    encoded.check()
    _replace(model, module, encoded)


_ATTRIBUTES: tuple[tuple[type[nn.Module], tuple[tuple[str, str, int], ...]], ...] = (
    (nn.Embedding, (("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
    (nn.EmbeddingBag, (("num_embeddings", "weight", 0), ("embedding_dim", "weight", 1))),
    (nn.Linear, (("out_features", "weight", 0), ("in_features", "weight", 1))),
    (nn.modules.batchnorm._BatchNorm, (("num_features", "weight", 0), ("num_features", "running_mean", 0))),
    (nn.modules.conv._ConvNd, (("out_channels", "weight", 0), ("in_channels", "weight", 1))),
    (nn.PReLU, (("num_parameters", "weight", 0),)),
)


def _correct_attributes(model: nn.Module) -> None:
    """num_embeddings, out_features, kernel_size and the like say what the tensors are."""
    for module in model.modules():
        for kind, attributes in _ATTRIBUTES:
            for attribute, tensor, dim in attributes if isinstance(module, kind) else ():
                value = getattr(module, tensor, None)
                if isinstance(value, Tensor):
                    setattr(module, attribute, value.shape[dim])
        if isinstance(module, nn.modules.conv._ConvNd) and not module.transposed:
            module.kernel_size = tuple(module.weight.shape[2:])
        if isinstance(module, nn.LayerNorm) and module.weight is not None and len(module.normalized_shape) == 1:
            module.normalized_shape = tuple(module.weight.shape)
        if isinstance(module, nn.RNNBase) and isinstance(module.weight_ih_l0, Tensor):
            module.input_size = module.weight_ih_l0.shape[1]
