"""Small models of RecBole, built by its own configuration on a random log: name -> maker of (model, example).

Where a model's scores come from a method that takes RecBole's Interaction, `Scored` calls it; the model is as it came.
EASE, SLIMElastic, ADMMSLIM, ItemKNN, NCEPLRec and Pop are not here: they hold no parameters.
"""

from __future__ import annotations

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from benchmarks.quiet import quiet
from torch import Tensor, nn

__all__ = ["MODELS"]

Made = tuple[nn.Module, tuple[Any, ...]]
USERS, ITEMS, LENGTH, DIM = 30, 40, 6, 8


class Scored(nn.Module):
    """What RecBole calls: a method of its model, given the columns of a batch as its Interaction."""

    def __init__(self, model: nn.Module, method: str) -> None:
        super().__init__()
        self.model, self.method = model, method

    def forward(self, columns: dict[str, Tensor]) -> Tensor:
        from recbole.data.interaction import Interaction

        scores: Tensor = getattr(self.model, self.method)(Interaction(columns))
        return scores


def _write(path: Path, head: str, rows: list[Any]) -> None:
    lines = ["\t".join(head.split()), *("\t".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


@functools.cache
def _log() -> tempfile.TemporaryDirectory[str]:
    """A folder with a random log in RecBole's format: 12 events a user, fields of users and items."""
    folder, draw = tempfile.TemporaryDirectory(), np.random.default_rng(0)
    place = Path(folder.name) / "random" / "random"
    place.parent.mkdir()
    events = [(u, i, draw.integers(1, 6), t) for u in range(USERS) for t, i in enumerate(draw.permutation(ITEMS)[:12])]
    _write(place.with_suffix(".inter"), "user_id:token item_id:token rating:float timestamp:float", events)
    _write(place.with_suffix(".user"), "user_id:token city:token", [(u, u % 7) for u in range(USERS)])
    items = [(i, i % 5, f"{i % 4} {4 + i % 3}") for i in range(ITEMS)]
    _write(place.with_suffix(".item"), "item_id:token kind:token class:token_seq", items)
    return folder


def _built(name: str, **more: Any) -> tuple[nn.Module, dict[str, Tensor]]:
    """The model for the log, and the first rows of its training part as RecBole serves them."""
    from recbole.config import Config
    from recbole.data import create_dataset
    from recbole.utils import get_model

    columns = {"inter": ["user_id", "item_id", "rating", "timestamp"], "user": ["user_id", "city"]}
    said = {
        "data_path": _log().name,
        "load_col": columns | {"item": ["item_id", "kind", "class"]},
        "threshold": {"rating": 3},
        "embedding_size": DIM,
        "hidden_size": DIM,
        "inner_size": 16,
        "mlp_hidden_size": [16, 8],
        "MAX_ITEM_LIST_LENGTH": LENGTH,
        "state": "ERROR",
        "use_gpu": False,
        **more,
    }
    with quiet():
        config = Config(model=name, dataset="random", config_dict=said)
        train = create_dataset(config).build()[0]
        model = get_model(name)(config, train)
    rows = torch.arange(2, len(train), len(train) // 5)[:5]
    return model, dict(train.join(train.inter_feat[rows]).interaction)


def _context(name: str, **more: Any) -> Made:
    model, columns = _built(name, **more)
    return Scored(model, "forward"), (columns,)


def _next(name: str, method: str = "full_sort_predict", **more: Any) -> Made:
    model, columns = _built(name, train_neg_sample_args=None, **more)
    return Scored(model, method), (columns,)


def _predicted(name: str, **more: Any) -> Made:
    model, columns = _built(name, **more)
    return Scored(model, "predict"), ({key: columns[key] for key in ("user_id", "item_id")},)


def _pairs(name: str, **more: Any) -> Made:
    model, columns = _built(name, **more)
    return model, (columns["user_id"], columns["item_id"])


def _histories(name: str, *also: Any, **more: Any) -> Made:
    model, _ = _built(name, **more)
    return model, ((torch.rand(5, ITEMS + 1) > 0.6).float(), *also)


CONTEXT = "AFM AutoInt DCN DeepFM DSSM FFM FiGNN FM FNN FwFM NFM PNN WideDeep xDeepFM"
PREDICTED = "BPR DGCF ENMF FISM GCMC LightGCN LINE MacridVAE NAIS NCL NGCF SGL SimpleX SpectralCF"
NEXT = """BERT4Rec Caser CORE FDSA FEARec FOSSIL FPMC GCSAN GRU4Rec GRU4RecF HGN HRM LightSANs NARM NextItNet NPE
    RepeatNet S3Rec SASRec SASRecF SHAN SINE SRGNN STAMP TransRec"""
CONVOLVED = {"embedding_size": 16, "cnn_channels": [1, 8, 6], "cnn_kernels": [4, 4], "cnn_strides": [4, 4]}
WIDE = {"mlp_hidden_size": [24], "latent_dimension": 16}

MODELS: dict[str, Callable[[], Made]] = {
    **{name: functools.partial(_context, name) for name in CONTEXT.split()},
    "DCNV2": lambda: _context("DCNV2", low_rank=6),
    "DCNV2 (mixed)": lambda: _context("DCNV2", mixed=True, low_rank=6, expert_num=2),
    "EulerNet": lambda: _context("EulerNet", order_list=[6]),
    "KD_DAGFM": lambda: _context("KD_DAGFM"),
    "PNN (outer)": lambda: _context("PNN", use_outer=True),
    **{name: functools.partial(_predicted, name) for name in PREDICTED.split()},
    "CDAE": lambda: _histories("CDAE", torch.arange(5)),
    "ConvNCF": lambda: _pairs("ConvNCF", **CONVOLVED),
    "DiffRec": lambda: _predicted("DiffRec", dims_dnn=[24]),
    "DMF": lambda: _pairs("DMF", user_hidden_size_list=[16, 8], item_hidden_size_list=[16, 8]),
    "MultiDAE": lambda: _histories("MultiDAE", **WIDE),
    "MultiVAE": lambda: _histories("MultiVAE", **WIDE),
    "NeuMF": lambda: _pairs("NeuMF", mf_embedding_size=DIM, mlp_embedding_size=DIM),
    "NNCF": lambda: _pairs("NNCF", ui_embedding_size=DIM, neigh_embedding_size=DIM, num_conv_kernel=8),
    "RecVAE": lambda: _histories("RecVAE", 0.0, hidden_dimension=24, latent_dimension=16),
    **{name: functools.partial(_next, name) for name in NEXT.split()},
    "DIEN": lambda: _next("DIEN", "predict"),
    "DIN": lambda: _next("DIN", "predict"),
    "GRU4RecCPR": lambda: _next("GRU4RecCPR", reranker_CAN_NUM="5"),
    "SASRecCPR": lambda: _next("SASRecCPR", reranker_CAN_NUM="5"),
}
