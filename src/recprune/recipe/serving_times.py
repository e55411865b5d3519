"""serving_times(): how long a request takes of the larger and of the smaller model, as `recprune serve` answers it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from recprune.artifact.recording import record
from recprune.artifact.speeds import Speeds, Took
from recprune.errors import ArtifactError
from recprune.evaluation.speed import compare_calls
from recprune.recipe.bench import bench, request_of
from recprune.recipe.stages import Stage, silent

__all__ = ["ServingTimes", "serving_times"]

BATCHES = (1, 256)
REPEATS, SECONDS = 100, 1.0


@dataclass(frozen=True, slots=True)
class ServingTimes:
    """What was recorded of the larger model (before) and of the smaller one (after)."""

    before: Speeds
    after: Speeds

    def taken(self, rows: int = 1) -> tuple[tuple[str, Took], tuple[str, Took]]:
        """Before and after: the runtime that answers calls of so many rows, and what it took."""
        return _taken(self.before, rows), _taken(self.after, rows)

    def sentence(self) -> str:
        """One request, in words."""
        (name, before), (own, after) = self.taken()
        return (
            f"As `recprune serve` answers, a request takes {after.median:.3g} ms ({own}) and took {before.median:.3g} "
            f"ms ({name}): {before.median / after.median:.3g} times as fast"
        )

    def to_json(self) -> str:
        """As text; `ServingTimes.from_json` gives it back."""
        return json.dumps({"before": json.loads(self.before.to_json()), "after": json.loads(self.after.to_json())})

    @classmethod
    def from_json(cls, text: str) -> ServingTimes:
        """From its text. Raises ArtifactError where a record is none."""
        try:
            said: dict[str, Any] = json.loads(text)
            records = [json.dumps(said[name]) for name in ("before", "after")]
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"these are no times of serving: {type(error).__name__} {error}") from error
        return cls(*map(Speeds.from_json, records))


def _beside(recorded: Mapping[Path, Speeds], own: str | None, *, k: int, seed: int) -> Iterator[Speeds]:
    """The same records, and what a single request takes by the runtimes that answer it, of both models in turns: what
    else the machine does, and what else was called before, is then the same for both."""
    calls = {str(at): request_of(at, said.use[1], None, own, k=k, seed=seed) for at, said in recorded.items()}
    timed = compare_calls(calls, 1, repeats=3 * REPEATS, threads=1, seconds=SECONDS)
    for folder, said in recorded.items():
        one = timed[str(folder)]
        mine = {**said.took[1], said.use[1]: Took(one.median, one.low, one.high)}
        speeds = replace(said, took={**said.took, 1: mine})
        record(folder, speeds)
        yield speeds


def _taken(speeds: Speeds, rows: int) -> tuple[str, Took]:
    name = speeds.use[rows]
    return name, speeds.took[rows][name]


def serving_times(
    big: Path, small: Path, own: str | None = None, *, k: int = 20, seed: int = 0, stage: Stage = silent
) -> ServingTimes:
    """Time the runtimes of both models' folders, and record in each which one serves best. Raises what `bench` does."""
    how: dict[str, Any] = {"batches": BATCHES, "repeats": REPEATS, "seconds": SECONDS, "k": k, "seed": seed}
    with stage("time what serves") as say:
        before, after = (bench(folder, None, own, say=say, **how).speeds for folder in (big, small))
        say("side by side")
        found = ServingTimes(*_beside({big: before, small: after}, own, k=k, seed=seed))
        say(found.sentence())
    return found
