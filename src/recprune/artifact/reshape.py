"""reshape_(): stored tensors of other shapes go into a fresh skeleton."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from recprune.encodings.faces import PackedLinear
from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import ItemItem
from recprune.encodings.placing import check, parts_of
from recprune.encodings.spelled import spelled
from recprune.errors import SurgeryError
from recprune.packing import put_codes, replace_module
from recprune.rewrites.fold_norm import FoldedNorm, foldable
from recprune.tracing.attributes import correct_attributes, set_number
from recprune.tracing.build import named_tensors

__all__ = ["reshape_"]


def reshape_(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    encodings: Mapping[str, str] | None = None,
    columns: Sequence[str] | None = None,
    attributes: Mapping[str, int] | None = None,
) -> None:
    """Give a fresh skeleton stored tensors of other shapes, in place: how an artifact comes back.

    tensors: the stored `state_dict`; encodings: tensor of the skeleton -> encoding that stores it now (its parts are
    then named after the module, as in "items.values" and "user.stored.codes"); attributes: those of `attributes_after`.
    Raises SurgeryError where a tensor is missing or has no place, or parts are damaged.
    """
    for name, encoding in sorted((encodings or {}).items(), key=lambda one: one[1] != FOLDED):  # norms first
        _put_encoded(model, name, encoding, tensors)
    places = named_tensors(model)
    missing, extra = sorted(places.keys() - tensors.keys()), sorted(tensors.keys() - places.keys())
    if missing or extra:
        raise SurgeryError(f"stored tensors do not fit the model: missing {missing[:3]}, without a place {extra[:3]}")
    new = {id(old): _like(old, tensors[name]) for name, old in places.items()}
    for module in model.modules():
        for held in (module._parameters, module._buffers):
            for attribute, old in held.items():
                if old is not None:
                    held[attribute] = new[id(old)]
    correct_attributes(model)
    for name, number in (attributes or {}).items():
        set_number(model, name, number)
    if columns is not None and hasattr(model, "columns"):
        setattr(model, "columns", tuple(columns))  # noqa: B010 (no attribute of nn.Module to a type checker)
    for layer in model.modules():
        check(layer)


def _like(old: Tensor, value: Tensor) -> Any:
    """A parameter where a parameter was; one tensor for all places that shared it."""
    return nn.Parameter(value, requires_grad=old.requires_grad) if isinstance(old, nn.Parameter) else value


def _put_encoded(model: nn.Module, name: str, encoding: str, tensors: Mapping[str, Tensor]) -> None:
    path, _, attribute = name.rpartition(".")
    module = model.get_submodule(path)
    if encoding == FOLDED:
        return _fold(model, path, module)
    if encoding == "item_item":
        columns = int(getattr(module, "in_features", 0))
        return replace_module(model, module, ItemItem.rebuilt(_parts(tensors, f"{path}."), columns))
    if isinstance(module, ItemItem):
        codes = spelled(encoding).kind.rebuilt(_parts(tensors, f"{parts_of(name)}."))
        return replace_module(model, module, PackedLinear(codes, None).train(module.training))
    weight = module._parameters.get(attribute)
    if weight is None:
        raise SurgeryError(f"the model has no parameter {name!r} that {encoding} could take the place of")
    put_codes(model, weight, spelled(encoding).kind.rebuilt(_parts(tensors, f"{parts_of(name)}.")))


def _fold(model: nn.Module, path: str, module: nn.Module) -> None:
    """The norm has gone into the layer before it; its tensors are named one by one."""
    if isinstance(module, FoldedNorm):
        return
    if path not in foldable(model):
        raise SurgeryError(f"the model has no norm {path!r} behind a layer that could take it in")
    replace_module(model, module, FoldedNorm(module))


def _parts(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): t for name, t in tensors.items() if name.startswith(prefix)}
