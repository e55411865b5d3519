"""Text in a page or a Markdown file: whatever stands in an artifact is text, never markup."""

from __future__ import annotations

import html
import unicodedata

__all__ = ["LONGEST", "PARAGRAPH", "safe", "shown"]

LONGEST = 400
"""Characters of an id, or of a cell, that are shown."""
PARAGRAPH = 8000
"""Characters of a paragraph."""


def safe(text: object, longest: int = LONGEST) -> str:
    """Text with everything escaped that HTML knows, without control characters, and cut where it is very long.

    Directions that a text sets and does not close (bidi) are taken out, so that an id cannot turn what follows it.

    >>> safe('<script>"a" & b')
    '&lt;script&gt;&quot;a&quot; &amp; b'
    """
    return html.escape(shown(text, longest), quote=True)


def shown(text: object, longest: int = LONGEST) -> str:
    """The same with nothing escaped yet."""
    said = str(text)
    said = said if len(said) <= longest else said[:longest] + "…"
    return "".join(one if _shows(one) else "\N{REPLACEMENT CHARACTER}" for one in said)


def _shows(one: str) -> bool:
    """Letters, signs and blanks; not control characters, bidi controls or halves of surrogate pairs."""
    return one in "\n\t" or unicodedata.category(one) not in ("Cc", "Cf", "Cs") or one in "\u200d\u200c"
