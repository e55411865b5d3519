"""compose: two plans one after the other become one plan of the first model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import numpy as np

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries
from recprune.errors import PlanError
from recprune.planning.budget import Budget
from recprune.planning.choose import paying
from recprune.planning.held import of_single_entries
from recprune.planning.origins import Origins, axis_length, staying
from recprune.planning.plan import Plan
from recprune.tracing.site import Survey

__all__ = ["compose", "remainder"]


def compose(first: Plan, second: Plan, budget: Budget | None = None) -> Plan:
    """One plan that takes from the first model what both take in a row; apply gives the same shapes.

    A tensor is stored as the second says; as the first says where it is no longer floats when the second begins, and
    where entries leave through it.
    second: made for what `apply` makes of the first. budget: that of the new plan (None: the share that has left, under
    the second's other conditions). Raises PlanError where the second was made for another model, or where what leaves
    by it is no whole unit of the first model.
    """
    origins = Origins(first, second.survey)
    kept = {site.name: first.units(site) for site in first.survey.sites}
    for site in second.survey.sites:
        leaving = second.leaving(site)
        for name, here, there in origins.of[site.name] if len(leaving) else ():
            kept[name] = np.setdiff1d(kept[name], there[np.isin(here, leaving)], assume_unique=True)
    cut = {s.name: kept[s.name] for s in first.survey.sites if len(kept[s.name]) < s.size or s.name in first.kept}
    rule = first.rule if second.rule in ("", first.rule) else "; then ".join(filter(None, (first.rule, second.rule)))
    made = paying(Plan(first.survey, cut, second.budget, rule, _encodings(first, second, cut)))
    _check(origins, second, made)
    share = made.account().share_removed
    said = budget or replace(second.budget, factor=share, bytes=None, milliseconds=None, max_drop=None)
    return replace(made, budget=said)


def remainder(whole: Plan, first: Plan, survey: Survey) -> Plan:
    """The second plan by which `compose(first, second)` is `whole`, for the model that `first` made.

    survey: of that model. Raises PlanError where `whole` keeps what `first` took, or takes units that the survey does
    not have.
    """
    origins, kept = Origins(first, survey), {}
    back = [s.name for s in first.survey.sites if len(np.setdiff1d(whole.units(s), first.units(s), assume_unique=True))]
    if back:
        raise PlanError(f"{back[0]!r} would get units back that have left already", site=back[0])
    for site in survey.sites:
        stays = np.ones(site.size, dtype=np.bool_)
        for name, here, there in origins.of[site.name]:
            stays[here] = np.isin(there, whole.units(whole.survey.site(name)))
        if not stays.all():
            kept[site.name] = np.flatnonzero(stays)
    encodings = {t: e for t, e in whole.encodings.items() if t in survey.shapes}
    made = Plan(survey, kept, whole.budget, whole.rule, encodings)
    _check(origins, made, whole)
    return made


def _encodings(first: Plan, second: Plan, cut: Iterable[str]) -> dict[str, str]:
    """How tensors of the first model are stored in the end. cut: sites of which units leave."""
    there, single, out = second.survey.shapes, of_single_entries(first.survey, cut), dict(second.encodings)
    for tensor, text in first.encodings.items():
        values = f"{tensor.rpartition('.')[0]}.values"
        if by_entries(text) and tensor not in there and values in there:
            out[tensor] = out.pop(values, "item_item")
        elif tensor not in there or tensor in single:
            out.setdefault(tensor, text)
    return out


def _check(origins: Origins, second: Plan, whole: Plan) -> None:
    """What leaves by both in a row is what leaves by the one; norms that the first folds are there no more."""
    wanted, found = staying(origins.first), staying(whole)
    for site in second.survey.sites:
        leaving = second.leaving(site)
        for axis, at in origins.positions(site, leaving) if len(leaving) else ():
            mask = wanted.setdefault(axis, np.ones(axis_length(origins.first.survey, axis), dtype=np.bool_))
            mask[at] = False
    stored = origins.first.encodings
    for axis in (axis for axis in wanted.keys() | found.keys() if stored.get(axis[0]) != FOLDED):
        if not np.array_equal(wanted.get(axis, True), found.get(axis, True)):
            raise PlanError(
                f"these plans do not make one: of {axis[0]}, axis {axis[1]}, other positions would leave. Leave out of "
                "the second plan what takes only a part of a unit, with Budget(sites=...)",
                tensor=axis[0],
            )
