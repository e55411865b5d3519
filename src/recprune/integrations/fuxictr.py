"""read(): a FuxiCTR data set configuration and its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from recprune.data.dataset import Roles
from recprune.data.formats import delimited, parquet
from recprune.data.log import Log
from recprune.errors import DataError
from recprune.integrations.fuxictr_ids import Feature, only_known
from recprune.integrations.told import Told

__all__ = ["read"]

PARTS = ("train_data", "valid_data", "test_data")
READ = {"data_root", "data_format", "feature_cols", "label_col", "sep", "min_categr_count", *PARTS}
FORMATS = ("csv", "parquet")
OTHERWISE = ("preprocess", "category_processor", "valid_size", "test_size")
"""Settings that make other values or other parts of what the files hold; they are not followed."""
READ_OF_ONE = {"name", "active", "type", "dtype", "splitter", "max_len", "padding", "min_categr_count", *OTHERWISE[:2]}
KINDS = ("categorical", "numeric", "sequence")
"""Types of a feature: a field, a number, several ids; of type "meta" it is no input."""


def read(path: Path, said: Mapping[str, Any], folder: Path | None = None, dataset: str | None = None) -> Told:
    """What a configuration says of one data set. Raises DataError for what recprune cannot follow, and missing data."""
    there = [name for name, part in said.items() if isinstance(part, dict) and "feature_cols" in part]
    name = dataset or (there[0] if len(there) == 1 else None)
    if name is None or name not in there:
        raise DataError(f"{path}: name one of its data sets: {', '.join(there) or 'there is none'}", path=str(path))
    one = said[name]
    if one.get("data_format", "csv") not in FORMATS:
        raise DataError(f"{path}: data_format is {' or '.join(FORMATS)}, not {one['data_format']!r}", path=str(path))
    if not (one.get("train_data") and one.get("test_data")):
        raise DataError(f"{path}: {name} names no train_data and test_data", path=str(path))
    features = _features(path, one)
    roles, splitter = _roles(path, one, features)
    logs = {part: _log(path, str(one[part]), one, roles, splitter, folder) for part in PARTS if one.get(part)}
    logs = only_known(logs, features)
    unread = {*one.keys() - READ, *(f"feature_cols.{word}" for feature in features for word in feature.unread)}
    cleaning = {"duplicates": "all"}
    return Told(logs["train_data"], logs["test_data"], logs.get("valid_data"), cleaning, unread=tuple(sorted(unread)))


def _features(path: Path, one: Mapping[str, Any]) -> list[Feature]:
    """What is said of each active feature that is an input."""
    out = []
    _refuse(path, "", one)
    for said in one["feature_cols"]:
        kind = str(said.get("type", ""))
        if not said.get("active", True) or kind == "meta":
            continue
        names = said["name"] if isinstance(said["name"], list) else [said["name"]]
        _refuse(path, f" of {names[0]}", said)
        if kind not in KINDS:
            raise DataError(f"{path}: a feature of type {kind!r}; those are: {', '.join(KINDS)}, meta", path=str(path))
        least = int(said.get("min_categr_count", one.get("min_categr_count", 1)))
        unread = tuple(sorted(said.keys() - READ_OF_ONE))
        most = int(said.get("max_len", 0)) * (-1 if said.get("padding", "post") == "pre" else 1)
        out += [Feature(str(name), kind, str(said.get("splitter", "^")), least, most, unread) for name in names]
    return out


def _refuse(path: Path, whose: str, said: Mapping[str, Any]) -> None:
    for word in OTHERWISE:
        if said.get(word):
            raise DataError(
                f"{path}: {word}{whose} ({said[word]}) is not followed: it makes other data of the files. Write them "
                "as they should be read, or take the parquet files that FuxiCTR has made",
                path=str(path),
                setting=word,
            )


def _roles(path: Path, one: Mapping[str, Any], features: Sequence[Feature]) -> tuple[Roles, str]:
    """The roles of the features, and what parts the values of a sequence."""
    splitters = {feature.splitter for feature in features if feature.kind == "sequence"}
    label = one.get("label_col")
    if not isinstance(label, dict) or len(splitters) > 1:
        what = "label_col names no single column" if len(splitters) < 2 else f"sequences are parted at {splitters}"
        raise DataError(f"{path}: {what}", path=str(path))
    categorical, numeric, multi = (tuple(f.name for f in features if f.kind == kind) for kind in KINDS)
    roles = Roles(label=str(label["name"]), categorical=categorical, numeric=numeric, multi=multi)
    return roles, splitters.pop() if splitters else "|"


def _log(path: Path, file: str, one: Mapping[str, Any], roles: Roles, splitter: str, folder: Path | None) -> Log:
    where = _found(path, file, folder)
    if one.get("data_format", "csv") == "parquet":
        return parquet.read(where, roles, multi=splitter)
    return delimited.read(where, roles, separator=str(one.get("sep", ",")), header=True, multi=splitter)


def _found(path: Path, file: str, folder: Path | None) -> Path:
    """The file in the folder that was said, else as it is named, from the configuration's own folder."""
    where = path.parent / file if folder is None else folder / Path(file).name
    if not where.exists():
        raise DataError(f"{path}: {where} is not there; --folder says where the data lies", path=str(where))
    return where
