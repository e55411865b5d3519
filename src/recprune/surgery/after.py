"""What a plan makes of all that is not weights: codes, inputs, outputs, widths beside the tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.planning.plan import Plan
from recprune.surgery.leaving import leaving_of
from recprune.tracing.cutting import codes_after, inputs_after, outputs_after
from recprune.tracing.inputs import Example
from recprune.tracing.site import Absent

__all__ = ["absent_after", "attributes_after", "renumber", "shrink_inputs", "shrink_outputs"]


def renumber(plan: Plan) -> dict[str, NDArray[np.int64]]:
    """Column -> (old rows,) the new code of each old code, for columns whose ids leave; 0 for those that left.

    Ids that are answers too are items: their codes stand under `item` as well, by which lists are read and judged.
    """
    codes = codes_after(plan.survey, leaving_of(plan))
    found = [codes[site.columns[0]] for site in plan.survey.sites if site.answers and site.columns[0] in codes]
    return {"item": found[0], **codes} if found else codes


def shrink_inputs(plan: Plan, inputs: Example, columns: Sequence[str] = ()) -> Any:
    """Inputs of the old model as the smaller one takes them: ids renumbered, columns that left dropped.

    columns: names of the tensors, those of the survey where none are said. A sequence comes back as a tuple, a mapping
    as a dict.
    """
    return inputs_after(plan.survey, leaving_of(plan), inputs, columns)


def shrink_outputs(plan: Plan, output: Any) -> Any:
    """What the old model gives, or the masked one, as the smaller one gives it: without the answers that left.

    Only ids that are read and found in one table leave the answers; otherwise it is the output as it is.
    """
    return outputs_after(plan.survey, leaving_of(plan), output)


def attributes_after(plan: Plan) -> dict[str, int]:
    """Whole numbers that modules hold beside their tensors, as they are in the smaller model."""
    return {name: len(plan.units(site)) for site in plan.survey.sites for name in site.attributes}


def absent_after(plan: Plan) -> list[Absent]:
    """Columns of mappings that do not come any more to the smaller model, for `fill_absent_`."""
    return [site.absent for site in plan.survey.sites if site.absent is not None and len(plan.leaving(site))]
