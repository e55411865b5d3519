"""compose: two plans one after the other become one plan of the first model."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from recprune.errors import PlanError
from recprune.planning.budget import Budget
from recprune.planning.origins import Origins, axis_length, staying
from recprune.planning.plan import Plan
from recprune.tracing.site import Survey

__all__ = ["compose", "remainder"]


def compose(first: Plan, second: Plan, budget: Budget | None = None) -> Plan:
    """One plan that takes from the first model what both take in a row; apply gives the same shapes.

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
    encodings = {**first.encodings, **second.encodings}
    made = Plan(first.survey, cut, second.budget, rule, encodings)
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


def _check(origins: Origins, second: Plan, whole: Plan) -> None:
    """What leaves by both in a row is what leaves by the one."""
    wanted, found = staying(origins.first), staying(whole)
    for site in second.survey.sites:
        leaving = second.leaving(site)
        for axis, at in origins.positions(site, leaving) if len(leaving) else ():
            mask = wanted.setdefault(axis, np.ones(axis_length(origins.first.survey, axis), dtype=np.bool_))
            mask[at] = False
    for axis in wanted.keys() | found.keys():
        if not np.array_equal(wanted.get(axis, True), found.get(axis, True)):
            raise PlanError(
                f"these plans do not make one: of {axis[0]}, axis {axis[1]}, other positions would leave. Leave out of "
                "the second plan what takes only a part of a unit, with Budget(sites=...)",
                tensor=axis[0],
            )
