"""Options that say when what leaves leaves, and who teaches the smaller model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

if TYPE_CHECKING:
    from recprune.recipe.schedule import Schedule

__all__ = ["ScheduleOptions"]


@dataclass(frozen=True, slots=True)
class ScheduleOptions:
    """When what leaves leaves."""

    HEADING: ClassVar[str] = "When it leaves"
    schedule: Annotated[
        str,
        typer.Option(
            "--schedule",
            help="oneshot (once, when trained), gradual (in steps), early (after a few epochs: no more work than the "
            "large model takes), rewind (what stays is trained again from early weights).",
        ),
    ] = "oneshot"
    steps: Annotated[int, typer.Option("--steps", min=1, help="Steps of a gradual schedule.")] = 5
    after: Annotated[
        int | None, typer.Option("--after", min=1, help="Epochs before an early one cuts. Default: a third.")
    ] = None
    to: Annotated[int, typer.Option("--to", min=0, help="Epoch whose weights a rewound one begins with.")] = 1
    distill: Annotated[
        bool, typer.Option("--distill", help="Learn what the large model says too (not in closed form, not early).")
    ] = False

    def said(self) -> Schedule:
        """The schedule. Raises TrainingError for one that there is not."""
        from recprune.recipe.schedule import Schedule

        return Schedule(self.schedule, self.steps, self.after, self.to, self.distill)
