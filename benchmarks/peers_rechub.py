"""Small models of torch-rechub, built as its users build them: name -> maker of (model, example)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["MODELS"]

Made = tuple[nn.Module, tuple[Any, ...]]
SIZES = {"user": 30, "city": 12, "item": 40, "kind": 9}
LENGTH, DIM = 6, 8


def _ids() -> dict[str, Tensor]:
    x = {name: torch.randint(1, size, (5,)) for name, size in SIZES.items()}
    x |= {name: torch.randint(1, 40, (5, LENGTH)) for name in ("past", "seq")}
    x |= {"past_kind": torch.randint(1, 9, (5, LENGTH)), "past_not": torch.randint(1, 40, (5, LENGTH))}
    x |= {"neg": torch.randint(1, 40, (5, 3)), "other": torch.randint(1, 40, (5,)), "price": torch.rand(5)}
    return x


def _sparse(*names: str, dim: int = DIM, times: int = 1) -> list[Any]:
    from torch_rechub.basic.features import SparseFeature

    return [SparseFeature(name, vocab_size=times * SIZES[name], embed_dim=dim) for name in names]


def _past(pooling: str, name: str = "past", of: str = "item") -> list[Any]:
    from torch_rechub.basic.features import SequenceFeature

    return [SequenceFeature(name, vocab_size=SIZES[of], embed_dim=DIM, pooling=pooling, shared_with=of)]


def _dense() -> list[Any]:
    from torch_rechub.basic.features import DenseFeature

    return [DenseFeature("price")]


def _fields() -> list[Any]:
    return _sparse(*SIZES)


def _mlp(*dims: int, **more: Any) -> dict[str, Any]:
    return {"dims": list(dims or (16, 8)), "dropout": 0.1, "activation": "relu", **more}


def _ranking(name: str, *args: Any, **more: Any) -> Made:
    import torch_rechub.models.ranking as ranking

    return getattr(ranking, name)(*args, **more), (_ids(),)


def _matching(name: str, *args: Any, **more: Any) -> Made:
    import torch_rechub.models.matching as matching

    return getattr(matching, name)(*args, **more), (_ids(),)


def _tasks(name: str, *args: Any, **more: Any) -> Made:
    import torch_rechub.models.multi_task as tasks

    return getattr(tasks, name)(*args, **more), (_ids(),)


def _towers() -> list[dict[str, Any]]:
    return [_mlp(8), _mlp(8)]


def _neg(pooling: str = "concat") -> list[Any]:
    return _past(pooling, "neg")


def _bst() -> Made:
    return _ranking("BST", _sparse("user", "city"), _past("concat"), _sparse("item"), _mlp(), nhead=2)


def _dien() -> Made:
    past, not_past = _past("concat"), _past("concat", "past_not")
    return _ranking("DIEN", _sparse("user", "city"), past, not_past, _sparse("item"), {"dims": [16, 8]})


def _din() -> Made:
    attention = {"dims": [12], "activation": "dice"}
    past = _past("concat") + _past("concat", "past_kind", "kind")
    return _ranking("DIN", _sparse("user", "city"), past, _sparse("item", "kind"), {"dims": [16, 8]}, attention)


def _narm() -> Made:
    return _matching("NARM", _seq()[0], 10, 0.1, 0.1)


def _stamp() -> Made:
    return _matching("STAMP", _seq()[0], 0.05, 0.002)


def _seq() -> list[Any]:
    from torch_rechub.basic.features import SequenceFeature

    return [SequenceFeature("seq", vocab_size=40, embed_dim=DIM, pooling="concat")]


def _sasrec() -> Made:
    from torch_rechub.basic.features import SequenceFeature

    features = [*_seq(), *(SequenceFeature(n, 40, DIM, "concat", shared_with="seq") for n in ("past", "past_not"))]
    model, (x,) = _matching("SASRec", features, max_len=LENGTH, num_heads=2)
    return model, ({**x, "pos": x["past"], "neg": x["past_not"]},)


def _facebook() -> Made:
    from torch_rechub.basic.features import SparseFeature

    negative = [SparseFeature("other", 40, DIM, shared_with="item")]
    return _matching("FaceBookDSSM", _sparse("user", "city"), _sparse("item"), negative, _mlp(16, 24), _mlp(16, 24))


def _hstu() -> Made:
    import torch_rechub.models.generative as generative

    model = generative.HSTUModel(40, d_model=16, n_heads=2, n_layers=2, dqk=8, dv=8, max_seq_len=LENGTH)
    return model, (torch.randint(1, 40, (5, LENGTH)), torch.randint(0, 900, (5, LENGTH)))


def _user_and_past(name: str, *more: Any, **named: Any) -> Made:
    return _matching(name, _sparse("user", "city"), _past("concat"), _sparse("item"), _neg(), *more, **named)


def _youtube() -> Made:
    user = _sparse("user", "city") + _past("mean")
    return _matching("YoutubeDNN", user, _sparse("item"), _neg(), _mlp(16, DIM))


MODELS: dict[str, Callable[[], Made]] = {
    "AFM": lambda: _ranking("AFM", _fields(), DIM, t=8),
    "AutoInt": lambda: _ranking("AutoInt", _fields(), _dense(), num_layers=2, mlp_params=_mlp()),
    "BST": _bst,
    "DCN": lambda: _ranking("DCN", _dense() + _fields(), 2, _mlp()),
    "DCNv2": lambda: _ranking("DCNv2", _fields(), 2, _mlp(), low_rank=6),
    "DeepFFM": lambda: _ranking("DeepFFM", _sparse(*SIZES, dim=1), _sparse(*SIZES, times=4), DIM, _mlp()),
    "DeepFM": lambda: _ranking("DeepFM", _dense() + _fields(), _fields(), _mlp()),
    "DIEN": _dien,
    "DIN": _din,
    "EDCN": lambda: _ranking("EDCN", _fields(), 2, _mlp()),
    "FatDeepFFM": lambda: _ranking("FatDeepFFM", _sparse(*SIZES, dim=1), _sparse(*SIZES, times=4), DIM, 2, _mlp()),
    "FiBiNet": lambda: _ranking("FiBiNet", _fields(), _mlp(), reduction_ratio=2),
    "WideDeep": lambda: _ranking("WideDeep", _sparse("user", "item", dim=1), _sparse("city", "kind"), _mlp()),
    "ComirecDR": lambda: _user_and_past("ComirecDR", LENGTH, interest_num=2),
    "ComirecSA": lambda: _user_and_past("ComirecSA", interest_num=2),
    "DSSM": lambda: _matching("DSSM", _sparse("user", "city"), _sparse("item", "kind"), _mlp(), _mlp()),
    "FaceBookDSSM": _facebook,
    "GRU4Rec": lambda: _user_and_past("GRU4Rec", {"dims": [16, DIM], "activation": "relu"}),
    "MIND": lambda: _user_and_past("MIND", LENGTH, interest_num=2),
    "NARM": _narm,
    "SASRec": _sasrec,
    "STAMP": _stamp,
    "YoutubeDNN": _youtube,
    "AITM": lambda: _tasks("AITM", _fields(), 2, _mlp(), _towers()),
    "ESMM": lambda: _tasks("ESMM", _sparse("user", "city"), _sparse("item", "kind"), _mlp(), _mlp()),
    "MMOE": lambda: _tasks("MMOE", _fields(), ["classification"] * 2, 3, _mlp(), _towers()),
    "PLE": lambda: _tasks("PLE", _fields(), ["classification"] * 2, 2, 2, 1, _mlp(), _towers()),
    "SharedBottom": lambda: _tasks("SharedBottom", _fields(), ["classification"] * 2, _mlp(), _towers()),
    "HSTU": _hstu,
}
