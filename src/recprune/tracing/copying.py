"""Copies of a model with other tensors in the places of its own, also where layers keep variables of their own."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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
    out = copy.deepcopy(model, dict(swap))
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
