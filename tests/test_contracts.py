"""The contracts, run on everything that discovery finds: a new file is checked without being listed anywhere."""

import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from torch import nn

from recprune import encodings, models, runtimes
from recprune.data import formats
from recprune.data.pasts import with_pasts
from recprune.discover import load, module, names
from recprune.evaluation.inputs import row_inputs
from recprune.importance import rules
from recprune.models.build import build
from recprune.models.recommender import USER_COLUMNS
from recprune.testing import (
    check_encoding,
    check_format,
    check_model,
    check_rule,
    check_runtime,
    check_structure,
    tiny_clicks,
    tiny_mixed,
    tiny_split,
)
from recprune.testing.samples import SAMPLES
from recprune.tracing import structures


def is_model(found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, nn.Module)


ELSEWHERE = {"duckdb", "postgresql"}
"""Formats whose input is made by another program: tests/data/formats has them read what it made."""
MODELS = [name for name in names(models) if is_model(load(models, name))]


def made(name: str) -> tuple[nn.Module, Any]:
    """The model for a tiny split of its sort: lists for those that see the user alone, clicks for the others."""
    split = tiny_split()
    model = build(name, split)
    if set(model.columns) <= USER_COLUMNS:
        return model, split
    clicks = with_pasts(tiny_clicks(), 4)
    return build(name, clicks), clicks


@pytest.mark.parametrize("name", names(rules))
def test_every_rule_keeps_the_contract(name: str) -> None:
    check_rule(load(rules, name)())


@pytest.mark.parametrize("name", MODELS)
def test_every_model_keeps_the_contract(name: str) -> None:
    check_model(*made(name))


@pytest.mark.parametrize("name", names(formats))
def test_every_format_keeps_the_contract(name: str, tmp_path: Path) -> None:
    check_format(module(formats, name), tmp_path, SAMPLES.get(name))


@pytest.mark.parametrize("name", names(structures))
def test_every_structure_keeps_the_contract(name: str) -> None:
    check_structure(module(structures, name))


@pytest.mark.parametrize("name", names(encodings))
def test_every_encoding_keeps_the_contract(name: str) -> None:
    check_encoding(module(encodings, name))


@pytest.mark.parametrize("name", names(runtimes))
def test_every_runtime_keeps_the_contract(name: str) -> None:
    split = tiny_mixed()
    taken = []
    for kind in ("lr", "deepfm", "fgcnn"):
        model = build(kind, split, seed=1).eval()
        taken.append(check_runtime(load(runtimes, name), model, row_inputs(model, split.train, slice(0, 9))))
    assert any(taken)


def test_no_two_structures_know_the_same_operation() -> None:
    known = [operation for name in names(structures) for operation in module(structures, name).operations]
    assert sorted(known) == sorted(set(known))


def test_something_of_every_sort_is_found() -> None:
    assert {"magnitude", "gradient", "taylor", "mse_increase", "frequency", "random"} <= set(names(rules))
    assert {"ease", "mf", "deepfm", "caser"} <= set(MODELS)
    assert "item_item" in names(encodings)
    assert {"linear", "embedding"} <= set(names(structures))


def test_every_format_of_ours_has_a_sample_and_every_sample_a_format() -> None:
    without, stray = set(names(formats)) - set(SAMPLES) - ELSEWHERE, set(SAMPLES) - set(names(formats))
    assert not without, f"give recprune/testing/samples.py a tiny input of {sorted(without)}"
    assert not stray, f"recprune/testing/samples.py has inputs of formats that there are not: {sorted(stray)}"


@pytest.mark.parametrize("folder", [rules, models, formats, structures, encodings], ids=lambda f: f.__name__)
def test_a_new_file_is_found_without_being_listed(
    folder: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "brand_new.py").write_text('__all__ = ["New"]\nNew = 7\n')
    before = names(folder)
    monkeypatch.setattr(folder, "__path__", [*folder.__path__, str(tmp_path)])
    assert set(names(folder)) - set(before) == {"brand_new"}
    assert load(folder, "brand_new") == 7
    monkeypatch.delitem(sys.modules, f"{folder.__name__}.brand_new")
    monkeypatch.delattr(folder, "brand_new", raising=False)


def test_the_checks_need_no_test_framework() -> None:
    code = (
        "import sys, recprune.testing as t; t.check_rule(lambda s, p: p.taylor(s)); assert 'pytest' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
