"""A batch norm in evaluation multiplies and adds constants: they go into the layer before it."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.utils._pytree import tree_leaves

__all__ = ["FoldedNorm", "fold_norm", "foldable", "folded", "layer_before", "unfold_norm"]

NORMS: dict[type[nn.Module], type[nn.Module]] = {
    nn.Linear: nn.BatchNorm1d,
    nn.Conv1d: nn.BatchNorm1d,
    nn.Conv2d: nn.BatchNorm2d,
    nn.Conv3d: nn.BatchNorm3d,
}
"""Layer -> the norm that goes into it, where it stands right behind."""


class FoldedNorm(nn.Identity):
    """Stands where a norm stood that the layer before it has taken in.

    eps, momentum: those of the norm; names: of its tensors.
    """

    def __init__(self, norm: Any) -> None:
        super().__init__()
        self.eps: float = norm.eps
        self.momentum: float | None = norm.momentum
        self.names = tuple(name for name, _ in [*norm.named_parameters(), *norm.named_buffers()])

    def idle(self, bias: Tensor) -> dict[str, Tensor]:
        """Name -> numbers of a norm that changes nothing. bias: (units,) of the layer before it."""
        ones, zeros = torch.ones_like(bias, requires_grad=False), torch.zeros_like(bias, requires_grad=False)
        found = {"weight": ones, "bias": zeros, "running_mean": zeros, "running_var": ones - self.eps}
        return {name: found.get(name, torch.zeros((), dtype=torch.int64)) for name in self.names}


def fold_norm(
    model: nn.Module, paths: Collection[str] | None = None, example: Sequence[Tensor] | None = None
) -> nn.Module:
    """A new model, in evaluation mode, with the same answers up to rounding, in which every batch norm that directly
    follows a Linear or a convolution of the same nn.Sequential has gone into it (Jacob et al. 2018, section 3.2).

    paths: of the norms that are to go, None: of all that can. example: of the model; norms stay where forward reads the
    layer or its output elsewhere too, or where they are over another axis than the layer's units. Without an example
    that is taken not to be so, and nothing is compared. A layer or a norm that stands in another place too, whose
    numbers do, or that has hooks, stays as it is; so does a norm without running means, which goes by its batch.
    Raises KeyError for a path of no norm that can go.
    """
    inputs = None if example is None else tuple(example)
    out = copy.deepcopy(model).eval()
    found = {path: (layer, norm) for path, layer, norm in _pairs(out)}
    found = found if inputs is None else {path: found[path] for path in _seen_alone(out, found, inputs)}
    for path in found if paths is None else paths:
        layer, norm = found[path]
        weight, bias = folded(layer.weight, layer.bias, norm)
        layer.weight, layer.bias = (nn.Parameter(t, layer.weight.requires_grad) for t in (weight, bias))
        parent, _, name = path.rpartition(".")
        out.get_submodule(parent)._modules[name] = FoldedNorm(norm).eval()
    return out


def unfold_norm(model: nn.Module, batches: Iterable[tuple[Any, ...]] | None = None) -> nn.Module:
    """A new model, in evaluation mode, in which norms stand again where they were folded, so that it can be trained as
    with them. The model itself where none was.

    batches: inputs, which show mean and variance of what comes to each norm; its weight and bias undo them, so that the
    model answers as before up to rounding. None: the norms are as new ones. Raises ValueError where no batch comes to a
    norm.
    """
    out = copy.deepcopy(model).eval()
    paths = [path for path, module in out.named_modules() if isinstance(module, FoldedNorm)]
    if not paths:
        return model
    seen = None if batches is None else _moments(out, paths, batches)
    for path in paths:
        layer: Any = out.get_submodule(layer_before(out, path))
        held, like = out.get_submodule(path), {"device": layer.weight.device, "dtype": layer.weight.dtype}
        norm: Any = NORMS[type(layer)](len(layer.weight), eps=held.eps, momentum=held.momentum, **like)
        if seen is not None:
            mean, variance = seen[path]
            with torch.no_grad():
                norm.running_mean.copy_(mean)
                norm.running_var.copy_(variance)
                norm.weight.copy_((variance + norm.eps).sqrt())
                norm.bias.copy_(mean)
        parent, _, name = path.rpartition(".")
        out.get_submodule(parent)._modules[name] = norm.eval()
    return out


def _moments(
    model: nn.Module, paths: Collection[str], batches: Iterable[tuple[Any, ...]]
) -> dict[str, tuple[Tensor, Tensor]]:
    """Path -> mean and variance, (units,) float64, of what comes there, units on axis 1."""
    sums = {path: torch.zeros(3, 1, dtype=torch.float64) for path in paths}

    def see(path: str, x: Tensor) -> None:
        units = x.detach().double().transpose(0, 1).flatten(1)
        found = torch.stack([torch.ones_like(units).sum(1), units.sum(1), units.square().sum(1)])
        sums[path] = sums[path].to(found) + found

    hooks = [
        model.get_submodule(path).register_forward_pre_hook(lambda _, given, path=path: see(path, given[0]))
        for path in paths
    ]
    with torch.no_grad():
        for inputs in batches:
            model(*inputs)
    for hook in hooks:
        hook.remove()
    out = {}
    for path, (count, first, second) in sums.items():
        if not bool(count.all()):
            raise ValueError(f"no batch came to the norm {path!r}")
        out[path] = first / count, (second / count - (first / count).square()).clamp(min=0.0)
    return out


def foldable(model: nn.Module, inputs: tuple[Any, ...] | None = None) -> list[str]:
    """Paths of the norms that can go into a layer with a bias, so that no number joins the model.

    inputs: of the model; norms that then do not see (rows, units) behind a Linear are left out, those that it does not
    come to, and those whose layer, or what leaves it, forward reads elsewhere too.
    """
    found = {path: (layer, norm) for path, layer, norm in _pairs(model) if layer.bias is not None}
    return list(found) if inputs is None else _seen_alone(model, found, inputs)


def _seen_alone(model: nn.Module, found: Mapping[str, tuple[Any, Any]], inputs: tuple[Any, ...]) -> list[str]:
    """Those of the paths whose layer and norm are two steps of one path of the numbers, and nothing else."""
    if not found:
        return []
    state = {module: module.training for module in model.modules()}
    try:
        with torch.no_grad():
            given, wanted = _recorded(model.eval(), found, inputs)
            rows = [p for p, (layer, _) in found.items() if _straight(given[p]) and _over_units(layer, given[p])]
            if _answers_without(model, rows, given, inputs, wanted):
                return rows
            return [path for path in rows if _answers_without(model, [path], given, inputs, wanted)]
    finally:
        for module, training in state.items():
            module.training = training


@dataclass(slots=True)
class _Calls:
    """What left the layer, what came to the norm and what left that, call by call."""

    layer: list[Tensor] = field(default_factory=list)
    came: list[Tensor] = field(default_factory=list)
    left: list[Tensor] = field(default_factory=list)


def _recorded(
    model: nn.Module, found: Mapping[str, tuple[Any, Any]], inputs: tuple[Any, ...]
) -> tuple[dict[str, _Calls], Any]:
    """Path of each norm -> its calls; and what the model answers."""
    given = {path: _Calls() for path in found}
    hooks = []
    for path, (layer, norm) in found.items():
        calls = given[path]

        def of_layer(_: Any, came: Any, left: Tensor, calls: _Calls = calls) -> None:
            calls.layer.append(left.clone())

        def of_norm(_: Any, came: Any, left: Tensor, calls: _Calls = calls) -> None:
            calls.came.append(came[0].clone())
            calls.left.append(left.clone())

        hooks += [layer.register_forward_hook(of_layer), norm.register_forward_hook(of_norm)]
    try:
        return given, model(*inputs)
    finally:
        for hook in hooks:
            hook.remove()


def _straight(calls: _Calls) -> bool:
    """Whether the norm was called, and each time with what had left the layer."""
    pairs = zip(calls.layer, calls.came, strict=False)
    return len(calls.layer) == len(calls.came) > 0 and all(torch.equal(one, other) for one, other in pairs)


def _over_units(layer: Any, calls: _Calls) -> bool:
    return not isinstance(layer, nn.Linear) or all(came.dim() == 2 for came in calls.came)


def _answers_without(
    model: nn.Module, paths: Sequence[str], given: Mapping[str, _Calls], inputs: tuple[Any, ...], wanted: Any
) -> bool:
    """Whether the model answers the same to the bit where nothing is left of these layers and norms but what the norms
    give: all their numbers are NaN, and with them all that anything else reads of them."""
    lost: dict[str, Tensor] = {}
    for path in paths:
        for place in (layer_before(model, path), path):
            module = model.get_submodule(place)
            tensors = [*module.named_parameters(), *module.named_buffers()]
            lost |= {f"{place}.{n}": torch.full_like(t, torch.nan) for n, t in tensors if t.is_floating_point()}
    left = {path: iter(given[path].left) for path in paths}
    hooks = [
        model.get_submodule(path).register_forward_hook(lambda *_, path=path: next(left[path]).clone())
        for path in paths
    ]
    try:
        found = functional_call(model, lost, inputs)
    finally:
        for hook in hooks:
            hook.remove()
    pairs = zip(tree_leaves(wanted), tree_leaves(found), strict=True)
    return all(
        bool(one.eq(other).logical_or(one.isnan() & other.isnan()).all()) if isinstance(one, Tensor) else one == other
        for one, other in pairs
    )


def layer_before(model: nn.Module, path: str) -> str:
    """Path of what stands right before a norm in its nn.Sequential."""
    parent, _, name = path.rpartition(".")
    names = list(model.get_submodule(parent)._modules)
    return f"{parent}.{names[names.index(name) - 1]}".lstrip(".")


def folded(weight: Tensor, bias: Tensor | None, norm: Any) -> tuple[Tensor, Tensor]:
    """Weight (out, in, ...) and bias (out,) of a layer with the norm behind it, made in float64."""
    mean, scale = norm.running_mean.double(), (norm.running_var.double() + norm.eps).rsqrt()
    gain = scale if norm.weight is None else scale * norm.weight.detach().double()
    shift = torch.zeros_like(mean) if norm.bias is None else norm.bias.detach().double()
    before = torch.zeros_like(mean) if bias is None else bias.detach().double()
    wide = weight.detach().double() * gain.reshape(-1, *[1] * (weight.dim() - 1))
    return wide.to(weight.dtype), ((before - mean) * gain + shift).to(weight.dtype)


def _pairs(model: nn.Module) -> Iterator[tuple[str, Any, Any]]:
    """(path of the norm, layer, norm) that can become one."""
    places = Counter(child for module in model.modules() for child in module._modules.values())
    held = Counter(id(p) for module in model.modules() for p in module._parameters.values() if p is not None)
    for path, module in model.named_modules():
        if type(module) is not nn.Sequential:
            continue
        for one, two in pairwise(module._modules):
            layer: Any = module._modules[one]
            norm: Any = module._modules[two]
            pair = layer is not None and norm is not None and NORMS.get(type(layer)) is type(norm)
            fits = pair and norm.num_features == len(layer.weight) and norm.running_mean is not None
            if fits and _alone(layer, places, held) and _alone(norm, places, held):
                yield f"{path}.{two}".lstrip("."), layer, norm


def _alone(module: Any, places: Counter[Any], held: Counter[int]) -> bool:
    """Whether neither it nor a number of it stands elsewhere, and nobody listens."""
    hooks = module._forward_hooks or module._forward_pre_hooks or "forward" in vars(module)
    own = all(held[id(p)] == 1 for p in module._parameters.values() if p is not None)
    return not hooks and own and places[module] == 1
