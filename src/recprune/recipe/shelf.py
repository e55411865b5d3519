"""Models on disk, with what the street knows of them: their data, how they were trained, the plan they came from."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune import artifact
from recprune.artifact.manifest import KIND
from recprune.artifact.proof import Proof
from recprune.artifact.speeds import Speeds
from recprune.artifact.writing import checksum
from recprune.atomic import standing
from recprune.data.dataset import Split
from recprune.data.store import KIND as PREPARED
from recprune.data.store import load_split
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ArtifactError, DataError, PlanError
from recprune.evaluation.inputs import columns_of, example
from recprune.plain_json import read_json
from recprune.planning.plan import Plan
from recprune.recipe.built import built
from recprune.recipe.restrict import renumbering, restrict
from recprune.training.fit import Fit, FitOptions

__all__ = ["Shelved", "Work", "drawn", "free", "kind_of", "put", "read_plan", "take"]

SEVERAL, PAST = 3, 20
"""Codes of a multi-valued field, and items of the past where a model does not say how many, in rows that are drawn."""


@dataclass(frozen=True, slots=True)
class Work:
    """One training: what for ("train", "finetune", "rewind"), its options, how many epochs it took and which was best.

    distilled: the larger model taught.
    """

    what: str
    options: Mapping[str, Any]
    epochs: int
    best_epoch: int
    seconds: float
    metric: str
    distilled: bool = False

    @classmethod
    def of(cls, what: str, fit: Fit, options: FitOptions, *, distilled: bool = False) -> Work:
        """What `fit` did by these options."""
        said = {name: value for name, value in asdict(options).items() if name != "checkpoint"}
        return cls(what, said, len(fit.history), fit.best_epoch, fit.seconds, fit.metric, distilled)

    def facts(self, value: float | None = None) -> dict[str, Any]:
        """What a person wants to know of it. value: of the metric, after the best epoch."""
        facts = {"epochs": self.epochs, "best epoch": self.best_epoch, "seconds": round(self.seconds, 3)}
        judged = {"judged by": self.metric} if self.metric else {}
        return facts | judged | ({} if value is None else {"best value": round(value, 6)})

    def fit_options(self) -> FitOptions:
        """The options, as `fit` takes them."""
        known = {f.name for f in fields(FitOptions)}
        return FitOptions(**{name: value for name, value in self.options.items() if name in known})


@dataclass(frozen=True, slots=True, eq=False)
class Shelved:
    """A model from its folder. plan: what it was pruned by, None for one that was not. works: its trainings, in order.

    data: the prepared folder that it was trained on, where it was then. settings: of its constructor. proof: that it
    answers as the masked original did, for as long as its weights are those that were proven. speeds: what runtimes
    took.
    """

    folder: Path
    model: nn.Module
    vocabularies: Mapping[str, Vocabulary]
    plan: Plan | None
    works: tuple[Work, ...]
    data: Path | None
    settings: Mapping[str, Any] = field(default_factory=dict)
    proof: Proof | None = None
    speeds: Speeds | None = None

    def split(self, data: Path | None = None) -> Split:
        """The prepared data at `data`, or the one that the model was trained on. Raises DataError where it is gone."""
        where = data or self.data
        if where is None or not (data or standing(where).is_dir()):
            gone = "" if where is None else f"; {where}, which it was trained on, is no longer there"
            raise DataError(
                f"this needs data, and the model {self.folder} brings none{gone}. Say where it is: --data prepared/",
                path=str(where or ""),
            )
        return load_split(where)

    def split_if_there(self, data: Path | None = None) -> Split | None:
        """The data as `split` gives it, None where none was said and the one it was trained on is gone."""
        return self.split(data) if data or (self.data is not None and standing(self.data).is_dir()) else None

    def codes(self, split: Split) -> dict[str, NDArray[np.int64]]:
        """Column -> the model's code of every code of the data, where ids left. Raises DataError for other data."""
        return renumbering(split.vocabularies, self.vocabularies)

    def own(self, split: Split) -> Split:
        """The data in the model's codes."""
        return restrict(split, self.codes(split))

    def example(self, split: Split | None) -> tuple[Tensor, ...]:
        """A small batch, real where there is data, otherwise of drawn codes."""
        return example(self.model, self.own(split)) if split is not None else drawn(self.model, self.vocabularies)


def put(folder: Path, shelved: Shelved, *, metrics: Mapping[str, Any] | None = None, seed: int = 0) -> None:
    """Write a model's folder. The data is remembered by its place beside the folder. Raises what `save` raises."""
    data = shelved.data
    facts = {
        "works": [asdict(work) for work in shelved.works],
        "data": None if data is None else Path(os.path.relpath(data.resolve(), folder.resolve())).as_posix(),
        "settings": dict(shelved.settings),
    }
    artifact.save(
        folder,
        shelved.model,
        vocabularies=shelved.vocabularies,
        plan=shelved.plan,
        metrics=metrics,
        seeds={"seed": seed},
        notes=facts,
        proof=shelved.proof if shelved.proof and shelved.proof.weights == checksum(shelved.model) else None,
    )


def take(folder: Path, own: str | None = None, data: Path | None = None) -> Shelved:
    """Read a model's folder.

    own: the class of a model that is not ours, as package.module:Class; its method `of(split, **settings)` makes the
    skeleton, from `data` or from what it was trained on. Raises ArtifactError where the folder is none of a model, is
    damaged, or needs such a class; DataError where the data is gone that it is made from.
    """
    if kind_of(folder) == PREPARED:
        raise ArtifactError(f"{folder} is prepared data, no model; `recprune train` makes one of it", path=str(folder))
    said = artifact.inspect(folder)
    works, data_then, settings = _notes(folder, said["notes"])
    there = None if data_then is None else _beside(folder, data_then)
    skeleton = None
    if said["foreign"] and own is None:
        raise ArtifactError(
            f"{folder} holds a {said['model']}, which is no class of recprune: name it with --class {said['model']}",
            path=str(folder),
        )
    if own is not None:
        if data is None and (there is None or not standing(there).is_dir()):
            raise DataError(f"the class {own} is built from data: say where it is, --data prepared/", path=str(folder))
        skeleton = built(own, load_split(data or there or folder), settings)
    loaded = artifact.load(folder, skeleton)
    found = loaded.model.eval(), loaded.vocabularies, loaded.plan, works, there, settings, loaded.proof, loaded.speeds
    return Shelved(folder, *found)


def _beside(folder: Path, place: str) -> Path:
    """A path that was noted as it is seen from a folder; also where that was set aside, so that no ".." leads out of
    it."""
    return folder / place if folder.is_dir() else Path(os.path.normpath(folder.resolve() / place))


def _notes(folder: Path, said: Mapping[str, Any]) -> tuple[tuple[Work, ...], str | None, dict[str, Any]]:
    """Trainings, place of the data and settings, as `put` notes them. Raises ArtifactError where they are others."""
    data, settings = said.get("data"), said.get("settings", {})
    try:
        works = tuple(Work(**work) for work in said.get("works", ()))
        whole = all(map(_whole, works))
    except TypeError:
        works, whole = (), False
    if not whole or not isinstance(data, str | None) or not isinstance(settings, dict):
        raise ArtifactError(
            f"{folder}: its notes are not those of a model that recprune trained; store the model again",
            path=str(folder),
        )
    return works, data, settings


def _whole(work: Work) -> bool:
    texts = isinstance(work.what, str) and isinstance(work.metric, str) and isinstance(work.options, dict)
    numbers = type(work.epochs) is int and type(work.best_epoch) is int and isinstance(work.seconds, int | float)
    return texts and numbers and type(work.distilled) is bool


def free(folder: Path) -> None:
    """Raises ArtifactError where a model cannot be written: something stands there that is none."""
    there = standing(folder)
    if there.is_dir() and not any(there.iterdir()):
        return
    if there.is_dir() and kind_of(there) == PREPARED:
        raise ArtifactError(
            f"{folder} is prepared data, and a model would replace it; name another folder", path=str(folder)
        )
    if there.exists() and not (there.is_dir() and kind_of(there) == KIND):
        raise ArtifactError(f"{folder} is in the way and no model; name another folder, or remove it", path=str(folder))


def read_plan(path: Path) -> Plan:
    """A plan from its file. Raises PlanError where it cannot be read."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(
            f"{path} cannot be read as a plan: {error}; `recprune plan` writes one", path=str(path)
        ) from error
    try:
        return Plan.from_json(text)
    except PlanError as error:
        raise PlanError(f"{path}: {error}", path=str(path)) from error


def kind_of(folder: Path) -> str:
    """What the manifest of a folder says that it is; empty where there is none."""
    try:
        said = read_json((standing(folder) / "manifest.json").read_bytes())
    except (OSError, ValueError):
        return ""
    return str(said.get("kind", "")) if isinstance(said, dict) else ""


def drawn(model: nn.Module, vocabularies: Mapping[str, Vocabulary], rows: int = 3, seed: int = 0) -> tuple[Tensor, ...]:
    """Inputs of a model, where there is no data: codes and numbers drawn evenly.

    Of a sequence and of a multi-valued field each row has some codes, at most as many as there is room for, and zeros
    in the place of the others: in front of a sequence, behind the codes of a field.
    """
    generator, config = torch.Generator().manual_seed(seed), getattr(model, "config", {})
    several = dict.fromkeys(config.get("multi", ()), SEVERAL) | {"sequence": int(getattr(model, "length", PAST))}
    made = []
    for name in columns_of(model):
        table = "item" if name == "sequence" else name
        if name == "history":
            made.append((torch.rand(rows, len(vocabularies["item"]), generator=generator) < 0.1).float())
        elif table not in vocabularies:
            made.append(torch.rand(rows, generator=generator))
        elif name in several:
            codes = _padded(len(vocabularies[table]), rows, several[name], generator)
            made.append(codes.flip(1) if name == "sequence" else codes)
        else:
            made.append(torch.randint(len(vocabularies[table]), (rows,), generator=generator))
    return tuple(made)


def _padded(size: int, rows: int, width: int, generator: torch.Generator) -> Tensor:
    """(rows, width) codes below `size`, zeros behind the first few of each row."""
    codes = torch.randint(size, (rows, width), generator=generator)
    many = torch.randint(width + 1, (rows, 1), generator=generator)
    return codes.masked_fill(torch.arange(width) >= many, 0)
