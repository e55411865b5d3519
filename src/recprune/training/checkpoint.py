"""Checkpoint: everything that a training needs to go on as if it had never stopped, in one safetensors file.

The tensors are the weights, the best weights so far, the optimizer's state and the state of both random generators; the
JSON in the file's header holds the rest. One file, renamed into place: it is whole or it is not there. Of tables in
shards each worker writes its rows to a file of its own first; the one file names those, and so the checkpoint is still
the old one or the new one, whole. It is read by any number of workers, each of which takes its rows.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from recprune.atomic import write_bytes
from recprune.errors import ArtifactError
from recprune.training.options import FitOptions
from recprune.training.samples import Samples
from recprune.training.shard_files import read_rows, remove_others, write_shard
from recprune.training.sharded import ShardedEmbedding, shards_of
from recprune.training.teacher import Teacher
from recprune.training.trainable import place_of

__all__ = ["purpose_of", "read_checkpoint", "write_checkpoint"]

_FORMAT = "recprune training 1"


def purpose_of(
    model: nn.Module, data: Samples, options: FitOptions, teacher: Teacher | None, more: Mapping[str, Any]
) -> dict[str, Any]:
    """What must be the same for a training to go on."""
    shapes = {name: list(tensor.shape) for name, tensor in model.state_dict().items()}
    shapes |= {f"{name}.weight": [t.num_embeddings, t.embedding_dim] for name, t in shards_of(model).items()}
    aside = {"checkpoint"} if teacher else {"checkpoint", "distill", "temperature"}
    aside |= {"every"} if options.every == 1 else set()  # checkpoints are older than this option
    chosen = {name: value for name, value in asdict(options).items() if name not in aside}
    taught = {"teacher": teacher.checksum()} if teacher else {}
    facts = {"model": type(model).__name__, "config": _config(model), "shapes": shapes}
    return {**facts, "samples": data.size, "data": data.checksum, **taught, **chosen, **more}


def _config(model: nn.Module) -> Any:
    """The options that a model was made by, where it says them as plain data."""
    try:
        return json.loads(json.dumps(getattr(model, "config", None)))
    except (TypeError, ValueError):
        return None


def write_checkpoint(
    path: Path, facts: Mapping[str, Any], model: nn.Module, best: Mapping[str, Tensor], optimizer: Any, generator: Any
) -> None:
    """Write the state of a training. facts: JSON-able; `purpose` in it is compared when it is read. Where tables lie in
    shards all workers call it. Raises OSError."""
    state = optimizer.state_dict()
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    tensors |= {f"best.{name}": value for name, value in best.items()}
    for number, entries in state["state"].items():
        tensors |= {f"optimizer.{number}.{name}": torch.as_tensor(value) for name, value in entries.items()}
    tensors |= {"random.own": generator.get_state(), "random.torch": torch.get_rng_state()}
    place = place_of(model)
    if place.type == "cuda":
        tensors["random.cuda"] = torch.cuda.get_rng_state(place)
    tensors = {n: v.detach().cpu().clone(memory_format=torch.contiguous_format) for n, v in tensors.items()}
    header = {"format": _FORMAT, "facts": dict(facts), "groups": state["param_groups"]}
    path.parent.mkdir(parents=True, exist_ok=True)
    tables = _tables(model, optimizer)
    spread = {name: table for name in tensors if (table := _table_of(name, tensors[name].dim(), tables)) is not None}
    if not spread:
        write_bytes(path, save(tensors, {"recprune": json.dumps(header, sort_keys=True)}))
        remove_others(path, ())
        return
    workers = next(iter(spread.values())).workers
    mine = {name: tensors.pop(name) for name in spread}
    files = write_shard(path, len(facts["history"]), workers.rank, workers.size, mine)
    header["shards"] = {"files": files, "rows": {name: table.ranges for name, table in spread.items()}}
    dist.barrier()
    if workers.rank == 0:
        write_bytes(path, save(tensors, {"recprune": json.dumps(header, sort_keys=True)}))
        remove_others(path, files)
    dist.barrier()


def read_checkpoint(
    path: Path, purpose: Mapping[str, Any], model: nn.Module, optimizer: Any, generator: Any
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Put a training's state back and return its facts and best weights.

    Raises ArtifactError when the file is damaged or was written for another `purpose`; then nothing is changed.
    """
    header, tensors = _read(path, purpose, _tables(model, optimizer))
    model.load_state_dict(_under(tensors, "model."))
    entries: dict[int, dict[str, Tensor]] = {}
    for name, value in _under(tensors, "optimizer.").items():
        number, _, key = name.partition(".")
        entries.setdefault(int(number), {})[key] = value
    optimizer.load_state_dict({"state": entries, "param_groups": header["groups"]})
    generator.set_state(tensors["random.own"])
    torch.set_rng_state(tensors["random.torch"])
    place = place_of(model)
    if place.type == "cuda" and "random.cuda" in tensors:
        torch.cuda.set_rng_state(tensors["random.cuda"], place)
    return header["facts"], _under(tensors, "best.")


def _under(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _read(
    path: Path, purpose: Mapping[str, Any], tables: Mapping[str, ShardedEmbedding]
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    try:
        with safe_open(path, framework="pt") as file:
            header = json.loads((file.metadata() or {}).get("recprune", "{}"))
            if not isinstance(header, dict) or header.get("format") != _FORMAT:
                raise ArtifactError(
                    f"{path} is not a checkpoint of the format {_FORMAT!r}; name another file", path=path
                )
            _same_purpose(path, header["facts"]["purpose"], purpose)
            tensors = {name: _own_rows(file, name, tables) for name in file.keys()}  # noqa: SIM118 (not a mapping)
    except (SafetensorError, OSError, ValueError) as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"{path} is no whole checkpoint ({error}); remove it to train anew", path=path) from error
    parted = header.get("shards", {"files": [], "rows": {}})
    for name, ranges in parted["rows"].items():
        table = _table_of(name, 2, tables)
        begin, end = (0, None) if table is None else table.ranges[table.workers.rank]
        tensors[name] = read_rows(path, parted["files"], ranges, name, begin, end)
    return header, tensors


def _own_rows(file: Any, name: str, tables: Mapping[str, ShardedEmbedding]) -> Tensor:
    """A tensor of the file; of a table that lies in shards here, the rows of this worker."""
    found = file.get_slice(name)
    table = _table_of(name, len(found.get_shape()), tables)
    if table is None:
        whole: Tensor = file.get_tensor(name)
        return whole
    begin, end = table.ranges[table.workers.rank]
    part: Tensor = found[begin:end]
    return part


def _tables(model: nn.Module, optimizer: Any) -> dict[str, ShardedEmbedding]:
    """What is parted as a table in shards is: the beginnings of the names of tensors -> the table."""
    tables = shards_of(model)
    if not tables:
        return {}
    learned = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    numbers = {id(parameter): number for number, parameter in enumerate(learned)}
    out = {f"{part}.{name}.weight": table for name, table in tables.items() for part in ("model", "best")}
    return {**out, **{f"optimizer.{numbers[id(t.own)]}": t for t in tables.values() if id(t.own) in numbers}}


def _table_of(name: str, dims: int, tables: Mapping[str, ShardedEmbedding]) -> ShardedEmbedding | None:
    key = ".".join(name.split(".")[:2]) if name.startswith("optimizer.") else name
    return tables.get(key) if dims == 2 else None


def _same_purpose(path: Path, there: Mapping[str, Any], here: Mapping[str, Any]) -> None:
    here = json.loads(json.dumps(here))
    names = sorted(name for name in there.keys() | here.keys() if there.get(name) != here.get(name))
    if names:
        name = names[0]
        raise ArtifactError(
            f"{path} belongs to another training: {name} is {there.get(name)!r} there and {here.get(name)!r} here. "
            "Name another checkpoint file, or remove this one to train anew",
            path=path,
            differs=tuple(names),
        )
