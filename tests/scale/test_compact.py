"""A table in shards is cut as one in a file, to the bit."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file

from recprune.errors import ArtifactError, BudgetError
from recprune.large import compact
from recprune.scale import Scale
from recprune.scale import compact as module
from recprune.scale.compact import compact_shards, restricted_ids

TABLE = torch.randn(60, 5, generator=torch.Generator().manual_seed(0))
TABLE[10:40] = TABLE[3]  # ties over several shards


def parted(folder: Path, table: torch.Tensor, cuts: list[int]) -> list[Path]:
    folder.mkdir(exist_ok=True)
    files = []
    for number, part in enumerate(torch.tensor_split(table, cuts)):
        if len(part):
            files.append(folder / f"{number}.safetensors")
            save_file({"t": part.contiguous()}, files[-1])
    return files


def joined(folder: Path) -> tuple[list[int], torch.Tensor]:
    found = [load_file(path) for path in sorted(folder.glob("*.safetensors"))]
    return torch.cat([one["t.rows"] for one in found]).tolist(), torch.cat([one["t"] for one in found])


def in_one(folder: Path, table: torch.Tensor, rows: int, **how: object) -> tuple[list[int], torch.Tensor]:
    save_file({"t": table}, folder / "whole")
    compact(folder / "whole", folder / "small", rows, **how)
    found = load_file(folder / "small")
    return found["t.rows"].tolist(), found["t"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 60), max_size=4), st.integers(0, 9), st.data())
def test_the_rows_are_those_of_one_file_however_the_table_is_parted(tmp_path_factory, cuts, first, data):
    folder = tmp_path_factory.mktemp("shards")
    rows = data.draw(st.integers(max(1, first), 60))
    said = compact_shards(parted(folder / "in", TABLE, sorted(cuts)), folder / "out", rows, first=first)
    kept, found = joined(folder / "out")
    wanted, table = in_one(folder, TABLE, rows, first=first)
    assert kept == wanted
    assert torch.equal(found, table)
    assert sum(one.rows for one in said) == rows
    assert [one.path for one in said] == sorted((folder / "out").glob("*.safetensors"))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_scores_that_are_given_are_taken_shard_by_shard(tmp_path, dtype):
    scores = np.arange(60, dtype=np.float32) % 7
    np.save(tmp_path / "scores.npy", scores)
    files = []
    for number, part in enumerate(np.split(scores, [20, 45])):
        files.append(tmp_path / f"{number}.npy")
        np.save(files[-1], part)
    table = TABLE.to(dtype)
    compact_shards(parted(tmp_path / "in", table, [20, 45]), tmp_path / "out", 17, scores=files)
    kept, found = joined(tmp_path / "out")
    wanted, rows = in_one(tmp_path, table, 17, scores=tmp_path / "scores.npy")
    assert kept == wanted
    assert torch.equal(found, rows)


def test_workers_of_ray_cut_the_same(tmp_path, ray):
    sources = parted(tmp_path / "in", TABLE, [13, 40])
    here = compact_shards(sources, tmp_path / "here", 21)
    there = compact_shards(sources, tmp_path / "there", 21, scale=Scale("ray", 2))
    assert [one.sha256 for one in here] == [one.sha256 for one in there]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["here", "in", "there"]


def test_ids_that_stay_are_written_in_the_order_of_their_new_codes(tmp_path):
    ids = pl.DataFrame({"id": [f"i{code}" for code in range(1, 60)]})
    ids.write_parquet(tmp_path / "ids.parquet")
    compact_shards(parted(tmp_path / "in", TABLE, [1, 13, 40]), tmp_path / "out", 21)
    kept, _ = joined(tmp_path / "out")
    assert kept[0] == 0
    assert restricted_ids(tmp_path / "ids.parquet", tmp_path / "out", tmp_path / "left.parquet") == 20
    assert pl.read_parquet(tmp_path / "left.parquet")["id"].to_list() == [f"i{code}" for code in kept[1:]]


def test_what_is_no_table_in_shards_is_refused(tmp_path):
    files = parted(tmp_path / "in", TABLE, [30])
    save_file({"t": torch.zeros(3, 4)}, tmp_path / "other")
    with pytest.raises(ArtifactError, match="no shards of one table"):
        compact_shards([*files, tmp_path / "other"], tmp_path / "out", 5)
    with pytest.raises(ArtifactError, match="there is none"):
        compact_shards([], tmp_path / "out", 5)
    with pytest.raises(ArtifactError, match="files of scores"):
        compact_shards(files, tmp_path / "out", 5, scores=[files[0]])
    with pytest.raises(BudgetError, match="61 rows cannot stay of 60"):
        compact_shards(files, tmp_path / "out", 61)
    assert not (tmp_path / "out").exists()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "letter.txt").write_text("keep me")
    with pytest.raises(ArtifactError, match="no shard of ours"):
        compact_shards(files, tmp_path / "mine", 5)
    compact_shards(files, tmp_path / "out", 5)
    compact_shards(files, tmp_path / "out", 4)
    assert len(joined(tmp_path / "out")[0]) == 4
    (tmp_path / "out" / "letter.txt").write_text("keep me")
    with pytest.raises(ArtifactError, match=r"holds 'letter\.txt', which is no shard"):
        compact_shards(files, tmp_path / "out", 4)
    assert (tmp_path / "out" / "letter.txt").read_text() == "keep me"


@pytest.mark.parametrize("spoilt", [False, True])
def test_a_cut_that_was_cut_off_goes_on_with_the_shards_that_are_done(tmp_path, monkeypatch, spoilt):
    files, measured, cut = parted(tmp_path / "in", TABLE, [20, 45]), [], []
    compact_shards(files, tmp_path / "wanted", 21)

    def failing(shards, cuts, number):
        if number == 2:
            raise OSError("no space left on the disk")
        return made(shards, cuts, number)

    made, score = module._cut, module._score
    with monkeypatch.context() as patched:
        patched.setattr(module, "_cut", failing)
        with pytest.raises(OSError, match="no space"):
            compact_shards(files, tmp_path / "out", 21)
    assert not (tmp_path / "out").exists()
    if spoilt:
        (tmp_path / ".out.work" / "shard-00001-of-00003.safetensors").write_bytes(b"half of it")
    monkeypatch.setattr(module, "_score", lambda shards, number: measured.append(number) or score(shards, number))
    monkeypatch.setattr(module, "_cut", lambda shards, cuts, number: cut.append(number) or made(shards, cuts, number))
    compact_shards(files, tmp_path / "out", 21)
    assert (measured, cut) == ([], [1, 2] if spoilt else [2])
    wanted = {path.name: path.read_bytes() for path in (tmp_path / "wanted").iterdir()}
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == wanted
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in", "out", "wanted"]


def test_a_cut_with_other_rows_begins_anew(tmp_path, monkeypatch):
    files = parted(tmp_path / "in", TABLE, [20, 45])
    with monkeypatch.context() as patched:
        patched.setattr(module, "_put_together", lambda *said: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            compact_shards(files, tmp_path / "out", 21)
    compact_shards(files, tmp_path / "wanted", 22)
    compact_shards(files, tmp_path / "out", 22)
    assert joined(tmp_path / "out")[0] == joined(tmp_path / "wanted")[0]


def test_a_score_that_is_no_number_leaves_nothing_behind(tmp_path):
    table = TABLE.clone()
    table[7, 1] = float("nan")
    with pytest.raises(BudgetError, match="NaN"):
        compact_shards(parted(tmp_path / "in", table, [20]), tmp_path / "out", 21)
    assert [path.name for path in tmp_path.iterdir()] == ["in"]
