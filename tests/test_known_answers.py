"""Answers that are known before anything is computed: a factorisation of a known rank, ids under other numbers."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from recprune.data.vocabulary import Vocabulary
from recprune.evaluation.ranking import rank
from recprune.importance.probe import Probe
from recprune.importance.rules.magnitude import Magnitude
from recprune.importance.rules.mse_increase import MseIncrease
from recprune.importance.rules.taylor import Taylor
from recprune.importance.score import score
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.surgery import apply
from recprune.testing import tiny_split
from recprune.tracing.site import Kind
from recprune.tracing.trace import survey

SPLIT = tiny_split()
TRUE, EXTRA = 4, 3
USERS = torch.arange(1, SPLIT.train.n_users)


def factorisation(seed: int, noise: float) -> tuple[MF, torch.Tensor]:
    """Scores of rank TRUE, held by TRUE + EXTRA dims in a drawn order; and which dims hold them.

    In the dims beyond, users are zero and items are noise: they say nothing about anybody.
    """
    generator = torch.Generator().manual_seed(seed)
    model = MF(SPLIT.train.n_users, SPLIT.train.n_items, TRUE + EXTRA)
    order = torch.randperm(TRUE + EXTRA, generator=generator)
    true, beyond = order[:TRUE].sort().values, order[TRUE:]
    with torch.no_grad():
        for tensor in model.parameters():
            tensor.copy_(torch.randn(tensor.shape, generator=generator))
        model.user.weight[:, beyond] = 0.0
        model.item.weight[:, beyond] *= noise
    return model.eval(), true


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize(
    ("rule", "noise"),
    [(Magnitude(), 0.1), (Taylor(), 0.1), (Taylor(), 30.0), (MseIncrease(), 30.0)],
    ids=["magnitude", "taylor", "taylor, loud noise", "mse_increase, loud noise"],
)
def test_pruning_to_the_rank_of_a_factorisation_keeps_the_true_dims_and_loses_nothing(rule, noise, seed):
    model, true = factorisation(seed, noise)
    with torch.no_grad():
        output = model(USERS)
    target = output + torch.randn(output.shape, generator=torch.Generator().manual_seed(9))
    found = survey(model, (USERS[:3],))
    probe = Probe(model, found, [((USERS,), target)], F.mse_loss)
    share = EXTRA * (SPLIT.train.n_users + SPLIT.train.n_items) / sum(p.numel() for p in model.parameters())
    plan = choose(found, score(found, rule, probe, kinds=[Kind.DIM]), Budget(share, kinds=frozenset({Kind.DIM})))
    assert plan.kept["user+item.dim"].tolist() == true.tolist()
    small = apply(model, plan, (USERS[:3],))
    assert tuple(small.user.weight.shape) == (SPLIT.train.n_users, TRUE)
    with torch.no_grad():
        torch.testing.assert_close(small(USERS), output, atol=1e-5, rtol=1e-5)
    histories, users = SPLIT.train.histories(), USERS.numpy()
    np.testing.assert_array_equal(rank(small, histories, users, 5), rank(model, histories, users, 5))


def renumbered(dataset, new):
    """The same interactions under other codes; code 0 stays."""
    columns = dict(dataset.columns)
    vocabularies = dict(dataset.vocabularies)
    for column, codes in new.items():
        columns[column] = codes[dataset[column]].astype(np.int32)
        old = np.argsort(codes)
        ids = [f"{column}{code}" for code in old[1:]]
        vocabularies[column] = Vocabulary(column, ids)
    return replace(dataset, columns=columns, vocabularies=vocabularies)


def other_codes(seed):
    rng = np.random.default_rng(seed)
    sizes = {"user": SPLIT.train.n_users, "item": SPLIT.train.n_items}
    return {column: np.r_[0, 1 + rng.permutation(size - 1)] for column, size in sizes.items()}


def solved(train):
    model = Ease(train.n_items)
    model.solve_(train.histories(), 5.0)
    return model


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_renumbering_users_and_items_only_renumbers_what_ease_recommends(seed):
    new, users = other_codes(seed), USERS.numpy()
    before = rank(solved(SPLIT.train), SPLIT.train.histories(), users, 5)
    train = renumbered(SPLIT.train, new)
    after = rank(solved(train), train.histories(), new["user"][users], 5)
    np.testing.assert_array_equal(after, new["item"][before])


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_renumbering_users_and_items_only_renumbers_what_mf_recommends_before_and_after_pruning(seed):
    new, users = other_codes(seed), USERS.numpy()
    model, _ = factorisation(seed, 0.1)
    other = MF(**model.config).eval()
    train = renumbered(SPLIT.train, new)
    with torch.no_grad():
        other.user.weight[torch.from_numpy(new["user"])] = model.user.weight
        other.item.weight[torch.from_numpy(new["item"])] = model.item.weight
        other.bias[torch.from_numpy(new["item"])] = model.bias
    pair = ((model, SPLIT.train, users), (other, train, new["user"][users]))
    for factor in (0.0, 0.3, 0.6):
        lists = []
        for whole, data, codes in pair:
            found = survey(whole, (torch.from_numpy(codes[:3]),))
            budget = Budget(factor, kinds=frozenset({Kind.DIM}))
            plan = choose(found, score(found, Magnitude(), Probe(whole, found), kinds=[Kind.DIM]), budget)
            lists.append(rank(apply(whole, plan, (torch.from_numpy(codes[:3]),)), data.histories(), codes, 5))
        np.testing.assert_array_equal(lists[1], new["item"][lists[0]])
