"""What makes click models fast, part by part: `python -m benchmarks.clicks_speed [deepfm] [dcn]`.

Each model writes results/clicks_speed_NAME.json: tables merged, runtimes, int8 and pruning beside the dense model in
torch and in ONNX Runtime, and torch-pruning (`pip install 'recprune[bench,onnx]'`). The smallest cut whose validation
AUC is within ALLOWED of the dense model is taken, ours and theirs alike; the test part is scored for those. Trained
models are kept under benchmarks/runs. `--rows 300` tries everything on so many rows of each part for one epoch, and
writes nothing.
"""

from __future__ import annotations

import argparse
import copy
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.clicks import few
from benchmarks.recipes import Recipe, frappe_dcn, frappe_deepfm
from benchmarks.result import write_result
from torch import Tensor, nn

from recprune import artifact
from recprune.data.dataset import Split
from recprune.errors import ExtensionError
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import example, row_inputs
from recprune.evaluation.speed import Speed, compare_calls, ratio
from recprune.models.dcn import DCN
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.runtimes.asking import Compiled, agree, arrays
from recprune.runtimes.eager import eager
from recprune.runtimes.kernels import kernels
from recprune.runtimes.measure import machine
from recprune.runtimes.onnx import onnx
from recprune.tracing.site import Kind
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions, fit

__all__ = ["main"]

RUNS = Path(__file__).resolve().parent / "runs"
RECIPES: dict[str, Callable[[int], Recipe]] = {"deepfm": frappe_deepfm, "dcn": frappe_dcn}
TITLES = {"deepfm": "DeepFM", "dcn": "DCN-V2"}
FACTORS = {"deepfm": (0.5, 0.6, 0.7), "dcn": (0.6, 0.7, 0.8)}
"""Shares of all parameters that leave as dims and neurons, ours; tables keep their rows."""
RATIOS = (0.25, 0.5, 0.75)
"""Shares of the channels that torch-pruning is told to cut."""
ALLOWED = 0.0005
EPOCHS, TUNING = 12, 16
BATCHES = (1, 64, 256, 4096)
REPEATS, SECONDS = 300, 2.0
COLUMNS = ("model", "runtime", "parameters", "bytes", "test AUC", "minus dense")
RUNTIMES = {"eager": eager, "ONNX Runtime": onnx, "kernels": kernels}
DENSE, PER_FIELD, THEIRS, SMALL = "dense", "dense, a table a field", "torch-pruning", "pruned"
INT8 = ", int8"
FIRST = (DENSE, "eager")


@dataclass(frozen=True, slots=True, eq=False)
class Side:
    """A model in a runtime. size: bytes of its weights as they are stored."""

    model: nn.Module
    run: Compiled
    size: int


def main(names: list[str], rows: int | None = None) -> None:
    """Measure the models of those names, all where none is named."""
    torch.set_num_threads(1)
    for name in names or list(RECIPES):
        model, split, options = RECIPES[name](0)
        split = split if rows is None else few(split, rows)
        options = options if rows is None else replace(options, batch=64)
        place = RUNS / f"clicks_speed-{name}{'' if rows is None else f'-{rows}-rows'}"
        epochs, tuning = (EPOCHS, TUNING) if rows is None else (1, 1)
        models = trained(place, model, split, options, epochs, tuning, FACTORS[name])
        sides, refused = all_sides(models, split)
        speeds = timed(sides, split)
        table = [row(key, sides, speeds, split) for key in sides]
        table = [[*line, *times(key, speeds)] for line, key in zip(table, sides, strict=True)]
        columns = [*COLUMNS, *(f"{what}, {n:,} rows" for what in ("ms", "times dense eager") for n in BATCHES)]
        said = [*gains(speeds), *refused, *notes(name)]
        if rows is not None:
            print(*(json.dumps(line) for line in [columns, *table, said]), sep="\n")
            continue
        written = write_result(
            f"clicks_speed_{name}",
            f"What makes {TITLES[name]} on Frappe fast",
            columns,
            table,
            notes=said,
            data=["frappe"],
            seeds=[0],
            command=f"python -m benchmarks.clicks_speed {name}",
        )
        print(f"written: {written}")


# --- models ---


def trained(
    place: Path,
    model: nn.Module,
    split: Split,
    options: FitOptions,
    epochs: int,
    tuning: int,
    factors: tuple[float, ...],
) -> dict[str, nn.Module]:
    """The dense model and the smaller ones that are taken, kept under `place` or trained now."""

    def work(what: str, epochs: int) -> FitOptions:
        print(f"{place.name}: {what}", flush=True)
        return replace(options, epochs=epochs, patience=epochs, checkpoint=place / f"{what}.begun")

    def train() -> nn.Module:
        fit(model, split, work("dense", epochs))
        return model

    def ours(factor: float) -> nn.Module:
        budget = Budget(factor, multiple=4, kinds=frozenset({Kind.DIM, Kind.NEURON}))
        chosen = plan(dense, split, budget=budget, tuning=options)
        what = f"pruned-{factor}"
        return carry_out(dense, split, chosen, options=work(what, tuning), distilled=True).model

    def theirs(share: float) -> nn.Module:
        made = by_torch_pruning(dense, example(dense, split), share)
        finetune(made, split, work(f"torch-pruning-{share}", tuning), teacher=dense)
        return made

    place.mkdir(parents=True, exist_ok=True)
    dense = kept(place / "dense", train)
    least = auc(dense, split, "valid") - ALLOWED
    small = [kept(place / f"pruned-{factor}", lambda f=factor: ours(f)) for factor in factors]
    cut = [kept(place / f"torch-pruning-{share}", lambda s=share: theirs(s), dense) for share in RATIOS]
    return {DENSE: dense, SMALL: taken(small, split, least), THEIRS: taken(cut, split, least)}


def kept(folder: Path, make: Callable[[], nn.Module], like: nn.Module | None = None) -> nn.Module:
    """The model that stands there, or a new one. like: what one with a table a field is made from."""
    if not (folder / "manifest.json").exists():
        artifact.save(folder, make().eval())
        for begun in folder.parent.glob(f"{folder.name}.begun*"):
            begun.unlink()
    foreign = artifact.inspect(folder)["foreign"] and like is not None
    return artifact.load(folder, per_field(like) if foreign else None).model


def taken(models: list[nn.Module], split: Split, least: float) -> nn.Module:
    """The smallest model whose validation AUC is at least that; the best where none is."""
    values = [auc(model, split, "valid") for model in models]
    fine = [model for model, value in zip(models, values, strict=True) if value >= least]
    print(f"validation AUC {', '.join(f'{v:.5f}' for v in values)}; at least {least:.5f} is wanted", flush=True)
    return min(fine, key=parameters) if fine else models[int(np.argmax(values))]


def by_torch_pruning(model: nn.Module, inputs: tuple[Tensor, ...], share: float) -> nn.Module:
    """A copy that torch-pruning has cut, by its group magnitudes: where it fails on the model as it is, with a table a
    field; where it fails there too, without the cross layers and tables."""

    def without(made: Any) -> list[nn.Module]:
        return [m for name in ("cross", "table") if hasattr(made, name) for m in getattr(made, name).modules()]

    for make, more in ((copy.deepcopy, False), (per_field, False), (copy.deepcopy, True)):
        made = make(model)
        try:
            return _cut(made, inputs, share, [*last_layers(made), *(without(made) if more else ())])
        except Exception as error:  # whatever it raises
            print(f"torch-pruning, {type(made).__name__}: {type(error).__name__}: {error}", flush=True)
    raise RuntimeError("torch-pruning cuts nothing of this model")


def _cut(made: nn.Module, inputs: tuple[Tensor, ...], share: float, ignored: list[nn.Module]) -> nn.Module:
    import torch_pruning

    importance = torch_pruning.importance.GroupMagnitudeImportance(p=2)
    how: dict[str, Any] = {"pruning_ratio": share, "ignored_layers": ignored, "round_to": 8}
    torch_pruning.pruner.MetaPruner(made, inputs, importance=importance, **how).step()
    with torch.no_grad():
        made(*inputs)
    return made


def last_layers(model: nn.Module) -> list[nn.Module]:
    return [m for m in model.modules() if isinstance(m, nn.Linear) and m.out_features == 1]


class PerField:
    """A table of its own for each field, as such models mostly come: what stands before one of ours (`per_field`)."""

    tables: nn.ModuleList
    linears: nn.ModuleList

    def found(self, columns: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return columns

    def vectors(self, columns: tuple[Tensor, ...]) -> Tensor:
        rows = [table(column) for table, column in zip(self.tables, columns, strict=True)]
        return torch.cat(rows, 1) if isinstance(self, DCN) else torch.stack(rows, 1)

    def weights(self, columns: tuple[Tensor, ...]) -> Tensor:
        return sum(t(c) for t, c in zip(self.linears, columns, strict=True)).squeeze(1)


def per_field(model: nn.Module) -> nn.Module:
    """The same model with a table of its own for each field."""
    out: Any = copy.deepcopy(model)
    ends = [*out.offsets.tolist()[1:], out.table.num_embeddings]
    fields = list(zip(out.offsets.tolist(), ends, strict=True))
    out.__class__ = type("PerField", (PerField, type(model)), {"__module__": __name__})
    out.tables = nn.ModuleList(_rows(out.table, *some) for some in fields)
    del out.table
    if hasattr(out, "linear"):
        out.linears = nn.ModuleList(_rows(out.linear, *some) for some in fields)
        del out.linear
    made: nn.Module = out
    return made


def _rows(table: Any, begin: int, end: int) -> nn.Embedding:
    return nn.Embedding.from_pretrained(table.weight.detach()[begin:end].clone(), freeze=False)


# --- sides ---


def all_sides(models: Mapping[str, nn.Module], split: Split) -> tuple[dict[tuple[str, str], Side], list[str]]:
    """(model, runtime) -> what is timed, each asked first whether it answers as its model; and which cannot be."""
    whole: dict[str, nn.Module] = {PER_FIELD: per_field(models[DENSE])}
    for name, model in models.items():
        whole[name] = model
        if name != THEIRS:
            whole[name + INT8] = pack(model, storing(model, "int8_rows"))
    sides, refused = {}, []
    for name, model in whole.items():
        model.eval()
        columns = arrays(row_inputs(model, split.test, slice(0, 512)))
        for runtime, make in RUNTIMES.items():
            try:
                run = make(model, columns)
                agree(model, run, columns)
                sides[name, runtime] = Side(model, run, stored_bytes(model))
            except ExtensionError as error:
                refused.append(f"Not timed: {name}, {runtime}: {error}")
    return sides, refused


def stored_bytes(model: nn.Module) -> int:
    """Bytes of all tensors as they are stored."""
    return sum(t.numel() * t.element_size() for t in model.state_dict().values())


def timed(sides: Mapping[tuple[str, str], Side], split: Split) -> dict[int, dict[tuple[str, str], Speed]]:
    """Rows of a call -> side -> milliseconds, in turn, other test rows in each call."""
    first, order = next(iter(sides.values())).model, np.random.default_rng(0).permutation(len(split.test))
    out = {}
    for rows in BATCHES:
        turns = [arrays(row_inputs(first, split.test, np.resize(np.roll(order, -rows * t), rows))) for t in range(8)]
        calls = {" | ".join(key): caller(side.run, cycle(turns)) for key, side in sides.items()}
        found = compare_calls(calls, rows, repeats=REPEATS, threads=1, seconds=SECONDS)
        out[rows] = {key: found[" | ".join(key)] for key in sides}
    return out


def caller(run: Compiled, turns: Any) -> Callable[[], object]:
    return lambda: run(next(turns))


def auc(model: nn.Module, split: Split, part: str) -> float:
    """AUC of a part."""
    rows = getattr(split, part)
    with torch.no_grad():
        return click_scores(row_scores(model, rows), rows["label"], part).mean["auc"] or 0.0


def parameters(model: nn.Module) -> int:
    """Numbers of a model; of codes, those that they stand for."""
    learned = sum(p.numel() for p in model.parameters())
    return learned + sum(m.stored.entries for m in model.modules() if hasattr(m, "stored"))


# --- told ---


def row(
    key: tuple[str, str], sides: Mapping[tuple[str, str], Side], speeds: Mapping[int, Any], split: Split
) -> list[Any]:
    """A line of the table. The AUC is that of what the runtime itself answers."""
    side, dense = sides[key], sides[FIRST]
    value, first = (_auc_of(one, split) for one in (side, dense))
    took = [round(speeds[rows][key].median, 4) for rows in BATCHES]
    return [*key, parameters(side.model), side.size, round(value, 5), round(value - first, 5), *took]


def _auc_of(side: Side, split: Split) -> float:
    step = 8192
    parts = [slice(begin, begin + step) for begin in range(0, len(split.test), step)]
    found = [side.run(arrays(row_inputs(side.model, split.test, part))) for part in parts]
    return click_scores(np.concatenate(found), split.test["label"]).mean["auc"] or 0.0


def times(key: tuple[str, str], speeds: Mapping[int, Mapping[tuple[str, str], Speed]]) -> list[float]:
    """How many times as fast as the dense model of recprune in torch."""
    return [round(ratio(found[FIRST], found[key])[0], 2) for found in speeds.values()]


def gains(speeds: Mapping[int, Mapping[tuple[str, str], Speed]]) -> list[str]:
    """What each part gave, all else equal: the median of the ratios call by call, and where 8 of 10 lie."""
    parts = {
        "tables merged into one (dense, eager)": ((PER_FIELD, "eager"), FIRST),
        "kernels instead of eager (dense)": (FIRST, (DENSE, "kernels")),
        "ONNX Runtime instead of eager (dense)": (FIRST, (DENSE, "ONNX Runtime")),
        "int8 (dense, kernels)": ((DENSE, "kernels"), (DENSE + INT8, "kernels")),
        "pruning (kernels)": ((DENSE, "kernels"), (SMALL, "kernels")),
        "pruning (eager)": (FIRST, (SMALL, "eager")),
        "pruning and kernels, of dense eager": (FIRST, (SMALL, "kernels")),
        "pruning and kernels, of a table a field in eager": ((PER_FIELD, "eager"), (SMALL, "kernels")),
        "pruning and kernels, of torch-pruning in ONNX Runtime": ((THEIRS, "ONNX Runtime"), (SMALL, "kernels")),
    }
    out = []
    for what, (before, after) in parts.items():
        told = []
        for rows, found in speeds.items():
            if before in found and after in found:
                median, low, high = ratio(found[before], found[after])
                told.append(f"{median:.2f} ({low:.2f} to {high:.2f}) at {rows:,}")
        out += [f"Times as fast by {what}: {', '.join(told)} rows"] if told else []
    return out


def notes(name: str) -> list[str]:
    """What to know before reading the table."""
    return [
        f"One thread, calls in turn, other test rows in each; {machine()}",
        f"Dense: {EPOCHS} epochs; ours and torch-pruning's: {TUNING} epochs of fine-tuning with the dense model as "
        f"teacher. Of {len(FACTORS[name])} factors and {len(RATIOS)} ratios the smallest model whose validation AUC is "
        f"at most {ALLOWED} below the dense one",
        "Dims and neurons are cut in multiples of 4 (of torch-pruning, 8 is asked for); tables keep their rows; norms "
        "are folded by the kernels alone",
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="*", help=", ".join(RECIPES))
    parser.add_argument("--rows", type=int)
    said = parser.parse_args()
    main(said.names, said.rows)
