"""card(): what a person should know of the smaller model before using it, as a model card.

Sections as in Mitchell et al. 2019 (Model Cards for Model Reporting), section 4.
What a folder does not say is not made up.
"""

from __future__ import annotations

from collections.abc import Iterator

from recprune.encodings.folded import in_short
from recprune.report.blocks import Block, Missing, Panel, Section, Table, Value
from recprune.report.found import Found
from recprune.report.make import Report
from recprune.report.markdown import blocks_of, cells, plain

__all__ = ["card"]

FRONT = "---\nlibrary_name: recprune\ntags:\n- recommender-system\n- pruning\n---"
TAKEN = {
    "numbers": "Evaluation",
    "losers": "Who it serves worse than the larger model",
    "whole": "What could not be pruned",
    "again": "Training, data and how to make it again",
}
"""Section of the report -> its heading in the card."""


def card(report: Report, found: Found) -> str:
    """Front matter for model hubs, then details, use, evaluation, limits and how to make it again."""
    parts = [FRONT, f"# {plain(report.title)}", plain(report.asked), *_details(found), *_use(found)]
    sections = {section.name: section for section in report.sections}
    for name, heading in TAKEN.items():
        parts += [f"## {heading}", *blocks_of(_short(sections[name]))]
    return "\n\n".join(part for part in parts if part) + "\n"


def _details(found: Found) -> Iterator[str]:
    said, plan = found.said["small"], found.plan
    rule = plan.rule.rpartition(":")[2] if plan is not None else ""
    rows = [
        ("model", str(said["model"])),
        ("inputs", ", ".join(said["columns"]) or "not said"),
        ("gives", "a score of every item for a user" if found.ranks else "a score of each row"),
        ("parameters", Value(said["parameters"], "count")),
        ("weights file", Value(said["bytes_of"]["weights"], "bytes")),
        ("stored", ", ".join(f"{name}: {way}" for name, way in in_short(said["encodings"]).items()) or "as floats"),
        ("pruned by", f"{rule}, {plan.budget.amount}" if plan is not None else "not said"),
        ("written by", f"recprune {said['version']}, readable from {said['needs']} on"),
    ]
    yield "## Model details"
    yield cells(("", ""), rows)


def _use(found: Found) -> Iterator[str]:
    yield "## Use"
    folder = str(found.places.small)
    own = ", model=YourModel(...)" if found.said["small"]["foreign"] else ""
    yield f"```python\nfrom recprune import artifact\n\nmodel = artifact.load({folder!r}{own}).model\n```"
    yield (
        "Ids that the model does not know, those that left among them, are answered by one shared row. Licence, "
        "intended users and what the data may be used for are not said in the folder: add them here."
    )


def _short(section: Section) -> tuple[Block, ...]:
    """Without rivals that are not there, panels, and formulas, which stand in the report."""
    return tuple(
        block
        for block in section.blocks
        if not isinstance(block, Panel | Missing)
        and not (isinstance(block, Table) and block.folded and section.name == "numbers")
    )
