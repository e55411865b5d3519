"""read(): a FuxiCTR data set configuration and its files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from recprune.data.dataset import Roles
from recprune.data.formats import delimited, parquet
from recprune.data.log import Log
from recprune.errors import DataError
from recprune.integrations.told import Told

__all__ = ["read"]

PARTS = ("train_data", "valid_data", "test_data")
READ = {"data_root", "data_format", "feature_cols", "label_col", *PARTS}
FORMATS = ("csv", "parquet")
KINDS = {"categorical": "categorical", "numeric": "numeric", "sequence": "multi"}
"""Type of a feature -> the role of its column; of type "meta" it is no input."""


def read(path: Path, said: Mapping[str, Any], folder: Path | None = None, dataset: str | None = None) -> Told:
    """What a configuration says of one data set. Raises DataError for what recprune cannot follow, and missing data."""
    there = [name for name, part in said.items() if isinstance(part, dict) and "feature_cols" in part]
    name = dataset or (there[0] if len(there) == 1 else None)
    if name is None or name not in there:
        raise DataError(f"{path}: name one of its data sets: {', '.join(there) or 'there is none'}", path=str(path))
    one = said[name]
    if one.get("data_format", "csv") not in FORMATS:
        raise DataError(f"{path}: data_format is {' or '.join(FORMATS)}, not {one['data_format']!r}", path=str(path))
    roles, splitter = _roles(path, one)
    if not (one.get("train_data") and one.get("test_data")):
        raise DataError(f"{path}: {name} names no train_data and test_data", path=str(path))
    logs = {part: _log(path, str(one[part]), one, roles, splitter, folder) for part in PARTS if one.get(part)}
    unread = tuple(sorted(one.keys() - READ))
    cleaning = {"duplicates": "all"}
    return Told(logs["train_data"], logs["test_data"], logs.get("valid_data"), cleaning, unread=unread)


def _roles(path: Path, one: Mapping[str, Any]) -> tuple[Roles, str]:
    """The roles of active features, and what parts the values of a sequence."""
    columns: dict[str, list[str]] = {"categorical": [], "numeric": [], "multi": []}
    splitters = set()
    for feature in one["feature_cols"]:
        kind = str(feature.get("type", ""))
        if not feature.get("active", True) or kind == "meta":
            continue
        if kind not in KINDS:
            raise DataError(f"{path}: a feature of type {kind!r}; those are: {', '.join(KINDS)}, meta", path=str(path))
        names = feature["name"] if isinstance(feature["name"], list) else [feature["name"]]
        columns[KINDS[kind]] += [str(name) for name in names]
        if kind == "sequence":
            splitters.add(str(feature.get("splitter", " ")))
    label = one.get("label_col")
    if not isinstance(label, dict) or len(splitters) > 1:
        what = "label_col names no single column" if len(splitters) < 2 else f"sequences are parted at {splitters}"
        raise DataError(f"{path}: {what}", path=str(path))
    categorical, numeric, multi = (tuple(names) for names in columns.values())
    roles = Roles(label=str(label["name"]), categorical=categorical, numeric=numeric, multi=multi)
    return roles, splitters.pop() if splitters else "|"


def _log(path: Path, file: str, one: Mapping[str, Any], roles: Roles, splitter: str, folder: Path | None) -> Log:
    where = _found(path, file, folder)
    if one.get("data_format", "csv") == "parquet":
        return parquet.read(where, roles, multi=splitter)
    return delimited.read(where, roles, separator=",", header=True, multi=splitter)


def _found(path: Path, file: str, folder: Path | None) -> Path:
    """The file in the folder that was said, else as it is named, from the configuration's own folder."""
    where = path.parent / file if folder is None else folder / Path(file).name
    if not where.exists():
        raise DataError(f"{path}: {where} is not there; --folder says where the data lies", path=str(where))
    return where
