"""lower_hull(): what is cheapest by mixing: the corners of points from below."""

from __future__ import annotations

from collections.abc import Sequence

__all__ = ["lower_hull"]


def lower_hull(places: Sequence[float], heights: Sequence[float]) -> list[tuple[float, float]]:
    """Corners of the lower convex hull of points whose places ascend."""
    corners: list[tuple[float, float]] = []
    for place, height in zip(places, heights, strict=True):
        while len(corners) > 1 and _above(corners[-2], corners[-1], (place, height)):
            corners.pop()
        corners.append((place, height))
    return corners


def _above(first: tuple[float, float], middle: tuple[float, float], last: tuple[float, float]) -> bool:
    across = (last[1] - first[1]) * (middle[0] - first[0])
    return (middle[1] - first[1]) * (last[0] - first[0]) >= across
