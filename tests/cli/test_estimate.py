"""recprune estimate: a plan on paper."""

import json

import pytest
from typer.testing import CliRunner

from recprune.cli import app

TABLES = ("mf", "--rows", "user=390625000", "--rows", "item=100000")


def said(*words):
    return CliRunner().invoke(app(), ["estimate", *map(str, words)])


def test_a_large_table_is_planned_in_a_moment():
    done = said(*TABLES, "--factor", 0.8, "--shards", 100, "--workers", 10, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["bytes_before"] == (390_625_000 + 100_000) * 64 * 4 + 100_000 * 4
    assert found["share_removed"] == pytest.approx(0.8, abs=1e-6)
    assert found["cost"]["workers"] == 10
    assert found["cost"]["each"] == -(-(found["cost"]["read"] + found["cost"]["written"]) // 10)
    assert list(found["tables"]) == ["user.weight"]


def test_people_read_what_leaves_and_what_it_costs():
    done = said(*TABLES, "--bytes", "20GB")
    assert done.exit_code == 0, done.output
    assert "80.0% of the parameters leave" in done.output
    assert "209 GB" in done.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("mf", "--rows", "user=many", "--rows", "item=9"), "not user=many"),
        (("mf", "--rows", "user=1", "--rows", "item=9"), "row 0 included"),
        (("mf", "--rows", "user=9"), "needs rows of 'item'"),
        (("nothing", "--rows", "item=9"), "no model named 'nothing'"),
        ((*TABLES, "--factor", 0.5, "--bytes", "1GB"), "not both"),
        ((*TABLES, "--bytes", "1 parsec"), "is no size"),
        ((*TABLES, "--bytes", "1MB"), "cannot be met by ids alone"),
    ],
)
def test_what_is_wrong_is_said(words, message):
    done = said(*words)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())
