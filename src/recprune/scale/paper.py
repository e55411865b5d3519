"""on_paper(): what it costs to prune a model that is known by its sizes alone; no number of it is drawn or read."""

from __future__ import annotations

import inspect
import math
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from recprune import discover, models
from recprune.errors import BudgetError, ExtensionError, RecpruneError, SurveyError
from recprune.planning.account import Account, Row
from recprune.recipe.shelf import drawn
from recprune.scale.cost import Cost, tables_cost
from recprune.tracing.site import Kind, Survey
from recprune.tracing.trace import survey
from recprune.tracing.weightless import weightless

__all__ = ["Paper", "on_paper"]

FINEST = 60
"""How often the share of ids that leave is halved in search of it."""


@dataclass(frozen=True, slots=True)
class Paper:
    """account: tensors before and after. share: of the ids of every site, those that leave. costs: table -> what it
    costs to cut it where it lies in `shards` files."""

    account: Account
    share: float
    costs: Mapping[str, Cost]
    shards: int

    @property
    def cost(self) -> Cost:
        """Of all tables, one after the other: a worker holds what the largest one needs."""
        every = list(self.costs.values())
        read, written, sent = (sum(getattr(one, name) for one in every) for name in ("read", "written", "sent"))
        return Cost(read, written, sent, max(one.memory for one in every), max(one.workers for one in every))

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        costs = {name: {**asdict(one), "each": one.each} for name, one in self.costs.items()}
        total = {**asdict(self.cost), "each": self.cost.each}
        return {"share": self.share, "shards": self.shards, **self.account.to_dict(), "cost": total, "tables": costs}


def on_paper(
    name: str,
    rows: Mapping[str, int],
    *,
    settings: Mapping[str, Any] | None = None,
    factor: float | None = None,
    bytes: int | None = None,
    shards: int = 1,
    workers: int = 1,
) -> Paper:
    """A plan of the model of that name (a file of `recprune.models`, or "package.module:Class"), on paper.

    rows: column -> rows of its table, row 0 included; 0 for a column of numbers. settings: of the constructor. Either
    the share `factor` of all parameters leaves, or so much that all tensors take `bytes` at most: ids only, the same
    share of those of every site, for which ids these are cannot be said without a model. Raises BudgetError where ids
    are too few for that, ExtensionError for a name, a setting or rows that the model does not take, SurveyError for a
    model that needs its numbers to be surveyed.
    """
    if (factor is None) == (bytes is None):
        raise BudgetError("on paper a budget is a factor or bytes, one of them")
    if factor is not None and not 0 <= factor < 1:
        raise BudgetError(f"factor is 0 to below 1, not {factor!r}", factor=factor)
    found = _surveyed(name, rows, settings or {})
    share = _share(found, factor, bytes)
    return Paper(_account(found, share), share, tables_cost(found, share, shards=shards, workers=workers), shards)


def _surveyed(name: str, rows: Mapping[str, int], settings: Mapping[str, Any]) -> Survey:
    with weightless():
        model = _made(name, rows, settings)
    tables: Any = {column: range(size) for column, size in rows.items() if size}  # as long as vocabularies would be
    try:
        return survey(model, drawn(model, tables))
    except RuntimeError as error:
        if isinstance(error, RecpruneError):
            raise
        raise SurveyError(f"{name} cannot be planned on paper, for it needs its numbers: {error}") from error


def _made(name: str, rows: Mapping[str, int], settings: Mapping[str, Any]) -> nn.Module:
    """The model; its constructor takes sizes as all of ours do: users and items, or fields."""
    found: Callable[..., nn.Module] = discover.load(models, name)
    takes = inspect.signature(found).parameters
    sized: dict[str, Any] = {f"n_{one}s": rows[one] for one in ("user", "item") if one in rows and f"n_{one}s" in takes}
    if "fields" in takes:
        fields = [one for one in rows if f"n_{one}s" not in takes]
        sized |= {"fields": tuple(fields), "sizes": tuple(rows[one] for one in fields)}
    lacking = [one for one in ("user", "item") if f"n_{one}s" in takes and not rows.get(one)]
    spare = [one for one in rows if "fields" not in takes and f"n_{one}s" not in takes]
    if lacking or spare:
        what = f"needs rows of {lacking[0]!r}" if lacking else f"has no table of {spare[0]!r}"
        raise ExtensionError(f"{name} {what}: say the rows of its tables, as in user=1000000 item=50000", name=name)
    try:
        return found(**sized, **settings)
    except (TypeError, ValueError, RuntimeError) as error:
        if isinstance(error, RecpruneError):
            raise
        raise ExtensionError(f"{name} cannot be made with {dict(settings)}: {error}", name=name) from error


def _share(found: Survey, factor: float | None, bytes: int | None) -> float:
    """The smallest share of the ids of every site that meets the budget, and leaves an id to each."""
    sizes = [site.size for site in found.sites if site.kind is Kind.ID]

    def met(share: float) -> bool:
        account = _account(found, share)
        return account.bytes_after <= bytes if bytes is not None else account.share_removed >= (factor or 0.0)

    low, high = 0.0, max(0.0, 1 - 1 / min(sizes)) if sizes else 0.0
    if not met(high):
        most, amount = _account(found, high), f"factor {factor}" if bytes is None else f"{bytes:,} bytes"
        raise BudgetError(
            f"{amount} cannot be met by ids alone: at most {most.share_removed:.4f} of {most.parameters_before:,} "
            f"parameters can go, which leaves {most.bytes_after:,} bytes"
        )
    if met(low):
        return low
    for _ in range(FINEST):
        middle = (low + high) / 2
        low, high = (low, middle) if met(middle) else (middle, high)
    return high


def _account(found: Survey, share: float) -> Account:
    """What is left of every tensor where that share of the ids of every site leaves."""
    gone: Counter[tuple[str, int]] = Counter()
    for site in found.sites:
        if site.kind is Kind.ID:
            for cut in site.cuts:
                gone[cut.tensor, cut.dim] += round(site.size * share) * cut.width
    rows = []
    for tensor, before in found.shapes.items():
        after, width = tuple(size - gone[tensor, dim] for dim, size in enumerate(before)), found.bytes_per_entry[tensor]
        entries, left = math.prod(before), math.prod(after)
        kinds = {"feature": tensor in found.features, "learned": tensor not in found.buffers}
        rows.append(Row(tensor, before, after, left, entries * width, left * width, **kinds))
    return Account(tuple(rows))
