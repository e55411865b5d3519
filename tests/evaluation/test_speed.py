"""Timing: who is called when, with how many threads. No test asks the clock who is faster."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.evaluation.speed import LEAST, WARM_UP, compare_calls, compare_speed, milliseconds, ratio


class Seen(nn.Module):
    def __init__(self, name: str, log: list[tuple[str, int, bool, bool]]) -> None:
        super().__init__()
        self.name, self.log = name, log

    def forward(self, x: Tensor) -> Tensor:
        self.log.append((self.name, torch.get_num_threads(), torch.is_inference_mode_enabled(), self.training))
        return x.repeat(1, 5)


def test_models_are_called_in_turn_and_each_begins_in_turn() -> None:
    log: list[tuple[str, int, bool, bool]] = []
    found = compare_speed({"a": Seen("a", log), "b": Seen("b", log)}, (torch.ones(2, 1),), repeats=4, threads=1)
    assert "".join(entry[0] for entry in log) == "a" * WARM_UP + "b" * WARM_UP + "abbaabba"
    assert {entry[1:] for entry in log} == {(1, True, False)}
    assert [len(one.samples) for one in found.values()] == [4, 4]
    assert (found["a"].rows, found["a"].threads, found["a"].device) == (2, 1, "cpu")


def test_threads_and_modes_are_as_before_afterwards() -> None:
    threads, model = torch.get_num_threads(), Seen("a", [])
    milliseconds(model, (torch.ones(1, 1),), threads=threads + 1, repeats=1, k=2)
    assert torch.get_num_threads() == threads
    assert model.training


def test_a_median_lies_between_low_and_high() -> None:
    found = milliseconds(Seen("a", []), (torch.ones(1, 1),), repeats=20)
    assert 0 < found.low <= found.median <= found.high


def test_repeats_end_when_the_seconds_are_over() -> None:
    assert len(milliseconds(Seen("a", []), (torch.ones(1, 1),), repeats=50, seconds=0).samples) == LEAST


def test_models_may_take_other_inputs() -> None:
    found = compare_speed(
        {"a": Seen("a", []), "b": Seen("b", [])}, {"a": (torch.ones(1, 1),), "b": (torch.ones(3, 1),)}, repeats=1
    )
    assert (found["a"].rows, found["b"].rows) == (1, 3)


def test_a_ratio_is_taken_repeat_by_repeat() -> None:
    found = compare_speed({"a": Seen("a", []), "b": Seen("b", [])}, (torch.ones(1, 1),), repeats=9)
    median, low, high = ratio(found["a"], found["b"])
    assert low <= median <= high
    assert ratio(found["a"], found["a"]) == (1, 1, 1)


def test_nothing_to_time_is_refused() -> None:
    with pytest.raises(DataError, match="no rows"):
        milliseconds(Seen("a", []), (torch.ones(0, 1),))
    with pytest.raises(DataError) as caught:
        milliseconds(Seen("a", []), (torch.ones(1, 1),), repeats=0)
    assert caught.value.repeats == 0
    with pytest.raises(DataError, match="side by side"):
        ratio(*(milliseconds(Seen("a", []), (torch.ones(1, 1),), repeats=n) for n in (1, 2)))


def test_anything_that_is_called_can_be_timed_in_turn() -> None:
    log: list[str] = []
    found = compare_calls({name: lambda name=name: log.append(name) for name in "ab"}, 7, repeats=3, threads=1)
    assert "".join(log) == "a" * WARM_UP + "b" * WARM_UP + "abbaab"
    assert [(one.rows, one.threads, one.device, len(one.samples)) for one in found.values()] == [(7, 1, "cpu", 3)] * 2
    with pytest.raises(DataError, match="no rows"):
        compare_calls({"a": lambda: None}, 0)
    with pytest.raises(DataError, match="nothing to time"):
        compare_calls({}, 7)
