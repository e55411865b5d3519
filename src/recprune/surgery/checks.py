"""What is checked before a model is cut, and before the smaller one is handed back."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn

from recprune.encodings.folded import FOLDED
from recprune.encodings.item_item import by_entries
from recprune.errors import BudgetError, PlanError, SurgeryError
from recprune.packing import weight_to_pack
from recprune.planning.held import sparse_matrices
from recprune.planning.plan import Plan
from recprune.surgery.after import shrink_inputs, shrink_outputs
from recprune.tracing.build import fingerprint, named_tensors
from recprune.tracing.comparing import difference, larger_batch
from recprune.tracing.inputs import Example, call
from recprune.tracing.kept_width import still

__all__ = ["check_cut", "check_model", "check_packing", "columns_of"]


def check_model(model: nn.Module, plan: Plan) -> None:
    """Raises PlanError where the plan was made for another model."""
    if fingerprint(model) == plan.survey.fingerprint:
        return
    here = {n: tuple(t.shape) for n, t in named_tensors(model).items()}
    there = {n: tuple(s) for n, s in plan.survey.shapes.items()}
    name = next((n for n in [*there, *here] if here.get(n) != there.get(n)), "a type")
    raise PlanError(
        f"this plan was made for another model: {name} is {there.get(name, 'absent')} there and "
        f"{here.get(name, 'absent')} here. Survey this model and choose again.",
        tensor=name,
    )


def check_packing(model: nn.Module, plan: Plan) -> None:
    """Raise SurgeryError or BudgetError before anything is cut where the plan asks for what cannot be packed."""
    rows = {row.tensor: row for row in plan.account().rows}
    sparse = sparse_matrices(plan.survey)
    for name, encoding in plan.packed().items():
        beside = sparse[name].beside if name in sparse else ()
        if not beside:
            weight_to_pack(model, name)
        widths = plan.survey.bytes_per_entry
        plain = sum(math.prod(rows[part].after) * widths[part] for part in (name, *beside))
        if rows[name].bytes_after >= plain:
            raise BudgetError(
                f"what stays of {name!r}, {rows[name].after}, takes {plain:,} bytes, and {rows[name].bytes_after:,} as "
                f"{encoding}; leave its encoding out of the plan",
                tensor=name,
            )


def check_cut(reference: nn.Module, small: nn.Module, plan: Plan, example: Example) -> None:
    """Raises SurgeryError where the smaller model does not hold what the plan says, or does not equal the masked one.

    Both are asked the example, and a longer batch where the old model takes one.
    """
    account, stored = plan.account(), plan.packed()
    whole = {name for name, encoding in stored.items() if not by_entries(encoding.name)}
    whole |= {name for name, text in plan.encodings.items() if text == FOLDED}
    said = sum(math.prod(r.after) if r.tensor in whole else r.entries_after for r in account.rows if r.learned)
    counted = sum(p.numel() for p in small.parameters())
    if counted != said:
        raise SurgeryError(f"the smaller model holds {counted:,} parameters, the plan says {said:,}")
    columns = columns_of(reference, plan)
    floats = [t.dtype for t in named_tensors(reference).values() if t.is_floating_point()]
    tolerance = 1e-5 if all(t in (torch.float32, torch.float64) for t in floats) else 2e-2
    for inputs in (example, larger_batch(plan.survey, example, columns)):
        with still(reference), still(small):
            try:
                before = shrink_outputs(plan, call(reference, inputs))
            except Exception:
                if inputs is example:
                    raise
                continue  # the model takes no longer batch, as where it is given a state for so many rows
            after = _run(small, plan, shrink_inputs(plan, inputs, columns))
        apart = difference(before, after)
        if not apart <= tolerance:
            raise SurgeryError(
                f"the smaller model does not equal the masked one: relative difference {apart:.3g} where at most "
                f"{tolerance:.3g} is allowed. Nothing was changed; please report the module.",
                difference=apart,
            )


def _run(small: nn.Module, plan: Plan, inputs: Example) -> Any:
    try:
        return call(small, inputs)
    except Exception as error:
        cut = sorted(plan.kept)
        raise SurgeryError(
            f"the smaller model does not run: {type(error).__name__}: {error}. A width written into forward as a "
            f"number is the usual cause; sites that were cut: {', '.join(cut[:8])}. Leave the site out with "
            "Budget(sites=...), or take the width from the tensor's own shape.",
            sites=tuple(cut),
        ) from error


def columns_of(model: nn.Module, plan: Plan) -> tuple[str, ...]:
    """Names of the inputs: those of the survey, which old plans lack."""
    return plan.survey.columns or tuple(getattr(model, "columns", ()))
