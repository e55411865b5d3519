"""One log, wherever it lives, is one prepared folder; what is secret stays out, and what breaks off leaves nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.formats import postgresql, sqlite
from recprune.data.store import manifest_of

RUNNER = CliRunner()
APP = app()
Made = Callable[[Mapping[str, pl.DataFrame]], Path]
FIELDS = ("--categorical", "city", "--numeric", "age", "--multi", "tags", "--rating", "stars", "--split", "random")
PASSWORD = "hunter2-und-mehr"
"""That of the server's port."""


def shop() -> pl.DataFrame:
    """A log with everything: ids of all sorts, missing cells, repeated pairs, rows that cannot be used."""
    rows = range(400)
    return pl.DataFrame(
        {
            "place": pl.Series(rows, dtype=pl.Int64),
            "user": [None if i % 61 == 7 else f"u{i * 7 % 23}" for i in rows],
            "item": pl.Series([i * 13 % 37 for i in rows], dtype=pl.Int64),
            "stars": [None if i % 53 == 3 else (i % 9) / 2 + 0.1 for i in rows],
            "time": pl.Series([1_361_923_200 + i * 977 for i in rows], dtype=pl.Int64),
            "city": [None if i % 5 == 0 else ("Malmö", "大阪", 'a, "b"', "-")[i % 4] for i in rows],
            "age": [None if i % 11 == 0 else i * 0.37 for i in rows],
            "tags": [None if i % 7 == 0 else "|".join(f"t{k}" for k in range(i % 4)) for i in rows],
        }
    )


@pytest.fixture
def memory() -> Iterator[Any]:
    """An empty storage in memory."""
    held = pytest.importorskip("fsspec").filesystem("memory")
    held.store.clear()
    yield held
    held.store.clear()


def prepared(out: Path, log: str, *words: str, code: int = 0) -> tuple[dict[str, Any], str]:
    """What the command says, as data, and all that it printed."""
    done = RUNNER.invoke(APP, ["prepare", log, "-o", str(out), "--json", *words])
    assert done.exit_code == code, done.output
    return (json.loads(done.stdout) if not code else {}), done.output


def content(folder: Path) -> dict[str, Any]:
    """What a prepared folder holds, but for where it came from."""
    manifest = manifest_of(folder)
    manifest.pop("sources", None)
    return manifest


@pytest.fixture
def as_csv(tmp_path: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """The folder that the log gives as text, and what the command says."""
    shop().write_csv(tmp_path / "log.csv")
    said, _ = prepared(tmp_path / "from-csv", str(tmp_path / "log.csv"), *FIELDS)
    return content(tmp_path / "from-csv"), said


def same(folder: Path, said: dict[str, Any], as_csv: tuple[dict[str, Any], dict[str, Any]]) -> None:
    """The folder is the one of the text, bit for bit, and as many rows stand aside for the same reasons."""
    manifest, of_text = as_csv
    assert content(folder) == manifest
    assert said["left out"] == of_text["left out"]
    assert {"user is empty", "rating is no number"} <= said["left out"].keys()


def test_sqlite_gives_the_same_folder(in_sqlite: Made, tmp_path: Path, as_csv: Any) -> None:
    path = in_sqlite({"log": shop(), "other": shop().head(1)})
    said, _ = prepared(tmp_path / "out", f"sqlite:///{path}", "--table", "log", *FIELDS)
    same(tmp_path / "out", said, as_csv)
    assert said["sources"] == manifest_of(tmp_path / "out")["sources"]
    assert said["sources"][0]["rows"] == 400


def test_duckdb_gives_the_same_folder(in_duckdb: Made, tmp_path: Path, as_csv: Any) -> None:
    said, _ = prepared(tmp_path / "out", f"duckdb:///{in_duckdb({'log': shop()})}", *FIELDS)
    same(tmp_path / "out", said, as_csv)


def test_lists_of_duckdb_are_multi_valued_fields(in_duckdb: Made, tmp_path: Path, as_csv: Any) -> None:
    table = shop().with_columns(pl.col("tags").str.split("|"))
    said, _ = prepared(tmp_path / "out", str(in_duckdb({"log": table})), *FIELDS)
    same(tmp_path / "out", said, as_csv)


def test_postgresql_gives_the_same_folder(server: Any, in_sqlite: Made, tmp_path: Path, as_csv: Any) -> None:
    server.ingest("shop", shop())
    query = 'SELECT * FROM shop ORDER BY place -- "place" has no role'
    said, _ = prepared(tmp_path / "out", server.url, "--query", query, *FIELDS)
    same(tmp_path / "out", said, as_csv)
    (source,) = said["sources"]
    assert source["query"] == query
    other, _ = prepared(tmp_path / "other", str(in_sqlite({"log": shop()})), *FIELDS)
    assert source["sha256"] == other["sources"][0]["sha256"]


@pytest.mark.parametrize("scheme", ["", "file://", "memory://"])
def test_a_data_set_of_parquet_files_gives_the_same_folder(
    scheme: str, tmp_path: Path, as_csv: Any, memory: Any
) -> None:
    table = shop().with_columns(pl.col("place") // 100)
    for (part,), rows in table.group_by("place", maintain_order=True):
        folder = tmp_path / "set" / f"part={part}"
        folder.mkdir(parents=True)
        for half in (0, 1):
            rows.drop("place")[half * 50 : half * 50 + 50].write_parquet(folder / f"{half}.parquet")
    if scheme == "memory://":
        memory.put(str(tmp_path / "set"), "/set", recursive=True)
    where = f"{scheme}set" if scheme == "memory://" else f"{scheme}{tmp_path / 'set'}"
    said, _ = prepared(tmp_path / "out", where, *FIELDS)
    same(tmp_path / "out", said, as_csv)


def test_text_in_a_storage_gives_the_same_folder(tmp_path: Path, as_csv: Any, memory: Any) -> None:
    memory.put(str(tmp_path / "log.csv"), "/logs/log.csv")
    said, _ = prepared(tmp_path / "out", "memory://logs/log.csv", *FIELDS)
    same(tmp_path / "out", said, as_csv)
    assert "memory://logs/log.csv\t" in (tmp_path / "out" / "rejected.tsv").read_text()
    assert set(said["sources"][0]["files"]) == {"log.csv"}


def test_a_log_toml_names_a_database_and_its_query(in_sqlite: Made, tmp_path: Path, as_csv: Any) -> None:
    in_sqlite({"log": shop()})
    (tmp_path / "log.toml").write_text(
        'path = "sqlite:///log.db"\n[options]\nquery = """\nSELECT * FROM log\nORDER BY place"""\n[roles]\n'
        'user = "user"\nitem = "item"\nrating = "stars"\ntime = "time"\ncategorical = "city"\nnumeric = "age"\n'
        'multi = "tags"\n'
    )
    said, _ = prepared(tmp_path / "out", str(tmp_path / "log.toml"), "--split", "random")
    same(tmp_path / "out", said, as_csv)


def test_in_parts_a_source_gives_the_same_folder(in_sqlite: Made, tmp_path: Path, as_csv: Any, memory: Any) -> None:
    memory.put(str(tmp_path / "log.csv"), "/logs/log.csv")
    (tmp_path / "log.toml").write_text('path = "memory://logs/log.csv"\n')
    for log in (str(in_sqlite({"log": shop()})), "memory://logs/log.csv", str(tmp_path / "log.toml")):
        whole, _ = prepared(tmp_path / "whole", log, "--split", "user")
        said, _ = prepared(tmp_path / "parts", log, "--split", "user", "--engine", "local")
        assert content(tmp_path / "parts") == content(tmp_path / "whole")
        assert said["sources"] == whole["sources"] == manifest_of(tmp_path / "parts")["sources"]


def test_a_run_does_again_what_is_new_and_of_a_server_everything(
    server: Any, in_sqlite: Made, tmp_path: Path, memory: Any
) -> None:
    def ran(log: str, *words: str) -> str:
        done = RUNNER.invoke(
            APP, ["run", log, "-o", str(tmp_path / "out"), "--no-rivals", "--no-bench", "--factor", "0.5", *words]
        )
        assert done.exit_code == 0, done.output
        return done.stderr

    path = in_sqlite({"log": shop().select("user", "item")})
    assert "encode" in ran(str(path))
    assert "encode" not in ran(str(path))
    in_sqlite({"more": shop().select("user", "item")})
    assert "encode" in ran(str(path), "--table", "more")
    memory.pipe("/log.csv", shop().select("user", "item").write_csv().encode())
    assert "encode" in ran("memory://log.csv")
    assert "encode" not in ran("memory://log.csv")
    memory.pipe("/log.csv", shop().select("item", "user").write_csv().encode())
    assert "encode" in ran("memory://log.csv")
    server.ingest("shop", shop())
    assert "encode" in ran(server.url, "--table", "shop")
    assert "encode" in ran(server.url, "--table", "shop")
    said = json.loads((tmp_path / "out" / "prepared" / "manifest.json").read_text())["sources"][0]
    page = (tmp_path / "out" / "report.html").read_text()
    assert said["sha256"] in page
    assert "FROM &quot;shop&quot;" in page


def test_a_database_is_asked_for_the_names_of_its_columns_before_its_rows_are_read_once(
    in_sqlite: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen, batches = [], sqlite.File.batches

    def watched(self: Any, query: str, columns: Any) -> Any:
        seen.append(list(columns))
        return batches(self, query, columns)

    monkeypatch.setattr(sqlite.File, "batches", watched)
    said, _ = prepared(tmp_path / "out", str(in_sqlite({"log": shop()})), *FIELDS)
    assert seen == [["user", "item", "stars", "time", "city", "age", "tags"]]
    assert said["columns"] == ["user", "item", "rating", "time", "city", "age", "tags"]
    _, output = prepared(
        tmp_path / "none", str(in_sqlite({"names": shop().select("city")})), "--table", "names", code=2
    )
    assert "there are: city" in output


def test_people_are_told_what_was_read(in_sqlite: Made, tmp_path: Path) -> None:
    done = RUNNER.invoke(APP, ["prepare", str(in_sqlite({"log": shop()})), "-o", str(tmp_path / "out"), *FIELDS])
    assert "400 rows of" in done.stdout
    assert "sha256" in done.stdout


def written(folder: Path) -> bytes:
    """Every byte below a folder, and every name."""
    return b"\n".join(str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in folder.rglob("*"))


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://ann:{PASSWORD}@127.0.0.1/postgres",
        f"postgresql://127.0.0.1/postgres?user=ann&password={PASSWORD}",
        f"mysql://ann:{PASSWORD}@host/shop",
        f"s3://key:{PASSWORD}@bucket/log.csv",
        f"https://host/log.csv?X-Amz-Signature={PASSWORD}",
        f"host=127.0.0.1 password={PASSWORD}",
    ],
)
@pytest.mark.parametrize("command", ["prepare", "run"])
def test_a_password_in_a_url_is_refused_and_repeated_nowhere(command: str, url: str, tmp_path: Path) -> None:
    for words in ([url], ["log.csv", "--test-log", url], [str(tmp_path / "log.toml")]):
        (tmp_path / "log.toml").write_text(f'path = "{url}"\n')
        done = RUNNER.invoke(APP, [command, *words, "-o", str(tmp_path / "out"), "--traceback"])
        (tmp_path / "log.toml").unlink()
        assert done.exit_code == 2
        assert PASSWORD not in done.output
        assert PASSWORD.encode() not in written(tmp_path)


def test_a_password_of_the_environment_is_in_nothing_that_is_written_or_said(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ingest("shop", shop())
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    order = ("--table", "shop", "--user", "user", "--item", "item", "--no-rivals", "--factor", "0.5", "--traceback")
    done = RUNNER.invoke(APP, ["run", server.guarded, "--no-bench", "-o", str(tmp_path / "out"), *order])
    assert done.exit_code == 0, done.output
    assert (tmp_path / "out" / "report.html").is_file()
    everything = written(tmp_path)
    assert PASSWORD.encode() not in everything + done.output.encode()
    assert manifest_of(tmp_path / "out" / "prepared")["sources"][0]["source"] == server.guarded
    assert b"127.0.0.1" in (tmp_path / "out" / "report.html").read_bytes()
    secret = f"SELECT \"user\", item FROM shop WHERE city <> 'password={PASSWORD}' OR city = '-'"
    said, output = prepared(tmp_path / "again", server.guarded, "--query", secret, "--split", "random")
    assert "password=***" in said["sources"][0]["query"]
    assert PASSWORD not in output
    monkeypatch.setenv("PGPASSWORD", f"not {PASSWORD}")
    _, output = prepared(tmp_path / "wrong", server.guarded, "--query", secret + " AND nothing", code=2)
    assert "password authentication failed" in output
    assert PASSWORD not in output
    assert PASSWORD.encode() not in written(tmp_path)


def test_a_server_that_is_killed_in_the_middle_leaves_nothing_and_the_next_try_works(
    server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.ingest("shop", pl.concat([shop()] * 250))
    (tmp_path / "tmp").mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "tmp"))
    monkeypatch.setattr("recprune.data.spool.LIMIT", 1 << 16)
    prepared(tmp_path / "out", server.url, "--table", "shop", *FIELDS)
    before = written(tmp_path / "out")
    seen, frame_of_arrow = [], postgresql.frame_of_arrow

    def killing(*given: Any) -> pl.DataFrame:
        seen.append(len(given[0]))
        if len(seen) == 3:
            server.kill()
        return frame_of_arrow(*given)

    with monkeypatch.context() as while_killed:
        while_killed.setattr(postgresql, "BATCH", "65536")
        while_killed.setattr(postgresql, "frame_of_arrow", killing)
        try:
            for out in ("out", "other"):
                _, output = prepared(tmp_path / out, server.url, "--table", "shop", *FIELDS, code=2)
                assert output.count("DataError: ") == 1
                assert output.rstrip().count("\n") == 0
        finally:
            server.start()
    assert 0 < sum(seen) < 100_000
    assert written(tmp_path / "out") == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["out", "tmp"]
    assert list((tmp_path / "tmp").iterdir()) == []
    prepared(tmp_path / "other", server.url, "--table", "shop", *FIELDS)
    assert content(tmp_path / "other") == content(tmp_path / "out")


MEMORY = """
import resource, sys
from recprune.data import spool
from recprune.data.dataset import Roles
from recprune.data.read import read

def taken():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1 << 20 if sys.platform == "darwin" else 1 << 10)

spool.LIMIT = 8 << 20
url, few, many = sys.argv[1:]
assert len(read(url, None, Roles("user", "item"), query=few)) == 100_000
before = taken()
assert len(read(url, None, Roles("user", "item"), query=many)) == 400_000
print(taken() - before)
"""
SERIES = "SELECT g AS user, repeat('0123456789', 60) || g AS item FROM {}"
COUNTED = "(WITH RECURSIVE n(g) AS (SELECT 1 UNION ALL SELECT g + 1 FROM n WHERE g < {}) SELECT g FROM n)"


@pytest.mark.parametrize("kind", ["sqlite", "duckdb", "postgresql"])
def test_a_log_larger_than_the_memory_that_it_gets_is_read(kind: str, request: pytest.FixtureRequest) -> None:
    series = "generate_series(1, {}) AS t(g)"
    if kind == "postgresql":
        url = request.getfixturevalue("server").url
    else:
        url = str(request.getfixturevalue(f"in_{kind}")({"log": shop()}))
    few, many = (SERIES.format((COUNTED if kind == "sqlite" else series).format(n)) for n in (100_000, 400_000))
    if kind == "sqlite":
        few, many = (q.replace("repeat('0123456789', 60)", "printf('%0600d', 7)") for q in (few, many))
    done = subprocess.run([sys.executable, "-c", MEMORY, url, few, many], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert float(done.stdout) < 120, "MiB more, for 170 MiB more of rows that are kept on disk"
