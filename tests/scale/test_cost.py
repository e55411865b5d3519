"""What is told on paper is what is read, written and held."""

import tracemalloc
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.scale.compact import compact_shards
from recprune.scale.cost import compact_cost, step_cost, tables_cost
from recprune.tracing.trace import survey
from recprune.tracing.weightless import weightless

COUNTED = Path("/proc/self/io")


def counted() -> dict[str, int]:
    return {name: int(number) for name, number in (line.split(":") for line in COUNTED.read_text().splitlines())}


@pytest.mark.skipif(not COUNTED.exists(), reason="this system does not count what a process reads")
@pytest.mark.parametrize(
    ("rows", "columns", "kept", "shards"),
    [(20_000, 16, 5_000, 3), (40_000, 32, 30_000, 4), (100_000, 64, 20_000, 2), (1_400_000, 4, 1_000_000, 1)],
)
def test_the_bytes_of_a_cut_are_those_that_are_told(tmp_path, rows, columns, kept, shards):
    files = []
    for number, part in enumerate(torch.randn(rows, columns).split(-(-rows // shards))):
        files.append(tmp_path / f"{number}.safetensors")
        save_file({"table": part.clone()}, files[-1])
    told, before = compact_cost(rows, columns, kept, shards=shards), counted()
    tracemalloc.start()
    compact_shards(files, tmp_path / "out", kept)
    after, (_, peak) = counted(), tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert after["rchar"] - before["rchar"] == pytest.approx(told.read, rel=0.02)
    assert after["wchar"] - before["wchar"] == pytest.approx(told.written, rel=0.02)
    assert told.memory / 3 < peak <= told.memory


def test_scores_that_are_given_spare_a_reading():
    measured, given = (compact_cost(1000, 8, 100, scored=scored) for scored in (False, True))
    assert (measured.read - given.read, measured.written - given.written) == (1000 * 8 * 4, 1000 * 4)


def test_only_first_rows_need_no_scores_to_be_sent():
    assert compact_cost(1000, 8, 1).sent == 0
    assert compact_cost(1000, 8, 2, shards=3).sent == 3 * (2 * 512 * 1024 + 8)


def test_a_table_of_100_gigabytes_is_planned_on_paper():
    with weightless():
        model = MF(390_625_000, 100_000, dim=64)
    found = survey(model, (torch.tensor([1, 2, 390_624_999]),))
    cost = tables_cost(found, 0.8, shards=100, workers=10)["user.weight"]
    assert cost == compact_cost(390_625_000, 64, 390_625_000 - round(0.8 * 390_624_999), shards=100, workers=10)
    assert cost.each == pytest.approx(23.2e9, rel=0.01)
    assert cost.memory < 70 << 20


def test_fields_of_one_table_leave_it_together():
    model = DeepFM(("user", "item"), (30, 50), dim=4, hidden=(8,))
    costs = tables_cost(survey(model, (torch.arange(3), torch.arange(3))), 0.5)
    assert set(costs) == {"table.weight", "linear.weight"}
    assert costs["table.weight"] == compact_cost(80, 4, 80 - round(29 / 2) - round(49 / 2))


def test_a_step_sends_ids_rows_and_gradients_of_others_only():
    step = step_cost(1000, 16, [30, 50], rank=0)
    assert step.sent == 50 * 8 + 2 * 8 + 2 * 50 * 16 * 4
    assert step_cost(1000, 16, [30]).sent == 8
