"""bars(), ranges(): lengths and intervals drawn inside the rows of a table, so that they are read as one, too."""

from __future__ import annotations

from recprune.report.blocks import Bars, Range, Ranges, Value
from recprune.report.html.cells import cell, region, row_head
from recprune.report.html.scale import Scale, linear
from recprune.report.text import safe
from recprune.report.told import told

__all__ = ["bars", "ranges"]

FLAT = 'viewBox="0 0 100 16" preserveAspectRatio="none" aria-hidden="true" focusable="false"'
KEYS = ("first", "second")


def bars(found: Bars) -> str:
    """Before above after, both from 0 on."""
    most = max((v.number or 0.0 for row in found.rows for v in (row.before, row.after)), default=0.0) or 1.0
    rows = "".join(
        f'<tr>{row_head(row.name)}<td class="draw"><svg {FLAT}>'
        f"{_bar(row.before, most, 'before', 1)}{_bar(row.after, most, 'after', 9)}</svg></td>"
        f"{cell(row.before)}{cell(row.after)}</tr>"
        for row in found.rows
    )
    names = "".join(f'<th scope="col" class="n">{name}</th>' for name in ("before", "after"))
    head = f'<th scope="col">layer</th><th class="draw"></th>{names}'
    return _table(found.caption, head, rows)


def _bar(value: Value, most: float, name: str, y: int) -> str:
    wide = 100 * (value.number or 0.0) / most
    return f'<rect class="{name}" x="0" y="{y}" width="{max(wide, 0.3) if wide else 0:.2f}" height="6"/>'


def ranges(found: Ranges) -> str:
    """Points with their intervals, on one scale with a line at 0."""
    values = [value for row in found.rows for value in (row.first, row.second) if value is not None]
    numbers = [n for value in values for n in (value.number, value.low, value.high) if n is not None]
    scale = linear([0.0, *numbers], 2, 98)
    several = len(found.names) > 1
    rows = "".join(_range(row, scale, several) for row in found.rows)
    ends = "".join(f"<span>{safe(told(Value(float(f'{n:.2g}'), 'rise')))}</span>" for n in (scale.low, scale.high))
    names = "".join(
        f'<th scope="col" class="n"><span class="key {KEYS[place] if several else "only"}"></span>{safe(name)}</th>'
        for place, name in enumerate(found.names)
    )
    head = f'<th scope="col"></th><th class="draw"><span class="ends">{ends}</span></th>{names}'
    return _table(found.caption, head, rows, "bars ranges")


def _range(row: Range, scale: Scale, several: bool) -> str:
    values = [row.first] if row.second is None else [row.first, row.second]
    drawn = "".join(
        _point(v, scale, KEYS[i] if several else "only", (4, 12)[i] if several else 8) for i, v in enumerate(values)
    )
    zero = f'<line class="zero" x1="{scale.at(0.0)}" x2="{scale.at(0.0)}" y1="0" y2="16"/>'
    cells = "".join(map(cell, values))
    return f'<tr>{row_head(row.name)}<td class="draw"><svg {FLAT}>{zero}{drawn}</svg></td>{cells}</tr>'


def _point(value: Value, scale: Scale, name: str, y: int) -> str:
    if value.number is None:
        return ""
    x, reach = scale.at(value.number), ""
    if value.low is not None and value.high is not None:
        reach = (
            f'<line class="whisker {name}" x1="{scale.at(value.low)}" x2="{scale.at(value.high)}" y1="{y}" y2="{y}"/>'
        )
    return f'{reach}<line class="point {name}" x1="{x}" x2="{x}" y1="{y}" y2="{y}"/>'


def _table(caption: str, head: str, rows: str, kind: str = "bars") -> str:
    body = f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody>"
    return region(caption, f'<table class="{kind}"><caption>{safe(caption)}</caption>{body}</table>')
