"""read: what lies there is recognised, or refused with what was expected."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.read import read, read_completed, read_parts
from recprune.data.recognise import recognise
from recprune.errors import DataError, ExtensionError


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("name", "text", "format"),
    [
        ("a.csv", "user,item\n1,2\n", "delimited"),
        ("a.dat", "1::2::3::4\n1::3::3::4\n", "delimited"),
        ("a.tsv", "1\t2\n3\t4\n", "delimited"),
        ("a.json", '{"user": 1, "item": 2}\n', "jsonlines"),
        ("a.txt", "1 1:1 5:1\n-1 2:1 6:1\n", "libfm"),
        ("a.txt", "0 1 2 3\n1 2\n", "adjacency"),
        ("a.inter", "user_id:token\titem_id:token\n1\t2\n", "recbole"),
        ("a.data", 'I,4,"x"\nA,1,1,"t","/a"\nC,"1",1\nV,1,1\nV,2,1\n', "msweb"),
    ],
)
def test_a_file_is_known_by_what_it_holds(name: str, text: str, format: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    assert recognise(tmp_path / name)[1] == format
    assert len(read(tmp_path / name)) > 0


def test_parquet_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    pl.DataFrame({"user": ["a"], "item": ["x"]}).write_parquet(tmp_path / "log")
    assert recognise(tmp_path / "log")[1] == "parquet"


def test_lines_called_sequences_are_in_the_order_of_time(tmp_path: Path) -> None:
    log = read(write(tmp_path, sequences__txt="1 5 6 5\n2 6 7\n", notes__md="words"))
    assert log.roles.time == "time"
    assert log.repeats


def test_a_folder_in_which_nothing_stands_out_is_refused_with_its_files(tmp_path: Path) -> None:
    write(tmp_path, a__txt="1 2 3\n2 3\n", b__txt="1 2 3\n2 3\n")
    with pytest.raises(DataError, match=r"cannot tell which file .* a\.txt, b\.txt"):
        read(tmp_path)


def test_a_path_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such file"):
        read(tmp_path / "nowhere.csv")


def test_an_option_that_a_format_has_not_is_refused_with_those_it_has(tmp_path: Path) -> None:
    write(tmp_path, a__csv="user,item\n1,2\n")
    with pytest.raises(DataError, match=r"has no option 'seperator'; it has: separator"):
        read(tmp_path / "a.csv", "delimited", seperator=",")


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ExtensionError, match="delimited"):
        read(tmp_path, "delimeted")


def test_a_format_of_somebody_else_is_called_by_its_name(tmp_path: Path) -> None:
    write(tmp_path, a__txt="0 1 2\n")
    log = read(tmp_path / "a.txt", "recprune.data.formats.adjacency:read", ordered=True)
    assert len(log) == 2


def test_parts_are_found_by_the_words_of_their_names(tmp_path: Path) -> None:
    write(tmp_path, **{"x.train.txt": "0 1 2\n1 5\n", "x.test.txt": "0 3\n1 2 7\n", "x.dev.txt": "0 4 5\n1 6\n"})
    parts = read_parts(tmp_path)
    assert {part: len(log) for part, log in parts.items()} == {"train": 3, "valid": 3, "test": 3}


def test_sessions_of_train_and_test_are_not_the_same_users(tmp_path: Path) -> None:
    write(tmp_path, train__txt="1 2\n", test__txt="3 4\n")
    parts = read_parts(tmp_path, "sessions")
    users = [set(log.frame.collect()["session"]) for log in parts.values()]
    assert not users[0] & users[1]


def test_a_part_that_is_missing_or_there_twice_is_refused(tmp_path: Path) -> None:
    write(tmp_path, train__txt="0 1 2\n")
    with pytest.raises(DataError, match="one with test in its name"):
        read_parts(tmp_path)
    write(tmp_path, **{"test.txt": "0 3\n", "test-2.txt": "0 4\n"})
    with pytest.raises(DataError, match="two files are test"):
        read_parts(tmp_path)


def test_a_log_toml_says_where_and_how_the_log_is_read(tmp_path: Path) -> None:
    write(tmp_path, data__txt="a::x::4\nb::y::2\n")
    write(
        tmp_path,
        log__toml='path = "data.txt"\nformat = "delimited"\n[roles]\nuser = "who"\nitem = "what"\nrating = "stars"\n'
        'positive = "rating >= 3"\n[options]\nseparator = "::"\nheader = false\ncolumns = ["who", "what", "stars"]\n',
    )
    log = read(tmp_path / "log.toml")
    assert log.roles == Roles(user="who", item="what", rating="stars", positive="rating >= 3")
    assert log.frame.collect().rows() == [("a", "x", 4.0), ("b", "y", 2.0)]


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ('pth = "a"', "no key 'pth'"),
        ('[roles]\nuser = ["a", "b"]', "names one column, not 2"),
        ("[roles]\nuser = 3", "names columns, not 3"),
        ('[roles]\nwho = "a"', "no role 'who'"),
        ('roles = "a"', "roles is a table"),
        ("path = ", "cannot be read"),
        ('format = "delimited"', "names no path"),
    ],
)
def test_a_log_toml_that_says_nothing_of_use_is_refused(toml: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=message):
        read(write(tmp_path, log__toml=toml) / "log.toml")


def test_roles_that_are_not_said_are_completed_by_those_that_the_log_suggests(tmp_path: Path) -> None:
    (tmp_path / "log.csv").write_text("user,item,stars,time,city\na,x,5,1,Oslo\nb,y,4,2,Bergen\n")
    (tmp_path / "log.toml").write_text('path = "log.csv"\n[roles]\nuser = "city"\nitem = "item"\n')
    said = Roles(categorical=("city",))
    for path in (tmp_path / "log.csv", f"file://{tmp_path / 'log.csv'}"):
        known = Roles(user="user", item="item", rating="stars", time="time", categorical=("city",))
        assert read_completed(path, roles=said).roles == known
        assert read(path, roles=said).roles == said
    assert read_completed(tmp_path / "log.toml", roles=Roles(numeric=("stars",))).roles == Roles(
        user="city", item="item", numeric=("stars",)
    )
