"""build(): a model by its name, sized for the data."""

from __future__ import annotations

import inspect
import types
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Union, get_args, get_origin, get_type_hints

import torch
from torch import nn

from recprune import discover, models
from recprune.data.dataset import Split
from recprune.errors import ExtensionError

__all__ = ["build"]


def build(name: str, split: Split, *, seed: int = 0, **options: Any) -> nn.Module:
    """A new model of that name (a file of `recprune.models`, or "package.module:Class") for the data of `split`.

    The model's class method `of(split, **options)` makes it; its options are those of its constructor. `seed` draws the
    weights; torch's own random state stays as it is. Raises ExtensionError for a name or an option that there is not,
    and for an option of another kind than its constructor says.
    """
    found = discover.load(models, name)
    if not callable(getattr(found, "of", None)):
        raise ExtensionError(
            f"{name!r} is not built from data: it has no class method of(split, **options) (docs/extend.md)", name=name
        )
    sized = {"self", "split", "n_users", "n_items", "sizes", "multi", "missing"}
    allowed = [option for option in inspect.signature(found).parameters if option not in sized]
    unknown = sorted(set(options) - set(allowed))
    if unknown:
        there = ", ".join(allowed) or "none"
        raise ExtensionError(f"{name} has no option {unknown[0]!r}; there are: {there}", name=name, option=unknown[0])
    _check_kinds(name, found, options)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model: nn.Module = found.of(split, **options)
    return model


KINDS: Mapping[type, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    Sequence: "a list",
    Mapping: "a table",
}
"""Kinds of options that are told apart -> their names."""
WIDTHS = ("dim", "heads", "length")
"""Options of which there is one at least."""


def _check_kinds(name: str, found: Any, options: Mapping[str, Any]) -> None:
    try:
        hints = get_type_hints(found.__init__)
    except (NameError, TypeError, AttributeError, SyntaxError):  # annotations that mean nothing here
        return
    for option, value in options.items():
        kinds = _kinds(hints[option]) if option in hints else None
        if kinds is not None and not any(_is(value, kind) for kind in kinds):
            wanted = " or ".join(KINDS.get(kind, "nothing") for kind in kinds)
            raise ExtensionError(f"option {option} of {name} is {wanted}, not {value!r}", name=name, option=option)
        if option in WIDTHS and isinstance(value, int) and value < 1:
            raise ExtensionError(f"option {option} of {name} is 1 or more, not {value!r}", name=name, option=option)


def _kinds(hint: Any) -> tuple[type, ...] | None:
    """The kinds that an annotation names; None where it names another."""
    if get_origin(hint) in (Union, types.UnionType):
        found = [_kinds(part) for part in get_args(hint)]
        return None if None in found else tuple(kind for part in found for kind in part or ())
    plain = get_origin(hint) or hint
    if plain in (list, tuple):
        plain = Sequence
    return (plain,) if plain in KINDS or plain is types.NoneType else None


def _is(value: object, kind: type) -> bool:
    if kind in (int, float):
        return isinstance(value, Integral if kind is int else Real) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is Sequence and isinstance(value, str))
