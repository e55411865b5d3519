"""Prepared in parts is prepared in memory, to the bit."""

import json
from functools import partial

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.read import read
from recprune.errors import DataError, ExtensionError
from recprune.recipe.prepare import SplitBy, keep, prepare
from recprune.scale import Scale, prepare_large
from recprune.scale.preparing import run

ROLES = Roles(
    user="user", item="item", rating="rating", time="at", categorical=("city",), numeric=("age",), multi=("tags",)
)
SMALL = 1 << 17
"""Bytes of memory: ten parts or more, and a bucket for every few users."""


LEAST = Scale(memory=1)
"""As many parts as there may be."""


def files(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def same(path, folder, scale, *, roles=ROLES, cleaning=None, by=None):
    """Prepare both ways, and compare every byte and fact."""
    in_memory = prepare(read(path, roles=roles), cleaning=cleaning, by=by)
    keep(in_memory, folder / "memory")
    facts = prepare_large(path, folder / "parts", roles=roles, cleaning=cleaning, by=by, scale=scale)
    assert files(folder / "parts") == files(folder / "memory")
    assert facts == in_memory.facts()
    assert sorted(path.name for path in folder.iterdir()) == ["memory", "parts"]


@pytest.mark.parametrize("way", ["user", "time", "last", "random"])
def test_a_text_in_parts_gives_the_files_of_one_in_memory(text, tmp_path, way):
    same(text, tmp_path, Scale(memory=SMALL), cleaning={"k_core": 4}, by=SplitBy(way))


@pytest.mark.parametrize(
    "cleaning", [{"duplicates": "sum", "min_item": 5}, {"duplicates": "first", "since": 0, "until": 200, "min_user": 6}]
)
def test_a_folder_of_parquet_in_parts_gives_the_files_of_one_in_memory(parquet, tmp_path, cleaning):
    same(parquet, tmp_path, Scale(memory=SMALL), cleaning=cleaning)


def test_files_with_other_columns_and_days_in_their_folders_are_one_log(tmp_path):
    folder = tmp_path / "log"
    for day, rows in (("2024-01-01", range(60)), ("2024-01-02", range(60, 200))):
        (folder / f"day={day}").mkdir(parents=True)
        frame = pl.DataFrame({"user": [f"u{row % 11}" for row in rows], "item": [row % 7 for row in rows]})
        frame = frame.with_columns(pl.Series("timestamp", rows, dtype=pl.Int64 if rows[0] else pl.Int32))
        if rows[0]:
            frame = frame.with_columns(
                city=pl.lit("c"), item=pl.when(pl.col("timestamp") == 70).then(None).otherwise("item")
            )
        frame.write_parquet(folder / f"day={day}" / "part.parquet")
    (tmp_path / "out").mkdir()
    roles = Roles(user="user", item="item", time="timestamp", categorical=("day", "city"))
    same(folder, tmp_path / "out", Scale(memory=1 << 15), roles=roles)


@pytest.mark.parametrize("memory", [1 << 13, 1 << 15])
def test_the_result_does_not_depend_on_the_size_of_the_parts(text, tmp_path, memory):
    same(text, tmp_path, Scale(memory=memory), cleaning={"k_core": 3})


@pytest.mark.parametrize("way", ["path", "log"])
def test_a_log_that_fits_is_prepared_in_memory_by_the_engine_local(text, tmp_path, monkeypatch, way):
    scattered = []
    monkeypatch.setattr(run, "scatter", lambda job, number: scattered.append(number))
    if way == "path":
        same(text, tmp_path, Scale(memory=1 << 22), cleaning={"k_core": 3})
    else:
        facts = prepare_large(read(text, roles=ROLES), tmp_path / "out", scale=Scale(memory=1 << 22))
        assert facts == prepare(read(text, roles=ROLES)).facts()
    assert scattered == []


def test_a_vocabulary_of_more_ids_than_a_row_group_holds_is_that_of_memory(tmp_path):
    rows = range(300_000)
    frame = pl.DataFrame(
        {"user": [f"u{row}" for row in rows], "item": [row % 7 if row > 1000 else -row for row in rows]}
    )
    frame.write_parquet(tmp_path / "log.parquet")
    (tmp_path / "out").mkdir()
    cleaning = {"min_item": 2}  # some ids leave, which parts the others unevenly
    same(tmp_path / "log.parquet", tmp_path / "out", Scale(memory=1 << 22), roles=None, cleaning=cleaning)


def test_rows_with_a_label_by_a_rule_and_without_users_are_prepared_alike(text, tmp_path):
    roles = Roles(item="item", label="rating", positive="rating >= 4", categorical=("city",), time="at")
    same(text, tmp_path, Scale(memory=SMALL), roles=roles, by=SplitBy("time"))
    rated = Roles(user="user", item="item", rating="rating", time="at", positive="rating >= 3")
    (tmp_path / "rated").mkdir()
    same(text, tmp_path / "rated", Scale(memory=SMALL), roles=rated, cleaning={"min_item": 3})


def test_a_log_that_cannot_be_parted_is_read_once_and_prepared_alike(tmp_path):
    lines = [json.dumps({"user": f"u{n % 9}", "item": f"i{n % 7}", "timestamp": n}) for n in range(200)]
    (tmp_path / "in").mkdir()
    path = tmp_path / "in" / "log.jsonl"
    path.write_text("\n".join([*lines[:50], '{"user": "", "item": "x", "timestamp": 1}', *lines[50:]]))
    (tmp_path / "out").mkdir()
    same(path, tmp_path / "out", Scale(memory=1 << 12), roles=None)


def test_what_a_log_was_read_from_stands_in_the_folder(tmp_path):
    import sqlite3

    with sqlite3.connect(tmp_path / "log.db") as base:
        base.execute("create table log (user text, item text)")
        base.executemany("insert into log values (?, ?)", [(f"u{n % 9}", f"i{n % 7}") for n in range(60)])
    source = read(f"sqlite:///{tmp_path}/log.db", table="log")
    in_memory = prepare(source)
    keep(in_memory, tmp_path / "memory")
    facts = prepare_large(f"sqlite:///{tmp_path}/log.db", tmp_path / "parts", options={"table": "log"}, scale=LEAST)
    assert facts.keys() == in_memory.facts().keys()
    assert [{**one, "time": None} for one in facts["sources"]] == [{**one, "time": None} for one in in_memory.sources]


def test_ray_gives_the_files_of_one_machine(text, tmp_path, ray):
    same(text, tmp_path, Scale("ray", 2, SMALL), cleaning={"k_core": 4})


def test_what_was_done_before_a_failure_is_not_done_again(text, tmp_path, monkeypatch):
    folder, out, done = tmp_path / "work", tmp_path / "out", []
    scale = Scale(memory=SMALL, folder=folder)

    def broken(job, bucket):
        raise OSError("no space left on the disk")

    with monkeypatch.context() as patched:
        patched.setattr(run, "seen", broken)
        with pytest.raises(OSError, match="no space"):
            prepare_large(text, out, roles=ROLES, scale=scale)
    assert not out.exists()
    monkeypatch.setattr(run, "scatter", lambda job, number: done.append(number))
    facts = prepare_large(text, out, roles=ROLES, scale=scale)
    assert done == []
    assert not folder.exists()
    assert facts == prepare(read(text, roles=ROLES)).facts()


def test_a_split_by_time_goes_on_after_its_moments_were_found(text, tmp_path, monkeypatch):
    said = {"roles": ROLES, "by": SplitBy("time"), "scale": Scale(memory=SMALL, folder=tmp_path / "work")}
    with monkeypatch.context() as patched:
        patched.setattr(run, "numbered", lambda job, widths, bucket: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            prepare_large(text, tmp_path / "out", **said)
    facts = prepare_large(text, tmp_path / "out", **said)
    assert facts == prepare(read(text, roles=ROLES), by=SplitBy("time")).facts()


@pytest.mark.parametrize("memory", [SMALL, 1 << 22])
def test_a_folder_of_work_that_holds_something_else_is_not_emptied(text, tmp_path, memory):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(DataError, match=r"letter\.txt"):
        prepare_large(text, tmp_path / "out", roles=ROLES, scale=Scale(memory=memory, folder=tmp_path / "mine"))
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["letter.txt"]


def test_work_on_another_log_or_with_other_options_is_thrown_away(text, tmp_path, monkeypatch):
    folder = tmp_path / "work"
    with monkeypatch.context() as patched:
        patched.setattr(run, "seen", lambda job, bucket: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            prepare_large(text, tmp_path / "out", roles=ROLES, scale=Scale(memory=SMALL, folder=folder))
    facts = prepare_large(
        text, tmp_path / "out", roles=ROLES, cleaning={"k_core": 4}, scale=Scale(memory=SMALL, folder=folder)
    )
    assert facts == prepare(read(text, roles=ROLES), cleaning={"k_core": 4}).facts()


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"cleaning": {"since": 10**6}}, "no row is left after cleaning"),
        ({"cleaning": {"duplicates": "some"}}, "expected one of"),
        ({"by": SplitBy("moon")}, "no way to split"),
        ({"by": SplitBy(valid=0.6, test=0.6)}, "shares"),
        ({"by": SplitBy("time"), "cleaning": {"duplicates": "all"}}, "stand in more than one of train"),
        ({"roles": Roles(user="nobody", item="item")}, "no column 'nobody'"),
        ({"roles": Roles(label="rating", positive="rating != none", categorical=("city",))}, "needs both"),
    ],
)
def test_what_cannot_be_prepared_in_memory_is_refused_in_parts_too(text, tmp_path, said, message):
    said = {"roles": ROLES, **said}
    in_memory = partial(prepare, cleaning=said.get("cleaning"), by=said.get("by"))
    with pytest.raises(DataError, match=message):
        in_memory(read(text, roles=said["roles"]))
    with pytest.raises(DataError, match=message):
        prepare_large(text, tmp_path / "out", **said, scale=Scale(memory=SMALL))
    assert not (tmp_path / "out").exists()


def test_an_engine_that_there_is_not_is_told_with_those_that_are(text, tmp_path):
    with pytest.raises(ExtensionError, match="local, ray"):
        prepare_large(text, tmp_path / "out", scale=Scale("spark"))


def test_a_table_without_a_row_is_refused(tmp_path):
    pl.DataFrame(schema={"user": pl.String, "item": pl.String}).write_parquet(tmp_path / "empty.parquet")
    with pytest.raises(DataError, match="no row can be used"):
        prepare_large(tmp_path / "empty.parquet", tmp_path / "out")
