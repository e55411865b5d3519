"""Delimited text: every line is used, or stands aside with its number and its reason."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data.dataset import Roles
from recprune.data.formats import delimited
from recprune.data.log import Log, clean
from recprune.data.read import read as any_format
from recprune.data.spool import Spool
from recprune.errors import DataError

ROLES = Roles(user="u", item="i", rating="r", time="t")
ROLES_OF_TIME = Roles(user="u", item="i", time="t")


def read(folder: Path, text: str | bytes, roles: Roles | None = None, **options: Any) -> Log:
    path = folder / "log.txt"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return delimited.read(path, roles, **options)


def aside(log: Log) -> list[tuple[int, str, str]]:
    return log.rejected.rows.select("line", "reason", "text").collect().rows()


@pytest.mark.parametrize("separator", [",", "\t", "::", "|", ";", " ", "<=>", "é"])
def test_any_separator_parts_the_fields(separator: str, tmp_path: Path) -> None:
    text = "\n".join(separator.join(row) for row in [("a", "x:y", "5", "100"), ("b", "z", "4", "200")])
    log = read(tmp_path, text, ROLES, separator=separator, header=False, columns=["u", "i", "r", "t"])
    assert log.frame.collect().rows() == [("a", "x:y", 5.0, 100), ("b", "z", 4.0, 200)]


@pytest.mark.parametrize("separator", [",", "\t", "::", "|", ";", " "])
def test_common_separators_and_headers_are_guessed(separator: str, tmp_path: Path) -> None:
    rows = [("userId", "movieId", "rating", "timestamp"), ("1", "31", "2.5", "1260759144")]
    log = read(tmp_path, "\n".join(separator.join(row) for row in rows))
    assert log.roles == Roles(user="userId", item="movieId", rating="rating", time="timestamp")
    assert log.frame.collect().rows() == [("1", "31", 2.5, 1260759144)]


def test_a_wrong_separator_is_refused_and_the_right_one_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="looks like ','") as caught:
        read(tmp_path, "a,x,5,1\nb,y,4,2\n", separator="\t")
    assert caught.value.suggestion == ","


def test_text_that_nothing_parts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no separator"):
        read(tmp_path, "one\ntwo\nthree\n")


def test_a_missing_column_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no column 'who'; there are: u, i, r") as caught:
        read(tmp_path, "u,i,r\na,x,5\n", Roles(user="who", item="i"))
    assert caught.value.column == "who"


def test_lines_of_wrong_width_stand_aside_with_their_numbers(tmp_path: Path) -> None:
    log = read(tmp_path, "u,i,r\na,x,5\nb,y\n\nb,y,4,9\nc,z,3\n", Roles(user="u", item="i", rating="r"))
    assert [row[0] for row in log.frame.collect().rows()] == ["a", "c"]
    assert aside(log) == [
        (3, "wrong number of columns", "b,y"),
        (4, "empty line", ""),
        (5, "wrong number of columns", "b,y,4,9"),
    ]
    assert log.rejected.counts == {"wrong number of columns": 2, "empty line": 1}


def test_lines_that_are_not_utf_8_stand_aside(tmp_path: Path) -> None:
    log = read(tmp_path, b"u,i\na,caf\xe9\nb,caf\xc3\xa9\n", Roles(user="u", item="i"))
    assert log.frame.collect().rows() == [("b", "café")]
    assert aside(log) == [(2, "not UTF-8", "a,caf\\xe9")]


def test_the_same_lines_are_read_when_their_encoding_is_named(tmp_path: Path) -> None:
    log = read(tmp_path, b"u,i\na,caf\xe9\n", Roles(user="u", item="i"), encoding="latin-1")
    assert log.frame.collect().rows() == [("a", "café")]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ("nan", "rating is not finite"),
        ("inf", "rating is not finite"),
        ("-Infinity", "rating is not finite"),
        ("1e39", "rating is not finite"),
        ("", "rating is no number"),
        ("five", "rating is no number"),
        ("1_0", "rating is no number"),
        ("５", "rating is no number"),
    ],
)
def test_ratings_that_are_no_finite_number_stand_aside(value: str, reason: str, tmp_path: Path) -> None:
    log = read(tmp_path, f"u,i,r,t\na,x,5,1\nb,y,{value},2\n", ROLES)
    assert len(log) == 1
    assert aside(log) == [(3, reason, f"b,y,{value},2")]


def test_rows_without_a_user_or_an_item_stand_aside(tmp_path: Path) -> None:
    log = read(tmp_path, "u,i\n,x\na,\na,x\n", Roles(user="u", item="i"))
    assert log.rejected.counts == {"user is empty": 1, "item is empty": 1}
    assert log.frame.collect().rows() == [("a", "x")]


def test_ids_are_kept_as_they_are_to_the_byte(tmp_path: Path) -> None:
    ids = ["1000", "1_000", "１０００", "01000", " 1000", "1000 ", "1.0", "NULL", "nan", "a\x00b", "\u00a0", "-"]
    log = read(tmp_path, "u\ti\n" + "".join(f"{name}\tx\n" for name in ids), Roles(user="u", item="i"))
    assert log.frame.collect()["u"].to_list() == ids
    assert len(log.rejected) == 0


FIELD = st.text('ab",; é\t', min_size=1, max_size=6)


@given(rows=st.lists(st.tuples(FIELD, FIELD), min_size=1, max_size=8))
@settings(deadline=None, max_examples=80)
def test_quoted_fields_come_back_as_they_were(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    text = "u,i\n" + "".join(",".join('"' + field.replace('"', '""') + '"' for field in row) + "\n" for row in rows)
    log = read(tmp_path_factory.mktemp("quoted"), text, Roles(user="u", item="i"), separator=",", header=True)
    assert log.frame.collect().rows() == rows


def test_a_stray_quote_spoils_no_other_line(tmp_path: Path) -> None:
    log = read(tmp_path, 'u,i\na,5" pipe\nb,"open\nc,6" to 8"\nd,"x"y\ne,z\n', Roles(user="u", item="i"))
    assert log.frame.collect().rows() == [("a", '5" pipe'), ("c", '6" to 8"'), ("e", "z")]
    assert [(line, why) for line, why, _ in aside(log)] == [
        (3, "quotes that do not close"),
        (5, "quotes that do not close"),
    ]


def test_without_quoting_a_quote_is_a_character(tmp_path: Path) -> None:
    log = read(tmp_path, 'u,i\n"a,x"\n', Roles(user="u", item="i"), quote="")
    assert log.frame.collect().rows() == [('"a', 'x"')]


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("881250949", 881250949),
        ("881250949.75", 881250949),
        ("-5", -5),
        ("1970-01-02", 86400),
        ("1970-01-02 00:01", 86460),
        ("1970-01-02 00:00:07", 86407),
        ("1970-01-02T00:00:07.25Z", 86407),
        ("02-Jan-1970", 86400),
        ("02/01/1970", 86400),
        ("02.01.1970 00:01", 86460),
    ],
)
def test_times_are_numbers_or_dates(text: str, seconds: int, tmp_path: Path) -> None:
    log = read(tmp_path, f"u,i,r,t\na,x,5,{text}\nb,y,4,noon\n", ROLES)
    assert log.frame.collect()["t"].to_list() == [seconds]
    assert log.rejected.counts == {"time is no number or date": 1}


def test_missing_values_of_fields_are_no_reason_to_leave(tmp_path: Path) -> None:
    roles = Roles(user="u", item="i", categorical=("c",), numeric=("n",), multi=("g",))
    text = "u;i;c;n;g\na;x;?;?;p|q\nb;y;red;1.5;?\nc;z;red;much;p\nd;z;red;inf;p\n"
    log = read(tmp_path, text, roles, missing=("", "?"))
    assert log.frame.select("c", "n", "g").collect().rows() == [(None, None, ["p", "q"]), ("red", 1.5, [])]
    assert log.rejected.counts == {"n is no number": 1, "n is not finite": 1}


def test_a_file_without_one_good_line_is_refused_with_the_counts(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no line can be used .*rating is no number: 2"):
        read(tmp_path, "u,i,r\na,x,good\nb,y,bad\n", Roles(user="u", item="i", rating="r"))


@pytest.mark.parametrize("text", ["", "\n\n\n"])
def test_an_empty_file_is_refused(text: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="empty"):
        read(tmp_path, text)


def test_a_header_alone_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no line can be used"):
        read(tmp_path, "user,item\n", Roles(user="user", item="item"))


def test_two_columns_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="two columns are called 'u'"):
        read(tmp_path, "u,u\na,x\n", Roles(user="u"))


def test_names_that_do_not_fit_the_width_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="3 names for 2 columns"):
        read(tmp_path, "a,x\nb,y\n", Roles(user="u"), columns=["u", "i", "r"])


@pytest.mark.parametrize("size", [7, 64, 1 << 20])
def test_blocks_do_not_show(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = delimited.blocks
    monkeypatch.setattr(delimited, "blocks", lambda path, encoding: real(path, encoding, size))
    monkeypatch.setattr("recprune.data.spool.LIMIT", 100)
    lines = [f"u{n}::i{n}::{n % 5}::{n}" if n % 10 else f"u{n}::broken" for n in range(100)]
    log = read(tmp_path, "\n".join(lines), ROLES, separator="::", columns=["u", "i", "r", "t"], header=False)
    assert log.frame.collect()["t"].to_list() == [n for n in range(100) if n % 10]
    assert [line for line, *_ in aside(log)] == list(range(1, 101, 10))


def test_a_large_log_lives_in_temporary_files_that_go_when_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "spool"))
    (tmp_path / "spool").mkdir()
    spool = Spool(limit=0)
    spool.add(pl.DataFrame({"u": ["a"]}))
    spool.add(pl.DataFrame({"u": ["b"]}))
    assert spool.table().collect()["u"].to_list() == ["a", "b"]
    assert len(list((tmp_path / "spool").rglob("*.parquet"))) == 2
    del spool
    assert list((tmp_path / "spool").iterdir()) == []


def test_what_stands_aside_can_be_written_down(tmp_path: Path) -> None:
    log = read(tmp_path, "u,i\na,x\nb\n", Roles(user="u", item="i"))
    log.rejected.write(tmp_path / "rejected.tsv")
    written = pl.read_csv(tmp_path / "rejected.tsv", separator="\t")
    assert written.select("line", "reason", "text").rows() == [(3, "wrong number of columns", "b")]


@pytest.mark.parametrize("first", ["u1,book,5", "user,x,5"])
def test_a_row_with_a_number_is_no_header_though_a_word_of_it_is_known(first: str, tmp_path: Path) -> None:
    log = read(tmp_path, f"{first}\nu2,lamp,4\nu3,book,3\n")
    assert log.frame.collect().height == 3
    assert (log.roles.user, log.roles.item, log.roles.rating) == ("column_1", "column_2", "column_3")


def test_a_header_with_a_user_and_an_item_may_hold_numbers(tmp_path: Path) -> None:
    log = read(tmp_path, "user,item,2019\na,x,5\n")
    assert log.frame.collect().columns == ["user", "item", "2019"]


def test_years_have_four_digits(tmp_path: Path) -> None:
    dates = ["28/02/2013", "28/02/13", "13-02-28", "28-Feb-13", "28.02.13 10:30", "13-02-28 10:30:00.1234"]
    log = read(tmp_path, "u,i,t\n" + "".join(f"a,{n},{date}\n" for n, date in enumerate(dates)), ROLES_OF_TIME)
    assert log.frame.collect()["t"].to_list() == [1362009600]
    assert log.rejected.counts == {"time is no number or date": 5}


def test_a_label_that_is_missing_is_not_positive(tmp_path: Path) -> None:
    roles = Roles(label="bought", categorical=("i",), positive="bought != no")
    log = clean(read(tmp_path, "i,bought\nx,yes\ny,\nz,no\n", roles))
    assert log.frame.collect()["bought"].to_list() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-be"])
def test_utf_16_is_told_by_its_first_bytes(encoding: str, tmp_path: Path) -> None:
    text = "user,item\na,x\n" if encoding == "utf-16" else "\ufeffuser,item\na,x\n"
    with pytest.raises(DataError, match="encoding=utf-16"):
        read(tmp_path, text.encode(encoding))
    assert any_format(tmp_path / "log.txt", encoding="utf-16").frame.collect().rows() == [("a", "x")]
