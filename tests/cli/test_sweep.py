"""recprune sweep, from folders to a table."""

import json

from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.store import save_split
from recprune.models.build import build
from recprune.recipe.shelf import Shelved, put
from recprune.testing.data import tiny_split


def call(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app(), ["sweep", *map(str, words)])
    return done.exit_code, done.output


def test_a_sweep_is_shown_and_written(tmp_path, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    split = tiny_split()
    save_split(split, tmp_path / "prepared")
    for dim in (4, 8):
        folder = tmp_path / f"dim-{dim}" / "mf"
        put(folder, Shelved(folder, build("mf", split, dim=dim), split.vocabularies, None, (), tmp_path / "prepared"))
    models, out = (tmp_path / "dim-4" / "mf", tmp_path / "dim-8" / "mf"), tmp_path / "swept"
    asked = (*models, "--factor", 0.5, "--bytes", "2KB", "--rule", "magnitude", "--epochs", 1, "--metric", "recall@20")
    code, text = call(*asked, "-o", out)
    assert code == 0, text
    assert text.count("factor 0.5") == 2
    assert text.count("dim-4/mf") == text.count("dim-8/mf") == 3
    assert text.count("2,000 bytes") == 2
    assert "recall@20" in text
    code, text = call(*asked, "-o", out, "--json")
    facts = json.loads(text[text.index("{") :])
    assert facts["rows"] == json.loads((out / "sweep.json").read_text())["rows"]
    assert (code, len(facts["rows"]), facts["metric"]) == (0, 6, "recall@20")
    assert all(row["point"]["bytes"] <= 2000 for row in facts["rows"] if row["budget"] == "2,000 bytes")
    assert call(tmp_path / "none", "-o", out)[0] == 2
