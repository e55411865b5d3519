"""Small models of Keras 3 and Keras RS on the torch backend, built as their users build them: name -> maker.

KERAS_BACKEND is set to torch before keras is imported.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

__all__ = ["KERAS", "KERAS_RS", "keras_on_torch"]

Made = tuple[nn.Module, tuple[Any, ...]]
SIZES = {"user": 30, "city": 12, "item": 40, "kind": 9}
LENGTH, DIM = 6, 8


def keras_on_torch() -> Any:
    """The keras package with a fixed seed; the backend is torch unless KERAS_BACKEND says another."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    keras.utils.set_random_seed(0)
    return keras


def _rs() -> Any:
    keras_on_torch()
    import keras_rs

    return keras_rs.layers


def _inputs(*names: str) -> list[Any]:
    return [keras_on_torch().Input((), dtype="int32", name=name) for name in names]


def _embedded(inputs: list[Any]) -> list[Any]:
    layers = keras_on_torch().layers
    return [layers.Embedding(SIZES[x.name], DIM)(x) for x in inputs]


def _mlp(x: Any, *dims: int, last: int = 1, norm: str = "") -> Any:
    layers = keras_on_torch().layers
    for dim in dims:
        x = layers.Dense(dim)(x)
        x = getattr(layers, norm)()(x) if norm else x
        x = layers.Dropout(0.1)(layers.Activation("relu")(x))
    return layers.Dense(last)(x)


def _made(inputs: list[Any], output: Any) -> Made:
    ids = [torch.randint(1, SIZES[x.name], (5,)) for x in inputs if x.name in SIZES]
    return keras_on_torch().Model(inputs, output), (ids,)


def _deep(norm: str = "") -> Made:
    inputs = _inputs(*SIZES)
    return _made(inputs, _mlp(keras_on_torch().layers.Concatenate()(_embedded(inputs)), 16, 12, norm=norm))


def _two_tower() -> Made:
    inputs = _inputs("user", "item")
    user, item = (_mlp(x, 16, last=8) for x in _embedded(inputs))
    return _made(inputs, keras_on_torch().layers.Dot(1)([user, item]))


def _wide_and_deep() -> Made:
    inputs, layers = _inputs(*SIZES), keras_on_torch().layers
    wide = layers.Add()([layers.Embedding(SIZES[x.name], 1)(x) for x in inputs])
    return _made(inputs, layers.Add()([wide, _mlp(layers.Concatenate()(_embedded(inputs)), 16, 12)]))


def _neumf() -> Made:
    inputs, layers = _inputs("user", "item"), keras_on_torch().layers
    factors = layers.Multiply()(_embedded(inputs))
    deep = _mlp(layers.Concatenate()(_embedded(inputs)), 16, last=12)
    return _made(inputs, layers.Dense(1)(layers.Concatenate()([factors, deep])))


def _tasks() -> Made:
    inputs, layers = _inputs(*SIZES), keras_on_torch().layers
    bottom = layers.Dense(16, activation="gelu")(layers.Concatenate()(_embedded(inputs)))
    return _made(inputs, [_mlp(bottom, 8), _mlp(bottom, 8)])


def _sequence(kind: str) -> Made:
    keras = keras_on_torch()
    layers, past = keras.layers, keras.Input((LENGTH,), dtype="int32", name="past")
    x = layers.Embedding(40, DIM)(past)
    if kind == "attention":
        y = layers.MultiHeadAttention(num_heads=2, key_dim=4)(x, x, use_causal_mask=True)
        x = layers.LayerNormalization()(layers.Add()([x, y]))
        y = layers.Dense(DIM)(layers.Dense(16, activation="relu")(x))
        x = layers.LayerNormalization()(layers.Add()([x, y]))[:, -1]
    elif kind == "convolution":
        x = layers.GlobalMaxPooling1D()(layers.Conv1D(12, 3, activation="relu")(x))
    else:
        x = layers.GlobalAveragePooling1D()(x)
    model = keras.Model([past], layers.Dense(40, use_bias=False)(x))
    return model, ([torch.randint(1, 40, (5, LENGTH))],)


def _dcn(**more: Any) -> Made:
    inputs, layers, rs = _inputs(*SIZES), keras_on_torch().layers, _rs()
    first = x = layers.Concatenate()(_embedded(inputs))
    for _ in range(2):
        x = rs.FeatureCross(**more)(first, x)
    return _made(inputs, _mlp(x, 16))


def _dlrm() -> Made:
    inputs, layers, rs = _inputs(*SIZES), keras_on_torch().layers, _rs()
    fields = _embedded(inputs)
    return _made(inputs, _mlp(layers.Concatenate()([rs.DotInteraction()(fields), fields[0]]), 16))


KERAS: dict[str, Callable[[], Made]] = {
    "convolution over the past": lambda: _sequence("convolution"),
    "deep and batch norm": lambda: _deep("BatchNormalization"),
    "deep and layer norm": lambda: _deep("LayerNormalization"),
    "deep": _deep,
    "mean of the past": lambda: _sequence("mean"),
    "NeuMF": _neumf,
    "SASRec": lambda: _sequence("attention"),
    "shared bottom": _tasks,
    "two towers": _two_tower,
    "wide and deep": _wide_and_deep,
}
KERAS_RS: dict[str, Callable[[], Made]] = {
    "DCNv2": _dcn,
    "DCNv2 (low rank)": lambda: _dcn(projection_dim=6),
    "DLRM": _dlrm,
}
