"""Small models of deepctr-torch, built as its users build them: name -> maker of (model, example)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["MODELS"]

Made = tuple[nn.Module, tuple[Any, ...]]
SIZES = {"user": 30, "city": 12, "item": 40, "kind": 9}
LENGTH, DIM, SMALL = 4, 8, (16, 8)


def _columns(numbers: bool = True) -> list[Any]:
    from deepctr_torch.inputs import DenseFeat, SparseFeat

    fields = [SparseFeat(name, size, DIM) for name, size in SIZES.items()]
    return [*fields, DenseFeat("price", 1)] if numbers else fields


def _inputs() -> Tensor:
    ids = [torch.randint(size, (5, 1)).float() for size in SIZES.values()]
    return torch.cat([*ids, torch.rand(5, 1)], 1)


def _plain(name: str, linear: bool = True, numbers: bool = True, **more: Any) -> Made:
    import deepctr_torch.models as models

    deep = _columns(numbers)
    model = getattr(models, name)(*([_columns(), deep] if linear else [deep]), **more)
    return model, (_inputs(),)


def _history(name: str, **more: Any) -> Made:
    import deepctr_torch.models as models
    from deepctr_torch.inputs import DenseFeat, SparseFeat, VarLenSparseFeat, get_feature_names

    past = SparseFeat("hist_item", 40, DIM, embedding_name="item")
    sequence = VarLenSparseFeat(past, maxlen=LENGTH, length_name="length")
    columns = [SparseFeat("user", 30, DIM), SparseFeat("item", 40, DIM), DenseFeat("price", 1), sequence]
    made = {"user": torch.randint(30, (5, 1)), "item": torch.randint(1, 40, (5, 1)), "price": torch.rand(5, 1)}
    made |= {"hist_item": torch.randint(1, 40, (5, LENGTH)), "length": torch.randint(1, LENGTH, (5, 1))}
    x = torch.cat([made[feature].float() for feature in get_feature_names(columns)], 1)
    return getattr(models, name)(columns, ["item"], **more), (x,)


MODELS: dict[str, Callable[[], Made]] = {
    "AFM": lambda: _plain("AFM", numbers=False, attention_factor=4),
    "AFN": lambda: _plain("AFN", ltl_hidden_size=12, afn_dnn_hidden_units=SMALL),
    "AutoInt": lambda: _plain("AutoInt", att_layer_num=2, dnn_hidden_units=SMALL),
    "CCPM": lambda: _plain("CCPM", numbers=False, dnn_hidden_units=SMALL),
    "DCN": lambda: _plain("DCN", dnn_hidden_units=SMALL),
    "DCN (matrix)": lambda: _plain("DCN", cross_parameterization="matrix", dnn_hidden_units=SMALL),
    "DCNMix": lambda: _plain("DCNMix", low_rank=6, dnn_hidden_units=SMALL),
    "DeepFM": lambda: _plain("DeepFM", dnn_hidden_units=SMALL, dnn_use_bn=True),
    "DIEN": lambda: _history("DIEN", dnn_hidden_units=SMALL, att_hidden_units=(12,)),
    "DIFM": lambda: _plain("DIFM", dnn_hidden_units=SMALL),
    "DIN": lambda: _history("DIN", dnn_hidden_units=SMALL, att_hidden_size=(12, 6)),
    "ESMM": lambda: _plain("ESMM", linear=False, tower_dnn_hidden_units=SMALL),
    "FiBiNET": lambda: _plain("FiBiNET", reduction_ratio=2, dnn_hidden_units=SMALL),
    "IFM": lambda: _plain("IFM", dnn_hidden_units=SMALL),
    "MLR": lambda: _plain("MLR", linear=False, region_num=3),
    "MMOE": lambda: _plain("MMOE", linear=False, expert_dnn_hidden_units=SMALL, gate_dnn_hidden_units=(6,)),
    "NFM": lambda: _plain("NFM", dnn_hidden_units=SMALL),
    "ONN": lambda: _plain("ONN", dnn_hidden_units=SMALL),
    "PLE": lambda: _plain("PLE", linear=False, expert_dnn_hidden_units=SMALL, gate_dnn_hidden_units=(6,)),
    "PNN": lambda: _plain("PNN", linear=False, dnn_hidden_units=SMALL),
    "PNN (outer)": lambda: _plain("PNN", linear=False, use_outter=True, dnn_hidden_units=SMALL),
    "SharedBottom": lambda: _plain("SharedBottom", linear=False, bottom_dnn_hidden_units=SMALL),
    "WDL": lambda: _plain("WDL", dnn_hidden_units=SMALL),
    "xDeepFM": lambda: _plain("xDeepFM", dnn_hidden_units=SMALL, cin_layer_size=(8, 6)),
}
