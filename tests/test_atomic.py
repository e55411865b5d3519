"""A crash at any step leaves the old thing or the new one, whole."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from recprune import atomic
from recprune.atomic import lock, replace_folder, room_for, standing, tidy, write_bytes, write_file
from recprune.errors import ArtifactError
from recprune.testing.faults import FAULTS, Faults


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


def test_a_second_writer_fails_at_once_and_the_first_ends_its_work(tmp_path: Path) -> None:
    def write(folder: Path) -> None:
        fill("first")(folder)
        with pytest.raises(ArtifactError, match="being written by another process"):
            replace_folder(tmp_path / "f", fill("second"))
        with pytest.raises(ArtifactError, match="being written by another process"):
            write_bytes(tmp_path / "f", b"second")

    replace_folder(tmp_path / "f", write)
    assert read(tmp_path / "f") == {"first"}
    assert os.listdir(tmp_path) == ["f"]


def test_a_lock_left_by_a_dead_process_does_not_block(tmp_path: Path) -> None:
    code = "import os, sys; from recprune.atomic import lock\nwith lock(sys.argv[1]): os.kill(os.getpid(), 9)"
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "f")])
    assert done.returncode == -signal.SIGKILL
    assert os.listdir(tmp_path) == [".f.lock"]
    replace_folder(tmp_path / "f", fill("new"))
    assert read(tmp_path / "f") == {"new"}
    assert os.listdir(tmp_path) == ["f"]


def test_locks_that_dead_processes_left_are_removed_and_those_that_are_held_stay(tmp_path: Path) -> None:
    for name in (".f.lock", ".g.lock", "h.lock", ".lock"):
        (tmp_path / name).touch()
    (tmp_path / ".link.lock").symlink_to(tmp_path / "h.lock")
    with lock(tmp_path / "g"):
        tidy(tmp_path)
        assert sorted(os.listdir(tmp_path)) == [".g.lock", ".link.lock", ".lock", "h.lock"]
    tidy(tmp_path / "none")


def test_what_a_killed_write_left_is_removed_by_the_next_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / ".f.0123456789ab.tmp").mkdir()
    (tmp_path / ".f.0123456789ab.tmp" / "half").write_bytes(b"half")
    (tmp_path / ".f.ba9876543210.tmp").write_bytes(b"half")
    others = [".g.0123456789ab.tmp", ".f.notes.tmp", "f.tmp"]
    for name in others:
        (tmp_path / name).write_bytes(b"mine")
    replace_folder(tmp_path / "f", fill("new"))
    assert sorted(os.listdir(tmp_path)) == sorted([*others, "f"])


def test_too_little_room_is_said_before_anything_is_written(tmp_path: Path) -> None:
    room_for(tmp_path / "deep" / "f", 1)
    with pytest.raises(OSError, match=r"1,000,000,000,000,000,000 bytes are needed and [\d,]+ are free"):
        room_for(tmp_path / "deep" / "f", 10**18)


@pytest.mark.parametrize("what", ["file", "folder"])
@pytest.mark.parametrize("fault", FAULTS)
def test_every_call_may_fail_in_every_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str, what: str
) -> None:
    """The n-th call of the system fails, for every n until none is left; short writes and EINTR are gone over."""
    place = tmp_path / "f"

    def put(text: bytes) -> None:
        if what == "file":
            write_bytes(place, text)
        else:
            replace_folder(place, lambda folder: write_file(folder / "a", text))

    def get() -> bytes:
        return place.read_bytes() if what == "file" else (standing(place) / "a").read_bytes()

    put(b"old" * 9)
    for nth in range(1, 40):
        with monkeypatch.context() as patch:
            faults = Faults(fault, nth)
            patch.setattr(atomic, "os", faults)
            failed = faults.during(lambda: put(b"new" * 9))
        if not faults.met:
            break
        assert get() in ({b"old" * 9, b"new" * 9} if failed else {b"new" * 9})
        assert failed == (fault not in ("EINTR", "short"))
        put(b"old" * 9)
        assert get() == b"old" * 9
        assert os.listdir(tmp_path) == ["f"]
    assert 1 < nth < 39
    assert get() == b"new" * 9


def test_nothing_is_renamed_that_is_not_on_the_disk_and_nothing_is_done_before_the_folder_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch = Faults("none", 0)
    monkeypatch.setattr(atomic, "os", watch)
    write_bytes(tmp_path / "x", b"data")
    calls = [call for call in watch.calls if call in ("write", "fsync", "replace")]
    assert calls == ["write", "fsync", "replace", "fsync"]
    watch.calls.clear()
    replace_folder(tmp_path / "f", lambda folder: write_file(folder / "a", b"data"))
    calls = [call for call in watch.calls if call in ("write", "fsync", "rename")]
    assert calls == ["write", "fsync", "fsync", "fsync", "rename", "fsync"]
