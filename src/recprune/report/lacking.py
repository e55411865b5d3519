"""What is not there, and how to get it: one line each."""

from __future__ import annotations

from recprune.report.blocks import Missing
from recprune.report.found import Found

__all__ = ["no_comparison", "no_data", "no_frontier", "no_plan"]


def no_comparison(found: Found, what: str) -> Missing:
    """What only a comparison knows."""
    how = found.command("compare", found.places.big, found.places.small, "-o", "comparison.json")
    return Missing(what, "no comparison lies in the smaller folder", f"{how}, then report with --comparison")


def no_data(found: Found, what: str) -> Missing:
    """What only data knows."""
    if found.split is not None:
        return Missing(what, found.no_cases)
    why = "the prepared data that the models were trained on is not there"
    return Missing(what, why, "report again with --data PREPARED, the folder that `recprune prepare` made")


def no_frontier(found: Found) -> Missing:
    """The curve between the two models."""
    how = found.command("frontier", found.places.big, "-o", "frontier.json", "--steps", "stops")
    return Missing("The frontier", "no file of one was given", f"{how}, then report with --frontier and --steps")


def no_plan(found: Found, what: str) -> Missing:
    """What only a plan knows."""
    apply = found.command("apply", found.places.big, "plan.json", "-o", "small")
    how = f"{apply}, which keeps the plan; report against the model it was made for"
    return Missing(what, found.no_plan, how)
