"""tune(): the options of one model, chosen on validation alone."""

from __future__ import annotations

import json
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from recprune.atomic import write_bytes
from recprune.data.dataset import Split
from recprune.errors import ArtifactError, DataError, ExtensionError, RecpruneError, TrainingError
from recprune.recipe.built import built
from recprune.recipe.once import alone, key_of
from recprune.recipe.space import Choices, Space, space_of, untuned
from recprune.recipe.stages import Stage, silent
from recprune.recipe.train import train
from recprune.training.fit import FitOptions
from recprune.training.samples import checksum
from recprune.training.usual import Said, seed_of, settled
from recprune.training.validate import validation

if TYPE_CHECKING:
    import optuna

__all__ = ["BEST", "TRIALS", "Tuned", "tune"]

BEST, TRIALS = "best.json", "trials.journal"
"""What stands in the folder of a tuning: the best options, and every trial so far."""


@dataclass(frozen=True, slots=True)
class Tuned:
    """The best options found. model: its name; settings: of its constructor; fit: of its training, where they differ
    from the defaults; metric and value: on validation; trial of trials: which one it was, the first being untuned."""

    model: str
    settings: Mapping[str, Any]
    fit: Mapping[str, Any]
    metric: str
    value: float
    trial: int
    trials: int

    @property
    def options(self) -> FitOptions:
        """How to train."""
        return FitOptions(**self.fit)

    @classmethod
    def read(cls, path: Path) -> Tuned:
        """From a file that `tune` wrote. Raises ArtifactError for another."""
        try:
            found = cls(**json.loads(path.read_text(encoding="utf-8")))
            _ = found.options
            if not isinstance(found.settings, dict):
                raise TypeError("settings are no mapping")
        except (OSError, ValueError, TypeError, TrainingError) as error:
            raise ArtifactError(f"{path} holds no tuned options ({error}); `recprune tune` writes them") from error
        return found


def tune(
    name: str,
    split: Split,
    out: Path,
    *,
    trials: int = 20,
    seconds: float | None = None,
    settings: Mapping[str, Any] | None = None,
    options: FitOptions | Said | None = None,
    fixed: Collection[str] = (),
    stage: Stage = silent,
) -> Tuned:
    """Train a model `trials` times by other options (`space_of`) and keep those best on validation; test is not read.

    settings: of the constructor; they and the training options named in `fixed` are not tuned. The first trial is the
    model untuned; the others are drawn by the tree-structured Parzen estimator (Bergstra et al. 2011, section 4) from
    options.seed. seconds: no trial begins later. `out` keeps every trial: the same call goes on where an earlier one
    ended, and an interrupted tuning ends as if it had never stopped.
    Raises ExtensionError without Optuna, DataError without validation or with nothing to tune, ArtifactError where
    `out` holds another tuning or another process tunes there, TrainingError where no trial came to a value.
    """
    library = _optuna()
    settings = dict(settings or {})
    if not len(split.valid):
        raise DataError("options are chosen on validation, and this split has none; prepare one with a validation part")
    if trials < 1:
        raise DataError(f"trials is 1 or more, not {trials}", trials=trials)
    model = built(name, split, settings, seed_of(options))
    options = replace(settled(model, split, options), checkpoint=None)  # no two trials are one training
    held = {*(f"fit.{option}" for option in fixed), *(f"model.{option}" for option in settings)}
    space = {option: part for option, part in space_of(model, options).items() if option not in held}
    if not space:
        raise DataError(f"{name} has nothing left to tune; leave out what is fixed, or train it at once", model=name)
    with alone(out):
        begin, study = time.perf_counter(), _study(library, out, _purpose(name, split, settings, options, space))
        now = untuned(model, options)
        first = {option: part for option, part in space.items() if part.holds(now[option])}  # what is not drawn stays
        ended = len(_ended(study))
        while ended < trials and (not ended or seconds is None or time.perf_counter() - begin < seconds):
            study.sampler = library.samplers.TPESampler(seed=(options.seed * 100_003 + ended) % 2**32)
            if not ended and not study.get_trials(states=(library.trial.TrialState.WAITING,)):
                study.enqueue_trial({option: now[option] for option in first})
            _try(study, name, split, space if ended else first, settings, options, stage)
            ended += 1
            _best(study, name, split, space, settings, options, out)
        found = _best(study, name, split, space, settings, options, out)
        if found is None:
            why = _ended(study)[-1].user_attrs.get("error")
            raise TrainingError(f"none of {ended} trials came to a value: {why}")
        return found


def _try(
    study: optuna.Study,
    name: str,
    split: Split,
    space: Space,
    settings: Mapping[str, Any],
    options: FitOptions,
    stage: Stage,
) -> None:
    """One training; where it fails by its options, the trial says why."""
    trial = study.ask()
    drawn = {option: _drawn(trial, option, part) for option, part in space.items()}
    chosen, trained = _said(drawn, settings, options)
    try:
        model, _ = train(name, split, settings=chosen, options=trained, stage=stage)
        judge = validation(model, split, trained)
        study.tell(trial, judge.sign * judge.value())
    except ArtifactError:
        raise
    except RecpruneError as error:
        trial.set_user_attr("error", str(error))
        study.tell(trial, state=type(study.trials[trial.number].state).FAIL)


def _drawn(trial: optuna.Trial, option: str, part: Any) -> Any:
    if isinstance(part, Choices):
        return trial.suggest_categorical(option, part.values)
    return trial.suggest_float(option, part.low, part.high, log=part.log)


def _said(
    drawn: Mapping[str, Any], settings: Mapping[str, Any], options: FitOptions
) -> tuple[dict[str, Any], FitOptions]:
    """Settings of the model and options of the training, with what was drawn."""
    of = {
        part: {k.removeprefix(part): v for k, v in drawn.items() if k.startswith(part)} for part in ("fit.", "model.")
    }
    return {**settings, **of["model."]}, replace(options, **of["fit."])


def _best(
    study: optuna.Study,
    name: str,
    split: Split,
    space: Space,
    settings: Mapping[str, Any],
    options: FitOptions,
    out: Path,
) -> Tuned | None:
    """Write the best options so far; None where no trial came to a value."""
    ended = _ended(study)
    whole = [trial for trial in ended if trial.value is not None]
    if not whole:
        return None
    best = max(whole, key=lambda trial: (trial.value, -trial.number))
    chosen, trained = _said(
        {option: best.params[option] for option in space if option in best.params}, settings, options
    )
    judge = validation(built(name, split, chosen, options.seed), split, trained)
    plain = {f.name: f.default for f in fields(FitOptions)}
    fit = {k: v for k, v in asdict(trained).items() if v != plain[k] and k != "checkpoint"}
    place = ended.index(best) + 1
    found = Tuned(name, chosen, fit, judge.name, judge.sign * float(best.value or 0.0), place, len(ended))
    write_bytes(out / BEST, json.dumps(asdict(found), indent=1).encode())
    return found


def _ended(study: optuna.Study) -> list[optuna.trial.FrozenTrial]:
    return [trial for trial in study.trials if trial.state.is_finished()]


def _study(library: Any, out: Path, purpose: str) -> optuna.Study:
    for left in out.glob(f"{TRIALS}.lock*"):  # of an earlier version, whose locks outlive a killed process
        left.unlink()
    _without_cut_line(out / TRIALS)
    try:
        journal = library.storages.journal.JournalFileBackend(str(out / TRIALS), lock_obj=_Held())
        storage = library.storages.JournalStorage(journal)
        found: optuna.Study = library.create_study(
            study_name="recprune", storage=storage, direction="maximize", load_if_exists=True
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ArtifactError(
            f"{out / TRIALS} cannot be read: {error}. Take a good copy, or remove it to begin anew",
            path=str(out / TRIALS),
        ) from error
    if found.user_attrs.setdefault("purpose", purpose) != purpose:
        raise ArtifactError(
            f"{out} holds the trials of another tuning (model, data, options or space); name another folder, or remove "
            "it to begin anew",
            path=str(out),
        )
    found.set_user_attr("purpose", purpose)
    return found


class _Held:
    """A lock of Optuna's that has nothing to do: `alone` holds the folder."""

    def acquire(self) -> bool:
        return True

    def release(self) -> None:
        pass


def _without_cut_line(journal: Path) -> None:
    """Take away a last line that was cut off while it was written; what it told is done again."""
    held = journal.read_bytes() if journal.is_file() else b""
    if held and not held.endswith(b"\n"):
        write_bytes(journal, held[: held.rfind(b"\n") + 1])


def _purpose(name: str, split: Split, settings: Mapping[str, Any], options: FitOptions, space: Space) -> str:
    parts = [part[column] for part in (split.train, split.valid) for column in sorted(part.columns)]
    said = {key: value for key, value in asdict(options).items() if key not in ("threads", "checkpoint")}
    return key_of([name, checksum(parts), settings, said, {option: asdict(part) for option, part in space.items()}])


def _optuna() -> Any:
    try:
        import optuna
    except ImportError as error:
        raise ExtensionError("tuning needs Optuna, which is not installed: pip install 'recprune[tune]'") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
