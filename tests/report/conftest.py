"""A small run with a report."""

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.simulate import simulate
from recprune.report import find
from recprune.report.found import Places

ROLES = ["--user", "user", "--item", "item", "--time", "time"]
FIELDS = ["--categorical", "user_field1,item_field1", "--of-item", "item_field1", "--of-user", "user_field1"]
HOSTILE = "<script>alert(1)</script>"


def called(*words):
    done = CliRunner().invoke(app(), [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done


def log_of(path, rename=lambda key: key):
    """A simulated log as CSV, with other ids where asked."""
    frame = simulate(80, 50, 1600, 3, seed=2, noise=(3,), uniques=0).log.frame.collect()
    rows = [frame.columns, *frame.rows()]
    place = frame.columns.index("item")
    text = [
        [rename(str(cell)) if n and i == place else str(cell) for i, cell in enumerate(row)]
        for n, row in enumerate(rows)
    ]
    path.write_text("\n".join("\t".join(row) for row in text) + "\n", encoding="utf-8")
    return path


def run_of(folder, log, model, *more):
    words = ["--epochs", 2, "--tune", "epochs=1", *ROLES, *FIELDS, *more]
    called("run", log, "--no-bench", "--out", folder, "--model", model, *words)
    return folder


@pytest.fixture(scope="session")
def lists_run(tmp_path_factory):
    """A model that ranks, pruned, with its rivals and a frontier."""
    place = tmp_path_factory.mktemp("lists")
    run = run_of(place / "out", log_of(place / "log.tsv"), "mf", "--model-set", "dim=16")
    frontier = ["-o", place / "frontier.json", "--steps", place / "stops", "--factor", 0.4, "--factor", 0.7]
    called("frontier", run / "big", *frontier, "--epochs", 2)
    return place


@pytest.fixture(scope="session")
def clicks_run(tmp_path_factory):
    """A click model, pruned, without rivals."""
    place = tmp_path_factory.mktemp("clicks")
    run_of(place / "out", log_of(place / "log.tsv"), "deepfm", "--no-rivals", "--model-set", "dim=4")
    return place


@pytest.fixture(scope="session")
def hostile_run(tmp_path_factory):
    """As `lists_run`, with items that are markup."""
    place = tmp_path_factory.mktemp("hostile")
    log = log_of(place / "log.tsv", lambda key: f"{HOSTILE}'\"&`|{key}\u202e")
    run_of(place / "out", log, "mf", "--no-rivals", "--model-set", "dim=4")
    return place


class Parsed(HTMLParser):
    """A page as a browser reads it: elements with their attributes, and the text of each."""

    VOID = frozenset({"meta", "link", "br", "img", "input", "hr"})

    def __init__(self, text):
        super().__init__(convert_charrefs=True)
        self.elements, self.open, self.text = [], [], []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open and self.open[-1] not in ("style", "script"):
            self.text.append(data)

    def all(self, tag, **wanted):
        return [a for t, a in self.elements if t == tag and all(a.get(name) == value for name, value in wanted.items())]

    @property
    def words(self):
        return re.sub(r"[ \n\t]+", " ", "".join(self.text))


@pytest.fixture(scope="session")
def parsed():
    return Parsed


@pytest.fixture(scope="session")
def found_in():
    """Everything that the folders of a run hold."""

    def found(place, **more):
        extra = {name: place / name for name in ("frontier.json", "stops") if (place / name).exists()}
        places = Places(
            place / "out" / "small",
            place / "out" / "big",
            frontier=extra.get("frontier.json"),
            steps=extra.get("stops"),
        )
        return find(replace(places, **{name: more.pop(name) for name in list(more) if name in PLACES}), **more)

    return found


PLACES = ("small", "big", "data", "comparison", "frontier", "steps")
