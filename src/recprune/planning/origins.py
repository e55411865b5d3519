"""Where the units of a smaller model's sites stood in the model that it was cut from."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from recprune.encodings.item_item import by_entries
from recprune.errors import PlanError
from recprune.planning.plan import Plan
from recprune.tracing.site import FLAT, Cut, Site, Survey

__all__ = ["Axis", "Origins", "Units", "axis_length", "staying"]

Units = NDArray[np.int64]
Axis = tuple[str, int]
"""A tensor's name and one of its axes, FLAT for its entries."""


def staying(plan: Plan) -> dict[Axis, NDArray[np.bool_]]:
    """Axis -> which of its positions stay, for axes that get shorter."""
    found: dict[Axis, NDArray[np.bool_]] = {}
    for site in plan.survey.sites:
        leaving = plan.leaving(site)
        for cut in site.cuts if len(leaving) else ():
            axis = cut.tensor, cut.dim
            mask = found.setdefault(axis, np.ones(axis_length(plan.survey, axis), dtype=np.bool_))
            mask[cut.positions(leaving)] = False
    return found


def axis_length(survey: Survey, axis: Axis) -> int:
    """Positions of an axis; of FLAT all entries of the tensor."""
    shape = survey.shapes[axis[0]]
    return math.prod(shape) if axis[1] == FLAT else shape[axis[1]]


@dataclass(frozen=True, eq=False)
class Origins:
    """first: the plan that made the smaller model; survey: of that smaller model.

    Units are followed by the numbers that leave with them, not by the names of their sites: a site may fall into
    several, or two become one. Raises PlanError where the survey is not of what the plan makes.
    """

    first: Plan
    survey: Survey

    def __post_init__(self) -> None:
        after = {row.tensor: row.after for row in self.first.account().rows if row.tensor not in self.first.encodings}
        for tensor, shape in after.items():
            here = self.survey.shapes.get(tensor)
            if here != shape:
                raise PlanError(
                    f"these plans do not follow each other: the first leaves {tensor} as {shape}, and the second is "
                    f"made for {here or 'a model without it'}. Survey what `apply` made of the first",
                    tensor=tensor,
                )

    @cached_property
    def stays(self) -> Mapping[Axis, Units]:
        """Axis of the first model -> the positions that are left, for axes that got shorter."""
        return {axis: np.flatnonzero(mask) for axis, mask in staying(self.first).items()}

    def axis(self, cut: Cut) -> Axis | None:
        """The axis of the first model that a cut of the smaller one lies on; None for what it did not have."""
        if cut.tensor in self.first.survey.shapes:
            return cut.tensor, cut.dim
        path, _, part = cut.tensor.rpartition(".")
        encoded = f"{path}.weight"
        return (encoded, FLAT) if part == "values" and by_entries(self.first.encodings.get(encoded)) else None

    def positions(self, site: Site, units: Units) -> Iterator[tuple[Axis, Units]]:
        """For every cut of a site of the smaller model: its axis, and where those units stand on it in the first."""
        for cut in site.cuts:
            axis = self.axis(cut)
            if axis is not None:
                at, whole = cut.positions(units), cut.dim == FLAT  # entries that left are zeros until they are packed
                yield axis, at if whole or axis not in self.stays else self.stays[axis][at]

    @cached_property
    def of(self) -> Mapping[str, tuple[tuple[str, Units, Units], ...]]:
        """Site of the smaller model -> (site of the first, units here, units there), for all its units that were one
        unit each."""
        return {site.name: tuple(self._found(site)) for site in self.survey.sites}

    def _found(self, site: Site) -> Iterator[tuple[str, Units, Units]]:
        """The first cut tells: a unit came from the one that takes all of its positions."""
        open_ = np.arange(site.size, dtype=np.int64)
        axis, at = next(self.positions(site, open_), (None, open_))
        at = at.reshape(site.size, -1)
        for old in sorted(self.first.survey.sites, key=lambda s: s.name != site.name):
            for cut in old.cuts if old.kind is site.kind else ():
                if (cut.tensor, cut.dim) != axis or not len(open_):
                    continue
                units = (at[open_] - cut.start) // cut.width
                mine = (units == units[:, :1]).all(1) & (units[:, 0] >= 0) & (units[:, 0] < old.size)
                if mine.any():
                    yield old.name, open_[mine], units[mine, 0]
                open_ = open_[~mine]
