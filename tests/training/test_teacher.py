"""Distillation: what a larger model says is learned beside what was seen."""

import copy
import dataclasses

import numpy as np
import pytest
import torch
from torch import nn

from recprune.data.dataset import Split
from recprune.data.renumbered import renumbered
from recprune.errors import ArtifactError, TrainingError
from recprune.evaluation.evaluate import row_scores
from recprune.evaluation.inputs import user_inputs
from recprune.models.build import build
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.positives import positive_samples
from recprune.training.teacher import Teacher
from recprune.training.whole_histories import history_samples

OPTIONS = FitOptions(epochs=4, batch=32, lr=0.02, patience=4, negatives=4, k=3, threads=1)
SIZES = {"mf": ({"dim": 8}, {"dim": 3}), "caser": ({"dim": 8, "length": 4}, {"dim": 4, "length": 4})}
CLICKS = ({"dim": 4, "hidden": [8], "dropout": 0.0}, {"dim": 2, "hidden": [4], "dropout": 0.0})


class Encoder(nn.Sequential):
    columns = ("history",)

    def __init__(self, items, width):
        super().__init__(nn.Linear(items, width), nn.Tanh(), nn.Linear(width, items))


def made(name, size, split):
    torch.manual_seed(size)
    if name == "encoder":
        return Encoder(split.train.n_items, (8, 3)[size])
    return build(name, split, **(CLICKS if name == "deepfm" else SIZES[name])[size])


@pytest.fixture(params=["mf", "caser", "deepfm", "encoder"])
def pair(request):
    """(teacher, a smaller model that is not trained, their data)"""
    split = tiny_clicks() if request.param == "deepfm" else tiny_split()
    teacher = made(request.param, 0, split)
    fit(teacher, split, OPTIONS)
    return teacher, made(request.param, 1, split), split


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


LOSSES = ["bpr", "softmax", "sampled_softmax"]


def changed(**options):
    return dataclasses.replace(OPTIONS, **options)


def test_a_teacher_without_weight_changes_nothing(pair):
    teacher, small, split = pair
    alone = copy.deepcopy(small)
    fit(alone, split, OPTIONS)
    fit(small, split, changed(distill=0.0), teacher=teacher)
    assert same(alone, small)


def test_a_teacher_with_weight_changes_what_is_learned_and_stays_as_it_was(pair):
    teacher, small, split = pair
    before, alone = copy.deepcopy(teacher.state_dict()), copy.deepcopy(small)
    teacher.train()
    fit(alone, split, OPTIONS)
    fit(small, split, OPTIONS, teacher=teacher)
    assert not same(alone, small)
    assert teacher.training
    assert all(torch.equal(before[name], value) for name, value in teacher.state_dict().items())


@pytest.mark.parametrize("name", ["mf", "caser"])
@pytest.mark.parametrize("loss", LOSSES)
def test_by_each_ranking_loss_a_model_comes_to_say_what_its_teacher_says(name, loss):
    split = tiny_split()
    split = Split(split.train, split.valid.take(slice(0)), split.test)
    teacher, small = made(name, 0, split), made(name, 1, split)
    fit(teacher, split, OPTIONS)
    fit(small, split, changed(loss=loss, distill=1.0, epochs=80), teacher=teacher)
    assert apart(small, teacher, split) < 0.5 * apart(made(name, 1, split), teacher, split)


def apart(one, other, split):
    """Cross-entropy of one model's softmax against the other's, above the least there can be."""
    users = np.arange(1, split.train.n_users)
    with torch.no_grad():
        p, q = (m.eval()(*user_inputs(m, split.train.histories(), users))[:, 1:] for m in (other, one))
    p = torch.softmax(p, 1)
    return float((p * (p.log() - torch.log_softmax(q, 1))).sum(1).mean())


def test_with_all_the_weight_the_labels_do_not_count():
    split = tiny_clicks()
    teacher = made("deepfm", 0, split)
    fit(teacher, split, OPTIONS)
    flipped = dataclasses.replace(split.train, columns={**split.train.columns, "label": 1 - split.train["label"]})
    models = [made("deepfm", 1, split) for _ in range(2)]
    for model, train in zip(models, (split.train, flipped), strict=True):
        fit(model, Split(train, split.valid, split.test), changed(distill=1.0, epochs=30, patience=30), teacher=teacher)
    assert same(*models)
    ours, theirs = (row_scores(m, split.train) for m in (models[0], teacher))
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9


def test_an_interrupted_distillation_goes_on_bit_by_bit(pair, tmp_path):
    teacher, small, split = pair
    whole = copy.deepcopy(small)
    fit(whole, split, OPTIONS, teacher=teacher)
    resumable = changed(checkpoint=tmp_path / "state.safetensors")

    def stop(epoch):
        if epoch.number == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(copy.deepcopy(small), split, resumable, teacher=teacher, progress=stop)
    fit(small, split, resumable, teacher=teacher)
    assert same(whole, small)
    with torch.no_grad():
        next(teacher.parameters()).mul_(1.5)
    with pytest.raises(ArtifactError) as error:
        fit(small, split, resumable, teacher=teacher)
    assert error.value.differs == ("teacher",)


class Listening(nn.Module):
    """Remembers what it was asked, and scores all items alike."""

    def __init__(self, columns, items):
        super().__init__()
        self.columns, self.items, self.length, self.asked = columns, items, 3, []

    def forward(self, *inputs):
        self.asked.append(inputs)
        return torch.arange(self.items).float().repeat(len(inputs[0]), 1)


LEFT = {"user": np.r_[0, 1, 0, 0, 2:23], "item": np.r_[0, 1, 2, 0, 3, 0, 4:15]}
EVERYTHING = torch.Generator().manual_seed(0)


def learner_and_teacher(columns):
    split = tiny_split()
    data = renumbered(split.train, LEFT)
    learner, model = Listening(columns, data.n_items), Listening(columns, split.train.n_items)
    return learner, Teacher(model, split.train, LEFT, 0.5, 1.0), data


def test_a_teacher_sees_the_ids_that_left_and_is_asked_for_those_that_stay():
    learner, teacher, data = learner_and_teacher(("user", "sequence"))
    samples = positive_samples(learner, data, "softmax", OPTIONS, teacher)
    samples.loss(torch.arange(samples.size), EVERYTHING)
    (users, sequences), (old_users, old_sequences) = learner.asked[0], teacher.model.asked[0]
    assert {2, 3} <= set(old_users.tolist())
    assert {3, 5} <= set(old_sequences.unique().tolist())
    stays = old_users > 3
    assert torch.equal(torch.from_numpy(LEFT["user"])[old_users], users)
    assert torch.equal(torch.from_numpy(LEFT["item"])[old_sequences[stays].long()].int(), sequences[stays])
    kept = [0, 1, 2, 4, *range(6, 17)]
    assert teacher.scores([old_users[:1], old_sequences[:1]])[0].tolist() == kept
    assert teacher.scores([old_users[:1], old_sequences[:1]], torch.tensor([[3, 0, 14]]))[0].tolist() == [4, 0, 16]


def test_a_teacher_of_whole_histories_is_shown_what_left_too():
    learner, teacher, data = learner_and_teacher(("history", "user"))
    samples = history_samples(learner, data, teacher=teacher)
    samples.loss(torch.arange(samples.size), EVERYTHING)
    (shown, users), (old, old_users) = learner.asked[0], teacher.model.asked[0]
    assert samples.size == 24
    assert torch.equal(torch.from_numpy(LEFT["user"])[old_users], users)
    assert torch.equal(old[:, [0, 1, 2, 4, *range(6, 17)]], shown)
    assert old[:, [3, 5]].any()


def test_a_click_model_that_ids_and_fields_left_learns_from_one_that_has_them():
    split = tiny_clicks()
    teacher = made("deepfm", 0, split)
    fit(teacher, split, OPTIONS)
    new = {"item": np.r_[0, 1, 2, 0, 3, 0, 0, 4, 5, 6]}
    small = build(
        "deepfm", Split(renumbered(split.train, new), split.valid, split.test), fields=["item", "city"], dim=2
    )
    result = fit(small, split, changed(distill=1.0), renumber=new, teacher=teacher)
    ours = row_scores(small, split.train, renumber=new)
    assert len(result.history) == 4
    assert np.corrcoef(ours, row_scores(teacher, split.train))[0, 1] > 0.5


def test_a_teacher_that_cannot_teach_is_refused():
    clicks, split = tiny_clicks(), tiny_split()
    model = made("mf", 1, split)
    with pytest.raises(TrainingError, match="its own teacher"):
        fit(model, split, OPTIONS, teacher=model)
    with pytest.raises(TrainingError, match="scores rows"):
        fit(model, split, OPTIONS, teacher=made("deepfm", 0, clicks))
    with pytest.raises(TrainingError, match="closed form"):
        fit(build("ease", split), split, OPTIONS, teacher=model)
    with pytest.raises(TrainingError, match="the teacher is on meta"):
        fit(model, split, OPTIONS, teacher=made("mf", 0, split).to("meta"))
    with pytest.raises(TrainingError, match="from a user or a sequence"):
        fit(model, split, OPTIONS, teacher=made("encoder", 0, split))


def test_a_teacher_of_rows_is_asked_once_for_the_same_rows_and_numbers(monkeypatch):
    split, asked = tiny_clicks(), []

    def built(seed):
        return build("deepfm", split, seed=seed, dim=4, hidden=[8])

    def told(model, data):
        asked.append(model)
        return row_scores(model, data)

    monkeypatch.setattr("recprune.training.rows.row_scores", told)
    teacher, other = built(0), built(1)
    for _ in range(2):
        fit(built(2), split, OPTIONS, teacher=teacher)
    assert asked == [teacher]
    with torch.no_grad():
        teacher.bias.add_(1.0)
    fit(built(2), split, OPTIONS, teacher=teacher)
    fit(built(2), split, OPTIONS, teacher=other)
    fit(built(2), tiny_clicks(), OPTIONS, teacher=other)
    assert asked == [teacher, teacher, other, other]
