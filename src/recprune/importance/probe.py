"""Probe: what a rule may ask about a model: weights, gradients, inputs, the loss without a unit; each computed once."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Mapping
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from recprune.errors import SurveyError
from recprune.importance.averages import averaged_without
from recprune.importance.ids import one_id, rise_by_id, speak_alone
from recprune.importance.inputs import input_moments, inputs_of
from recprune.importance.passes import Batch, Loss, as_it_was, rows_of, shares
from recprune.importance.sweep import Sweep, sweep
from recprune.importance.units import entries_of, left_out
from recprune.tracing.inputs import laid_flat
from recprune.tracing.site import Cut, Kind, Site, Survey

__all__ = ["Probe"]

Made = TypeVar("Made")

Products = Callable[[int, int], Tensor]
"""(begin, end) -> those rows of a matrix of products."""


class Probe:
    """Lends a rule what it needs to know about a model. The model is asked in eval mode and left as it was, to the bit.

    batches: ((inputs, ...), target) pairs, the inputs in the order of the model's forward (a tensor by itself is the
    only one); loss(output, target) gives
    one number, the mean over its rows: batches count by their rows. counts: dataset column -> (codes,) how often each
    code occurs, code 0 first. metric(model) is an error of the whole model, lower is better (1 - NDCG, say); where it
    is given, `loss_without` measures by it instead of the loss over the batches.
    id_batches: for ids, where more rows are wanted than for all else, as each id needs rows that hold it.
    products: (begin, end) -> (end - begin, inputs) those rows of X'X, X being all that a model was solved on in closed
    form, where that is more than the batches.
    Raises SurveyError where the survey names tensors that the model does not have, in those shapes, and for batches of
    another kind.
    """

    def __init__(
        self,
        model: nn.Module,
        survey: Survey,
        batches: Iterable[Batch] = (),
        loss: Loss | None = None,
        counts: Mapping[str, NDArray[np.integer] | Tensor] | None = None,
        metric: Callable[[nn.Module], float] | None = None,
        id_batches: Iterable[Batch] = (),
        products: Products | None = None,
    ) -> None:
        self.model, self.survey, self.batches = model, survey, _together(batches)
        self._id_batches = _together(id_batches) or self.batches
        self._loss, self._counts, self._metric = loss, dict(counts or {}), metric
        self._products = products
        self._parameters = dict(model.named_parameters(remove_duplicate=False))
        self._tensors = {**self._parameters, **dict(model.named_buffers(remove_duplicate=False))}
        self._sizes: dict[Cut, set[int]] = {}
        self._moments: dict[str, tuple[Tensor, Tensor]] = {}
        self._made: dict[Hashable, Any] = {}
        for site in survey.sites:
            for cut in site.cuts:
                self._sizes.setdefault(cut, set()).add(site.size)
                self._check(cut)

    def once(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What `make` gives, made when it is first asked for under this key: for rules whose work serves many sites."""
        if key not in self._made:
            self._made[key] = make()
        made: Made = self._made[key]
        return made

    @property
    def ids_apart(self) -> bool:
        """Whether ids are rated on other rows than all else."""
        return self._id_batches is not self.batches

    def rows_for(self, kind: Kind) -> tuple[Batch, ...]:
        """The batches that units of a kind are rated on. Raises SurveyError where there are none."""
        return (self._batches() and self._id_batches) if kind is Kind.ID else self._batches()

    @property
    def criterion(self) -> Loss:
        """loss(output, target). Raises SurveyError where none was given."""
        return self._needed_loss()

    def weights(self, cut: Cut, size: int | None = None) -> Tensor:
        """(site.size, entries) the learnable numbers that each unit takes of one tensor; (site.size, 0) of a buffer.

        Half precision is lent in single. `size` is needed only where two sites of unlike size have this very cut.
        """
        size = self._size(cut, size)
        parameter = self._parameters.get(cut.tensor)
        if parameter is None:
            return torch.zeros(size, 0)
        values = parameter.detach()
        return entries_of(values.to(torch.promote_types(values.dtype, torch.float32)), cut, size)

    def gradients(self, cut: Cut, size: int | None = None) -> Tensor:
        """Like `weights`: the mean gradient of the loss over the batches."""
        size = self._size(cut, size)
        gradient = self._sweep.gradients.get(cut.tensor)
        return torch.zeros(size, 0) if gradient is None else entries_of(gradient, cut, size)

    def taylor(self, site: Site) -> Tensor:
        """(site.size,) float64: first-order change of the loss when a unit leaves, mean over the batches of |change|.

        The change in a batch is the sum of gradient · (w - w afterwards) over everything learnable that leaves with
        the unit; w afterwards is the fallback row's for ids that have one, otherwise 0. The sign is dropped batch by
        batch, so that batches that pull in opposite directions do not cancel. What a layer norm or a softmax over the
        units does when one leaves is of second order and not in it.
        """
        return self._sweep.worth[site.name]

    @cached_property
    def loss(self) -> float:
        """The mean loss over the batches, or the metric, with every unit in its place."""
        return self.loss_of(self.model)

    def loss_of(self, model: nn.Module) -> float:
        """The mean loss of another model over the same batches (or its metric): a masked copy of this one, say."""
        with as_it_was(model), torch.no_grad():
            if self._metric is not None:
                return float(self._metric(model))
            loss, batches = self._needed_loss(), self._batches()
            losses = [float(loss(model(*inputs), target)) for inputs, target in batches]
            return sum(share * one for share, one in zip(shares(batches), losses, strict=True))

    def loss_without(self, site: Site, unit: int) -> float:
        """The same with one unit left out: that of the masked model, which the smaller one equals.

        An id answers with the fallback row; layer norm, softmax and means are over the units that stay. The unit comes
        back to the bit.
        """
        with left_out(self._tensors, site, unit, self.survey.features), averaged_without(self.model, site, unit):
            return self.loss_of(self.model)

    def holds_one_id(self, site: Site) -> bool:
        """True where a row of the batches holds one id a column of the site, and its ids change the answers of no other
        row (as offsets into a list of ids do), so that `rise_without_ids` can tell."""
        if self._metric is not None:
            return False
        places = self.places(site)
        return bool(places) and self._one_id(places) and self._ids_speak_alone

    def rise_without_ids(self, site: Site) -> Tensor:
        """(site.size,) float64 rise of the mean loss when one id leaves and the mean row of its column answers for it.

        One pass, and one a column, for all ids together: only rows that hold an id change when it leaves, and each row
        holds one in a column. The loss must be a mean over rows.
        """
        places = self.places(site)
        if not places:
            raise SurveyError(f"site {site.name!r}: no input of the model is its column", site=site.name)
        counts = self.counts(site)
        with as_it_was(self.model), torch.no_grad():
            return rise_by_id(
                self.model, self._tensors, site, places, self._id_batches, self._needed_loss(), counts, self.survey
            )

    def places(self, site: Site) -> tuple[int, ...]:
        """Which inputs hold the site's ids; none where one of its columns is no input of its own."""
        columns: tuple[str, ...] = getattr(self.model, "columns", ())
        inputs = len(self._batches()[0][0])
        named = columns if len(columns) == inputs else tuple(f"input{i}" for i in range(inputs))
        return tuple(named.index(c) for c in site.columns) if set(site.columns) <= set(named) else ()

    @property
    def passes(self) -> int:
        """Forward passes that one measurement of the loss takes (a metric counts as one)."""
        return 1 if self._metric is not None else len(self.batches)

    def input_squares(self, tensor: str) -> Tensor:
        """(in_features,) float64 mean of x_j² over all rows that reach the nn.Linear whose weight is `tensor`."""
        return self._input_moments(tensor)[1]

    def input_means(self, tensor: str) -> Tensor:
        """(in_features,) float64 mean of x_j over the same rows."""
        return self._input_moments(tensor)[0]

    def input_products(self, tensor: str) -> Products:
        """(begin, end) -> (end - begin, in_features) those rows of X'X, X being the inputs of the linear layer whose
        matrix is `tensor`: all that the model was solved on where the probe was given it, otherwise the batches."""
        if self._products is not None:
            return self._products
        with as_it_was(self.model):
            x = self.once(("inputs", tensor), lambda: inputs_of(self.model, tensor, self._batches()))
        return lambda begin, end: x[:, begin:end].T @ x

    def _input_moments(self, tensor: str) -> tuple[Tensor, Tensor]:
        if tensor not in self._moments:
            with as_it_was(self.model):
                self._moments[tensor] = input_moments(self.model, tensor, self._batches())
        return self._moments[tensor]

    def counts(self, site: Site) -> Tensor | None:
        """(site.size,) float64 how often each unit's code occurs, over all columns of the site; None without counts."""
        known = [part for column in site.columns if (part := self._counts_of(site, column)) is not None]
        return torch.stack(known).sum(0) if known else None

    def _counts_of(self, site: Site, column: str) -> Tensor | None:
        values = self.column_counts(column)
        if values is None:
            return None
        first = site.cuts[0]
        begin = first.start - site.fallback if site.fallback is not None else max(len(values) - site.size, 0)
        if begin < 0 or begin + site.size > len(values):
            raise SurveyError(
                f"site {site.name!r}: counts of column {column!r} are {len(values)} numbers and do not reach "
                f"units {begin}..{begin + site.size - 1}; give one number a code, code 0 first",
                site=site.name,
                column=column,
            )
        return values[begin : begin + site.size]

    def column_counts(self, column: str) -> Tensor | None:
        """(codes,) float64 how often each code of a dataset column occurs; None where it was not given."""
        values = self._counts.get(column)
        return None if values is None else torch.as_tensor(values).to(torch.float64)

    def _one_id(self, places: Iterable[int]) -> bool:
        return all(one_id(batch, place) for batch in self.rows_for(Kind.ID) for place in places)

    @cached_property
    def _ids_speak_alone(self) -> bool:
        """Asked of the first batch of two rows or more, about all sites of ids together."""
        places = {p for s in self.survey.sites if s.kind is Kind.ID for p in self.places(s) if self._one_id((p,))}
        several = next((batch for batch in self.rows_for(Kind.ID) if rows_of(batch) > 1), None)
        return several is None or speak_alone(self.model, several, sorted(places))

    @cached_property
    def _sweep(self) -> Sweep:
        return sweep(self.model, self.survey, self._batches(), self._needed_loss())

    def _batches(self) -> tuple[Batch, ...]:
        if not self.batches:
            raise SurveyError("this rule looks at data: give the probe batches, or take a rule such as magnitude")
        return self.batches

    def _needed_loss(self) -> Loss:
        if self._loss is None:
            raise SurveyError("this rule looks at the loss: give the probe loss(output, target), or take magnitude")
        return self._loss

    def _size(self, cut: Cut, size: int | None) -> int:
        sizes = self._sizes.get(cut, set()) if size is None else {size}
        if len(sizes) != 1:
            raise SurveyError(
                f"{cut} stands in {'no site' if not sizes else f'sites of sizes {sorted(sizes)}'} of this survey; "
                "say the size: weights(cut, site.size)",
                cut=cut,
            )
        return next(iter(sizes))

    def _check(self, cut: Cut) -> None:
        tensor = self._tensors.get(cut.tensor)
        here = None if tensor is None else tuple(tensor.shape)
        there = self.survey.shapes.get(cut.tensor, here)
        if here is None or here != tuple(there or ()):
            raise SurveyError(
                f"this survey was made of another model: {cut.tensor} is {there} there and "
                f"{'missing' if here is None else here} here. Survey this model again.",
                tensor=cut.tensor,
            )


def _together(batches: Iterable[Batch]) -> tuple[Batch, ...]:
    """Inputs as arguments of forward, one tensor as the only one, and targets where these are."""
    return tuple(_batch(*batch) for batch in batches)


def _batch(inputs: Any = None, target: Any = None, *more: Any) -> Batch:
    """One of them. Raises SurveyError for what is no ((inputs, ...), target)."""
    inputs = (inputs,) if isinstance(inputs, Tensor) else inputs
    if more or not isinstance(inputs, tuple | list) or not isinstance(target, Tensor):
        raise SurveyError(
            f"a batch is ((inputs, ...), target): arguments of forward in their order, and one tensor; this one is of "
            f"{type(inputs).__name__} and {type(target).__name__}{f' and {len(more)} more' if more else ''}. Several "
            "targets go side by side into one tensor (torch.stack(..., 1)), which the loss takes apart"
        )
    return tuple(inputs), _beside(target, tuple(inputs))


def _beside(target: Tensor, inputs: tuple[Any, ...]) -> Tensor:
    """The target on the device of the first tensor of the inputs, however they nest."""
    first = next(iter(laid_flat(inputs).values()), target)
    return target.to(first.device)
