"""The page at /: three files from here, and headers by which a browser takes nothing from elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

__all__ = ["FILES", "HEADERS"]

HERE = Path(__file__).parent

FILES: Mapping[str, tuple[bytes, bytes]] = {
    "/": (b"text/html; charset=utf-8", (HERE / "page.html").read_bytes()),
    "/page.css": (b"text/css; charset=utf-8", (HERE / "page.css").read_bytes()),
    "/page.js": (b"text/javascript; charset=utf-8", (HERE / "page.js").read_bytes()),
}
"""Path -> content type and content."""

HEADERS: list[tuple[bytes, bytes]] = [
    (
        b"content-security-policy",
        b"default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
        b"form-action 'none'; frame-ancestors 'none'",
    ),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
]
