import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

import recprune
from recprune.errors import DataError
from recprune.models.fism import Fism
from recprune.models.mixture import Mixture
from recprune.testing import tiny_split
from recprune.training.fit import FitOptions, fit

ONCE = FitOptions(epochs=2, batch=16, lr=0.03)


@pytest.fixture
def split():
    return tiny_split(users=60)


def walks(split):
    """(from, to) how likely a walk over a user leads from item to item, written out."""
    x = split.train.histories().once().matrix().toarray()
    x[:, 0] = 0
    users, items = np.maximum(x.sum(1), 1), np.maximum(x.sum(0), 1)
    found = (x / items).T @ (x / users[:, None])
    np.fill_diagonal(found, 0)
    return found


def started(split, **options):
    model = recprune.build("mixture", split, dim=4, **options)
    model.start_(split.train.histories())
    return model.eval()


def test_an_entry_is_how_likely_a_walk_over_a_user_is(split):
    model = started(split, k=split.train.n_items)
    assert np.allclose(model.items.dense().detach().numpy().T, walks(split), atol=1e-6)


def test_a_score_is_the_logarithm_of_the_mixture(split):
    model, history = started(split, k=split.train.n_items, share=0.7), torch.zeros(2, split.train.n_items)
    history[0, [2, 5]] = 1
    history[1, 3] = 1
    factors = Fism(split.train.n_items, 4)
    factors.item.weight.data.copy_(model.item.weight)
    near = history.numpy() @ walks(split)
    wanted = torch.softmax(factors(history), 1) + 0.7 * torch.from_numpy(near / near.sum(1, keepdims=True)).float()
    assert torch.allclose(model(history), wanted.log(), atol=1e-4)


def test_an_empty_history_has_finite_scores(split):
    assert started(split)(torch.zeros(1, split.train.n_items)).isfinite().all()


def test_only_the_nearest_are_held(split):
    model = started(split, k=3)
    assert int(model.items.indptr.diff().max()) == 3
    assert Mixture(**model.config).items.values.shape == model.items.values.shape


@pytest.mark.parametrize("start", ["random", "spectral"])
def test_training_counts_the_walks_once_and_moves_the_factors_alone(split, start):
    model = recprune.build("mixture", split, dim=4, k=5, start=start)
    assert model.fresh
    fit(model, split, ONCE)
    assert not model.fresh
    before = model.items.values.detach().clone()
    assert before.any()
    weight = model.item.weight.detach().clone()
    fit(model, split, ONCE)
    assert torch.equal(model.items.values, before)
    assert not torch.equal(model.item.weight, weight)


def test_entries_and_dims_leave_exactly(split):
    model = recprune.build("mixture", split, dim=8, k=6)
    fit(model, split, ONCE)
    small = recprune.prune(model, split, factor=0.5, finetuned=False)
    kinds = {site.kind.value for site in small.plan.survey.sites}
    assert kinds == {"dim", "entry"}
    assert small.plan.account().share_removed >= 0.5
    scores = recprune.evaluate(small.model, split, "test", k=3)
    assert 0 <= scores.mean["recall@3"] <= 1


def test_entries_that_stay_are_counted_anew(split):
    model = started(split, k=6)
    values = model.items.values.detach().clone()
    model.config["entries"] = len(values) + 1
    model.items.values.data.zero_()
    model.start_(split.train.histories())
    assert torch.allclose(model.items.values, values)


def test_a_share_below_nothing_is_refused(split):
    with pytest.raises(DataError, match="share"):
        recprune.build("mixture", split, share=-1.0)


def test_who_had_what_gives_the_walks_that_all_entries_give(split):
    both = [started(split, k=split.train.n_items), started(split, memory="users")]
    both[1].item.weight.data.copy_(both[0].item.weight)
    history = torch.zeros(12, split.train.n_items)
    history[0, [2, 5]] = history[1, 3] = 1
    history[2:] = (torch.rand(10, split.train.n_items) < 0.3).float()
    history[:, 0] = 0
    first, then = (torch.where(history > 0, 0.0, model(history)) for model in both)
    assert torch.allclose(first[:2], then[:2], atol=1e-4)
    near = history.numpy() @ walks(split)
    assert np.allclose(both[1].items.walk(history).detach().numpy()[:, 1:], near[:, 1:], atol=1e-5)


def test_pairs_that_are_left_stay_and_walks_go_along_these_alone(split):
    model = started(split, memory="users")
    stays = model.items.values.detach().clone()
    half = torch.arange(0, len(stays), 2)
    held = model.items
    rows, columns = held.rows()[half], held.indices.long()[half]
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=held.out_features).cumsum(0)])
    model.items = type(held)(stays[half], columns, starts, held.in_features)
    model.start_(split.train.histories())
    assert len(model.items.values) == len(half)
    left, x = model.items.dense().detach(), torch.eye(held.in_features)
    wanted = (left / left.sum(0).clamp(min=1)).T @ (left / left.sum(1, keepdim=True).clamp(min=1))
    assert torch.allclose(model.items.walk(x), wanted.fill_diagonal_(0.0), atol=1e-6)


@pytest.mark.parametrize("memory", ["items", "users"])
def test_a_copy_remembers_of_other_histories_what_the_model_holds(split, memory):
    model = started(split, memory=memory, k=5)
    part = split.train.take(np.arange(0, len(split.train), 2))
    other = model.remembering(part.histories())
    assert torch.equal(other.items.indices, model.items.indices)
    assert torch.equal(other.item.weight, model.item.weight)
    whole = started(replace(split, train=part), memory=memory, k=split.train.n_items).items.dense()
    held = model.items.dense() > 0
    wanted = torch.zeros_like(held, dtype=torch.float32)
    wanted[: len(whole)] = whole
    assert torch.allclose(other.items.dense(), torch.where(held, wanted, 0.0), atol=1e-6)
    assert 0 < other.items.values.sum().item() < model.items.values.sum().item()
    assert torch.equal(model.remembering(split.train.histories()).items.values, model.items.values)


def test_users_in_another_order_remember_the_same_and_are_no_users_of_the_histories():
    split = tiny_split(users=120, items=60, each=6)
    model, x = started(split, memory="users"), torch.rand(3, split.train.n_items).round()
    kept = np.arange(0, len(model.items.values), 2)
    other = model.arranged(kept)
    assert torch.allclose(other(x), model(x), atol=1e-5)
    assert not torch.equal(other.items.indices, model.items.indices)
    rows, first = model.items.rows()[kept], model.items.indices.long()[kept]
    least = torch.full((model.items.out_features,), 10**6).scatter_reduce_(0, rows, first, "amin")
    order = least.argsort(stable=True)
    assert torch.equal(other.items.dense(), model.items.dense()[order])
    with pytest.raises(DataError, match="another order"):
        other.remembering(split.train.histories())
    with pytest.raises(DataError, match="memory='users'"):
        started(split, memory="items").arranged(kept)


def test_another_memory_is_refused(split):
    with pytest.raises(DataError, match="memory"):
        recprune.build("mixture", split, memory="all")


@pytest.mark.parametrize("memory", ["items", "users"])
def test_by_a_teacher_the_walks_stay_as_they_were_counted(split, memory):
    teacher = recprune.build("mixture", split, dim=4, memory=memory, k=5)
    fit(teacher, split, ONCE)
    model = copy.deepcopy(teacher)
    fit(model, split, replace(ONCE, lr=0.3, epochs=4), teacher=teacher)
    assert torch.equal(model.items.values, teacher.items.values)
    assert not torch.equal(model.item.weight, teacher.item.weight)
    recprune.evaluate(model, split)
