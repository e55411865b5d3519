"""Whether the smaller model answers as the larger one with those units masked."""

from __future__ import annotations

from recprune.report.blocks import Missing, Section, Words
from recprune.report.found import Found

__all__ = ["proof"]
PLACE = 10


def proof(found: Found) -> Section:
    """What was found when both were asked the same."""
    known, places = found.small.proof, found.places
    if known is None:
        how = f"{found.command('verify', places.small, '--against', places.big)} asks both now"
        why = "the smaller folder holds no proof of its present weights"
        return Section("proof", "Is the cut exact?", (Missing("Agreement with the masked original", why, how),))
    told = known.sentence()
    trained = " It was trained after the cut, so the masked original was given its numbers." if known.trained else ""
    answer = "Yes: " if known.holds else "No: "
    return Section("proof", "Is the cut exact?", (Words(f"{answer}{told}.{trained}"),))
