"""A source in parts: nothing twice, nothing left out."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.errors import DataError
from recprune.scale.pieces import table
from recprune.scale.preparing.scatter import lines_of
from recprune.scale.preparing.source import Part, guessed, source_of, source_of_log


@settings(max_examples=80, deadline=None)
@given(st.lists(st.sampled_from(["", "a", "bc,d", "é" * 5, "x\r"]), min_size=1), st.booleans(), st.integers(1, 20))
def test_the_lines_of_all_parts_are_those_of_the_text(tmp_path_factory, lines, ended, step):
    path = tmp_path_factory.mktemp("lines") / "log"
    content = "\n".join(lines).encode() + (b"\n" if ended else b"")
    path.write_bytes(content)
    parts = [Part(str(path), begin, min(begin + step, len(content))) for begin in range(0, len(content), step)]
    whole = content if content.endswith(b"\n") or not content else content + b"\n"
    assert b"".join(map(lines_of, parts)) == whole.replace(b"\r\n", b"\n")


def test_the_parts_of_a_table_are_the_rows_of_its_files(parquet):
    found = source_of(parquet, 10_000)
    for name, rows, before in (("a.parquet", 500, 0), ("b.parquet", 400, 500)):
        mine = [part for part in found.parts if part.path == str(parquet / name)]
        assert len(mine) == 2
        assert (mine[0].begin, mine[-1].end) == (0, rows)
        assert mine[0].end == mine[1].begin
        assert [part.before for part in mine] == [before, before + mine[0].end]


def test_the_parts_of_a_text_know_their_columns_and_a_missing_one_is_told(text):
    found = source_of(text, 1000, roles=Roles(user="user", item="item"))
    assert found.shape.names[:2] == ("user", "item")
    with pytest.raises(DataError, match="no column 'who'"):
        source_of(text, 1000, roles=Roles(user="who", item="item"))
    with pytest.raises(DataError, match="no option 'sep'"):
        source_of(text, 1000, sep=";")


def test_packed_text_and_other_formats_and_encodings_are_read_whole(text, tmp_path):
    import gzip

    (tmp_path / "log.csv.gz").write_bytes(gzip.compress(text.read_bytes()))
    assert source_of(tmp_path / "log.csv.gz", 1000) is None
    assert guessed(tmp_path / "log.csv.gz") is None
    assert source_of(text, 1000, encoding="latin-1") is None
    assert source_of("s3://bucket/log", 1000) is None


def test_the_roles_that_are_taken_are_those_of_the_reader(text, parquet):
    from recprune.data.read import read

    for path in (text, parquet):
        assert guessed(path) == source_of(path, 1000).roles == read(path).roles


def test_a_log_toml_says_where_the_log_is(text, tmp_path):
    said = tmp_path / "log.toml"
    said.write_text(f'path = "{text}"\n[roles]\nuser = "user"\nitem = "city"\n')
    assert guessed(said) == Roles(user="user", item="city")
    assert source_of(said, 1000).path == str(text)


def test_a_log_is_written_once_with_what_it_left_aside(text, tmp_path):
    from recprune.data.read import read

    log = read(text)
    found = source_of_log(log, tmp_path, 10_000)
    assert found.counts == dict(log.rejected.counts)
    assert table(Path(found.aside)).height == len(log.rejected)
    written = (tmp_path / "log.parquet").stat().st_mtime_ns
    assert source_of_log(log, tmp_path, 10_000) == found
    assert (tmp_path / "log.parquet").stat().st_mtime_ns == written
    other = replace(log, frame=log.frame.head(7))
    assert source_of_log(other, tmp_path, 10_000).parts[-1].end == 7


def test_a_source_that_was_written_again_is_another_one(tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("user,item\na,b\nc,d\n")
    before = source_of(path, 1000).facts()
    assert source_of(path, 1000).facts() == before
    path.write_text("user,item\na,b\nc,e\n")
    import os

    os.utime(path, ns=(0, int(np.int64(12345))))
    assert source_of(path, 1000).facts() != before
