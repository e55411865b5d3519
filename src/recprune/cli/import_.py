"""recprune import: a checkpoint from elsewhere becomes a model's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from recprune.cli._guard import Answer
from recprune.cli._options import Common, Data, Force, Out, settings
from recprune.errors import DataError

__all__ = ["import_"]
PLACE = 3
LOGS = (".csv", ".tsv", ".txt", ".dat", ".parquet", ".jsonl")
"""How files of logs end, which nobody means to import."""


def import_(
    path: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="A .pt, .npz, .keras or .h5 file, or a .yaml of RecBole or FuxiCTR."),
    ],
    out: Out,
    common: Common,
    model: Annotated[
        str | None, typer.Option("--model", help="A model of recprune that the tensors are of; needs --data.")
    ] = None,
    data: Data = None,
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the model, as in dim=32; repeat for more."),
    ] = None,
    own: Annotated[
        str | None,
        typer.Option("--class", help="Class whose tensors they are, package.module:Class: noted, never imported."),
    ] = None,
    rename: Annotated[
        list[str] | None,
        typer.Option("--rename", metavar="OLD=NEW", help="How names begin in the file, and in the model; repeat."),
    ] = None,
    cap: Annotated[
        int | None,
        typer.Option("--cap", min=1, help="Bytes that it may take unpacked. Default: 4 GiB, 100 times its own."),
    ] = None,
    folder: Annotated[
        Path | None, typer.Option("--folder", help="Of a .yaml: where the data lies, if not where it says.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", help="Of a .yaml of FuxiCTR: which of its data sets.")
    ] = None,
    force: Force = False,
) -> Answer:
    """Read a foreign file in a process of its own, which runs none of its code, and store its tensors.

    A model in the folder --out is replaced, but one that was pruned or trained further stays, unless --force is said.

    A .yaml configuration of RecBole or FuxiCTR says where a log lies and how it is split: that is prepared.
    """
    from recprune.cli._show import pairs, table
    from recprune.importing.run import UNKNOWN, import_file
    from recprune.recipe.in_the_way import other_work
    from recprune.recipe.shelf import free

    if path.suffix in (".yaml", ".yml"):
        return _prepared(path, out, folder, dataset, common)
    if path.suffix in LOGS:
        raise DataError(f"{path} is a log, no model's weights: `recprune prepare {path} -o prepared/` reads it")
    free(out)
    if not force:
        other_work(out)
    vocabularies, made, notes = {}, None, {}
    if model is not None:
        from recprune.data.store import load_split
        from recprune.recipe.built import built

        if data is None:
            raise DataError(
                "--model needs --data PREPARED: the folder whose users and items the rows are of, in its order"
            )
        split, said = load_split(data), settings(setting or ())
        vocabularies, made = dict(split.vocabularies), built(model, split, said)
        notes = {"settings": said}
    named = {old: str(new) for old, new in settings(rename or (), "--rename").items()}
    found = import_file(
        path,
        out,
        made,
        stands_for=own or UNKNOWN,
        rename=named,
        vocabularies=vocabularies,
        cap=cap,
        notes=notes,
    )
    facts = {
        "folder": str(found.folder),
        "seed": common.seed,
        "tensors": len(found.tensors),
        "renamed": len(found.renamed),
    }
    rows = [[name, dtype, " × ".join(f"{n:,}" for n in shape)] for name, (dtype, shape) in found.tensors.items()]
    return Answer({**facts, "renamed": dict(found.renamed)}, (*pairs(facts), table(["tensor", "type", "shape"], rows)))


def _prepared(path: Path, out: Path, folder: Path | None, dataset: str | None, common: Common) -> Answer:
    from dataclasses import asdict

    from recprune.cli._progress import stage
    from recprune.cli._show import pairs
    from recprune.data.store import refuse_others
    from recprune.integrations.configs import prepare_config
    from recprune.recipe.prepare import keep

    refuse_others(out)
    found = prepare_config(path, folder, dataset, stage=stage)
    keep(found.prepared, out)
    roles = {name: value for name, value in asdict(found.roles).items() if value}
    facts = {"folder": str(out), "seed": common.seed, "tool": found.tool, "roles": roles, **found.prepared.facts()}
    facts["settings not read"] = list(found.unread)
    return Answer(facts, tuple(pairs(facts)))
