"""The contract of a rule."""

from __future__ import annotations

import copy

import torch
from torch import Tensor

from recprune.errors import RecpruneError
from recprune.importance.probe import Probe
from recprune.importance.score import Rule
from recprune.testing.cases import Case, tiny_cases
from recprune.tracing.site import FLAT, Cut, Kind, Site

__all__ = ["check_rule"]


def check_rule(rule: Rule, cases: tuple[Case, ...] | None = None) -> None:
    """Assert that a rule keeps the contract, on tiny models with neurons, dims, ids, entries, fields (or on `cases`):

    shape (site.size,), finite, the same when asked again, the model unchanged to the bit, and no favourite number:
    renumbering the units of a site renumbers their scores, or (a rule that looks at no numbers) changes nothing.
    A rule may refuse a kind of unit with an error of recprune; it must score at least one.
    """
    scored = [_check_site(rule, case, site) for case in cases or tiny_cases() for site in case.survey.sites]
    assert any(scored), f"{rule!r} refuses every kind of unit that it was asked about"


def _check_site(rule: Rule, case: Case, site: Site) -> bool:
    where = f"{rule!r} on {site.name!r} of {case.name}"
    before = copy.deepcopy(case.model.state_dict())
    modes = [module.training for module in case.model.modules()]
    worth, refusal = None, ""
    try:
        worth = rule(site, _probe(case))
    except RecpruneError as error:
        refusal = str(error)
    if refusal:
        assert site.name in refusal, f"{where}: the refusal does not name the site: {refusal}"
        return False
    assert isinstance(worth, Tensor), f"{where}: a rule gives a tensor, not {type(worth).__name__}"
    assert worth.shape == (site.size,), f"{where}: shape {tuple(worth.shape)}, expected ({site.size},)"
    assert worth.is_floating_point(), f"{where}: {worth.dtype} is not a floating type"
    assert bool(torch.isfinite(worth).all()), f"{where}: scores that are not finite: {worth}"
    assert torch.equal(worth, rule(site, _probe(case))), f"{where}: asked twice, it says two things"
    for name, tensor in case.model.state_dict().items():
        assert torch.equal(tensor, before[name]), f"{where}: {name} is not what it was"
    assert [m.training for m in case.model.modules()] == modes, f"{where}: a training flag is not what it was"
    assert all(p.grad is None for p in case.model.parameters()), f"{where}: it left gradients behind"
    if site.kind in (Kind.NEURON, Kind.DIM):
        _check_renumbering(rule, case, site, worth, where)
    return True


def _check_renumbering(rule: Rule, case: Case, site: Site, worth: Tensor, where: str) -> None:
    order = torch.arange(site.size).roll(1)
    other = copy.deepcopy(case.model)
    tensors = {**dict(other.named_parameters()), **dict(other.named_buffers())}
    for cut in site.cuts:
        _renumber_(tensors[cut.tensor], cut, order)
    again = rule(site, Probe(other, case.survey, case.batches, case.loss, case.counts))
    close = torch.allclose(again, worth[order], rtol=1e-3, atol=1e-5 * float(worth.abs().max()) + 1e-12)
    assert close or torch.equal(again, worth), f"{where}: units renumbered, and the scores are others than before"


def _renumber_(tensor: Tensor, cut: Cut, order: Tensor) -> None:
    """The units of one cut (width 1, as in the tiny cases) in another order, in place."""
    assert cut.width == 1, f"{cut} is wider than 1; give check_rule cases of width 1"
    assert cut.dim != FLAT, f"{cut} is of entries, which have no order"
    place = tensor.detach().narrow(cut.dim, cut.start, len(order))
    place.copy_(place.index_select(cut.dim, order))


def _probe(case: Case) -> Probe:
    return Probe(case.model, case.survey, case.batches, case.loss, case.counts)
