"""Sites that belong together though the pass has not joined them, as one; what may have to be rescaled with one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from recprune.tracing.site import Cut, Kind, Site

__all__ = ["alike", "folded", "joined", "scales"]


def alike(sites: list[Site]) -> list[list[Site]]:
    """Sites of one width that meet in the same tensors' modules, such as the dims of queries and of values."""
    groups: list[list[Site]] = []
    for site in sites:
        for group in groups:
            if group[0].size == site.size and group[0].kind == site.kind and _home(group[0]) == _home(site):
                group.append(site)
                break
        else:
            groups.append([site])
    return groups


def folded(site: Site, width: int) -> Site:
    """The same cuts in `width` units: unit i takes what units i, i + width, i + 2 * width, ... took."""

    def of(cuts: Sequence[Cut]) -> tuple[Cut, ...]:
        times = range(site.size // width)
        return tuple(replace(c, start=c.start + n * width * c.width) for c in cuts for n in times)

    return replace(site, size=width, cuts=of(site.cuts), averaged=of(site.averaged))


def _home(site: Site) -> str:
    return site.cuts[0].tensor.rpartition(".")[0].rpartition(".")[0]


def joined(sites: list[Site]) -> Site:
    """One site that takes what all of them take."""
    cuts = tuple(dict.fromkeys(cut for site in sites for cut in site.cuts))
    first = next((s for s in sites if s.kind is Kind.DIM), sites[0])
    return replace(first, cuts=cuts, averaged=tuple(cut for site in sites for cut in site.averaged))


def scales(site: Site) -> Iterator[tuple[str, ...]]:
    """Tensors that may have to be rescaled: none; those of one module; one that the units go into."""
    yield ()
    if site.kind is Kind.NEURON:
        made = list(dict.fromkeys(c.tensor.rpartition(".")[0] for c in site.cuts if c.dim == 0 and c.start == 0))
        for path in made:
            inside = (c.tensor for c in site.cuts if c.dim == 0 and c.tensor.startswith(path + "."))
            yield tuple(dict.fromkeys(inside))
        yield from ((tensor,) for tensor in dict.fromkeys(c.tensor for c in site.cuts if c.dim == 1))
