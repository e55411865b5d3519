"""Small models of FuxiCTR's model zoo, built as its users build them: name -> maker of (model, example)."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["MODELS"]

Made = tuple[nn.Module, tuple[Any, ...]]
USER, ITEM = {"user": 30, "city": 12}, {"item": 40, "kind": 9}
LENGTH, DIM = 5, 8
HOW = {"embedding_dim": DIM, "optimizer": "adam", "loss": "binary_crossentropy", "metrics": ["AUC"], "verbose": 0}


def _features() -> Any:
    from fuxictr.features import FeatureMap

    found = FeatureMap("random", tempfile.gettempdir())
    for source, sizes in (("user", USER), ("item", ITEM)):
        for name, size in sizes.items():
            found.features[name] = {"source": source, "type": "categorical", "vocab_size": size, "padding_idx": 0}
    found.labels, found.default_emb_dim, found.num_fields = ["click"], DIM, len(found.features)
    return found


def _made(name: str, **more: Any) -> Made:
    model = getattr(importlib.import_module(f"model_zoo.LongCTR.{name}.{name}"), name)
    user = {field: torch.randint(1, size, (5,)) for field, size in USER.items()}
    item = {field: torch.randint(1, size, (5, LENGTH)) for field, size in ITEM.items()}
    built = model(_features(), model_root=tempfile.gettempdir(), **HOW, **more)
    return built, ((user, item, torch.ones(5, LENGTH - 1)),)


MODELS: dict[str, Callable[[], Made]] = {
    "DCNv2": lambda: _made("DCNv2", parallel_dnn_hidden_units=[16, 8]),
    "DCNv2 (mixture)": lambda: _made(
        "DCNv2", parallel_dnn_hidden_units=[16, 8], use_low_rank_mixture=True, low_rank=6, num_experts=2
    ),
    "DCNv2 (stacked)": lambda: _made("DCNv2", model_structure="stacked", stacked_dnn_hidden_units=[16, 8]),
    "DIN": lambda: _made("DIN", dnn_hidden_units=[16, 8], attention_hidden_units=[12]),
    "FinalMLP": lambda: _made("FinalMLP", mlp1_hidden_units=[16, 8], mlp2_hidden_units=[12, 8], fs_hidden_units=[6]),
    "SDIM": lambda: _made("SDIM", dnn_hidden_units=[16, 8], attention_dim=8, num_heads=2, short_seq_len=3),
    "SIM": lambda: _made("SIM", dnn_hidden_units=[16, 8], attention_dim=8, num_heads=2, short_seq_len=3, topk=2),
    "TransAct": lambda: _made("TransAct", dcn_hidden_units=[16, 8], num_heads=2, dim_feedforward=12),
    "TWIN": lambda: _made("TWIN", dnn_hidden_units=[16, 8], attention_dim=8, num_heads=2, short_seq_len=3, topk=2),
}
