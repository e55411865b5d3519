"""The models of `benchmarks.clicks_speed`: dense, cut by recprune and by torch-pruning, kept under benchmarks/runs."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune import artifact
from recprune.data.dataset import Split
from recprune.evaluation.clicks import click_scores
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import example
from recprune.models.dcn import DCN
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan
from recprune.recipe.pruned import carry_out
from recprune.tracing.site import Kind
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions, fit

__all__ = ["ALLOWED", "DENSE", "RATIOS", "SMALL", "THEIRS", "parameters", "per_field", "trained"]

RATIOS = (0.25, 0.5, 0.75)
"""Shares of the channels that torch-pruning is told to cut."""
ALLOWED = 0.0005
DENSE, SMALL, THEIRS = "dense", "pruned", "torch-pruning"


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


def auc(model: nn.Module, split: Split, part: str) -> float:
    """AUC of a part."""
    rows = getattr(split, part)
    with torch.no_grad():
        return click_scores(row_scores(model, rows), rows["label"], part).mean["auc"] or 0.0


def parameters(model: nn.Module) -> int:
    """Numbers of a model; of codes, those that they stand for."""
    learned = sum(p.numel() for p in model.parameters())
    return learned + sum(m.stored.entries for m in model.modules() if hasattr(m, "stored"))
