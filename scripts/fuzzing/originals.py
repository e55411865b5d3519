"""Artifacts as they should be, of many kinds: what the mutations are of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

import recprune
from recprune.artifact import record, save
from recprune.artifact.speeds import Speeds, Took
from recprune.artifact.writing import checksum
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.packing import pack
from recprune.recipe.agree import agree
from recprune.testing import tiny_split

__all__ = ["Files", "Original", "originals"]

Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, eq=False)
class Original:
    """An artifact by its files, and what its model can be asked."""

    files: Files
    example: tuple[Tensor, ...]


def originals(home: Path) -> list[Original]:
    """Pruned, packed, by entries, with vocabularies, plan, proof and a record of runtimes. home: an empty folder."""
    torch.manual_seed(0)
    return [*_pruned(home), *_packed(home)]


def _pruned(home: Path) -> Iterator[Original]:
    split = tiny_split(users=12, items=10)
    history = (torch.rand(2, len(split.vocabularies["item"])) > 0.5).float()
    for name, inputs in (("mf", (torch.tensor([1, 2]),)), ("ease", (history,))):
        model = recprune.build(name, split, seed=1)
        for parameter in model.parameters():
            parameter.data.add_(torch.randn_like(parameter))
        small = recprune.prune(model, split, 0.4, rule="magnitude", finetuned=False)
        proof = agree(model, small.plan, small.model, split.vocabularies, requests=20)
        folder = home / f"{name}-pruned"
        save(folder, small.model, vocabularies=small.vocabularies, plan=small.plan, proof=proof, notes={"a": [1]})
        yield Original(_read(folder), inputs)


def _packed(home: Path) -> Iterator[Original]:
    for number, (model, encodings, inputs) in enumerate(_models()):
        folder = home / f"packed-{number}"
        save(folder, pack(model, encodings) if encodings else model)
        if isinstance(model, DeepFM):
            one = Took(1.5, 1.0, 2.0)
            record(folder, Speeds(checksum(model), "here", {1: {"eager": one, "kernels": one}}, {1: "kernels"}))
        yield Original(_read(folder), inputs)


def _models() -> list[tuple[nn.Module, Mapping[str, str], tuple[Tensor, ...]]]:
    """Models, the encodings of their tensors, and what they can be asked."""
    ids, fields = torch.tensor([1, 2]), (torch.tensor([1, 2]), torch.tensor([3, 0]))
    return [
        (MF(16, 18, 16), {"user.weight": "int8_rows", "item.weight": "sparse_rows"}, (ids,)),
        (MF(16, 18, 16), {"user.weight": "int4_rotated_rows(seed=3)", "item.weight": "top_entries(k=3)"}, (ids,)),
        (MF(500, 64, 16), {"user.weight": "product_rows", "item.weight": "sparse_rows(entries=60,bits=4)"}, (ids,)),
        (DeepFM(["a", "b"], [25, 27], dim=12, hidden=(16,)), {}, fields),
        (Caser(22, 5, 14, 3, (1, 2), 2), {}, (torch.ones(2, 5, dtype=torch.int64),)),
        (Ease(9), {}, (torch.ones(2, 9),)),
    ]


def _read(folder: Path) -> Files:
    return {path.name: path.read_bytes() for path in folder.iterdir()}
