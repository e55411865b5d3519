"""A unit that says the same to every row: what it says in the mean over the data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.consumers import input_cuts
from recprune.importance.probe import Probe
from recprune.importance.sweep import Answer
from recprune.importance.units import entries_of
from recprune.tracing.site import Cut, Kind, Site, Survey

__all__ = ["by_mean_row", "inputs_at_their_mean", "no_mean", "read_means", "rows_at_their_mean"]


def by_mean_row(counts: Tensor | None) -> Answer:
    """What stands where a field or an id has left: the mean row of its table. counts: (rows,) how often each occurs;
    all alike where it is None or of another length. Tensors that are looked up by nothing keep their numbers."""

    def answer(tensor: Tensor, site: Site, cut: Cut, features: frozenset[str]) -> Tensor | None:
        if cut.tensor not in features or (cut.dim != 0 and site.kind is not Kind.FIELD):
            return entries_of(tensor, cut, site.size)
        if cut.dim != 0:
            return entries_of(_mean(tensor, counts).expand_as(tensor), cut, 1)
        rows = cut.width if site.kind is Kind.FIELD else site.size
        mean = _mean(tensor.narrow(0, cut.start, rows), counts).flatten()
        return mean.repeat(rows).reshape(1, -1) if site.kind is Kind.FIELD else mean.reshape(1, -1)

    return answer


@contextmanager
def rows_at_their_mean(model: nn.Module, survey: Survey, site: Site, counts: Tensor | None) -> Iterator[None]:
    """Inside, every row of the field holds the mean row; afterwards they are back to the bit."""
    tensors: Mapping[str, Tensor] = dict(model.named_parameters(remove_duplicate=False))
    before = []
    try:
        for cut in site.cuts:
            if cut.tensor in survey.features and cut.tensor in tensors:
                rows = tensors[cut.tensor].detach().narrow(cut.dim, cut.start, cut.width)
                before.append((rows, rows.clone()))
                rows.copy_(_mean(rows, counts).expand_as(rows))
        yield
    finally:
        for rows, numbers in reversed(before):
            rows.copy_(numbers)


@contextmanager
def inputs_at_their_mean(model: nn.Module, site: Site, unit: int, means: Mapping[str, Tensor]) -> Iterator[None]:
    """Inside, the linear layers that read the unit read its mean. means: matrix -> (inputs,) mean of each."""

    def hold(cut: Cut) -> Any:
        begin = cut.start + unit * cut.width

        def hook(_: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            x = args[0].clone()
            x[..., begin : begin + cut.width] = means[cut.tensor][begin : begin + cut.width].to(x)
            return (x, *args[1:])

        return hook

    hooks = [layer.register_forward_pre_hook(hold(cut)) for cut, layer in input_cuts(model, site)]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _mean(rows: Tensor, counts: Tensor | None) -> Tensor:
    """(1, ...) the mean row, weighed by counts."""
    weights = torch.ones(len(rows), dtype=torch.float64) if counts is None or len(counts) != len(rows) else counts
    weights = (weights.double().clamp(min=0) + 1e-9).to(rows.device)
    flat = rows.double().reshape(len(rows), -1)
    return ((weights[:, None] * flat).sum(0) / weights.sum()).to(rows.dtype).reshape(1, *rows.shape[1:])


def read_means(site: Site, probe: Probe) -> dict[str, Tensor]:
    """Weight -> the mean of what it reads, for units that linear layers alone read.

    Raises SurveyError where other layers read them too, or no row of the batches reaches a layer.
    """
    read = {cut.tensor for cut, _ in input_cuts(probe.model, site)}
    made = {cut.tensor for cut in site.cuts if cut.dim == 0} - probe.survey.features
    if not read or {cut.tensor for cut in site.cuts} - read - made:
        raise no_mean(site, "not only linear layers read it")
    try:
        return {tensor: probe.input_means(tensor) for tensor in read}
    except SurveyError as error:
        raise SurveyError(f"site {site.name!r}: {error}", site=site.name) from error


def no_mean(site: Site, why: str) -> SurveyError:
    """What is raised where a unit says nothing in the mean."""
    return SurveyError(
        f"site {site.name!r} of kind {site.kind}: what it says in the mean is not known, {why}; score it by taylor "
        "or mse_increase",
        site=site.name,
        kind=site.kind,
    )
