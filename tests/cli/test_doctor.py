import json

from typer.testing import CliRunner

from recprune.cli import app
from recprune.doctor.extras import EXTRAS

RUNNER = CliRunner(env={"COLUMNS": "160"})


def test_it_is_told_as_data():
    done = RUNNER.invoke(app(), ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    facts = json.loads(done.stdout)
    assert facts["versions"]["torch"]
    assert facts["machine"]["cores"] >= 1
    assert set(facts["extras"]) == set(EXTRAS)


def test_people_read_what_is_missing_what_it_would_give_and_how_to_have_it(monkeypatch):
    monkeypatch.setattr("recprune.doctor.extras.found", lambda name: None if name == "optuna" else "1.0")
    done = RUNNER.invoke(app(), ["doctor"])
    assert done.exit_code == 0, done.output
    line = next(line for line in done.stdout.splitlines() if line.startswith(" tune"))
    assert "pip install 'recprune[tune]'" in line
    assert "chosen on validation" in line
    assert "kernels" in done.stdout
    assert "pip install 'recprune[demo]'" not in done.stdout
    assert "demo, serve" in next(line for line in done.stdout.splitlines() if line.startswith("extras here"))
