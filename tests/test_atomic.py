"""A crash at any step leaves the old thing or the new one, whole."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from recprune import atomic
from recprune.atomic import replace_folder, standing, write_bytes


class Cut(BaseException):
    """The process ends here: nothing after it may tidy up."""


def fill(text: str):  # type: ignore[no-untyped-def]
    def write(folder: Path) -> None:
        (folder / "a.txt").write_text(text)
        (folder / "sub").mkdir()
        (folder / "sub" / "b.txt").write_text(text)

    return write


def read(folder: Path) -> set[str]:
    return {(folder / "a.txt").read_text(), (folder / "sub" / "b.txt").read_text()}


def test_a_file_is_written_and_written_over(tmp_path: Path) -> None:
    write_bytes(tmp_path / "x", b"one")
    write_bytes(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"two"
    assert os.listdir(tmp_path) == ["x"]


def test_a_file_keeps_its_old_bytes_when_the_disk_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_bytes(tmp_path / "x", b"one")

    def full(handle: int) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(atomic.os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        write_bytes(tmp_path / "x", b"two")
    assert (tmp_path / "x").read_bytes() == b"one"
    assert os.listdir(tmp_path) == ["x"]


def test_a_folder_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    replace_folder(tmp_path / "deep" / "f", fill("one"))
    replace_folder(tmp_path / "deep" / "f", fill("two"))
    assert read(tmp_path / "deep" / "f") == {"two"}
    assert os.listdir(tmp_path / "deep") == ["f"]


def test_a_folder_is_as_open_as_any_other_folder(tmp_path: Path) -> None:
    replace_folder(tmp_path / "f", fill("one"))
    (tmp_path / "plain").mkdir()
    assert (tmp_path / "f").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_file_in_the_place_of_the_folder_is_not_removed(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("mine")
    with pytest.raises(NotADirectoryError):
        replace_folder(tmp_path / "f", fill("one"))
    assert (tmp_path / "f").read_text() == "mine"


@pytest.mark.parametrize("error", [OSError("no space left"), Cut()])
@pytest.mark.parametrize("call", ["fsync", "rename", "mkdir", "rmtree"])
def test_a_failure_at_any_step_leaves_the_old_folder_or_the_new_one_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, error: BaseException
) -> None:
    """The n-th call fails, for every n until none is left to fail; with Cut, all later calls fail too."""
    module = atomic.shutil if call == "rmtree" else atomic.os
    real = getattr(module, call)
    for nth in range(20):
        folder = tmp_path / f"{nth}" / "f"
        replace_folder(folder, fill("old"))
        calls = 0

        def failing(*args: object, nth: int = nth, **options: object) -> object:
            nonlocal calls
            calls += 1
            if calls == nth + 1 or (isinstance(error, Cut) and calls > nth):
                raise error
            return real(*args, **options)

        with monkeypatch.context() as patch:
            patch.setattr(module, call, failing)
            try:
                replace_folder(folder, fill("new"))
                failed = False
            except (OSError, Cut):
                failed = True
        assert read(standing(folder)) in ({"old"}, {"new"})
        if not failed:
            assert read(standing(folder)) == {"new"}
        replace_folder(folder, fill("again"))
        assert read(folder) == {"again"}
        if calls <= nth:
            return
    pytest.fail("the write never came to its end")


def test_a_write_cut_off_between_its_renames_is_still_read(tmp_path: Path) -> None:
    replace_folder(tmp_path / "f", fill("old"))
    os.rename(tmp_path / "f", tmp_path / ".f.old")
    assert read(standing(tmp_path / "f")) == {"old"}


def test_a_link_to_a_folder_stays_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    replace_folder(tmp_path / "link", fill("new"))
    assert (tmp_path / "link").is_symlink()
    assert read(tmp_path / "real") == {"new"}
