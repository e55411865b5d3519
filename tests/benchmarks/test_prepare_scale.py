"""Three ways to prepare a log agree to the row: recprune's, and the same job written directly in polars and in SQL."""

import importlib.util
from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Dataset
from recprune.data.encode import decode
from recprune.data.log import clean
from recprune.data.read import read
from recprune.recipe.prepare import SplitBy, prepare

FOLDER = Path(__file__).parents[2] / "benchmarks"


def script(name):
    spec = importlib.util.spec_from_file_location(f"benchmarks_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return script("scale_log").make(tmp_path_factory.mktemp("log"), 6_000, 7)


def rows_of(part: Dataset):
    table = {"user": decode(part, "user"), "item": decode(part, "item"), "time": part["time"], "rating": part["rating"]}
    return set(pl.DataFrame(table).rows())


def rows_in(folder: Path, name: str):
    frame = pl.read_parquet(folder / f"{name}.parquet")
    for side in ("user", "item"):
        ids = pl.read_parquet(folder / f"{side}.parquet")["id"]
        frame = frame.with_columns(ids.gather(frame[side] - 1).alias(side))
    return set(frame.select("user", "item", "time", pl.col("rating").cast(pl.Float32)).rows())


def test_the_log_is_the_same_in_both_formats_and_for_the_same_seed(files, tmp_path):
    text, table = (read(files[kind]).frame.collect() for kind in ("csv.gz", "parquet"))
    assert text.equals(table)
    again = script("scale_log").make(tmp_path, 6_000, 7)
    assert pl.read_parquet(again["parquet"]).equals(pl.read_parquet(files["parquet"]))
    assert len(clean(read(files["parquet"]))) < len(text) == 6_000


@pytest.mark.parametrize("kind", ["parquet", "csv.gz"])
@pytest.mark.parametrize("peer", ["polars", "duckdb"])
def test_a_direct_way_keeps_the_same_rows_in_the_same_parts(peer, kind, files, tmp_path):
    pytest.importorskip(peer, reason="needs the extra bench")
    counts = script("scale_peers").PEERS[peer](files[kind], tmp_path)
    split = prepare(read(files[kind]), cleaning={"k_core": 5}, by=SplitBy("time")).split
    parts = {"train": split.train, "valid": split.valid, "test": split.test}
    for name, part in parts.items():
        assert rows_of(part) == rows_in(tmp_path, name), name
    ids = {side: len(split.vocabularies[side].ids) for side in ("user", "item")}
    rows = sum(len(part) for part in parts.values())
    assert counts == {"rows": rows, "users": ids["user"], "items": ids["item"], "test": len(split.test)}
    for side in ids:
        assert pl.read_parquet(tmp_path / f"{side}.parquet")["id"].to_list() == list(split.vocabularies[side].ids)
