import ast
import subprocess
import sys
from pathlib import Path

import pytest

import recprune

SOURCE = Path(recprune.__file__).read_text(encoding="utf-8")


def test_every_public_name_can_be_had():
    for name in dir(recprune):
        assert getattr(recprune, name) is not None, name


def test_type_checkers_see_the_names_that_a_program_sees():
    block = next(node for node in ast.parse(SOURCE).body if isinstance(node, ast.If))
    seen = {alias.asname: f"{node.module}.{alias.name}" for node in block.body for alias in node.names}
    assert seen == {name: f"recprune.{home}.{name}" for name, home in recprune._HOMES.items()}
    assert list(recprune._HOMES) == sorted(recprune._HOMES)


def test_importing_recprune_imports_nothing_heavy():
    code = (
        "import sys, recprune; "
        "print([m for m in ('torch', 'numpy', 'sklearn', 'polars', 'scipy', 'matplotlib') if m in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_an_unknown_name_is_refused_as_python_does():
    with pytest.raises(AttributeError, match="nothing_of_that_name"):
        _ = recprune.nothing_of_that_name
