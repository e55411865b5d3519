"""Copies of a model with other tensors in the places of its own, also where layers keep variables of their own."""

from __future__ import annotations

import copy
from collections import OrderedDict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from recprune.errors import SurgeryError

__all__ = ["copied", "layers", "variables", "wrap_call"]


def copied(model: nn.Module, new: Mapping[str, tuple[Tensor, Tensor]]) -> nn.Module:
    """A deep copy in which every tensor is replaced; what was one tensor stays one.

    new: name -> (the tensor of the model, the tensor of the copy). A model that is copied by being saved and built
    anew, as one of Keras is, gets its tensors and their names afterwards.
    Raises SurgeryError where such a copy has other tensors than the model.
    """
    swap: dict[int, Any] = {id(old): value for old, value in new.values()}
    swap |= {id(made): made.detach() for module in layers(model) for made in _computed(module)}
    out: nn.Module = _deepcopy(model, dict(swap))
    here = {**dict(out.named_parameters()), **dict(out.named_buffers())}
    if all(here.get(name) is value for name, (_, value) in new.items()):
        return out
    before, after = (list(getattr(m, "variables", ())) for m in (model, out))
    if [v.shape for v in before] != [v.shape for v in after]:
        raise SurgeryError(f"a copy of {type(model).__name__} has other variables than the model")
    for old, made in zip(before, after, strict=True):
        value = swap[id(old._value)]
        made._path, made._value, made._shape = old._path, value, tuple(value.shape)
    _track_again(out)
    here = {**dict(out.named_parameters()), **dict(out.named_buffers())}
    odd = [name for name, (_, value) in new.items() if here.get(name) is not value]
    if odd or len(here) != len(new):
        raise SurgeryError(f"a copy of {type(model).__name__} has other tensors than the model: {', '.join(odd[:3])}")
    if any(old.shape != value.shape for old, value in new.values()) and hasattr(out, "_nodes"):
        for layer in layers(out):
            vars(layer)["_build_shapes_dict"] = None  # a loaded graph tells every layer the shapes that go in
    return out


_ATOMS = frozenset({bool, int, float, str, type(None), type, torch.dtype, torch.device})


def _deepcopy(model: nn.Module, memo: dict[int, Any]) -> Any:
    """copy.deepcopy of a module, without its detours where modules are copied as torch has it: most of what a module
    holds are empty dicts of hooks."""
    if not _plain(type(model)):
        return copy.deepcopy(model, memo)
    if id(model) in memo:
        return memo[id(model)]
    out = memo[id(model)] = object.__new__(type(model))
    held = vars(out)
    for name, value in vars(model).items():
        if name == "_compiled_call_impl":
            continue
        if type(value) in _ATOMS:
            held[name] = value
        elif type(value) in (dict, OrderedDict) and not value:
            held[name] = type(value)()
        elif name == "_modules":
            held[name] = {key: None if part is None else _deepcopy(part, memo) for key, part in value.items()}
        else:
            held[name] = copy.deepcopy(value, memo)
    return out


def _plain(kind: type[nn.Module]) -> bool:
    """Whether a copy is made of its attributes and nothing else."""
    ways = (kind.__reduce_ex__, kind.__reduce__, kind.__getstate__, kind.__setstate__)
    usual = (object.__reduce_ex__, object.__reduce__, nn.Module.__getstate__, nn.Module.__setstate__)
    return ways == usual and not hasattr(kind, "__deepcopy__")


def layers(model: nn.Module) -> list[nn.Module]:
    """All modules of a model, also those that a module keeps in a list `_layers` that torch does not see."""
    found: dict[int, nn.Module] = {}
    open_ = [model]
    while open_:
        module = open_.pop()
        if id(module) not in found:
            found[id(module)] = module
            held: Sequence[Any] = vars(module).get("_layers") or ()
            open_ += [m for m in (*module.children(), *held) if isinstance(m, nn.Module)]
    return list(found.values())


def variables(module: nn.Module) -> Iterator[Any]:
    """Variables of a layer itself: a tensor `_value` with a `_shape`, as Keras has them."""
    for name in ("_trainable_variables", "_non_trainable_variables"):
        held = vars(module).get(name) or ()
        yield from (v for v in held if isinstance(getattr(v, "_value", None), Tensor) and hasattr(v, "_shape"))


def _computed(module: nn.Module) -> Iterator[Tensor]:
    """Tensors that a module keeps from its last pass, as torch.nn.utils.prune does; with a history none is copied."""
    return (v for v in vars(module).values() if isinstance(v, Tensor) and not v.is_leaf)


def wrap_call(model: nn.Module) -> str:
    """Attribute to wrap so that every call of the model passes: `forward`, or `call` where __call__ is its own."""
    own = type(model).__call__ is not nn.Module.__call__ and callable(getattr(model, "call", None))
    return "call" if own else "forward"


def _track_again(model: nn.Module) -> None:
    """Parameters that layers show to torch are those of their variables."""
    for layer in layers(model):
        if "_torch_params" in layer._modules:
            del layer._modules["_torch_params"]
            layer._track_variables()  # type: ignore[operator]
