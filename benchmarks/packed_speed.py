"""How long a call of a packed model takes in torch, beside the same model in float32.

    python -m benchmarks.packed_speed

Three plain modules with nothing of recprune in them: a tower behind ten tables, attention over a sequence, and a GRU.
Each is packed by one encoding after the other; all are called in turn, as they are, and again with no compiled kernels
to ask (RECPRUNE_KERNELS=numpy). Writes results/packed_speed.json.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Callable, Mapping

import torch
from benchmarks.result import write_result
from torch import Tensor, nn

from recprune.dispatch import which
from recprune.evaluation.size import size_of
from recprune.evaluation.speed import Speed, compare_calls
from recprune.packing import pack, storing

__all__ = ["main"]

ENCODINGS = ("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows", "shared_values", "product_rows(b=8)")
LAYERS = "int4_rows"
"""Of layers where tables are in product codes, which are for tables."""
SIZES = (1, 1000)
"""Rows of a call."""
ITEMS, LENGTH = 12_000, 20


class Tower(nn.Module):
    """Ten columns of 5,000 codes, 16 dims each, and layers of 128 and 64 behind them."""

    def __init__(self) -> None:
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(5000, 16) for _ in range(10))
        self.tower = nn.Sequential(nn.Linear(160, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1))

    def forward(self, codes: Tensor) -> Tensor:
        rows = [table(codes[:, column]) for column, table in enumerate(self.tables)]
        out: Tensor = self.tower(torch.cat(rows, 1)).squeeze(1)
        return out


class Attention(nn.Module):
    """A layer of attention over the last 20 of 12,000 items, 64 dims, and the scores of all."""

    def __init__(self) -> None:
        super().__init__()
        self.items, self.places = nn.Embedding(ITEMS, 64), nn.Embedding(LENGTH, 64)
        self.layer = nn.TransformerEncoderLayer(64, 2, 128, batch_first=True)
        self.out = nn.Linear(64, ITEMS)

    def forward(self, sequence: Tensor) -> Tensor:
        read = self.items(sequence) + self.places(torch.arange(sequence.shape[1]))
        out: Tensor = self.out(self.layer(read)[:, -1])
        return out


class Recurrent(nn.Module):
    """A GRU of 128 units over the same, and the scores of all."""

    def __init__(self) -> None:
        super().__init__()
        self.items, self.gru, self.out = nn.Embedding(ITEMS, 64), nn.GRU(64, 128, batch_first=True), nn.Linear(128, 64)
        self.found = nn.Linear(64, ITEMS)

    def forward(self, sequence: Tensor) -> Tensor:
        out: Tensor = self.found(self.out(self.gru(self.items(sequence))[0][:, -1]))
        return out


def main() -> None:
    """Measure everything and write the result."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    here = which()  # before models are called in other ways
    rows: list[list[object]] = []
    for kind, size, high in ((Tower, 10, 5000), (Attention, LENGTH, ITEMS), (Recurrent, LENGTH, ITEMS)):
        models = packed(kind().eval())
        took = {some: timed(models, torch.randint(high, (some, size))) for some in SIZES}
        for name, model in models.items():
            rows.append([kind.__name__.lower(), name, size_of(model)[2], *cells(name, took)])
    columns = ["model", "stored as", "bytes"]
    for some in SIZES:
        columns += [f"ms for {some:,}", f"of float32, for {some:,}", f"ms for {some:,}, torch alone"]
    write_result(
        "packed_speed",
        "A packed model in torch, beside float32",
        columns,
        rows,
        notes=[
            f"Medians, all in turn, one thread, kernels: {here}; torch alone: in another turn, without kernels",
            "Tower: ten tables of 5,000 x 16 and layers of 128 and 64; attention: 12,000 items x 64, a layer of two "
            "heads and 128 units over 20 places, and a layer to the scores of all items; recurrent: a GRU of 128 units "
            f"in its place. All matrices are packed, layers beside product_rows in {LAYERS}; of the scores of items "
            "every number is given back",
        ],
        data=["random numbers"],
        seeds=[0],
    )


def packed(model: nn.Module) -> dict[str, nn.Module]:
    """By the name of what it is stored as."""
    out = {"float32": model}
    for name in ENCODINGS:
        tables = "product" not in name
        stored = storing(model, name if tables else LAYERS)
        large = {tensor for tensor, one in model.named_parameters() if len(one) >= 1024 and one.dim() == 2}
        out[name] = pack(copy.deepcopy(model), {**stored, **dict.fromkeys(large, name)}).eval()
    return out


def timed(models: Mapping[str, nn.Module], given: Tensor) -> dict[str, Speed]:
    """Every model as it is, and then, as "NAME alone", without the compiled kernels: all of one sort in turn, so that
    each finds the cache as another model left it."""
    out: dict[str, Speed] = {}
    for kernels, suffix in (("", ""), ("numpy", " alone")):
        calls = {f"{name}{suffix}": by(kernels, model, given) for name, model in models.items()}
        out |= compare_calls(calls, len(given), repeats=60, threads=1, seconds=1.0)
    return out


def by(kernels: str, model: nn.Module, given: Tensor) -> Callable[[], object]:
    """A call with those kernels, by the name that the environment variable takes."""

    def call() -> object:
        os.environ["RECPRUNE_KERNELS"] = kernels
        return model(given)

    return call


def cells(name: str, took: Mapping[int, Mapping[str, Speed]]) -> list[object]:
    """Milliseconds, times of float32, and milliseconds by torch alone, of each size of a call."""
    out: list[object] = []
    for found in took.values():
        one, plain, alone = (found[label].median for label in (name, "float32", f"{name} alone"))
        out += [round(one, 3), round(one / plain, 2), round(alone, 3)]
    return out


if __name__ == "__main__":
    main()
