"""A text file as blocks of whole lines, tens of megabytes each, unpacked and decoded on the way."""

from __future__ import annotations

import bz2
import codecs
import lzma
import zlib
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Any

from recprune.data.ahead import ahead
from recprune.errors import DataError

__all__ = ["SIZE", "blocks", "first_lines"]

SIZE = 32 << 20
"""Bytes of a block; only a line longer than that makes a longer one."""

LONGEST = 64 << 20
"""Bytes of a line that is read at all."""
UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
"""How a text in UTF-16 begins; no UTF-8 does."""
PIECE, SMALL = 1 << 20, 1 << 11
"""Bytes that are read, and unpacked, at a time; of what unpacks as much as it will (zst), so few that they make no more
than 64 MiB."""
ZLIB = type(zlib.decompressobj())
MAGIC = {b"\x1f\x8b": "gz", b"\x28\xb5\x2f\xfd": "zst", b"BZh": "bz2", b"\xfd7zXZ\x00": "xz"}


def blocks(path: str | Path, encoding: str = "utf-8", size: int = SIZE) -> Iterator[bytes]:
    """The text in order, each block ending with a newline, `\\r\\n` as `\\n`, without a byte order mark.

    gz, zst, bz2 and xz are known by their first bytes, not by the name. UTF-8 is passed on as it is (whoever reads the
    lines finds what is none); other encodings become UTF-8 here. zst needs the package zstandard.
    The next block is unpacked in a thread while the last one is being read.
    Raises DataError where the file is missing, empty, damaged, or not in the encoding that was named, and for a line of
    more than 64 MiB; also where it begins with the byte order mark of UTF-16 and is to be UTF-8.
    """
    return ahead(one_by_one(Path(path), encoding, size))


def one_by_one(path: Path, encoding: str | None, size: int) -> Iterator[bytes]:
    """The blocks, each when it is asked for. encoding: None is UTF-16 where a mark says so, otherwise UTF-8."""
    decoder = decoder_of(encoding or "utf-8", path)
    rest, begun, lines = bytearray(), False, 0
    try:
        for piece in pieces(path):
            if decoder is None and not begun and piece.startswith(UTF16):
                if encoding is not None:
                    raise DataError(
                        f'{path} is UTF-16, by its first bytes: read it with encoding="utf-16" (--set encoding=utf-16)',
                        path=str(path),
                        encoding="utf-16",
                    )
                decoder = decoder_of("utf-16", path)
            if decoder is not None:
                piece = decoder.decode(piece).encode()
            if not begun and piece:
                piece = piece.removeprefix(codecs.BOM_UTF8)
                begun = bool(piece)
            rest += piece
            if len(rest) >= size and (cut := rest.rfind(b"\n") + 1):
                block = unix(bytes(rest[:cut]))
                lines += block.count(b"\n")
                yield block
                del rest[:cut]
            if len(rest) > LONGEST:
                lines += rest.count(b"\n") + 1
                raise DataError(
                    f"{path}, line {lines:,} is longer than {LONGEST:,} bytes: is it text, and one row a line?",
                    path=str(path),
                    line=lines,
                )
        if decoder is not None:
            rest += decoder.decode(b"", True).encode()
    except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
        raise DataError(f"{path} cannot be read: {error}", path=str(path)) from error
    except UnicodeError as error:
        raise DataError(f"{path} is not {encoding}: {error}. Name its encoding", path=str(path)) from error
    if not begun:
        raise DataError(f"{path} is empty", path=str(path))
    if rest:
        yield unix(bytes(rest if rest.endswith(b"\n") else rest + b"\n"))


def first_lines(path: str | Path, encoding: str | None = "utf-8", count: int = 100) -> list[str]:
    """The first lines that are not empty, to look at; bytes that are not UTF-8 are replaced. encoding: None is UTF-16
    where a mark says so, otherwise UTF-8. Raises DataError as `blocks` does, and where lines end with `\\r` alone."""
    lines: list[str] = []
    for block in one_by_one(Path(path), encoding, 1 << 16):
        lines += [line for line in block.decode(errors="replace").split("\n") if line]
        if len(lines) >= count:
            break
    if len(lines) == 1 and lines[0].strip("\r").count("\r"):
        raise DataError(
            f"{path} has no newline, and carriage returns where its lines end: store it with newlines "
            "(tr '\\r' '\\n' < old > new)",
            path=str(path),
        )
    return lines[:count]


def unix(block: bytes) -> bytes:
    """Lines end with `\\n` alone."""
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def decoder_of(encoding: str, path: Path) -> codecs.IncrementalDecoder | None:
    """What turns another encoding into text; None for UTF-8 and ASCII."""
    try:
        name = codecs.lookup(encoding).name
    except LookupError:
        raise DataError(f"{path}: no encoding {encoding!r}; known are utf-8, latin-1, cp1252, utf-16, ...") from None
    if name in ("utf-8", "utf-8-sig", "ascii"):
        return None
    return codecs.getincrementaldecoder(name)()


def pieces(path: Path) -> Iterator[bytes]:
    """The bytes of a file, unpacked."""
    if path.is_dir():
        raise IsADirectoryError("it is a folder, expected a file")
    with path.open("rb") as file:
        head = file.read(6)
        file.seek(0)
        packed = next((name for magic, name in MAGIC.items() if head.startswith(magic)), None)
        if packed == "gz":
            yield from members(file, lambda: zlib.decompressobj(wbits=31))
        elif packed == "bz2":
            yield from members(file, bz2.BZ2Decompressor)
        elif packed == "xz":
            yield from members(file, lzma.LZMADecompressor)
        elif packed == "zst":
            yield from unpacked_zst(file, path)
        else:
            while piece := file.read(PIECE):
                yield piece


def members(file: Any, fresh: Any) -> Iterator[bytes]:
    """Packed streams one after the other, as gzip and its like allow."""
    unpack = fresh()
    while data := file.read(PIECE):
        while data:
            if unpack.eof:
                if not data.strip(b"\0"):  # padding after the last stream
                    break
                unpack = fresh()
            data = yield from unpacked(unpack, data)
    if not unpack.eof:
        raise EOFError("it ends before its packed stream does: the file is cut off")


def unpacked(unpack: Any, data: bytes) -> Generator[bytes, None, bytes]:
    """What bytes of a packed stream hold, a piece at a time, for a few may hold a thousand times as many; returns what
    stands behind the stream's end."""
    if isinstance(unpack, ZLIB):
        full = True
        while (data or full) and not unpack.eof:
            piece = unpack.decompress(data, PIECE)
            data, full = unpack.unconsumed_tail, len(piece) == PIECE
            yield piece
        return bytes(unpack.unused_data)
    if hasattr(unpack, "needs_input"):
        yield unpack.decompress(data, PIECE)
        while not unpack.eof and not unpack.needs_input:
            yield unpack.decompress(b"", PIECE)
        return bytes(unpack.unused_data)
    for at in range(0, len(data), SMALL):
        yield unpack.decompress(data[at : at + SMALL])
        if unpack.eof:
            return bytes(unpack.unused_data) + data[at + SMALL :]
    return b""


def unpacked_zst(file: Any, path: Path) -> Iterator[bytes]:
    """Bytes of a zst file. Raises DataError where nothing here can unpack it."""
    try:
        import zstandard
    except ImportError:
        raise DataError(
            f"{path} is packed with zst: `pip install zstandard` to read it, or pack it with gzip", path=str(path)
        ) from None
    try:
        yield from members(file, lambda: zstandard.ZstdDecompressor().decompressobj())
    except zstandard.ZstdError as error:
        raise EOFError(str(error)) from error
