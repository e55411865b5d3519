"""Files as blocks of whole lines, however they are packed."""

from __future__ import annotations

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.data import unpack
from recprune.data.unpack import blocks, first_lines
from recprune.errors import DataError

TEXT = "".join(f"user {n}\titem é {n * n}\n" for n in range(500)).encode()


def zst(data: bytes) -> bytes:
    zstandard = pytest.importorskip("zstandard", reason="zst needs the package zstandard")
    return bytes(zstandard.ZstdCompressor().compress(data))


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "plain": bytes,
    "gz": gzip.compress,
    "gz in two streams": lambda data: gzip.compress(data[:77]) + gzip.compress(data[77:]),
    "gz with padding": lambda data: gzip.compress(data) + b"\0" * 512,
    "bz2": bz2.compress,
    "xz": lzma.compress,
    "zst": zst,
    "zst in two frames": lambda data: zst(data[:77]) + zst(data[77:]),
}


@pytest.mark.parametrize("way", PACKED)
def test_the_content_says_how_a_file_is_packed_whatever_its_name(way: str, tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(PACKED[way](TEXT))
    assert b"".join(blocks(path, size=1000)) == TEXT


@pytest.mark.parametrize("way", ["gz", "bz2", "xz", "zst"])
def test_a_file_that_is_cut_off_is_refused(way: str, tmp_path: Path) -> None:
    path = tmp_path / "log.gz"
    path.write_bytes(PACKED[way](TEXT)[:-20])
    with pytest.raises(DataError, match=r"log\.gz cannot be read"):
        list(blocks(path))


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(TEXT))
    packed[len(packed) // 2] ^= 255
    (tmp_path / "log.gz").write_bytes(packed)
    with pytest.raises(DataError, match="cannot be read"):
        list(blocks(tmp_path / "log.gz"))


@given(st.lists(st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]))), st.integers(1, 40))
@settings(deadline=None, max_examples=60)
def test_every_block_is_whole_lines_and_nothing_is_lost(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], size: int
) -> None:
    text = "".join(line + "\n" for line in ["first", *lines]).encode()
    path = tmp_path_factory.mktemp("blocks") / "log"
    path.write_bytes(text)
    parts = list(blocks(path, size=size))
    assert b"".join(parts) == text
    assert all(part.endswith(b"\n") for part in parts)


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "utf-16", "utf-16-le"])
def test_other_encodings_become_utf_8(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes("café\nnaïve\n".encode(encoding))
    assert b"".join(blocks(tmp_path / "log", encoding)) == "café\nnaïve\n".encode()


def test_windows_line_ends_and_the_byte_order_mark_are_no_part_of_an_id(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xef\xbb\xbfa,b\r\nc,d\r\n")
    assert list(blocks(tmp_path / "log")) == [b"a,b\nc,d\n"]


def test_a_last_line_without_an_end_is_a_line(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"a\nb")
    assert list(blocks(tmp_path / "log")) == [b"a\nb\n"]


@pytest.mark.parametrize(
    "content",
    [b"", gzip.compress(b"", mtime=0), b"\xef\xbb\xbf"],
    ids=["no bytes", "nothing packed", "a byte-order mark"],
)
def test_an_empty_file_is_refused(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(content)
    with pytest.raises(DataError, match="is empty"):
        list(blocks(tmp_path / "log"))


def test_a_wrong_encoding_is_refused_with_its_name(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\xff\xfea\x00\xd8")
    with pytest.raises(DataError, match="is not utf-16"):
        list(blocks(tmp_path / "log", "utf-16"))
    with pytest.raises(DataError, match="no encoding 'utf-99'"):
        list(blocks(tmp_path / "log", "utf-99"))


@pytest.mark.parametrize("way", ["gz", "bz2", "xz", "zst"])
def test_case_20_a_line_that_grows_without_end_is_left_while_it_is_unpacked(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "LONGEST", 1 << 20)
    monkeypatch.setattr(unpack, "PIECE", 1 << 16)
    (tmp_path / "log").write_bytes(PACKED[way](b"u,i\na,x\n" + b"0" * (64 << 20)))
    assert (tmp_path / "log").stat().st_size < 1 << 17
    longest, real = [0], unpack.unpacked

    def watched(*arguments: Any) -> Any:
        stream = real(*arguments)
        while True:
            try:
                piece = next(stream)
            except StopIteration as ended:
                return ended.value
            longest[0] = max(longest[0], len(piece))
            yield piece

    monkeypatch.setattr(unpack, "unpacked", watched)
    with pytest.raises(DataError, match=r"line 3 is longer than 1,048,576 bytes") as caught:
        list(blocks(tmp_path / "log"))
    assert caught.value.line == 3
    assert longest[0] <= (1 << 16 if way != "zst" else 64 << 20)


def test_case_22_a_line_without_an_end_is_told_by_its_number(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "LONGEST", 1 << 20)
    (tmp_path / "log").write_bytes(b"u,i\n" + b"a,x\n" * 400_000 + b"b" * (3 << 20) + b"\nc,y\n")
    with pytest.raises(DataError, match=r"line 400,002 is longer") as caught:
        list(blocks(tmp_path / "log", size=1 << 18))
    assert caught.value.line == 400_002


@pytest.mark.parametrize("way", ["gz", "bz2", "xz", "zst"])
@pytest.mark.parametrize("piece", [7, 1 << 10, 1 << 20])
def test_pieces_of_any_size_and_streams_in_a_row_give_the_same_text(
    way: str, piece: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(unpack, "PIECE", piece)
    monkeypatch.setattr(unpack, "SMALL", min(piece, 1 << 11))
    text = b"".join(b"%d,%d\n" % (n * n, n) for n in range(2000)) + b"0" * 5000 + b"\n"
    (tmp_path / "log").write_bytes(PACKED[way](text) + PACKED[way](b"a,b\n") + PACKED[way](b"c,d\n"))
    assert b"".join(blocks(tmp_path / "log")) == text + b"a,b\nc,d\n"


def test_the_first_lines_leave_out_empty_ones(tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"\na\n\nb\nc\n")
    assert first_lines(tmp_path / "log", count=2) == ["a", "b"]


def test_lines_that_end_by_a_carriage_return_alone_are_told_so(tmp_path: Path) -> None:
    path = tmp_path / "old.csv"
    path.write_bytes(b"user,item\ru1,i1\ru2,i2\r")
    with pytest.raises(DataError, match="has no newline, and carriage returns where its lines end"):
        first_lines(path)
    path.write_bytes(b"user,item\r")
    assert first_lines(path) == ["user,item"]
