"""Speed: milliseconds of a call, models side by side, with spread."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from recprune.errors import DataError
from recprune.evaluation.topk import top_k

__all__ = ["Speed", "compare_speed", "milliseconds", "ratio"]

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
    model, but not before 5. Three calls of each warm up. Raises DataError for no repeats, or inputs without rows.
    """
    if repeats < 1:
        raise DataError(f"repeats is 1 or more, not {repeats}", repeats=repeats)
    given = inputs if isinstance(inputs, Mapping) else dict.fromkeys(models, inputs)
    sizes = {name: len(given[name][0]) for name in models}
    if not all(sizes.values()):
        raise DataError(f"inputs to time have no rows: {sizes}", rows=sizes)
    before, modes = torch.get_num_threads(), {name: model.training for name, model in models.items()}
    torch.set_num_threads(threads or before)
    try:
        calls = {name: _call(model.eval(), given[name], k) for name, model in models.items()}
        with torch.inference_mode():
            samples = _interleaved(calls, repeats, seconds * len(models))
        used = torch.get_num_threads()
    finally:
        torch.set_num_threads(before)
        for name, model in models.items():
            model.train(modes[name])
    return {name: _speed(samples[name], sizes[name], used, str(given[name][0].device)) for name in models}


def ratio(before: Speed, after: Speed) -> tuple[float, float, float]:
    """How many times as fast `after` is: median, and the 10th and 90th percentile, of before / after repeat by repeat.

    Both must come from one `compare_speed`.
    """
    if len(before.samples) != len(after.samples):
        raise DataError("a ratio needs two models that were timed side by side, in one compare_speed")
    times = np.array(before.samples) / np.array(after.samples)
    low, median, high = np.percentile(times, [10, 50, 90])
    return float(median), float(low), float(high)


def _call(model: nn.Module, inputs: Sequence[Tensor], k: int | None) -> Callable[[], float]:
    on_gpu = inputs[0].is_cuda

    def call() -> float:
        begin = time.perf_counter_ns()
        out = model(*inputs)
        if k is not None:
            out = top_k(out, k)
        if on_gpu:
            torch.cuda.synchronize()
        return (time.perf_counter_ns() - begin) / 1e6

    return call


def _interleaved(calls: Mapping[str, Callable[[], float]], repeats: int, seconds: float) -> dict[str, list[float]]:
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
            samples[name].append(calls[name]())
    return samples


def _speed(samples: list[float], rows: int, threads: int, device: str) -> Speed:
    low, median, high = np.percentile(samples, [10, 50, 90])
    return Speed(float(median), float(low), float(high), rows, threads, device, tuple(samples))
