"""save_pretrained() and from_pretrained(): an artifact laid out as model hubs expect it. Nothing is sent or fetched."""

from __future__ import annotations

import errno
import json
import shutil
import stat
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from recprune import artifact
from recprune.artifact.manifest import FILE, LARGEST, MANIFEST, WEIGHTS
from recprune.artifact.reading import Loaded
from recprune.atomic import replace_folder, write_file
from recprune.data.vocabulary import Vocabulary
from recprune.errors import ArtifactError
from recprune.plain_json import read_json
from recprune.planning.plan import Plan
from recprune.report.markdown import plain

__all__ = ["CONFIG", "MODEL", "from_pretrained", "save_pretrained"]

CONFIG, MODEL, CARD = "config.json", "model.safetensors", "README.md"
KIND = "recprune"
FRONT = "---\nlibrary_name: recprune\ntags:\n- recommender-system\n- pruning\n---"


def save_pretrained(
    folder: str | Path,
    model: nn.Module,
    *,
    vocabularies: Mapping[str, Vocabulary] | None = None,
    plan: Plan | None = None,
    metrics: Mapping[str, Any] | None = None,
    card: str | None = None,
) -> Path:
    """Write config.json, model.safetensors and README.md, and beside them the plan and the vocabularies.

    model.safetensors is read by `safetensors` alone: its names are those of `model.state_dict()`, each tensor once.
    card: the text of README.md, as `recprune report --format card` writes it; None says what the model itself tells.
    The other arguments are those of `recprune.save`. A folder that this wrote before is replaced whole. Raises
    ArtifactError for what `save` refuses, and for a folder in the way that holds something else.
    """
    folder = Path(folder)
    _refuse_others(folder)
    with tempfile.TemporaryDirectory(prefix="recprune-") as place:
        made = artifact.save(Path(place) / "made", model, vocabularies=vocabularies, plan=plan, metrics=metrics)
        said = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
        config = {"model_type": KIND, "architectures": [said["model"]], "library_name": KIND, KIND: said}
        text = card if card is not None else _card(artifact.inspect(made), plan)

        def write(fresh: Path) -> None:
            for name in said["files"]:
                shutil.copyfile(made / name, fresh / (MODEL if name == WEIGHTS else name))
            write_file(fresh / CONFIG, json.dumps(config, indent=1, ensure_ascii=False).encode())
            write_file(fresh / CARD, text.encode())

        folder.parent.mkdir(parents=True, exist_ok=True)
        replace_folder(folder, write)
    return folder


def from_pretrained(folder: str | Path, model: nn.Module | None = None) -> Loaded:
    """The model of a folder that `save_pretrained` wrote, checked as `recprune.load` checks an artifact.

    folder: one on this machine, as `huggingface_hub.snapshot_download` gives it; nothing is fetched. Other files in it
    (.gitattributes, a README that was edited) do not count. model: a fresh instance, for a class that is not ours.
    Raises ArtifactError for a folder that is none, and for what `load` refuses.
    """
    folder = Path(folder)
    said = _said(folder)
    with tempfile.TemporaryDirectory(prefix="recprune-") as place:
        there = Path(place)
        (there / MANIFEST).write_text(json.dumps(said, indent=1, ensure_ascii=False), encoding="utf-8")
        for name, size in _files(folder, said).items():
            _copied(folder / (MODEL if name == WEIGHTS else name), there / name, size)
        return artifact.load(there, model)


def _copied(source: Path, target: Path, size: int) -> None:
    """A copy of a file of that size; of a longer one, of a pipe or a device, nothing is read. Raises ArtifactError."""
    try:
        facts = source.stat()
        if not stat.S_ISREG(facts.st_mode) or facts.st_size != size:
            raise OSError(errno.EINVAL, f"it is no file of {size:,} bytes", str(source))
        shutil.copyfile(source, target)
    except OSError as error:
        raise ArtifactError(f"{source.parent} is not whole: {error}. Take a good copy", path=str(source)) from error


def _said(folder: Path) -> dict[str, Any]:
    """The manifest in config.json."""
    path = folder / CONFIG
    try:
        if not path.is_file():
            raise ValueError("it is no file")
        if path.stat().st_size > 2 * LARGEST:
            raise ValueError("it is larger than any configuration")
        said = read_json(path.read_bytes())[KIND]
        if not isinstance(said, dict):
            raise ValueError("no mapping")
        json.dumps(said, indent=1)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise ArtifactError(
            f"{folder} was not written by save_pretrained: {CONFIG}: {type(error).__name__} {error}", path=str(path)
        ) from error
    return said


def _files(folder: Path, said: Mapping[str, Any]) -> dict[str, int]:
    """Names of an artifact's files, and no others, and how long they are."""
    names = said.get("files")
    odd = [name for name in names if not FILE.fullmatch(name)] if isinstance(names, dict) else ["no list of files"]
    if odd or not isinstance(names, dict):
        raise ArtifactError(f"{folder / CONFIG}: {odd[0]!r} is no file of an artifact", path=str(folder / CONFIG))
    sizes = {name: facts.get("bytes") if isinstance(facts, dict) else None for name, facts in names.items()}
    wrong = [name for name, size in sizes.items() if type(size) is not int]
    if wrong:
        raise ArtifactError(f"{folder / CONFIG}: {wrong[0]} has no size", path=str(folder / CONFIG))
    return {name: int(size or 0) for name, size in sizes.items()}


def _refuse_others(folder: Path) -> None:
    if not folder.exists() or (folder.is_dir() and not any(folder.iterdir())):
        return
    try:
        _said(folder)
    except ArtifactError as error:
        raise ArtifactError(f"{folder} is in the way; name another folder, or remove it ({error})") from error
    own = {CONFIG, MODEL, CARD}
    others = sorted(p.name for p in folder.iterdir() if p.name not in own and not FILE.fullmatch(p.name))
    if others:
        raise ArtifactError(
            f"{folder} is in the way: it holds {others[0]!r}, which this did not write and would remove; write to a "
            "new folder and copy its files over",
            path=str(folder),
        )


def _card(said: Mapping[str, Any], plan: Plan | None) -> str:
    """What a folder tells of itself, as a model card; what it does not tell is not made up."""
    rows = [
        ("model", str(said["model"])),
        ("inputs", ", ".join(said["columns"]) or "not said"),
        ("parameters", f"{said['parameters']:,}"),
        ("weights file", f"{said['bytes_of']['weights']:,} bytes"),
        ("stored", ", ".join(f"{name}: {way}" for name, way in said["encodings"].items()) or "as floats"),
    ]
    if plan is not None:
        account, rule = plan.account(), plan.rule.rpartition(":")[2]
        rows.append(("pruned by", f"{rule}, {plan.budget.amount}"))
        rows.append(("parameters before", f"{account.parameters_before:,}, {account.share_removed:.1%} of which left"))
    measured = [(name, f"{value:.4g}") for name, value in said["metrics"].items() if isinstance(value, int | float)]
    parts = [FRONT, f"# {plain(said['model'])}", "## Model details", _table(rows)]
    parts += ["## Evaluation", _table(measured)] if measured else []
    use = "from recprune.integrations.hub import from_pretrained\n\nmodel = from_pretrained(FOLDER).model"
    return "\n\n".join([*parts, "## Use", f"```python\n{use}\n```"]) + "\n"


def _table(rows: list[tuple[str, str]]) -> str:
    return "\n".join(["|  |  |", "|---|---|", *(f"| {plain(name)} | {plain(value)} |" for name, value in rows)])
