"""survey: module + example -> Survey. One forward pass is watched operation by operation; every axis is followed."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from recprune.errors import SurveyError
from recprune.rewrites.open_attention import open_attention
from recprune.tracing.absent import absentable
from recprune.tracing.build import build
from recprune.tracing.copying import wrap_call
from recprune.tracing.inputs import Example, call, laid_flat, shapes_of
from recprune.tracing.kept_width import still
from recprune.tracing.offered import with_offered
from recprune.tracing.outline import outlined
from recprune.tracing.seen import Seen
from recprune.tracing.site import Survey
from recprune.tracing.spectral import freeze_spectral
from recprune.tracing.trial import tried
from recprune.tracing.untouched import unwritten
from recprune.tracing.watch import Functions, Watch

__all__ = ["survey"]


def survey(model: nn.Module, example: Example, columns: Sequence[str] | None = None) -> Survey:
    """Find the units of `model` that can leave, and everything that must leave with them.

    example: one small batch, the arguments that forward takes (2 or more rows that differ): a sequence of positional
    arguments or a mapping of keyword arguments; each may be a tensor, or a dict, list, tuple or dataclass of tensors.
    columns: a name for each tensor (default: `model.columns` where there are as many; otherwise keys, and input0,
    input1, ... by place). The model may be any nn.Module; it is run once, in evaluation mode without gradients, and
    left as it was. A module that has a method `prunable() -> Iterable[Site]` adds sites of its own, in names of its own
    tensors; `pointers`, a mapping of its buffers to its tensors, is as in Survey. What is found is
    tried out on a copy before it is handed back: a site that cannot be cut without changing the answer stays whole, and
    all of them where no copy can be made that answers by itself.
    A model with tensors on torch's meta device, as `weightless` makes them, is surveyed without their numbers, by an
    outline of some thousand rows a table: the survey is that of the same model with weights.
    Raises SurveyError where the example does not run.
    """
    model = open_attention(model)
    outline = outlined(model, example)
    if outline is not None:
        return outline.restored(survey(outline.model, outline.example, columns))
    inputs = laid_flat(example, columns if columns is not None else getattr(model, "columns", ()))
    named = tuple(inputs)
    absent = absentable(example, named) if wrap_call(model) == "forward" else {}
    watch = Watch(Seen(model, inputs, absent))
    with still(model), watch.hooks(), unwritten(model):
        try:
            with watch, Functions(watch):
                output = call(model, example)
        except Exception as error:
            raise SurveyError(
                f"{type(model).__name__} does not run on the example of shapes "
                f"{shapes_of(example)}: {type(error).__name__}: {error}"
            ) from error
    watch.finish(output)
    freeze_spectral(watch.seen)
    return tried(model, with_offered(model, build(watch.seen)), example, named)
