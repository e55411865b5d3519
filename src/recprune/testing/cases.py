"""Tiny modules with a survey written by hand: what a rule is checked on, before and without any tracing."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from recprune.encodings.item_item import ItemItem
from recprune.tracing.site import FLAT, Cut, Kind, Site, Survey

__all__ = ["Case", "tiny_cases", "tiny_factors", "tiny_fields", "tiny_item_item", "tiny_mlp", "tiny_pairs"]


@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """A module, its survey, and what a probe asks for."""

    name: str
    model: nn.Module
    survey: Survey
    batches: tuple[tuple[tuple[Tensor, ...], Tensor], ...]
    loss: Callable[[Tensor, Tensor], Tensor]
    counts: Mapping[str, Tensor]


class _Factors(nn.Module):
    """user . item + bias of the item: (batch,) codes -> (batch, items) scores."""

    columns = ("user",)

    def __init__(self, users: int, items: int, dim: int) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(users, dim), nn.Embedding(items, dim)
        self.bias = nn.Parameter(torch.zeros(items))

    def forward(self, user: Tensor) -> Tensor:
        scores: Tensor = self.user(user) @ self.item.weight.T + self.bias
        return scores


class _ItemItem(nn.Module):
    """history (batch, items) -> scores (batch, items)."""

    columns = ("history",)

    def __init__(self, items: int) -> None:
        super().__init__()
        self.items = nn.Linear(items, items, bias=False)

    def forward(self, history: Tensor) -> Tensor:
        scores: Tensor = self.items(history)
        return scores


class _Pairs(nn.Module):
    """What the factors of items say of a history, and what those who had some of it had: (batch, items) scores."""

    columns = ("history",)

    def __init__(self, items: int, dim: int, pairs: Tensor) -> None:
        super().__init__()
        self.item, self.items = nn.Embedding(items, dim), ItemItem.encode(pairs, pairs.flatten().nonzero().flatten())

    def forward(self, history: Tensor) -> Tensor:
        scores: Tensor = history @ self.item.weight @ self.item.weight.T
        return scores + self.items.back(self.items(history))


class _Fields(nn.Module):
    """Two columns of codes that look up one table at their own offsets, and a layer over both: logits (batch,)."""

    columns = ("city", "hour")

    def __init__(self, sizes: tuple[int, int], dim: int) -> None:
        super().__init__()
        self.table, self.last = nn.Embedding(sum(sizes), dim), nn.Linear(2 * dim, 1)
        self.offsets: Tensor
        self.register_buffer("offsets", torch.tensor([0, sizes[0]]))

    def forward(self, *columns: Tensor) -> Tensor:
        ids = torch.stack(columns, 1) + self.offsets
        logits: Tensor = self.last(self.table(ids).flatten(1)).squeeze(1)
        return logits


def tiny_mlp(seed: int = 0) -> Case:
    """Linear(5, 6), BatchNorm1d, ReLU, Linear(6, 1): one site of 6 neurons, with running means that do not vote."""
    torch_seed = torch.Generator().manual_seed(seed)
    model = nn.Sequential(nn.Linear(5, 6), nn.BatchNorm1d(6), nn.ReLU(), nn.Linear(6, 1))
    _draw_(model, torch_seed)
    rows = ("0.weight", "0.bias", "1.weight", "1.bias", "1.running_mean", "1.running_var")
    cuts = (*(Cut(name, 0) for name in rows), Cut("3.weight", 1))
    batches = tuple(
        ((torch.randn(8, 5, generator=torch_seed),), torch.randn(8, 1, generator=torch_seed)) for _ in range(3)
    )
    survey = _survey(model, (Site("0.neuron", Kind.NEURON, 6, cuts),))
    return Case("mlp", model, survey, batches, nn.functional.mse_loss, {})


def tiny_factors(seed: int = 0) -> Case:
    """7 users, 5 items, 4 dims: a site of dims over both tables, one of user ids that fall back on row 0."""
    generator = torch.Generator().manual_seed(seed)
    model = _Factors(7, 5, 4)
    _draw_(model, generator)
    dims = Site("user+item.dim", Kind.DIM, 4, (Cut("user.weight", 1), Cut("item.weight", 1)))
    ids = Site("user.id", Kind.ID, 6, (Cut("user.weight", 0, start=1),), column="user", fallback=0)
    codes = [torch.tensor([1, 2, 2, 3]), torch.tensor([4, 5, 6, 2])]
    batches = tuple(((user,), torch.randn(4, 5, generator=generator)) for user in codes)
    counts = {"user": torch.bincount(torch.cat(codes), minlength=7)}
    survey = _survey(model, (dims, ids), features=frozenset({"user.weight"}))
    return Case("factors", model, survey, batches, nn.functional.mse_loss, counts)


def tiny_item_item(seed: int = 0) -> Case:
    """An item-item matrix of 6 items: one site of 36 entries."""
    generator = torch.Generator().manual_seed(seed)
    model = _ItemItem(6)
    _draw_(model, generator)
    site = Site("items.entry", Kind.ENTRY, 36, (Cut("items.weight", FLAT),))
    histories = [(torch.rand(8, 6, generator=generator) < 0.4).float() for _ in range(2)]
    batches = tuple(((history,), history) for history in histories)
    counts = {"item": torch.cat(histories).sum(0)}
    return Case("item-item", model, _survey(model, (site,)), batches, nn.functional.mse_loss, counts)


def tiny_pairs(seed: int = 0) -> Case:
    """10 users who had some of 6 items, beside factors of these: one site of the pairs."""
    generator = torch.Generator().manual_seed(seed)
    had = (torch.rand(10, 6, generator=generator) < 0.5).float()
    had[:, 0] = 1
    model = _Pairs(6, 3, had / had.sum(1, keepdim=True).sqrt())
    with torch.no_grad():
        model.item.weight.copy_(torch.randn(6, 3, generator=generator))
    (offered,) = model.items.prunable()
    cuts = tuple(replace(cut, tensor=f"items.{cut.tensor}") for cut in offered.cuts)
    site = replace(offered, name="items.entry", cuts=cuts)
    batches = tuple(((rows,), rows) for rows in torch.split(had, 5))
    counts = {"item": had.sum(0)}
    return Case("pairs", model, _survey(model, (site,)), batches, nn.functional.mse_loss, counts)


def tiny_fields(seed: int = 0) -> Case:
    """Two fields of 5 and 4 codes in one table of 2 dims: a site for each field, one of the ids of the first."""
    generator = torch.Generator().manual_seed(seed)
    model = _Fields((5, 4), 2)
    _draw_(model, generator)
    city = (Cut("table.weight", 0, 0, 5), Cut("offsets", 0, 0), Cut("last.weight", 1, 0, 2))
    hour = (Cut("table.weight", 0, 5, 4), Cut("offsets", 0, 1), Cut("last.weight", 1, 2, 2))
    sites = (
        Site("city.field", Kind.FIELD, 1, city, column="city"),
        Site("hour.field", Kind.FIELD, 1, hour, column="hour"),
        Site("city.id", Kind.ID, 4, (Cut("table.weight", 0, 1),), column="city", fallback=0),
    )
    drawn = [(torch.randint(5, (8,), generator=generator), torch.randint(4, (8,), generator=generator)) for _ in "ab"]
    batches = tuple((codes, torch.randint(2, (8,), generator=generator).float()) for codes in drawn)
    counts = {
        name: torch.bincount(torch.cat([codes[n] for codes in drawn]), minlength=5 - n)
        for n, name in enumerate(model.columns)
    }
    survey = _survey(model, sites, features=frozenset({"table.weight"}))
    return Case("fields", model, survey, batches, nn.functional.binary_cross_entropy_with_logits, counts)


def tiny_cases(seed: int = 0) -> tuple[Case, ...]:
    """One of each: neurons, dims and ids, entries, fields, entries of what is sparse already."""
    return tiny_mlp(seed), tiny_factors(seed), tiny_item_item(seed), tiny_fields(seed), tiny_pairs(seed)


def _draw_(model: nn.Module, generator: torch.Generator) -> None:
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))


def _survey(model: nn.Module, sites: tuple[Site, ...], features: frozenset[str] = frozenset()) -> Survey:
    tensors = model.state_dict()
    return Survey(
        sites,
        {name: tuple(tensor.shape) for name, tensor in tensors.items()},
        {name: tensor.element_size() for name, tensor in tensors.items()},
        {},
        "written by hand",
        features=features,
        buffers=frozenset(name for name, _ in model.named_buffers()),
    )
