import hashlib
import os
import signal
import subprocess
import sys

import polars as pl
import pytest

from recprune.errors import DataError
from recprune.recipe.served import service_of
from recprune.recipe.shelf import take
from recprune.serving.lists import write_lists


@pytest.fixture
def ease(shop, split):
    return service_of(take(shop / "ease"), split)


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class Power(Exception):
    """Goes out."""


def out_after(blocks):
    """Called after each block; after so many of them the power goes out."""
    seen = []

    def say(words):
        seen.append(words)
        if len(seen) == blocks:
            raise Power

    return say


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_everybody_gets_the_list_that_the_server_gives(ease, tmp_path, suffix):
    out = tmp_path / f"lists{suffix}"
    written = write_lists(ease, out, 4, block=7)
    frame = pl.read_parquet(out) if suffix == ".parquet" else pl.read_csv(out)
    assert (written.users, written.rows, written.fallback) == (25, 100, 1)
    for user in ("u1", "u13", "u25"):
        mine = frame.filter(pl.col("user") == user)
        assert mine["item"].to_list() == ease.by_user(user, 4).items
        assert mine["rank"].to_list() == [1, 2, 3, 4]
    assert frame.filter(pl.col("fallback"))["user"].unique().to_list() == ["u25"]
    assert os.listdir(tmp_path) == [out.name]


@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
@pytest.mark.parametrize("blocks", [1, 3, 4])
def test_a_run_that_was_stopped_goes_on_and_gives_the_same_bytes(ease, tmp_path, suffix, blocks):
    whole, out = tmp_path / f"whole{suffix}", tmp_path / f"lists{suffix}"
    write_lists(ease, whole, 4, block=7)
    with pytest.raises(Power):
        write_lists(ease, out, 4, block=7, say=out_after(blocks))
    assert not out.exists()
    (tmp_path / f".{out.name}.parts" / ".00000001.parquet.abc.tmp").write_bytes(b"torn")
    assert write_lists(ease, out, 4, block=7).found == blocks
    assert digest(out) == digest(whole)


def test_blocks_of_other_options_or_another_model_are_not_taken(ease, tmp_path):
    out = tmp_path / "lists.parquet"
    for more in ({"k": 3}, {"made_from": "another"}, {"with_seen": True}, {"users": ["u1", "u2"]}, {"block": 5}):
        with pytest.raises(Power):
            write_lists(ease, out, 4, block=7, say=out_after(2))
        written = write_lists(ease, out, **{"k": 4, "block": 7, **more})
        assert written.found == 0, more


def test_a_file_that_stood_there_stands_until_the_new_one_is_whole(ease, tmp_path):
    out = tmp_path / "lists.csv"
    out.write_text("what was here")
    with pytest.raises(Power):
        write_lists(ease, out, 4, block=7, say=out_after(2))
    assert out.read_text() == "what was here"


def test_nobody_is_padded(ease, tmp_path):
    written = write_lists(ease, tmp_path / "lists.parquet", 17)
    frame = pl.read_parquet(tmp_path / "lists.parquet")
    assert written.short == 25
    assert frame["item"].null_count() == 0
    assert frame.group_by("user").len().sort("user")["len"].max() < 17


def test_with_seen_what_a_user_had_is_listed_too(ease, tmp_path):
    write_lists(ease, tmp_path / "lists.parquet", 17, with_seen=True)
    frame = pl.read_parquet(tmp_path / "lists.parquet")
    assert frame.filter(pl.col("user") == "u1").height == 17


def test_only_named_users_in_their_order_and_strangers_fall_back(ease, tmp_path):
    written = write_lists(ease, tmp_path / "lists.parquet", 2, users=["u9", "new one", "u2"])
    frame = pl.read_parquet(tmp_path / "lists.parquet")
    assert frame["user"].unique(maintain_order=True).to_list() == ["u9", "new one", "u2"]
    assert (written.unknown, written.fallback) == (1, 1)


def test_what_cannot_be_written_is_refused_before_anything_is_scored(ease, tmp_path):
    for out, options in (
        (tmp_path / "lists.xlsx", {}),
        (tmp_path / "gone" / "lists.csv", {}),
        (tmp_path / "lists.csv", {"k": 0}),
        (tmp_path / "lists.csv", {"users": ["u1", "u1"]}),
        (tmp_path / "lists.csv", {"users": []}),
    ):
        with pytest.raises(DataError):
            write_lists(ease, out, **options)
    assert not list(tmp_path.iterdir())


@pytest.mark.skipif(os.name != "posix", reason="kill -9 is of POSIX")
def test_a_run_that_was_killed_goes_on(shop, ease, tmp_path):
    out, whole = tmp_path / "lists.csv", tmp_path / "whole.csv"
    write_lists(ease, whole, 4, block=2)
    code = f"""
import os, signal
from pathlib import Path
from recprune.data.store import load_split
from recprune.recipe.served import service_of
from recprune.recipe.shelf import take
from recprune.serving.lists import write_lists
service = service_of(take(Path({str(shop)!r}) / "ease"), load_split({str(shop / "prepared")!r}))
def say(words):
    if words.startswith("12 "):
        os.kill(os.getpid(), signal.SIGKILL)
write_lists(service, Path({str(out)!r}), 4, block=2, say=say)
"""
    done = subprocess.run([sys.executable, "-c", code])
    assert done.returncode == -signal.SIGKILL
    assert write_lists(ease, out, 4, block=2).found == 6
    assert digest(out) == digest(whole)


def test_lists_of_more_items_than_there_are_take_no_more_memory(ease, tmp_path):
    few, many = (write_lists(ease, tmp_path / f"{k}.parquet", k, block=7) for k in (100, 10**12))
    assert few == many
    assert digest(tmp_path / "100.parquet") == digest(tmp_path / f"{10**12}.parquet")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes that have a name")
def test_a_pipe_is_not_replaced(ease, tmp_path):
    os.mkfifo(tmp_path / "lists.csv")
    with pytest.raises(DataError, match="is no file"):
        write_lists(ease, tmp_path / "lists.csv")
    assert not (tmp_path / "lists.csv").is_file()
