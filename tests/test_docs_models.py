"""Every built-in model has a page, and what the page says of the code is so."""

import ast
import inspect
import json
import re
from pathlib import Path

import pytest

from recprune import discover, models

DOCS = Path(__file__).resolve().parent.parent / "docs"
NAMES = discover.names(models)
FOUND_IN_DATA = {"n_users", "n_items", "sizes", "multi", "missing", "entries"}
QUALITY = re.compile(r"\b(recall|ndcg|hr|p|mrr)@\d+|\bauc\b", re.IGNORECASE)
HEADINGS = [
    *("Formula", "Shapes", "Training", "Options", "What can leave", "Unlike the paper", "Cost", "When", "Example"),
    "Measured",
]


def page(name: str) -> str:
    return (DOCS / "models" / f"{name}.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n", 1)[1].split("\n## ", 1)[0]


def test_every_model_has_a_page_and_every_page_a_model():
    assert sorted(path.stem for path in (DOCS / "models").glob("*.md")) == NAMES


def test_the_index_leads_to_every_page():
    index = (DOCS / "models.md").read_text(encoding="utf-8")
    assert sorted(re.findall(r"^\| \[`(\w+)`\]\(models/\1\.md\) \|", index, re.MULTILINE)) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_all_its_parts_and_room_for_its_results(name: str):
    text = page(name)
    found = [heading.replace("papers", "paper") for heading in re.findall(r"^## (.+)$", text, re.MULTILINE)]
    assert text.startswith(f"# {name}\n")
    assert found == HEADINGS
    assert re.search(rf"<!-- measured: {name}( [\w ./-]+)? -->\n", section(text, "Measured"))
    assert "```python" in section(text, "Example")


@pytest.mark.parametrize("name", NAMES)
def test_a_page_has_the_measured_quality_of_its_model(name: str):
    heads = re.findall(r"^\| model \|.*$", section(page(name), "Measured"), re.MULTILINE)
    assert any(QUALITY.search(head) for head in heads), f"no table of docs/models/{name}.md has a metric of {name}"


@pytest.mark.parametrize("name", NAMES)
def test_a_page_tells_every_option_and_its_default(name: str):
    taken = inspect.signature(discover.load(models, name)).parameters.values()
    wanted = {p.name: p.default for p in taken if p.name not in FOUND_IN_DATA and p.name != "fields"}
    told = dict(re.findall(r"^\| `(\w+)` \| (.+?) \|", section(page(name), "Options"), re.MULTILINE))
    fields = told.pop("fields", None)
    assert (fields == "all") == ("fields" in {p.name for p in taken})
    assert {option: ast.literal_eval(default.strip("`")) for option, default in told.items()} == wanted


def results() -> set[str]:
    """Every number between 0 and 1 of every result, to four places."""
    files = (DOCS.parent / "benchmarks" / "results").glob("*.json")
    cells = (cell for file in files for row in json.loads(file.read_text(encoding="utf-8"))["rows"] for cell in row)
    return {f"{cell:.4f}" for cell in cells if isinstance(cell, float) and 0 < cell < 1}


@pytest.mark.parametrize("name", NAMES)
def test_where_a_page_says_that_a_model_is_beaten_its_numbers_are_measured_ones(name: str):
    said = page(name).partition("**Where it is beaten.**")[2]
    differences = set(re.findall(r": (0\.\d{4}) below", said))
    assert set(re.findall(r"\b0\.\d{4}\b", said)) - differences <= results()
