"""marks: the shape of every kind of model, the same in charts and in the legend."""

from __future__ import annotations

__all__ = ["LEGEND", "RIVALS", "mark"]

RIVALS = ("M0 -6L5.5 4.5H-5.5Z", "M0 6L5.5 -4.5H-5.5Z", "M0 -6.5L5.5 0L0 6.5L-5.5 0Z", "M-4.5 -4.5H4.5V4.5H-4.5Z",
          "M-2 -6H2V-2H6V2H2V6H-2V2H-6V-2H-2Z")  # fmt: skip
"""Triangles, a diamond, a square and a cross."""

LEGEND = {
    "before": "the larger model",
    "after": "the smaller model",
    "line": "no other stop is better",
    "stop": "other stops",
}
"""Kind of mark -> what it stands for; rivals go by their names."""


def mark(kind: str, number: int = 0) -> str:
    """A mark around 0, 0. number: of the rival, from 1; of a stop, 1 where the line goes through it."""
    if kind == "before":
        return '<path class="mark" d="M-5.5 -5.5H5.5V5.5H-5.5Z"/>'
    if kind == "rival":
        return f'<path class="mark" d="{RIVALS[(number - 1) % len(RIVALS)]}"/>'
    radius = 8.5 if kind == "after" else 4.5 if number else 3.5
    return f'<circle class="mark" r="{radius}"/>'
