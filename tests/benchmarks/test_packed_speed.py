"""The benchmark of packed models in torch: what is packed, and what its cells say."""

import os

import pytest
import torch
from benchmarks.packed_speed import ENCODINGS, Attention, Recurrent, Tower, by, cells, packed
from torch import nn

from recprune.evaluation.size import size_of
from recprune.evaluation.speed import Speed
from recprune.packing import encodings_of


@pytest.mark.parametrize("kind", [Tower, Attention, Recurrent])
def test_every_matrix_is_packed_and_answers_as_its_decoded_weights(
    kind: type[nn.Module], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("benchmarks.packed_speed.ITEMS", 1200)
    monkeypatch.setattr("benchmarks.packed_speed.ENCODINGS", ENCODINGS[1:])
    torch.manual_seed(0)
    models = packed(kind().eval())
    assert list(models) == ["float32", *ENCODINGS[1:]]
    given = torch.randint(1200, (3, 10 if kind is Tower else 20))
    for name, model in models.items():
        assert model(given).shape[0] == 3
        if name != "float32":
            assert size_of(model)[2] < size_of(models["float32"])[2] / 3
            assert name.partition("(")[0] in kinds(model)
    assert kinds(models["product_rows(b=8)"]) == {"product_rows", "int4_rows"}


def kinds(model: nn.Module) -> set[str]:
    return {text.partition("(")[0] for text in encodings_of(model).values()}


def test_a_call_asks_the_kernels_that_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECPRUNE_KERNELS", "")
    model, given = nn.Identity(), torch.ones(2)
    assert torch.equal(by("numpy", model, given)(), given)
    assert os.environ["RECPRUNE_KERNELS"] == "numpy"


def test_cells_are_milliseconds_and_times_of_float32() -> None:
    def speed(median: float) -> Speed:
        return Speed(median, median, median, 1, 1, "cpu", (median,))

    took = {1: {"float32": speed(0.2), "int8_rows": speed(0.3), "int8_rows alone": speed(0.9)}}
    assert cells("int8_rows", took) == [0.3, 1.5, 0.9]
