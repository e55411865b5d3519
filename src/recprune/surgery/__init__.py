"""A plan is carried out: a new, smaller model, and all that changes along with it."""

from recprune.surgery.after import absent_after, attributes_after, renumber, shrink_inputs, shrink_outputs
from recprune.surgery.cut import apply, dense_tensors, masked, pack_planned, without_norms

__all__ = [
    "absent_after",
    "apply",
    "attributes_after",
    "dense_tensors",
    "masked",
    "pack_planned",
    "renumber",
    "shrink_inputs",
    "shrink_outputs",
    "without_norms",
]
