"""Speed: milliseconds of a call, models or anything else that is called, side by side, with spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.evaluation.topk import top_k

__all__ = ["Speed", "compare_calls", "compare_speed", "milliseconds", "ratio"]

LEAST = 5  # repeats that are made whatever they take
WARM_UP = 3


@dataclass(frozen=True, slots=True)
class Speed:
    """Milliseconds of one call with `rows` rows: median, and what 1 in 10 calls stays below (low) and above (high).

    samples: every repeat, in the order of the clock. threads: of the processor. device: where the model was.
    """

    median: float
    low: float
    high: float
    rows: int
    threads: int
    device: str
    samples: tuple[float, ...]


def milliseconds(
    model: nn.Module,
    inputs: Sequence[Tensor],
    *,
    k: int | None = None,
    repeats: int = 50,
    threads: int | None = None,
    seconds: float = 10.0,
) -> Speed:
    """How long one call takes; the arguments are those of `compare_speed`."""
    return compare_speed({"model": model}, inputs, k=k, repeats=repeats, threads=threads, seconds=seconds)["model"]


def compare_speed(
    models: Mapping[str, nn.Module],
    inputs: Sequence[Tensor] | Mapping[str, Sequence[Tensor]],
    *,
    k: int | None = None,
    repeats: int = 50,
    threads: int | None = None,
    seconds: float = 10.0,
) -> dict[str, Speed]:
    """Time models against each other: in each repeat every one is called once, in turn, so that a slow moment of the
    machine hits all alike; who begins changes with every repeat.

    inputs: what forward takes, the same for all, or by the model's name (smaller models may take fewer columns).
    k: a request is the forward pass and the k highest scores of each row; None for the forward pass alone. threads:
    how many torch may use meanwhile, None for as many as now. Repeats end early when `seconds` have passed for each
    model, but not before 5. Three calls of each warm up. Raises DataError for no models, no repeats, or inputs
    without rows.
    """
    given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(models, inputs)
    sizes = {name: len(given[name][0]) for name in models}
    modes = {name: model.training for name, model in models.items()}
    calls = {name: _call(model.eval(), given[name], k) for name, model in models.items()}
    try:
        devices = {name: str(given[name][0].device) for name in models}
        return compare_calls(calls, sizes, repeats=repeats, threads=threads, seconds=seconds, devices=devices)
    finally:
        for name, model in models.items():
            model.train(modes[name])


def compare_calls(
    calls: Mapping[str, Callable[[], object]],
    rows: int | Mapping[str, int],
    *,
    repeats: int = 50,
    threads: int | None = None,
    seconds: float = 10.0,
    devices: Mapping[str, str] | None = None,
) -> dict[str, Speed]:
    """`compare_speed` of anything that is called without arguments. rows: of one call, of all or by name. devices:
    where each computes, the processor where it is not said. Torch is in inference mode meanwhile."""
    if not calls:
        raise DataError("there is nothing to time: name one model or more")
    if repeats < 1:
        raise DataError(f"repeats is 1 or more, not {repeats}", repeats=repeats)
    sizes = dict.fromkeys(calls, rows) if isinstance(rows, int) else rows
    if not all(sizes.values()):
        raise DataError(f"inputs to time have no rows: {sizes}", rows=sizes)
    before = torch.get_num_threads()
    torch.set_num_threads(threads or before)
    try:
        with torch.inference_mode():
            samples = _interleaved(calls, repeats, seconds * len(calls))
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
    return {name: _speed(samples[name], sizes[name], used, (devices or {}).get(name, "cpu")) for name in calls}


def ratio(before: Speed, after: Speed) -> tuple[float, float, float]:
    """How many times as fast `after` is: median, and the 10th and 90th percentile, of before / after repeat by repeat.

    Both must come from one `compare_speed`.
    """
    if len(before.samples) != len(after.samples):
        raise DataError("a ratio needs two models that were timed side by side, in one compare_speed")
    times = np.array(before.samples) / np.array(after.samples)
    low, median, high = np.percentile(times, [10, 50, 90])
    return float(median), float(low), float(high)


def _call(model: nn.Module, inputs: Sequence[Tensor], k: int | None) -> Callable[[], object]:
    on_gpu = inputs[0].is_cuda

    def call() -> object:
        out = model(*inputs)
        if k is not None:
            out = top_k(out, k)
        if on_gpu:
            torch.cuda.synchronize()
        return out

    return call


def _interleaved(calls: Mapping[str, Callable[[], object]], repeats: int, seconds: float) -> dict[str, list[float]]:
    names, samples = list(calls), {name: list[float]() for name in calls}
    for call in calls.values():
        for _ in range(WARM_UP):
            call()
    begin = time.monotonic()
    for repeat in range(repeats):
        if repeat >= LEAST and time.monotonic() - begin > seconds:
            break
        first = repeat % len(names)
        for name in names[first:] + names[:first]:
            call = calls[name]
            start = time.perf_counter_ns()
            call()
            samples[name].append((time.perf_counter_ns() - start) / 1e6)
    return samples


def _speed(samples: list[float], rows: int, threads: int, device: str) -> Speed:
    low, median, high = np.percentile(samples, [10, 50, 90])
    return Speed(float(median), float(low), float(high), rows, threads, device, tuple(samples))
