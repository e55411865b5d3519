"""recprune run: the whole street in one command."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from recprune.cli._budget import BudgetOptions
from recprune.cli._guard import Answer
from recprune.cli._options import Common, K, Out, Training, settings
from recprune.cli._progress import stage
from recprune.cli._schedule import ScheduleOptions
from recprune.cli._source import Making, Parting, Source, named

if TYPE_CHECKING:
    from recprune.recipe.serving_times import ServingTimes

__all__ = ["run"]
PLACE = 0.5


def run(
    given: Annotated[
        str, typer.Argument(metavar="LOG", help="A file, folder or URL with the raw log, or the word completejourney.")
    ],
    out: Out,
    source: Source,
    parting: Parting,
    making: Making,
    wanted: BudgetOptions,
    training: Training,
    schedule: ScheduleOptions,
    common: Common,
    model: Annotated[str, typer.Option("--model", help="A model's name, or package.module:Class.")] = "ease",
    model_set: Annotated[
        list[str] | None,
        typer.Option("--model-set", metavar="NAME=VALUE", help="Option of the model, as in dim=32; repeat for more."),
    ] = None,
    tune: Annotated[
        list[str] | None,
        typer.Option("--tune", metavar="NAME=VALUE", help="Option of the fine-tuning, as in lr=0.0001; repeat."),
    ] = None,
    rivals: Annotated[bool, typer.Option("--rivals/--no-rivals", help="Train the rivals of the same size too.")] = True,
    bench: Annotated[
        bool,
        typer.Option("--bench/--no-bench", help="Time both models in every runtime, and record which serves them."),
    ] = True,
    seeds: Annotated[
        int,
        typer.Option("--seeds", min=1, help="Repeat all of it by so many seeds, from --seed on, into one proof: 3."),
    ] = 1,
    k: K = 20,
) -> Answer:
    """From a raw log to a smaller model with its proof; stages that stand in the folder already are not done again."""
    from recprune.cli._place import folder_at
    from recprune.cli._show import compared
    from recprune.recipe.run import Order, run
    from recprune.recipe.run_seeds import run_seeds
    from recprune.report.of_run import of_run

    folder_at(out)
    path = named(given)
    order = Order(
        model,
        settings(model_set or (), "--model-set"),
        training.said(common.seed),
        Training(None, tune).said(common.seed, "--tune"),
        wanted.budget(),
        wanted.rule,
        parting.cleaning(),
        parting.by(common.seed),
        parting.negatives,
        rivals,
        bench,
        k,
        common.seed,
        schedule.said(),
        wanted.encodings,
        making.columns(source, path),
    )
    described = _described(path, parting, source)
    read, numbers = lambda: _read(source, parting, path), range(common.seed, common.seed + seeds)
    result = (
        run(read, order, out, source=described, stage=stage)
        if seeds == 1
        else run_seeds(read, order, out, numbers, source=described, stage=stage)
    )
    page = of_run(out, result.small, model if ":" in model else None, seed=common.seed, stage=stage)
    facts: dict[str, Any] = {
        "folder": str(out),
        "small": str(result.small),
        "report": str(page),
        "seed": common.seed,
        "seeds": list(numbers),
        "comparison": json.loads(result.comparison.to_json()),
    }
    if result.served is not None:
        facts["served"] = json.loads(result.served.to_json())
    where = f"The smaller model lies in {result.small}", f"The report lies in {page}"
    return Answer(facts, (*compared(result.comparison), *_served(result.served), *where))


def _served(found: ServingTimes | None) -> tuple[str, ...]:
    return () if found is None else (found.sentence(),)


def _read(source: Source, parting: Parting, path: Path | str) -> Any:
    with stage(f"read {path}"):
        return parting.read(source, path)


def _described(path: Path | str, parting: Parting, source: Source) -> list[object] | None:
    """What tells one state of what is read from another; None where nothing does, as of a server."""
    from recprune.data.address import Address, located
    from recprune.data.logtoml import read_log_toml
    from recprune.data.storage import state_of

    asked = [where for where in (path, parting.test_log, parting.valid_log) if where is not None]
    for toml in [where for where in (path, source.log) if where is not None and Path(where).suffix == ".toml"]:
        there = read_log_toml(toml).path
        asked += [there] if there is not None else []
    found = [located(where) for where in asked]
    servers = [one for one in found if isinstance(one, Address) and one.format is not None]
    if servers:
        return None
    states = [state_of(one) for one in found if isinstance(one, Address)]
    files = [*(one for one in found if isinstance(one, Path)), *([] if source.log is None else [source.log])]
    return [*_files(*files), *([states] if states else []), asdict(source)]


def _files(*paths: Path) -> list[list[object]]:
    """What tells one state of the raw files from another: names, sizes, times of change. What is read beside a file
    counts: the log of a database, `.user` and `.item` of an `.inter`."""
    beside = [Path(f"{p}-wal") for p in paths]
    beside += [p.with_suffix(end) for p in paths if p.suffix == ".inter" for end in (".user", ".item")]
    there = [f for p in (*paths, *beside) for f in ([p] if p.is_file() else sorted(p.rglob("*"))) if f.is_file()]
    return [[str(p.resolve()) for p in paths], [[f.name, f.stat().st_size, f.stat().st_mtime_ns] for f in there]]
