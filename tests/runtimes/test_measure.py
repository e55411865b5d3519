"""Runtimes are asked first, then timed in turn. No test asks the clock who is faster."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from recprune import runtimes
from recprune.errors import ExtensionError
from recprune.runtimes import kernels as kernels_file
from recprune.runtimes.choice import chosen, nearest
from recprune.runtimes.eager import eager
from recprune.runtimes.measure import BATCHES, Measured, measure

FEW = {"only": ["kernels"], "repeats": 5, "seconds": 0.0}


def test_every_number_of_rows_is_timed_by_every_runtime(mixed, trained, asked):
    model = trained("deepfm", mixed).train()
    found = measure(model, asked(model, mixed), **FEW)
    assert list(found.speeds) == list(BATCHES)
    assert {tuple(row) for row in found.speeds.values()} == {("eager", "kernels")}
    assert all(one.rows == rows and one.threads == 1 for rows, row in found.speeds.items() for one in row.values())
    assert not found.refused
    assert found.fastest().keys() == found.speeds.keys()


def test_the_lowest_median_is_the_fastest(mixed, trained, asked):
    model = trained("lr", mixed)
    one = measure(model, asked(model, mixed), batches=(3,), **FEW).speeds[3]["eager"]
    speeds = {3: {"b": replace(one, median=1.0), "a": replace(one, median=2.0)}, 4: {"b": one, "a": one}}
    assert Measured(speeds, {}, "here").fastest() == {3: "b", 4: "a"}


def test_a_runtime_that_does_not_take_the_model_is_not_timed_and_says_why(mixed, trained, asked):
    model = trained("fgcnn", mixed)
    found = measure(model, asked(model, mixed), batches=(2,), **FEW)
    assert list(found.speeds[2]) == ["eager"]
    assert "this is a FGCNN" in found.refused["kernels"]


def test_a_runtime_that_answers_otherwise_is_not_timed(mixed, trained, asked, monkeypatch):
    def wrong(model, example):
        run = eager(model, example)
        return lambda columns: run(columns) + np.float32(1)

    monkeypatch.setattr(kernels_file, "kernels", wrong)
    model = trained("lr", mixed)
    found = measure(model, asked(model, mixed), batches=(2,), **FEW)
    assert list(found.speeds[2]) == ["eager"]
    assert "from the model's" in found.refused["kernels"]


def test_a_model_in_bfloat16_is_timed(clicks, trained, asked):
    model = trained("deepfm", clicks).to(torch.bfloat16)
    assert measure(model, asked(model, clicks), batches=(2,), **FEW).fastest() == {2: "eager"}


class Odd(torch.nn.Module):
    def __init__(self, answer):
        super().__init__()
        self.answer = answer

    def forward(self, item):
        return self.answer(item)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda item: item.nothing(), "Odd itself fails with 4 rows: AttributeError"),
        (lambda item: [item], "Odd gives no tensor, but a list"),
        (lambda item: torch.rand(len(item)) * 9, "from the model's"),
    ],
    ids=["fails", "no tensor", "another each time"],
)
def test_a_model_that_others_cannot_be_compared_with_is_not_timed(answer, said):
    with pytest.raises(ExtensionError, match=f"eager, what others are compared with, .*{said}") as found:
        measure(Odd(answer), [np.arange(4)], batches=(2,), **FEW)
    assert found.value.name == "eager"


def test_a_runtime_that_there_is_not_is_refused(mixed, trained, asked):
    model = trained("lr", mixed)
    with pytest.raises(ExtensionError, match="no runtime named 'kernel'; there are: eager, kernels, onnx"):
        measure(model, asked(model, mixed), only=["kernel"])
    with pytest.raises(ExtensionError, match="'nowhere:fast' cannot be loaded"):
        measure(model, asked(model, mixed), only=["nowhere:fast"])
    assert runtimes.BESIDE


def test_a_runtime_of_ones_own_is_timed_by_its_name_and_no_record_imports_it(mixed, trained, asked):
    model = trained("lr", mixed)
    name = f"{eager.__module__}:eager"
    found = measure(model, asked(model, mixed), batches=(2,), **{**FEW, "only": [name]})
    assert set(found.speeds[2]) == {"eager", name}
    run = chosen(model, {1: name}, asked(model, mixed))
    assert run.names == {1: "eager"}
    assert "there is none of that name" in run.refused[name]


def test_the_nearest_number_of_rows_decides(mixed, trained, asked):
    model = trained("lr", mixed)
    run = chosen(model, {1: "kernels", 64: "eager", 256: "kernels"}, asked(model, mixed))
    assert [nearest(run.runs, n) for n in (0, 1, 7, 9, 100, 200, 9999)] == [1, 1, 1, 64, 64, 256, 256]
    columns = asked(model, mixed)
    np.testing.assert_allclose(run(columns), eager(model, columns)(columns), rtol=1e-5, atol=1e-5)
    assert not run.refused


def test_eager_takes_the_place_of_a_runtime_that_does_not_run_here(mixed, trained, asked):
    model = trained("fgcnn", mixed)
    columns = asked(model, mixed)
    run = chosen(model, {1: "kernels", 64: "eager"}, columns)
    assert run.names == {1: "eager", 64: "eager"}
    assert "FGCNN" in run.refused["kernels"]
    assert np.array_equal(run(columns), eager(model, columns)(columns))
