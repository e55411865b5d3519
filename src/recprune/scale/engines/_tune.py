"""Ray Tune: a function tried for every number, each in a process of its own that is started again where it dies."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from tempfile import TemporaryDirectory
from typing import Any

from recprune import errors
from recprune.errors import DataError, ExtensionError

__all__ = ["grid"]


def grid(
    function: Callable[[int], Any],
    numbers: Sequence[int],
    *,
    workers: int,
    retries: int,
    alive: Callable[[], None],
) -> Iterator[Any]:
    """What the function makes of every number, in their order: plain data.

    A trial whose process dies is begun again; what it raises is raised here. alive: raises where the cluster is gone.
    """
    tune = _imported()
    logging.getLogger("ray.tune").setLevel(logging.ERROR)  # it misses the logs that it is told not to write

    def trial(asked: dict[str, int]) -> None:
        try:
            said = {"made": function(asked["number"])}
        except Exception as error:
            said = {"raised": [type(error).__name__, str(error)]}
        tune.report({"said": json.dumps(said)})

    with (
        TemporaryDirectory(prefix="recprune-", ignore_cleanup_errors=True) as place,
        contextlib.redirect_stdout(sys.stderr),
    ):
        tuner = tune.Tuner(
            trial,
            param_space={"number": tune.grid_search(list(numbers))},
            tune_config=tune.TuneConfig(max_concurrent_trials=workers, reuse_actors=True),
            run_config=tune.RunConfig(
                storage_path=place, failure_config=tune.FailureConfig(max_failures=retries), verbose=0
            ),
        )
        results = _beside(tuner.fit, alive)
    found = {one.config["number"]: _made(one) for one in results}
    return (found[number] for number in numbers)


def _made(result: Any) -> Any:
    if result.error is not None:
        raise DataError(
            f"a trial was lost and could not be made again ({result.error}); what is done is kept: run the same "
            "command again and it goes on from there"
        )
    said = json.loads(result.metrics["said"])
    if "raised" in said:
        name, words = said["raised"]
        kind = getattr(errors, name, None)
        raise kind(words) if kind is not None else RuntimeError(f"{name}: {words}")
    return said["made"]


def _beside(work: Callable[[], Any], alive: Callable[[], None]) -> Any:
    """What the work gives, done in a thread, while the cluster is looked after from here."""
    done: dict[str, Any] = {}

    def run() -> None:
        try:
            done["made"] = work()
        except BaseException as error:
            done["raised"] = error

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(1.0)
        alive()
    if "raised" in done:
        raise done["raised"]
    return done["made"]


def _imported() -> Any:
    """The module ray.tune, which writes no logs of its own, leaves the folder of a worker as it is, and draws no
    tables. It reads these variables when it is imported, and when it begins."""
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")
    try:
        from ray import tune
    except ImportError as error:
        raise ExtensionError(
            f"a sweep by the engine ray needs Ray Tune, which is not installed ({error}): "
            "pip install 'recprune[sweep]'",
            name="sweep",
        ) from error
    return tune
