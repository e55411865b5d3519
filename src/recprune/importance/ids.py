"""What the loss would be without an id: for all ids in one pass a column, and one before."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from recprune.importance.passes import Batch, Loss, as_it_was, row_losses, same_answers
from recprune.tracing.inputs import call
from recprune.tracing.site import Site, Survey

__all__ = ["one_id", "rise_by_id", "speak_alone"]


def rise_by_id(
    model: nn.Module,
    tensors: Mapping[str, Tensor],
    site: Site,
    places: Sequence[int],
    batches: Sequence[Batch],
    loss: Loss,
    counts: Tensor | None,
    survey: Survey,
) -> Tensor:
    """(site.size,) float64: the sum, over the rows that hold an id, of the rise of their loss, over all rows.

    places: which inputs hold the ids; a row holds an id once, in however many of them it stands.
    The fall-back row holds the mean row of the column meanwhile, weighed by counts.
    """
    rise = torch.zeros(site.size + 1, dtype=torch.float64)
    rows = 0
    for inputs, target in batches:
        with _mean_row(tensors, site, counts, survey):
            before = row_losses(model(*inputs), target, loss)
        for nth, place in enumerate(places):
            ids = inputs[place]
            told = [inputs[other] == ids for other in places[:nth]]
            changed = [torch.where(x == ids, 0, x) if i in places else x for i, x in enumerate(inputs)]
            with _mean_row(tensors, site, counts, survey):
                after = row_losses(model(*changed), target, loss)
            new = ~torch.stack(told).any(0) if told else torch.ones_like(ids, dtype=torch.bool)
            rise.index_add_(0, ids.long().cpu(), ((after - before) * new).double().cpu())
        rows += len(target)
    return rise[1:] / max(rows, 1)


def one_id(batch: Batch, place: int) -> bool:
    """Whether that input holds one number a row of the target."""
    ids, target = batch[0][place], batch[1]
    return isinstance(ids, Tensor) and ids.dim() == 1 and target.dim() > 0 and len(ids) == len(target)


def speak_alone(model: nn.Module, batch: Batch, places: Sequence[int]) -> bool:
    """Whether the ids of a row change the answers of no other row: those of every second row are changed.

    In the inputs at these places, which hold one id a row; in three passes.
    """
    inputs, target = batch
    with as_it_was(model), torch.no_grad():
        plain = call(model, inputs)
        if not isinstance(plain, Tensor) or not plain.dim() or len(plain) != len(target):
            return False
        second = (torch.arange(len(target)) % 2 == 1).to(target.device)
        for changing in (second, ~second):
            other = [
                torch.where(changing, torch.where(x == 0, x.max(), 0), x) if i in places else x
                for i, x in enumerate(inputs)
            ]
            stays = ~changing.to(plain.device)
            if not same_answers(plain[stays], call(model, other)[stays]):
                return False
    return True


@contextmanager
def _mean_row(tensors: Mapping[str, Tensor], site: Site, counts: Tensor | None, survey: Survey) -> Iterator[None]:
    """Inside, the row that answers for ids that left is the mean of the site's rows; afterwards it is as it was."""
    before = []
    weights = torch.ones(site.size, dtype=torch.float64) if counts is None else counts.clamp(min=0) + 1e-9
    try:
        for cut in (cut for cut in site.cuts if tensors[cut.tensor].is_floating_point()):
            table = tensors[cut.tensor].detach()
            rows = table.narrow(0, cut.start, site.size).double()
            mean = (weights.to(rows).view(-1, *(1 for _ in rows.shape[1:])) * rows).sum(0) / weights.sum()
            before.append((table, cut.start - 1, table[cut.start - 1].clone()))
            table[cut.start - 1] = mean.to(table)
        yield
    finally:
        for table, row, numbers in before:
            table[row] = numbers
