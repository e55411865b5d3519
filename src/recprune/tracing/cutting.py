"""Two copies of a model without some of its units: masked (same shapes, zeros) and smaller (shorter tensors)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.tracing.absent import fill_absent_
from recprune.tracing.answers import answers_after, answers_gone, withdrawn
from recprune.tracing.attributes import correct_attributes, set_number
from recprune.tracing.build import named_tensors
from recprune.tracing.copying import copied, wrap_call
from recprune.tracing.inputs import Example, recoded
from recprune.tracing.kept_width import KeptWidth, still
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey

__all__ = [
    "Leaving",
    "codes_after",
    "fallback_rows",
    "inputs_after",
    "masked_copy",
    "outputs_after",
    "positions_gone",
    "smaller_copy",
]

Leaving = Mapping[str, NDArray[np.int64]]
"""Site -> the units that leave; sites that keep all are not named."""

Fallback = Mapping[tuple[str, int], Tensor]


def positions_gone(survey: Survey, leaving: Leaving, *, ids: bool = True) -> dict[tuple[str, int], NDArray[np.int64]]:
    """(tensor, axis) -> positions that leave, ascending; where `ids` is False, without rows in whose place another is
    looked up and that are not read otherwise."""
    found: dict[tuple[str, int], list[NDArray[np.int64]]] = {}
    for site in _sites(survey, leaving):
        for cut in site.cuts if ids or site.fallback is None or site.answers else ():
            found.setdefault((cut.tensor, cut.dim), []).append(cut.positions(leaving[site.name]))
    return {key: _ascending(parts) for key, parts in found.items()}


def _ascending(parts: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
    """All positions, each once. Those of one cut are so already; a sort is much faster than numpy's hashing here."""
    if len(parts) == 1:
        return parts[0]
    out = np.sort(np.concatenate(parts))
    return out[np.r_[True, out[1:] != out[:-1]]] if len(out) else out


def fallback_rows(
    model: nn.Module, survey: Survey, leaving: Leaving, counts: Mapping[str, NDArray[Any]]
) -> dict[tuple[str, int], Tensor]:
    """(table, row that answers for ids that left) -> the mean of the rows that leave, weighed by how often they occur.

    What it has learned itself counts as often as code 0 occurs: it answers for those ids too. A padding row stays as it
    is, and so does one of flags or whole numbers.
    """
    tensors, out = named_tensors(model), {}
    padded = {f"{n}.weight".lstrip("."): m.padding_idx for n, m in model.named_modules() if hasattr(m, "padding_idx")}
    for site, table, row, rows in _id_rows(survey, leaving):
        if padded.get(table) == row or not tensors[table].is_floating_point():
            continue
        weights = torch.ones(len(rows), dtype=torch.float64)
        known = [np.asarray(counts[column]) for column in site.columns if column in counts]
        if known:
            rows = np.r_[row, rows]
            weights = torch.as_tensor(sum(c[rows - row] for c in known)).double().clamp(min=0)
            weights[1:] += 1e-9
        gone = tensors[table].detach()[torch.from_numpy(rows)].double().cpu()
        mean = (weights.view(-1, *(1 for _ in gone.shape[1:])) * gone).sum(0) / weights.sum()
        out[table, row] = mean.to(tensors[table])
    return out


def masked_copy(
    model: nn.Module,
    survey: Survey,
    leaving: Leaving,
    fallback: Fallback,
    tensors: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Zeros where units leave, the fall-back row where ids leave; averages are taken over the units that stay. Ids that
    are answers too score -inf, so that nobody is recommended them.

    tensors: name -> the numbers to begin with, in the place of the model's own.
    """
    own = named_tensors(model)
    new = {name: t.detach().clone() for name, t in (tensors or own).items()}
    for (table, row), value in fallback.items():
        new[table][row] = value
    for _, table, row, rows in _id_rows(survey, leaving):
        new[table][torch.from_numpy(rows)] = new[table][row].clone()
    for (tensor, dim), where in positions_gone(survey, leaving, ids=False).items():
        index = torch.from_numpy(where).to(new[tensor].device)
        if dim == FLAT:
            new[tensor].view(-1)[index] = 0
        elif tensor not in survey.pointers:
            new[tensor].index_fill_(dim, index, 0)
    return _folding(_withdrawing(_averaging(_copy(model, own, new), survey, leaving), survey, leaving), survey, leaving)


def smaller_copy(
    model: nn.Module,
    survey: Survey,
    leaving: Leaving,
    fallback: Fallback,
    tensors: Mapping[str, Tensor] | None = None,
) -> nn.Module:
    """Shorter tensors, attributes that agree with them, the input columns that stay. Entries are not cut here.

    tensors: name -> the numbers to begin with, in the place of the model's own.
    """
    gone, own = positions_gone(survey, leaving), named_tensors(model)
    new = {}
    for name, tensor in (tensors or own).items():
        value = given = tensor.detach()
        for (_, row), row_value in ((key, v) for key, v in fallback.items() if key[0] == name):
            value = value.clone() if value is given else value
            value[row] = row_value
        if name in survey.pointers:
            value = _pointer(value, gone.get((survey.pointers[name], 0), np.empty(0, dtype=np.int64)))
        for dim in range(tensor.dim()):
            if (name, dim) in gone:
                stays = np.delete(np.arange(tensor.shape[dim]), gone[name, dim])
                value = value.index_select(dim, torch.from_numpy(stays).to(value.device))
        new[name] = value.clone() if value is given else value
    for site in _sites(survey, leaving):
        kept = site.size - len(leaving[site.name])
        for name in site.rescaled:
            new[name] = new[name] * (kept / site.size) ** 0.5
    small = _copy(model, own, new)
    correct_attributes(small)
    for site in _sites(survey, leaving):
        for attribute in site.attributes:
            set_number(small, attribute, site.size - len(leaving[site.name]))
    fill_absent_(small, [s.absent for s in _sites(survey, leaving) if s.absent is not None])
    left = {s.column for s in _sites(survey, leaving) if s.kind is Kind.FIELD}
    columns: tuple[str, ...] = getattr(small, "columns", ())
    if left & set(columns):
        setattr(small, "columns", tuple(c for c in columns if c not in left))  # noqa: B010 (no attribute of nn.Module)
    return small


def codes_after(survey: Survey, leaving: Leaving) -> dict[str, NDArray[np.int64]]:
    """Column -> (old rows,) the new code of each old code, for columns whose ids leave; 0 for those that left."""
    out = {}
    for site in _sites(survey, leaving):
        if site.kind is Kind.ID:
            stays = np.setdiff1d(np.arange(site.size), leaving[site.name], assume_unique=True)
            codes = np.zeros(site.size + 1, dtype=np.int64)
            codes[stays + 1] = np.arange(1, len(stays) + 1)
            out.update(dict.fromkeys(site.columns, codes))
    return out


def inputs_after(survey: Survey, leaving: Leaving, inputs: Example, columns: Sequence[str] = ()) -> Any:
    """Inputs of the old model as the smaller one takes them: ids renumbered, columns that left dropped.

    columns: names of the tensors, those of the survey where none are said. A sequence of arguments comes back as a
    tuple, a mapping as a dict.
    """
    gone = {s.column for s in _sites(survey, leaving) if s.kind is Kind.FIELD and s.column is not None}
    return recoded(inputs, codes_after(survey, leaving), columns or survey.columns, gone)


def outputs_after(survey: Survey, leaving: Leaving, output: Any) -> Any:
    """What the old model (or a masked copy) gives, without the answers that left, as the smaller one gives it."""
    return answers_after(answers_gone(survey.sites, leaving), output)


def _sites(survey: Survey, leaving: Leaving) -> list[Site]:
    return [site for site in survey.sites if len(leaving.get(site.name, ()))]


def _id_rows(survey: Survey, leaving: Leaving) -> list[tuple[Site, str, int, NDArray[np.int64]]]:
    """For each table that loses ids: its site, its name, its fall-back row, the rows that leave; whole fields last.
    What only meets the rows of a tied table, as a bias does, has no row that answers."""
    sites = [site for site in _sites(survey, leaving) if site.fallback is not None]
    sites.sort(key=lambda site: site.kind is Kind.FIELD)
    tables = [(s, cut) for s in sites for cut in s.cuts if not s.answers or _looked_up(survey, cut)]
    return [(s, cut.tensor, cut.start - 1, cut.positions(leaving[s.name])) for s, cut in tables]


def _looked_up(survey: Survey, cut: Cut) -> bool:
    return cut.dim == 0 and cut.tensor in survey.features


def _pointer(values: Tensor, gone: NDArray[np.int64]) -> Tensor:
    """Row offsets when rows leave: each falls by the number of rows that left before it."""
    return values - torch.from_numpy(np.searchsorted(gone, values.cpu().numpy())).to(values)


def _copy(model: nn.Module, own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> nn.Module:
    """A deep copy of a model with other tensors in the place of its own; what was one tensor stays one."""
    new: dict[str, tuple[Tensor, Tensor]] = {}
    for name, old in own.items():
        value = tensors[name].contiguous() if tensors[name].layout is torch.strided else tensors[name]
        learned = isinstance(old, nn.Parameter)
        new[name] = old, nn.Parameter(value, requires_grad=old.requires_grad) if learned else value
    return copied(model, new)


def _folding(model: nn.Module, survey: Survey, leaving: Leaving) -> nn.Module:
    """Ids that leave come in as 0, so that a mask of what is 0 hides them here as it does in the smaller model; and all
    of a column that forward is given zeros for."""
    codes = codes_after(survey, leaving)
    absent = {s.column for s in _sites(survey, leaving) if s.absent is not None and s.column is not None}
    if not codes and not absent:
        return model
    held = {column: np.where(new > 0, np.arange(len(new)), 0) for column, new in codes.items()}
    columns = survey.columns or tuple(getattr(model, "columns", ()))

    def fold(_: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
        if kwargs and args:
            return args, kwargs
        inputs = recoded(kwargs or args, held, columns, zero=absent)
        return ((), inputs) if kwargs else (inputs, {})

    if wrap_call(model) == "forward":
        model.register_forward_pre_hook(fold, with_kwargs=True)
        return model
    plain = getattr(model, "call")  # noqa: B009 (no attribute of nn.Module to a type checker)

    def called(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = fold(model, args, kwargs)
        return plain(*args, **kwargs)

    setattr(model, "call", called)  # noqa: B010
    return model


def _withdrawing(model: nn.Module, survey: Survey, leaving: Leaving) -> nn.Module:
    """Answers that leave are -inf in what this copy gives back."""
    gone = answers_gone(survey.sites, leaving)
    if gone:
        plain = getattr(model, wrap_call(model))

        def forward(*inputs: Any, **named: Any) -> Any:
            return withdrawn(gone, plain(*inputs, **named))

        setattr(model, wrap_call(model), forward)
    return model


def _averaging(model: nn.Module, survey: Survey, leaving: Leaving) -> nn.Module:
    """Layer norm, softmax and means of this copy are over the units that stay."""
    left: dict[str, dict[int, Tensor]] = {}
    for site in _sites(survey, leaving):
        for cut in site.averaged:
            gone = torch.from_numpy(cut.positions(leaving[site.name]))
            there = left.setdefault(cut.tensor, {}).get(cut.dim)
            left[cut.tensor][cut.dim] = gone if there is None else torch.cat([there, gone])
    if left:
        plain = getattr(model, wrap_call(model))

        def forward(*inputs: Any, **named: Any) -> Any:
            with still(model), KeptWidth(left):
                return plain(*inputs, **named)

        setattr(model, wrap_call(model), forward)
    return model
