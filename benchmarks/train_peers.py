"""Models of other packages as `benchmarks.train_speed` trains them: by the trainers that they come with.

Each function builds a model for some data and gives back what trains it once, an epoch or the whole solution, and says
how many seconds of the processor that took. deepctr-torch, torch-rechub and RecBole learn by Adam, without penalties.
"""

from __future__ import annotations

import contextlib
import importlib
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import torch
from benchmarks.quiet import quiet

from recprune.data.dataset import Dataset

__all__ = [
    *("Train", "deepctr", "implicit_bpr", "implicit_solved", "installed", "recbole", "recbole_solved", "rechub"),
    "timed",
]

Train = Callable[[], float]
"""Train once; seconds of the processor."""
DIM = 16
"""Of the vectors of click models."""
TYPES = {"time": "timestamp:float", "label": "label:float"}


def timed(work: Callable[[], object]) -> Train:
    """The work, with nothing said on the way, and how long it took."""

    def train() -> float:
        with quiet():
            begin = time.process_time()
            work()
            return time.process_time() - begin

    return train


def deepctr(name: str, batch: int, more: Mapping[str, Any], data: Dataset) -> Train:
    """A click model of deepctr-torch, by its `fit`. more: options of its class."""
    with quiet():
        import deepctr_torch.models
        from deepctr_torch.inputs import SparseFeat

        columns = [SparseFeat(field, len(data.vocabularies[field]), DIM) for field in data.fields]
        torch.manual_seed(0)
        model = getattr(deepctr_torch.models, name)(columns, columns, **{"l2_reg_embedding": 0, **more})
        model.compile("adam", "binary_crossentropy")
    x = {field: data[field] for field in data.fields}
    return timed(lambda: model.fit(x, data["label"], batch_size=batch, epochs=1, verbose=0))


def rechub(name: str, batch: int, more: Mapping[str, Any], data: Dataset) -> Train:
    """A click model of torch-rechub, by its CTRTrainer. more: options of its class."""
    with quiet():
        from torch_rechub.basic.features import SparseFeature
        from torch_rechub.models import ranking
        from torch_rechub.trainers import CTRTrainer
        from torch_rechub.utils.data import DataGenerator

        fields = [SparseFeature(f, vocab_size=len(data.vocabularies[f]), embed_dim=DIM) for f in data.fields]
        lists = (fields,) if name == "DCNv2" else (fields, [] if name == "AutoInt" else fields)
        torch.manual_seed(0)
        model = getattr(ranking, name)(*lists, **more)
        trainer = CTRTrainer(model, optimizer_params={"lr": 1e-3})
        x = {field: data[field].astype(np.int64) for field in data.fields}
        rows = DataGenerator(x, data["label"]).generate_dataloader(
            x_val=x, y_val=data["label"], x_test=x, y_test=data["label"], batch_size=batch
        )
    return timed(lambda: trainer.train_one_epoch(rows[0]))


def recbole(name: str, batch: int, more: Mapping[str, Any], data: Dataset) -> Train:
    """A model of RecBole, by an epoch of its trainer. more: of its configuration."""
    trainer, rows = _recbole(name, data, {"train_batch_size": batch, **more})
    return timed(lambda: trainer._train_epoch(rows, 0))


def recbole_solved(name: str, more: Mapping[str, Any], data: Dataset) -> Train:
    """A model of RecBole that is solved as it is built; its data was read before."""
    with _log(data) as folder, quiet():
        config, dataset = _recbole_data(name, data, folder, more)
        from recbole.utils import get_model

    return timed(lambda: get_model(name)(config, dataset))


def _recbole(name: str, data: Dataset, more: Mapping[str, Any]) -> tuple[Any, Any]:
    with _log(data) as folder, quiet():
        config, dataset = _recbole_data(name, data, folder, more)
        from recbole.data.utils import create_samplers, get_dataloader
        from recbole.utils import get_model, get_trainer

        sampler = create_samplers(config, dataset, [dataset] * 3)[0]
        rows = get_dataloader(config, "train")(config, dataset, sampler, shuffle=True)
        torch.manual_seed(0)
        model = get_model(name)(config, dataset)
        with mock.patch("recbole.trainer.trainer.get_tensorboard"):  # it would write a folder here
            return get_trainer(config["MODEL_TYPE"], name)(config, model), rows


def _recbole_data(name: str, data: Dataset, folder: str, more: Mapping[str, Any]) -> tuple[Any, Any]:
    from recbole.config import Config
    from recbole.data import create_dataset

    said = {
        **{"data_path": folder, "checkpoint_dir": folder, "state": "ERROR", "use_gpu": False, "show_progress": False},
        **{"USER_ID_FIELD": "user", "ITEM_ID_FIELD": "item", "LABEL_FIELD": "label", "reg_weight": 0.0},
        "load_col": {"inter": [column.partition(":")[0] for column in _columns(data).values()]},
        **more,
    }
    if "label" in data.columns or "MAX_ITEM_LIST_LENGTH" in more:
        said["train_neg_sample_args"] = None
    config = Config(model=name, dataset="log", config_dict=said)
    dataset = create_dataset(config)
    dataset._change_feat_format()
    return config, dataset


@contextlib.contextmanager
def _log(data: Dataset) -> Iterator[str]:
    """A folder with the data as RecBole reads it."""
    with tempfile.TemporaryDirectory() as folder:
        heads = _columns(data)
        place = Path(folder) / "log" / "log.inter"
        place.parent.mkdir()
        rows = zip(*(data[name].tolist() for name in heads), strict=True)
        place.write_text("\n".join("\t".join(map(str, row)) for row in [tuple(heads.values()), *rows]) + "\n")
        yield folder


def _columns(data: Dataset) -> dict[str, str]:
    """Our name of a column -> RecBole's, with its type."""
    return {name: TYPES.get(name, f"{name}:token") for name in (*data.fields, *(t for t in TYPES if t in data.columns))}


def implicit_bpr(dim: int, data: Dataset) -> Train:
    """BPR of the library implicit: its own SGD, a pair at a time."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking

    matrix, how = _matrix(data), {"regularization": 0.0, "num_threads": 1, "random_state": 0}
    model = BayesianPersonalizedRanking(factors=dim, iterations=1, verify_negative_samples=False, **how)
    return timed(lambda: model.fit(matrix, show_progress=False))


def implicit_solved(make: str, more: Mapping[str, Any], data: Dataset) -> Train:
    """Another model of the library implicit, from nothing. make: "module.Class"."""
    module, _, name = make.rpartition(".")
    kind, matrix = getattr(importlib.import_module(f"implicit.{module}"), name), _matrix(data)
    return timed(lambda: kind(num_threads=1, **more).fit(matrix, show_progress=False))


def _matrix(data: Dataset) -> Any:
    return data.histories().matrix(unknown=False).tocsr()


def installed(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those that are here."""
    from importlib.metadata import PackageNotFoundError, version

    found = {}
    for package in packages:
        with contextlib.suppress(PackageNotFoundError):
            found[package] = version(package)
    return found
