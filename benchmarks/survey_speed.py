"""How long survey, score, choose and apply take: `python -m benchmarks.survey_speed`.

On one thread, in seconds of the processor: a module of 39 tables and 100 layers; and, where torch-pruning is installed,
two modules that it can cut, the same share of the parameters removed by both, in turn.
"""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from benchmarks.result import write_result
from torch import Tensor, nn

from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.score import score
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.surgery import apply
from recprune.tracing.trace import survey

__all__ = ["Deep", "DeepFM", "main", "stages", "tower"]

REPEATS = 9
FIELDS, IDS, DIM, WIDTH, LAYERS = 39, 1000, 16, 256, 100


class Layer(nn.Module):
    """Linear, BatchNorm, ReLU; with the input added where it is a residual one."""

    def __init__(self, inputs: int, outputs: int, *, residual: bool = False) -> None:
        super().__init__()
        self.linear, self.norm, self.residual = nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), residual

    def forward(self, x: Tensor) -> Tensor:
        out = torch.relu(self.norm(self.linear(x)))
        return x + out if self.residual else out


class Deep(nn.Module):
    """39 tables side by side, then 100 layers, every fifth of them a residual one, then one logit."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(IDS, DIM) for _ in range(FIELDS))
        first = Layer(FIELDS * DIM, WIDTH)
        self.layers = nn.ModuleList([first, *(Layer(WIDTH, WIDTH, residual=i % 5 == 4) for i in range(1, LAYERS))])
        self.out = nn.Linear(WIDTH, 1)

    def forward(self, *columns: Tensor) -> Tensor:
        x = torch.cat([table(ids) for table, ids in zip(self.tables, columns, strict=True)], 1)
        for layer in self.layers:
            x = layer(x)
        return self.out(x).squeeze(1)


def tower(inputs: int = 400, widths: tuple[int, ...] = (512, 256, 128, 64)) -> nn.Sequential:
    """A tower of Linear, BatchNorm and ReLU that ends in one number."""
    layers: list[nn.Module] = []
    for before, after in pairwise((inputs, *widths)):
        layers += [nn.Linear(before, after), nn.BatchNorm1d(after), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(widths[-1], 1))


class DeepFM(nn.Module):
    """A table and a width-1 table for each field, the second-order term, a tower."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(IDS, DIM) for _ in range(FIELDS))
        self.terms = nn.ModuleList(nn.Embedding(IDS, 1) for _ in range(FIELDS))
        self.tower = tower(FIELDS * DIM, (400, 400, 400))

    def forward(self, *columns: Tensor) -> Tensor:
        looked_up = [table(ids) for table, ids in zip(self.tables, columns, strict=True)]
        stacked = torch.stack(looked_up, 1)
        first = torch.cat([term(ids) for term, ids in zip(self.terms, columns, strict=True)], 1).sum(1, keepdim=True)
        second = (stacked.sum(1) ** 2 - (stacked**2).sum(1)).sum(1, keepdim=True) / 2
        return first + second + self.tower(torch.cat(looked_up, 1))


def codes(rows: int = 4) -> tuple[Tensor, ...]:
    """A batch for the modules with tables."""
    return tuple(torch.randint(IDS, (rows,)) for _ in range(FIELDS))


def stages(model: nn.Module, example: tuple[Tensor, ...], factor: float) -> tuple[nn.Module, dict[str, float]]:
    """The smaller module, and the processor's seconds of each stage."""
    begin = time.process_time()
    found = survey(model, example)
    surveyed = time.process_time()
    scores = score(found, Magnitude(), Probe(model, found))
    scored = time.process_time()
    plan = choose(found, scores, Budget(factor, keep=0.05))
    chosen = time.process_time()
    small = apply(model, plan, example)
    done = time.process_time()
    return small, {
        "survey": surveyed - begin,
        "score": scored - surveyed,
        "choose": chosen - scored,
        "apply": done - chosen,
    }


def with_torch_pruning(tp: Any, model: nn.Module, example: tuple[Tensor, ...], ratio: float) -> nn.Module:
    """The module cut in place by torch-pruning: its graph, magnitude of groups, one step."""
    last = [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == 1]
    terms = [m for m in model.modules() if isinstance(m, nn.Embedding) and m.embedding_dim == 1]
    pruner = tp.pruner.MagnitudePruner(
        model,
        example if len(example) > 1 else example[0],
        importance=tp.importance.MagnitudeImportance(p=2),
        pruning_ratio=ratio,
        ignored_layers=[*last, *terms],
        forward_fn=(lambda m, inputs: m(*inputs)) if len(example) > 1 else None,
    )
    pruner.step()
    return model


def parameters(model: nn.Module) -> int:
    """How many numbers a module has."""
    return sum(p.numel() for p in model.parameters())


def seconds(call: Callable[[], Any]) -> float:
    """How long a call takes the processor."""
    begin = time.process_time()
    call()
    return time.process_time() - begin


def ours() -> tuple[list[Any], str]:
    """The row of the large module, and the medians of its stages."""
    torch.manual_seed(0)
    model, example = Deep().eval(), codes()
    runs = [stages(model, example, 0.5) for _ in range(REPEATS)]
    small = runs[-1][0]
    times = [sum(run.values()) for _, run in runs]
    share = 1 - parameters(small) / parameters(model)
    told = ", ".join(f"{name} {np.median([run[name] for _, run in runs]):.2f} s" for name in runs[0][1])
    return [f"{FIELDS} tables, {LAYERS} layers", parameters(model), share, *spread(times), None, "", None], told


def beside(tp: Any, name: str, model: nn.Module, example: tuple[Tensor, ...]) -> list[Any]:
    """The row of a module that both can cut; neither counts the time of a copy that the other does not need."""
    whole = parameters(model)
    first = with_torch_pruning(tp, copy.deepcopy(model), example, 0.3)
    assert all(x.shape == y.shape for x, y in zip([model(*example)], [first(*example)], strict=True))
    share = 1 - parameters(first) / whole
    mine, theirs = [], []
    for _ in range(REPEATS):
        fresh = copy.deepcopy(model)
        theirs.append(seconds(partial(with_torch_pruning, tp, fresh, example, 0.3)))
        mine.append(seconds(partial(stages, model, example, share)))
    ratios = [b / a for a, b in zip(mine, theirs, strict=True)]
    small = stages(model, example, share)[0]
    return [name, whole, 1 - parameters(small) / whole, *spread(mine), *spread(theirs), float(np.median(ratios))]


def spread(times: list[float]) -> tuple[float, str]:
    """Median, and lowest to highest."""
    return float(np.median(times)), f"{min(times):.3f} to {max(times):.3f}"


def main() -> None:
    """Measure, and write results/survey_speed.json."""
    torch.set_num_threads(1)
    small, example = tower(8, (8,)).eval(), (torch.randn(4, 8),)
    warm, again = (seconds(partial(stages, small, example, 0.1)) for _ in range(2))
    large, of_stages = ours()
    rows = [large]
    notes = [
        f"Medians and range of {REPEATS} repeats, seconds of the processor, rule magnitude",
        f"The large module: {of_stages}",
        f"The first survey of a process takes {max(warm - again, 0):.2f} s more",
    ]
    try:
        import torch_pruning as tp
    except ImportError:
        notes.append("torch-pruning is not installed here, so nothing stands beside")
    else:
        torch.manual_seed(0)
        rows.append(beside(tp, "tower 400-512-256-128-64-1", tower().eval(), (torch.randn(4, 400),)))
        rows.append(beside(tp, f"DeepFM, {FIELDS} tables", DeepFM().eval(), codes()))
        notes.append(
            f"torch-pruning {version('torch-pruning')}: MagnitudePruner, pruning_ratio 0.3, one step, in place. "
            "recprune removes the same share on a copy, tries every site out, and compares the result with the masked "
            "module. Ratio: time of torch-pruning over that of recprune"
        )
    columns = ["module", "parameters", "share removed", "s", "from, to", "torch-pruning s", "its from, to", "ratio"]
    path = write_result(
        "survey_speed",
        "Time of survey, score, choose and apply",
        columns,
        rows,
        notes=notes,
        data=["made in the script"],
        seeds=[0],
    )
    print(path)


if __name__ == "__main__":
    main()
