"""recprune compact, from a file to a file."""

import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from typer.testing import CliRunner

from recprune.cli import app


def said(*words: object) -> tuple[int, str]:
    done = CliRunner().invoke(app(), ["compact", *map(str, words), "--json"])
    return done.exit_code, done.output


@pytest.mark.parametrize(("how", "rows"), [(("--rows", 3), 3), (("--factor", 0.7), 3), (("--factor", 0), 10)])
def test_rows_or_a_share_of_them_stay(how: tuple[object, ...], rows: int, tmp_path: Path):
    save_file({"t": torch.arange(20.0).view(10, 2)}, tmp_path / "big")
    code, text = said(tmp_path / "big", "-o", tmp_path / "small", *how)
    assert code == 0, text
    assert json.loads(text[text.index("{") :])["rows"] == rows
    assert load_file(tmp_path / "small")["t.rows"].tolist() == [0, *range(11 - rows, 10)]


def test_either_rows_or_factor_is_said(tmp_path: Path):
    save_file({"t": torch.ones(4, 2)}, tmp_path / "big")
    for how in ((), ("--rows", 2, "--factor", 0.5)):
        code, text = said(tmp_path / "big", "-o", tmp_path / "small", *how)
        assert (code, "say either --rows or --factor" in text) == (2, True)


def test_the_shards_of_a_folder_are_cut_as_one_table(tmp_path: Path):
    (tmp_path / "big").mkdir()
    for number, part in enumerate(torch.arange(20.0).view(10, 2).split(4)):
        save_file({"t": part.clone()}, tmp_path / "big" / f"{number}.safetensors")
    code, text = said(tmp_path / "big", "-o", tmp_path / "small", "--rows", 4)
    assert code == 0, text
    facts = json.loads(text[text.index("{") :])
    assert (facts["before"], facts["rows"], facts["shards"]) == (10, 4, 3)
    kept = [load_file(path)["t.rows"].tolist() for path in sorted((tmp_path / "small").glob("*.safetensors"))]
    assert kept == [[0], [7], [8, 9]]


def test_an_engine_for_one_file_is_refused(tmp_path: Path):
    save_file({"t": torch.ones(4, 2)}, tmp_path / "big")
    code, text = said(tmp_path / "big", "-o", tmp_path / "small", "--rows", 2, "--engine", "ray")
    assert (code, "for the shards of a folder" in " ".join(text.split())) == (2, True)
