"""compensate: the layers that read what leaves are refitted on what stays, before anything is cut."""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from recprune.errors import SurveyError
from recprune.importance.calibration import Moments, linear_at, moments
from recprune.importance.consumers import input_cuts
from recprune.importance.passes import Batch, as_it_was
from recprune.importance.probe import Probe
from recprune.tracing.cutting import fallback_rows, masked_copy
from recprune.tracing.site import Kind

__all__ = ["compensate"]


def compensate(probe: Probe, kept: Mapping[str, Collection[int]], *, damping: float = 0.01) -> nn.Module:
    """A copy of the probe's model, same shapes, whose linear layers answer for the inputs that are about to leave.

    kept: site -> the units that stay, as in `Plan.kept`; `apply` the plan to what comes back. For each nn.Linear that
    loses columns, in the order of the forward pass, with x the inputs that stay as the masked and already refitted
    model gives them, y the output of the dense model over the probe batches, W and b what the layer has:

        W + E[(y - W x - b) x'] (E[x x'] + damping · mean diagonal · I)^-1

    with both means about the mean where there is a bias, which then takes the mean of what is left over; the mean
    diagonal counts as no less than a millionth of the inputs' mean square. Where the rows say little, as where all
    are alike, the weights stay near what they were. Hassibi and Stork 1993 (Optimal Brain Surgeon), section 2;
    Frantar and Alistarh 2023 (SparseGPT), section 3, whose damping is 1 %. Layers that share their weight with another
    one, convolutions, and products of factors stay as they are; where nothing leaves, everything does, to the bit.
    No label is used. Two forward passes a layer, and the cube of its inputs.
    Raises SurveyError for a damping that is not above 0.
    """
    if not damping > 0:
        raise SurveyError(f"damping is a share of the mean diagonal, above 0; got {damping!r}", damping=damping)
    model = copy.deepcopy(probe.model)
    leaving = _leaving(probe, kept)
    gone = _columns_gone(probe, leaving)
    if not gone:
        return model
    batches = probe.rows_for(Kind.NEURON)
    counts = {c: n.numpy() for s in probe.survey.sites for c in s.columns if (n := probe.column_counts(c)) is not None}
    for name in _in_order(probe.model, gone, batches):
        rows = fallback_rows(model, probe.survey, leaving, counts)
        masked = masked_copy(model, probe.survey, leaving, rows)
        stays = np.setdiff1d(np.arange(linear_at(model, name).in_features), gone[name])
        if len(stays):
            _refit_(linear_at(model, name), moments(probe.model, masked, name, stays, batches), stays, damping)
    return model


def _leaving(probe: Probe, kept: Mapping[str, Collection[int]]) -> dict[str, NDArray[np.int64]]:
    found = {
        site.name: np.setdiff1d(np.arange(site.size), np.asarray(list(kept[site.name]), dtype=np.int64))
        for site in probe.survey.sites
        if site.name in kept
    }
    return {name: units for name, units in found.items() if len(units)}


def _columns_gone(probe: Probe, leaving: Mapping[str, NDArray[np.int64]]) -> dict[str, NDArray[np.int64]]:
    """nn.Linear by name -> its input columns that leave; layers whose weight is another's too are not named."""
    held = [id(parameter) for _, parameter in probe.model.named_parameters(remove_duplicate=False)]
    out: dict[str, NDArray[np.int64]] = {}
    for site in probe.survey.sites:
        for cut, layer in input_cuts(probe.model, site) if site.name in leaving else ():
            if held.count(id(layer.weight)) == 1:
                name = cut.tensor.rpartition(".")[0]
                out[name] = np.union1d(out.get(name, []), cut.positions(leaving[site.name])).astype(np.int64)
    return out


def _in_order(model: nn.Module, names: Collection[str], batches: Sequence[Batch]) -> list[str]:
    """Those layers that a forward pass calls, in the order of their first call."""
    called: dict[str, None] = {}
    hooks = [
        linear_at(model, name).register_forward_pre_hook(lambda *_, name=name: called.setdefault(name))
        for name in names
    ]
    try:
        with as_it_was(model), torch.no_grad():
            model(*batches[0][0])
    finally:
        for hook in hooks:
            hook.remove()
    return list(called)


def _refit_(layer: nn.Linear, found: Moments, stays: NDArray[np.int64], damping: float) -> None:
    """Add to the weights of the inputs that stay, and to the bias, what the layer lacks."""
    across, square = found.across, found.square
    if layer.bias is not None:
        across = across - torch.outer(found.lack, found.inputs)
        square = square - torch.outer(found.inputs, found.inputs)
    floor = (1e-6 * found.square.diagonal().mean()).clamp(min=1e-30)
    ridge = damping * square.diagonal().mean().clamp(min=floor) * torch.eye(len(stays), dtype=torch.float64)
    change = torch.linalg.solve(square + ridge, across.T).T
    with torch.no_grad():
        layer.weight.index_add_(1, torch.from_numpy(stays).to(layer.weight.device), change.to(layer.weight))
        if layer.bias is not None:
            layer.bias.add_((found.lack - change @ found.inputs).to(layer.bias))
