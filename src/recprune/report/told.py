"""told(): numbers as people read them."""

from __future__ import annotations

import math
import re
from collections.abc import Callable

from recprune.report.blocks import Cell, Value

__all__ = ["exact", "interval", "signed", "told"]

SIZES = (("GB", 1e9), ("MB", 1e6), ("kB", 1e3))
NONE, MINUS, BLANK = "–", "−", "\N{NO-BREAK SPACE}"


def told(cell: Cell) -> str:
    """A cell as text, without its interval.

    >>> told(Value(7279204, "bytes")), told(Value(-0.00031, "change")), told(Value(0.849, "share"))
    ('7.28\\xa0MB', '−0.0003', '84.9%')
    """
    if isinstance(cell, str):
        return cell
    number = cell.number
    if number is None or not math.isfinite(number):
        return NONE
    return _TOLD[cell.unit](number)


def interval(value: Value) -> str:
    """The interval in words, empty where there is none.

    >>> interval(Value(-0.0003, "change", -0.0017, 0.001))
    '−0.0017 to +0.0010'
    """
    if value.low is None or value.high is None or not math.isfinite(value.low + value.high):
        return ""
    low, high = _TOLD[value.unit](value.low), _TOLD[value.unit](value.high)
    number, blank, unit = low.partition(BLANK)
    return f"{number if blank and high.endswith(BLANK + unit) else low} to {high}"


def exact(value: Value) -> str:
    """What rounding hides of bytes, empty where it hides nothing."""
    hides = value.unit == "bytes" and value.number is not None and value.number >= 1000
    return f"{value.number:,.0f} bytes" if hides else ""


def signed(text: str) -> str:
    """A sentence whose negative numbers have a minus sign, not a hyphen.

    >>> signed("from -0.5 to ndcg-2, int-4")
    'from −0.5 to ndcg-2, int-4'
    """
    return re.sub(r"(?<![\w-])-(?=\d)", MINUS, text)


def _bytes(number: float) -> str:
    for name, size in SIZES:
        if number >= size:
            return f"{_three(number / size)}{BLANK}{name}"
    return f"{number:,.0f}{BLANK}B"


def _three(number: float) -> str:
    """Three digits: 7.28, 72.8, 728."""
    places = 2 if number < 9.995 else 1 if number < 99.95 else 0
    return f"{number:,.{places}f}"


def _ms(number: float) -> str:
    return f"{_three(number) if number >= 1 else format(number, '#.3g')}{BLANK}ms"


def _signed(number: float) -> str:
    text = f"{number:+.4f}"
    return text[1:] if float(text) == 0 else text.replace("-", MINUS)


def _rise(number: float) -> str:
    text = f"{number:+#.3g}"
    return "0" if number == 0 else text.replace("-", MINUS)


_TOLD: dict[str, Callable[[float], str]] = {
    "count": lambda n: f"{n:,.0f}".replace("-", MINUS),
    "bytes": _bytes,
    "ms": _ms,
    "metric": lambda n: f"{n:.4f}".replace("-", MINUS),
    "change": _signed,
    "share": lambda n: f"{100 * n:.1f}%".replace("-", MINUS),
    "shift": lambda n: f"{100 * n:+.1f}%".replace("-", MINUS).replace("+0.0", "0.0").replace(f"{MINUS}0.0", "0.0"),
    "times": lambda n: f"{n:.2f}{BLANK}×",
    "rise": _rise,
    "seconds": lambda n: f"{_three(n)}{BLANK}s",
}
