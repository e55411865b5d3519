import numpy as np
import pytest
import torch
from torch.nn import functional as F

import recprune
from recprune.data.dataset import Histories, Split
from recprune.data.renumbered import renumbered
from recprune.testing import tiny_split
from recprune.training import all_positions, losses
from recprune.training import windows as of_windows
from recprune.training.all_positions import position_samples
from recprune.training.fit import fit
from recprune.training.make_samples import make_samples, usual_loss
from recprune.training.options import FitOptions
from recprune.training.teacher import Teacher
from recprune.training.windows import windows

NAMES = ("sasrec", "gru4rec", "nextitnet")


def histories(*users, n_items=20):
    starts = np.concatenate([[0], np.cumsum([len(u) for u in users])]).astype(np.int64)
    return Histories(starts, np.array([i for u in users for i in u], dtype=np.int32), n_items)


def made(name="sasrec", split=None, **options):
    return recprune.build(name, split or tiny_split(), **{"length": 4, "dim": 8, **options})


def by_prefix(model, split):
    """The mean loss over every prefix, one at a time, as the slow and obvious loop has it."""
    total = []
    past = split.train.histories()
    for user in range(past.n_users):
        items = past.items[past.starts[user] : past.starts[user + 1]]
        for place in range(1, len(items)):
            shown = torch.zeros(1, model.length, dtype=torch.long)
            before = torch.from_numpy(items[:place].astype(np.int64))[-model.length :]
            shown[0, model.length - len(before) :] = before
            scores = model(shown)
            scores[:, 0] = -torch.inf
            total.append(F.cross_entropy(scores, torch.tensor([int(items[place])])))
    return torch.stack(total).mean()


def test_every_item_but_the_first_comes_next_once_and_windows_are_cut_from_the_end():
    shown, wanted = windows(histories([], [1, 2, 3, 4, 5, 6], [7], [8, 9]), 3)
    assert shown.tolist() == [[0, 1, 2], [3, 4, 5], [0, 0, 8]]
    assert wanted.tolist() == [[0, 2, 3], [4, 5, 6], [0, 0, 9]]


def test_an_unknown_item_is_shown_and_never_to_be_found():
    shown, wanted = windows(histories([1, 0, 3], [4, 0]), 4)
    assert shown.tolist() == [[0, 0, 1, 0]]
    assert wanted.tolist() == [[0, 0, 0, 3]]


def test_after_an_unknown_first_item_the_next_is_to_be_found():
    shown, wanted = windows(histories([0, 2, 3]), 3)
    assert shown.tolist() == [[0, 0, 2]]
    assert wanted.tolist() == [[0, 2, 3]]


@pytest.mark.parametrize("name", NAMES)
def test_all_positions_at_once_are_all_prefixes_one_by_one(name):
    split = tiny_split(users=6)
    model = made(name, split, length=6, dropout=0.0).eval()
    if name == "sasrec":  # positions count from the end of what is shown, and prefixes end elsewhere
        torch.nn.init.zeros_(model.position.weight)
    samples = position_samples(model, split.train, "softmax", FitOptions())
    with torch.no_grad():
        got, wanted = samples.loss(torch.arange(samples.size), torch.Generator()), by_prefix(model, split)
    assert samples.size == 6
    tolerance = 2e-2 if torch.cpu._is_avx512_bf16_supported() else 1e-5
    assert abs(float(got - wanted)) < tolerance


def test_blocks_give_the_loss_and_the_gradients_of_one(monkeypatch):
    def found(block):
        monkeypatch.setattr(of_windows, "BLOCK", block)
        torch.manual_seed(0)
        states, items = torch.randn(10, 4, requires_grad=True), torch.randn(17, 4, requires_grad=True)
        target = torch.arange(1, 11)
        loss = all_positions._softmax(states, target, items, all_positions.Workspace(half=False))
        loss.backward()
        return loss, states.grad, items.grad, states, items, target

    whole, parts = found(10**6), found(3 * 17)
    for one, other in zip(whole[:3], parts[:3], strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    states, items, target = whole[3:]
    scores = (states @ items.T).index_fill(1, torch.tensor([0]), -torch.inf)
    assert torch.allclose(whole[0], losses.softmax(scores, target), atol=1e-6)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax", "bpr"])
def test_it_learns_by_every_loss(name, loss):
    split = tiny_split(users=60)
    model = made(name, split, dropout=0.0)
    batch, negatives = (64, 4) if loss == "bpr" else (16, 64)
    chosen = FitOptions(loss=loss, epochs=6, batch=batch, lr=0.01, patience=6, negatives=negatives, k=3)
    history = fit(model, split, chosen).history
    assert history[-1].loss < history[0].loss


def test_bpr_and_a_teacher_that_does_not_answer_so_take_one_positive_a_sample():
    split, model = tiny_split(), made()

    def size(teacher, **options):
        said = FitOptions(**options)
        taught = None if teacher is None else Teacher(teacher, split.train, {}, said.distill, said.temperature)
        return make_samples(model, split.train, said, taught).size

    assert size(None, loss="bpr") == 24 * 4
    assert size(None) == 24
    assert size(made(dim=16)) == 24
    assert size(made(dim=16), loss="sampled_softmax") == 24
    assert size(made(dim=16), loss="bpr") == 24 * 4
    assert size(made(dim=16, length=5), loss="sampled_softmax") == 24 * 4
    assert size(made(dim=16, length=5)) == 24 * 4
    assert size(recprune.build("caser", split, length=4)) == 24 * 4


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
@pytest.mark.parametrize("name", NAMES)
def test_a_model_comes_to_say_what_its_teacher_says_at_every_position(name, loss):
    split = tiny_split(users=40)
    split = Split(split.train, split.valid.take(slice(0)), split.test)
    teacher, small = made(name, split, dim=16, dropout=0.0), made(name, split, dropout=0.0)
    fit(teacher, split, FitOptions(epochs=20, batch=16, lr=0.01, patience=20, k=3))

    def apart():
        shown = torch.from_numpy(windows(split.train.histories(), small.length)[0].astype(np.int64))
        with torch.no_grad():
            ours, theirs = ((m.states(shown) @ m.catalogue().T)[..., 1:].log_softmax(-1) for m in (small, teacher))
        return float((theirs.exp() * (theirs - ours)).sum(-1)[shown > 0].mean())

    before = apart()
    how = FitOptions(epochs=60, batch=16, lr=0.01, patience=60, k=3, distill=1.0, loss=loss, negatives=64)
    fit(small, split, how, teacher=teacher)
    assert apart() < 0.3 * before


def fixed_draw(codes):
    """A sampler that draws these codes, each as likely as the others."""
    return lambda *_: (torch.full((int(codes.max()) + 1,), -np.log(len(codes))), lambda *_: codes)


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_a_teacher_of_more_items_is_asked_in_its_own_codes(monkeypatch, loss):
    split = tiny_split(users=40)
    split = Split(split.train, split.valid.take(slice(0)), split.test)
    teacher = made(split=split, dropout=0.0)
    fit(teacher, split, FitOptions(epochs=20, batch=16, lr=0.01, patience=20, k=3))
    n = split.train.n_items
    new = np.zeros(n, dtype=np.int64)
    stay = np.concatenate([[0], np.arange(2, n, 2)])  # every other item leaves
    new[stay] = np.arange(len(stay))
    small = made(split=split, dropout=0.0)
    small.load_state_dict(teacher.state_dict())
    small.item = torch.nn.Embedding.from_pretrained(teacher.item.weight.detach()[stay].clone(), freeze=False)
    train = renumbered(split.train, {"item": new})
    # all items drawn once: over the answer and the others as over all
    monkeypatch.setattr("recprune.training.taught_positions.sampler", fixed_draw(torch.arange(1, len(stay))))
    options = FitOptions(distill=1.0)
    samples = position_samples(
        small.eval(), train, loss, options, Teacher(teacher, split.train, {"item": new}, 1.0, 1.0)
    )
    same = position_samples(small.eval(), train, loss, options)
    assert samples.size == same.size
    rows = torch.arange(samples.size)
    loss = samples.loss(rows, torch.Generator())
    shown, wanted = (
        torch.from_numpy(part.astype(np.int64)) for part in windows(split.train.histories(), teacher.length)
    )
    ours, keep = torch.from_numpy(new)[shown], torch.from_numpy(new)[wanted] > 0
    with torch.no_grad():
        theirs = (teacher.states(shown)[keep] @ teacher.item.weight[stay[1:]].T).softmax(1)
        said = (small.states(ours)[keep] @ small.item.weight[1:].T).log_softmax(1)
    wanted_loss = -(theirs * said).sum(1).mean()
    assert float(loss.detach()) == pytest.approx(float(wanted_loss), abs=2e-2)


def test_the_full_softmax_is_usual_up_to_more_items_than_for_others(monkeypatch):
    monkeypatch.setattr("recprune.training.make_samples.FULL_SOFTMAX_ITEMS", 5)
    split = tiny_split()
    assert usual_loss(made(), split.train) == "softmax"
    assert usual_loss(recprune.build("caser", split, length=4), split.train) == "sampled_softmax"
    monkeypatch.setattr("recprune.training.make_samples.ALL_POSITIONS_ITEMS", 5)
    assert usual_loss(made(), split.train) == "sampled_softmax"


def test_the_unknown_row_learns_nothing():
    split, model = tiny_split(), made()
    fit(model, split, FitOptions(epochs=1, lr=0.05))
    assert not model.item.weight[0].any()


@pytest.mark.parametrize("loss", ["softmax", "sampled_softmax"])
def test_a_position_counts_alike_in_a_batch_of_short_windows_and_in_one_of_long_ones(loss):
    split = tiny_split()
    model, options = made(split=split, length=3), FitOptions(negatives=4000)
    samples = position_samples(model.eval(), split.train, loss, options)
    shown, wanted = windows(split.train.histories(), model.length)
    positions, draw = torch.from_numpy((wanted > 0).sum(1)), torch.Generator()
    each = float(positions.double().mean())
    short, long = (torch.nonzero(positions == n).flatten() for n in (positions.min(), positions.max()))
    assert positions.min() < positions.max()
    for rows in (short, long):
        mean = samples.loss(rows, draw.manual_seed(0)) * each * len(rows) / positions[rows].sum()
        states = model.states(torch.from_numpy(shown[rows].astype(np.int64)))
        target = torch.from_numpy(wanted[rows].astype(np.int64))
        scores = states[target > 0] @ model.catalogue().T
        scores[:, 0] = -torch.inf
        wanted_mean = F.cross_entropy(scores, target[target > 0])
        torch.testing.assert_close(mean, wanted_mean, rtol=1e-3 if loss == "softmax" else 0.1, atol=0.0)
    if loss == "softmax":
        parts = torch.arange(len(shown)).split(5)
        whole = sum(float(samples.loss(rows, draw).detach()) * len(rows) for rows in parts) / len(shown)
        assert whole == pytest.approx(float(by_prefix(model, split).detach()), rel=1e-3)


def test_a_batch_is_computed_in_parts_where_that_saves_more_than_it_costs():
    rows, few = torch.arange(256), torch.full((256,), 4)
    mixed = torch.where(rows % 8 == 0, 50, few)
    parts = of_windows._apart(rows, mixed, False)
    assert len(parts) == 4
    assert torch.equal(torch.cat(parts).sort().values, rows)
    assert sum(len(part) * int(mixed[part].max()) for part in parts) < 256 * 50 / 2
    assert len(of_windows._apart(rows, mixed, True)) == 1
    assert len(of_windows._apart(rows, few, False)) == 1
    assert len(of_windows._apart(rows[:1], mixed[:1], False)) == 1


def test_the_parts_of_a_batch_are_together_what_the_batch_is(monkeypatch):
    split = tiny_split()
    model, found = made(split=split, length=3).eval(), []
    for parts, call in (((1,), 0), ((1, 2, 4), 0)):
        monkeypatch.setattr(of_windows, "PARTS", parts)
        monkeypatch.setattr(of_windows, "CALL", call)
        samples = position_samples(model, split.train, "softmax", FitOptions())
        found.append(samples.loss(torch.arange(samples.size), torch.Generator()))
    torch.testing.assert_close(found[0], found[1])
