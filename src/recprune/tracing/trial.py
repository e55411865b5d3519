"""A survey is tried out: of every site some units leave a copy of the model, and what comes out must be equal.

A width that is written into forward as a number shows here, before anybody plans with it: the attribute that holds it
is found and noted, or the site is left whole with the reason.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import combinations, islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.tracing.attributes import numbers
from recprune.tracing.build import named_tensors
from recprune.tracing.comparing import difference, larger_batch
from recprune.tracing.cutting import Leaving, inputs_after, masked_copy, outputs_after, smaller_copy
from recprune.tracing.fields import by_rows
from recprune.tracing.inputs import Example, call
from recprune.tracing.joining import alike, folded, joined, scales
from recprune.tracing.kept_width import still
from recprune.tracing.site import FLAT, Kind, Site, Survey
from recprune.tracing.untouched import Reading, unwritten

__all__ = ["tried"]


def tried(model: nn.Module, survey: Survey, example: Example, columns: Sequence[str]) -> Survey:
    """The survey with the sites that can be cut, as they can be cut."""
    trial = _Trial(model, survey, example, columns)
    unfit = trial.unfit()
    if unfit is not None:
        whole = {**survey.whole, **{site.name: unfit for site in survey.sites}}
        return replace(survey, sites=(), whole=whole)
    survey = trial.without_fields_that_fail()
    bad = trial.failing([s for s in survey.sites if s.absent is None and not any(c.dim == FLAT for c in s.cuts)])
    if not bad:
        return survey
    names = {site.name for site in bad}
    mended: list[Site] = []
    left: list[Site] = []
    for together in alike(bad):
        found = trial.mend(together)
        mended += found
        covered = {cut for site in found for cut in site.cuts}
        left += [site for site in together if not set(site.cuts) <= covered]
    one, met = trial.as_one(left)
    mended += one
    whole = {**survey.whole, **{site.name: trial.why(site) for site in left if site.name not in met}}
    sites = (*(s for s in survey.sites if s.name not in names), *mended)
    return replace(survey, sites=sites, whole=whole)


class _Trial:
    """Some units of each site leave a copy whose numbers were stirred, so that zeros hide nothing."""

    def __init__(self, model: nn.Module, survey: Survey, example: Example, columns: Sequence[str]) -> None:
        self._survey, self._columns = survey, columns
        self._model, self._tensors = model, _stirred(model)
        self._inputs = self._runnable(larger_batch(survey, example, columns), example)
        floats = [t.dtype for t in self._tensors.values() if t.is_floating_point()]
        self._tolerance = 1e-4 if all(t in (torch.float32, torch.float64) for t in floats) else 5e-2

    def _runnable(self, larger: Any, example: Example) -> Any:
        """The longer batch where the model takes one, else the example: a state for so many rows does not grow."""
        with still(self._model), unwritten(self._model):
            try:
                call(self._model, larger)
            except Exception:
                return example
        return larger

    def unfit(self) -> str | None:
        """Why no copy of the model can be tried; None where one answers by itself."""
        kind = type(self._model).__name__
        try:
            copy = masked_copy(self._model, self._survey, {}, {}, self._tensors)
            with still(copy), Reading(self._model) as reading:
                call(copy, self._inputs)
        except Exception as error:
            return f"no copy of {kind} can be made and run: {type(error).__name__}: {error}"
        if reading.found:
            return (
                f"a copy of {kind} still reads {next(iter(reading.found))!r} of the model that it was made from: a "
                "function that is kept as an attribute holds on to that, where a method would not"
            )
        return None

    def equal(self, sites: Sequence[Site]) -> bool:
        """True when the copies without units of these sites agree."""
        apart = self._apart(sites)
        return apart is not None and apart <= self._tolerance

    def why(self, site: Site) -> str:
        """Why a site cannot be cut: the smaller copy does not run, or it runs and answers otherwise."""
        if self._apart([site]) is None:
            return "a width of it is written into forward as a number"
        return "forward computes with the width of it, as attention does that divides by its square root"

    def _apart(self, sites: Sequence[Site]) -> float | None:
        """How far the copies are apart; None where the smaller one does not run."""
        survey = replace(self._survey, sites=tuple(sites))
        leaving = _spare(self._leave(sites))
        try:
            masked = masked_copy(self._model, survey, leaving, {}, self._tensors)
            small = smaller_copy(self._model, survey, leaving, {}, self._tensors)
            after = inputs_after(survey, leaving, self._inputs, self._columns)
            with still(masked), still(small):
                wanted, got = call(masked, self._inputs), call(small, after)
        except Exception:
            return None
        return difference(outputs_after(survey, leaving, wanted), got)

    def _leave(self, sites: Sequence[Site]) -> list[Site]:
        """Sites that can spare units; of the fields, one, but of those in a mapping all."""
        fields = [s for s in self._survey.sites if s.kind is Kind.FIELD and s.absent is None]
        spare = [s for s in sites if s in fields][: min(1, len(fields) - 1)]
        whole = [s for s in sites if s.absent is not None]
        return [*spare, *whole, *(s for s in sites if s.kind is not Kind.FIELD and s.size > 1)]

    def without_fields_that_fail(self) -> Survey:
        """The survey without the fields of mappings that forward cannot do without; those that it cannot do with tables
        of no width leave row by row."""
        fields = [s for s in self._survey.sites if s.absent is not None]
        known = {s.name: s for s in fields}
        for field in [*self.failing(fields[:-1]), *self.failing(fields[-1:])]:
            ids = next((s for s in self._survey.sites if s.kind is Kind.ID and s.column == field.column), None)
            rows = by_rows(ids, field.absent) if ids is not None and field.absent is not None else field
            known.pop(field.name)
            known.update({rows.name: rows} if rows != field and self.equal([rows]) else {})
        bad = {s.name: "forward cannot do without it" for s in fields if s.name not in known}
        sites = tuple(known.get(s.name, s) for s in self._survey.sites if s.name not in bad)
        self._survey = replace(self._survey, sites=sites, whole={**self._survey.whole, **bad})
        return self._survey

    def failing(self, sites: list[Site]) -> list[Site]:
        """The sites that cannot be cut as they are, found by halving."""
        if not sites or self.equal(sites):
            return []
        if len(sites) == 1:
            return sites
        half = len(sites) // 2
        found = self.failing(sites[:half]) + self.failing(sites[half:])
        return found or sites

    def mend(self, together: list[Site]) -> list[Site]:
        """Sites with the attributes to correct, one by one or as one; none where nothing helps."""
        alone = [m for site in together if (m := self._mended(site)) is not None]
        if len(alone) == len(together) and self.equal(alone):
            return alone
        one = self._mended(joined(together)) if len(together) > 1 else None
        return [one] if one is not None else alone[:1]

    def as_one(self, sites: list[Site]) -> tuple[list[Site], set[str]]:
        """Axes of several widths that forward takes for one, such as a head's dims and all that go in: the narrowest
        says what a unit is. The joined site, and the names of those that it holds; none where it cannot be cut either.
        """
        open_ = [s for s in sites if s.kind in (Kind.NEURON, Kind.DIM)]
        for width in sorted({s.size for s in open_} - {1}):
            together = [s for s in open_ if s.size % width == 0]
            one = self._mended(joined([folded(s, width) for s in together])) if len(together) > 1 else None
            if one is not None:
                return [one], {s.name for s in together}
        return [], set()

    def _mended(self, site: Site) -> Site | None:
        """With the attributes that hold its width, and with tensors rescaled where it runs and is not equal."""
        held = list(numbers(self._model, site.size, {cut.tensor for cut in site.cuts}))[:6]
        for chosen in (chosen for count in range(len(held) + 1) for chosen in combinations(held, count)):
            for scale in islice(scales(site), 12):
                candidate = replace(site, attributes=chosen, rescaled=scale)
                apart = self._apart([candidate])
                if apart is None:
                    break
                if apart <= self._tolerance:
                    return candidate
        return None


def _spare(sites: Sequence[Site]) -> Leaving:
    """The units that leave: the last ones; of ids the first, so that all others get new numbers. Of sites of one size
    unlike numbers leave, so that widths that are equal by chance and taken for one come apart."""
    leaving, met = {}, Counter[int]()
    for site in sites:
        count = 1 + met[site.size] % max(site.size - 1, 1)
        met[site.size] += 1
        leaving[site.name] = np.arange(count) + (0 if site.kind is Kind.ID else site.size - count)
    return leaving


def _stirred(model: nn.Module) -> dict[str, Tensor]:
    """The model's tensors, its parameters with noise; a block of a length that is prime is enough of it for all."""
    noise = torch.randn(8191, generator=torch.Generator().manual_seed(0)) * 0.1
    out = {}
    for name, tensor in named_tensors(model).items():
        out[name] = tensor.detach()
        if isinstance(tensor, nn.Parameter) and tensor.is_floating_point():
            times = -(-tensor.numel() // len(noise))
            out[name] = tensor.detach() + noise.repeat(times)[: tensor.numel()].view(tensor.shape).to(tensor)
    return out
