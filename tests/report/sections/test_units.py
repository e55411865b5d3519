"""The ids that left are named by what they are called outside."""

from types import SimpleNamespace

import numpy as np
import pytest

import recprune
from recprune.data.dataset import Split
from recprune.evaluation.inputs import example
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.report.blocks import Table
from recprune.report.sections.units import units
from recprune.testing import tiny_split


def told(split: Split, name: str, site: str, gone: list[int]) -> tuple[str, list[object]]:
    """What is said of the ids that left, and those that are listed. gone: their codes."""
    model = recprune.build(name, split, dim=4)
    found = recprune.survey(model, example(model, split))
    kept = np.setdiff1d(np.arange(found.site(site).size), np.array(gone) - 1)
    plan = Plan(found, {site: kept}, Budget(0.1), "recprune.importance.rules.frequency:Frequency()")
    run = SimpleNamespace(plan=plan, whole=SimpleNamespace(vocabularies=split.vocabularies), split=split, users=True)
    section = units(run)
    tables = [block for block in section.blocks if isinstance(block, Table) and "that left" in block.caption]
    return str(section.blocks), [row[0] for table in tables for row in table.rows]


@pytest.mark.parametrize(("name", "site", "column"), [("mf", "user.id", "user"), ("gru4rec", "sequence.id", "item")])
def test_ids_that_left_are_those_of_their_codes(name: str, site: str, column: str):
    split = tiny_split()
    said, listed = told(split, name, site, [1, 5, 12])
    assert f"3 of {len(split.vocabularies[column].ids)} ids of {column} left" in said
    assert sorted(listed) == sorted(split.vocabularies[column].decode([1, 5, 12]))
