"""The examples run as they stand, and the notebook says what its script says."""

import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = ROOT / "examples"
NOTEBOOKS = sorted(path.stem for path in EXAMPLES.glob("*.ipynb"))
SCRIPTS = sorted(path.stem for path in EXAMPLES.glob("*.py") if path.stem not in NOTEBOOKS)
LAST = {
    "own_model": r"parameters: 7,105 -> 3,\d\d\d",
    "quickstart": r"the same plan is read back: True",
}
"""Script -> its last line."""


def load_maker():
    spec = importlib.util.spec_from_file_location("make_notebook", ROOT / "scripts" / "make_notebook.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


maker = load_maker()


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_runs_to_its_end(name, tmp_path):
    done = subprocess.run([sys.executable, EXAMPLES / f"{name}.py"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(LAST[name], done.stdout.splitlines()[-1])


def printed(notebook):
    """What each cell prints, numbers that depend on the machine left out."""
    said = ["".join(line for out in cell["outputs"] for line in out["text"]) for cell in codes(notebook)]
    return [re.sub(r"[-+]?\d[\d.,]*(e[-+]?\d+)?", "#", text) for text in said]


def codes(notebook):
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_holds_the_cells_of_its_script_and_what_they_print(name):
    kept = json.loads((EXAMPLES / f"{name}.ipynb").read_text(encoding="utf-8"))
    made = maker.notebook((EXAMPLES / f"{name}.py").read_text(encoding="utf-8"))
    told = f"python scripts/make_notebook.py examples/{name}.py"
    for old, new in zip(kept["cells"], made["cells"], strict=True):
        assert {**old, "outputs": None} == {**new, "outputs": None}, told
    assert printed(kept) == printed(made), told
    assert any(printed(kept))


def test_the_list_of_examples_names_them_all():
    listed = set(re.findall(r"\]\((\w+)\.(?:py|ipynb)\)", (EXAMPLES / "README.md").read_text(encoding="utf-8")))
    assert listed == {*SCRIPTS, *NOTEBOOKS}
    assert set(LAST) == set(SCRIPTS)
    assert NOTEBOOKS


def test_a_script_is_parted_into_text_and_code():
    script = "# %% [markdown]\n# # Title\n#\n# Words.\n\n# %%\nx = 3\n\n\n# %%\nprint(x)\n"
    assert maker.cells(script) == [("markdown", "# Title\n\nWords."), ("code", "x = 3"), ("code", "print(x)")]
    made = maker.notebook(script)
    assert made["cells"][2]["outputs"] == [{"output_type": "stream", "name": "stdout", "text": ["3\n"]}]
    assert made["cells"][1]["outputs"] == []
