"""The page: files from here, sent as they are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["FILES"]

HERE = Path(__file__).parent
KINDS = {
    ".html": b"text/html; charset=utf-8",
    ".css": b"text/css; charset=utf-8",
    ".js": b"text/javascript; charset=utf-8",
}

FILES: Mapping[str, tuple[bytes, bytes]] = {
    "/" if file.name == "studio.html" else f"/{file.name}": (KINDS[file.suffix], file.read_bytes())
    for file in sorted(HERE.iterdir())
    if file.suffix in KINDS
}
"""Path -> content type and content."""
