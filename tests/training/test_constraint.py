import numpy as np
import pytest
import torch

import recprune
from recprune.testing import tiny_split
from recprune.training.constraint import constraint_samples, neighbours_of, pair_weights


@pytest.fixture
def split():
    return tiny_split()


def test_a_pair_weighs_what_the_layers_converge_to(split):
    histories = split.train.histories().once()
    users, items = pair_weights(histories)
    matrix = histories.matrix().toarray()
    for u, i in ((1, 1), (2, 5), (7, 3)):
        n_u, n_i = matrix[u].sum(), matrix[:, i].sum()
        assert users[u] * items[i] == pytest.approx(1 / n_u * np.sqrt((n_u + 1) / (n_i + 1)), rel=1e-5)


def test_neighbours_are_those_that_are_had_together_by_the_formula(split):
    histories = split.train.histories()
    matrix = histories.matrix().toarray()
    matrix[:, 0] = 0
    gram = matrix.T @ matrix
    sums = gram.sum(1)
    found = neighbours_of(histories, 3)
    for i in range(1, histories.n_items):
        wanted = [
            (gram[i, j] / max(sums[i] - gram[i, i], 1) * np.sqrt(sums[i] / sums[j]), -j)
            for j in range(1, histories.n_items)
            if j != i and gram[i, j]
        ]
        wanted = sorted(sorted(wanted, reverse=True)[:3], key=lambda pair: -pair[1])
        assert found.items[i, : len(wanted)].tolist() == [-j for _, j in wanted]
        assert found.weights[i, : len(wanted)].tolist() == pytest.approx([w for w, _ in wanted], rel=1e-5)
        assert not found.weights[i, len(wanted) :].any()


def test_the_loss_is_the_three_parts_of_the_paper(split):
    model = recprune.build("ultragcn", split, dim=4, negative=7.0, item_item=0.3, neighbours=2)
    torch.nn.init.normal_(model.user.weight)
    torch.nn.init.normal_(model.item.weight)
    options = recprune.FitOptions(negatives=5, popularity=0.0)
    histories = split.train.histories().once()
    samples = constraint_samples(model, split.train, options)
    found = samples.loss(torch.arange(4), torch.Generator().manual_seed(3))
    from recprune.training.draw import sampler

    drawn = sampler(histories, 0.0)[1]((5,), torch.Generator().manual_seed(3)).tolist()
    users = np.repeat(np.arange(histories.n_users), histories.counts())[:4]
    b_u, b_i = pair_weights(histories)
    near, log_s = neighbours_of(histories, 2), torch.nn.functional.logsigmoid
    total = torch.zeros(())
    for u, i in zip(users, histories.items[:4], strict=True):
        score = model(torch.tensor([u]))[0]
        total = total - (1e-6 + b_u[u] * b_i[i]) * log_s(score[i])
        total = total - sum(7.0 / 5 * (1e-6 + b_u[u] * b_i[j]) * log_s(-score[j]) for j in drawn)
        for j, w in zip(near.items[i], near.weights[i], strict=True):
            total = total - 0.3 * w * log_s(score[j])
    assert found.item() == pytest.approx(total.item() / 4, rel=1e-4)


def test_it_learns(split):
    model = recprune.build("ultragcn", split, dim=8, negative=10.0)
    done = recprune.fit(model, split, recprune.FitOptions(epochs=15, batch=32, lr=0.05, negatives=8, patience=15))
    assert done.history[-1].loss < 0.9 * done.history[0].loss


def test_a_model_without_constraints_does_not_learn_by_them(split):
    with pytest.raises(recprune.errors.TrainingError, match="constraint"):
        recprune.fit(recprune.build("mf", split), split, recprune.FitOptions(loss="constraint"))
