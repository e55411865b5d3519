import dataclasses

import numpy as np
import pytest
import torch

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.vocabulary import Vocabulary
from recprune.encodings.item_item import ItemItem
from recprune.errors import ArtifactError, DataError, TrainingError
from recprune.models.build import build
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training import fit as fit_module
from recprune.training.finetune import finetune
from recprune.training.fit import FitOptions, fit
from recprune.training.state import BeforeEpoch
from recprune.training.validate import Validation

N_USERS, N_ITEMS = 30, 12


def split(labels=False, valid=True):
    """Users of two tastes: even users do items 1 to 6 in turn, odd ones 7 to 12; the last two are held out."""
    users = np.repeat(np.arange(1, N_USERS + 1), 5)
    step = np.tile(np.arange(5), N_USERS)
    items = 1 + 6 * (users % 2) + (users // 2 + step) % 6
    columns = {"user": users.astype(np.int32), "item": items.astype(np.int32), "time": step.astype(np.int64)}
    if labels:
        rng = np.random.default_rng(0)
        columns["item"] = rng.integers(1, N_ITEMS + 1, len(users)).astype(np.int32)
        columns["label"] = ((columns["item"] > 6) == (users % 2 == 1)).astype(np.float32)
    vocabularies = {
        name: Vocabulary(name, [f"{name}{i}" for i in range(n)]) for name, n in (("user", N_USERS), ("item", N_ITEMS))
    }
    data = Dataset(columns, vocabularies, Roles(user="user", item="item", time="time"))
    held = step == 3 if valid else np.zeros(len(step), dtype=bool)
    return Split(data.take((step < 4) & ~held), data.take(held), data.take(step == 4))


SMALL = {
    "mf": {"dim": 8},
    "deepfm": {"dim": 4, "hidden": (8,)},
    "caser": {"length": 3, "dim": 8, "filters": 4, "heights": (1, 2)},
    "fism": {"dim": 8, "temperature": 0.2},
}
OPTIONS = FitOptions(epochs=6, batch=16, lr=0.02, patience=6, negatives=4, k=3, threads=1)


def trained(name, options=OPTIONS, **keywords):
    data = split(labels=name == "deepfm")
    model = build(name, data, **SMALL[name])
    return model, fit(model, data, options, **keywords)


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


@pytest.mark.parametrize("name", SMALL)
def test_training_lowers_the_loss(name):
    _, result = trained(name)
    assert result.history[-1].loss < 0.9 * result.history[0].loss


@pytest.mark.parametrize("loss", ["bpr", "softmax", "sampled_softmax"])
def test_a_ranking_model_learns_by_each_of_its_losses(loss):
    model, result = trained("mf", dataclasses.replace(OPTIONS, loss=loss, epochs=10))
    assert result.history[-1].loss < result.history[0].loss
    model.eval()
    scores = model(torch.tensor([2, 3]))
    assert scores[0, 1:7].mean() > scores[0, 7:].mean()
    assert scores[1, 7:].mean() > scores[1, 1:7].mean()


@pytest.mark.parametrize("name", SMALL)
def test_the_same_seed_gives_the_same_model_whatever_torch_drew_before(name):
    torch.manual_seed(1)
    one, _ = trained(name)
    torch.manual_seed(2)
    other, _ = trained(name)
    assert same(one, other)


def test_another_seed_gives_another_model():
    assert not same(trained("mf")[0], trained("mf", dataclasses.replace(OPTIONS, seed=1))[0])


def test_training_leaves_the_random_state_of_torch_as_it_was():
    torch.manual_seed(7)
    before = torch.get_rng_state()
    trained("caser")
    assert torch.equal(before, torch.get_rng_state())


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("name", SMALL)
@pytest.mark.parametrize("schedule", ["constant", "linear"])
def test_an_interrupted_training_goes_on_bit_by_bit(name, schedule, tmp_path):
    options = dataclasses.replace(OPTIONS, schedule=schedule, unknown=0.0 if name == "fism" else 0.1)
    whole, result = trained(name, options)
    resumable = dataclasses.replace(options, checkpoint=tmp_path / "new" / "state.safetensors")

    def stop(epoch):
        if epoch.number == 3:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained(name, resumable, progress=stop)
    resumed, later = trained(name, resumable)
    assert same(whole, resumed)
    assert [(e.number, e.loss, e.value) for e in later.history] == [(e.number, e.loss, e.value) for e in result.history]
    assert later.best_epoch == result.best_epoch


def test_a_finished_training_does_not_train_again(tmp_path):
    options = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state.safetensors")
    one, _ = trained("mf", options)
    calls = []
    other, _ = trained("mf", options, progress=calls.append)
    assert same(one, other)
    assert not calls


def test_a_checkpoint_of_another_training_is_refused(tmp_path):
    options = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state.safetensors")
    trained("mf", options)
    with pytest.raises(ArtifactError) as error:
        trained("mf", dataclasses.replace(options, lr=0.5))
    assert error.value.differs == ("lr",)


@pytest.mark.parametrize(
    ("name", "one", "other"),
    [("sasrec", {"dim": 8, "heads": 1}, {"dim": 8, "heads": 4}), ("fism", {"temperature": 0.1}, {"temperature": 1.0})],
)
def test_a_checkpoint_of_a_model_of_other_options_and_the_same_shapes_is_refused(tmp_path, name, one, other):
    options, data = dataclasses.replace(OPTIONS, epochs=1, checkpoint=tmp_path / "state"), split()
    fit(build(name, data, **one), data, options)
    with pytest.raises(ArtifactError) as error:
        fit(build(name, data, **other), data, options)
    assert error.value.differs == ("config",)
    fit(build(name, data, **one), data, options)


def test_options_of_a_model_that_are_no_plain_data_are_not_compared(tmp_path):
    options, data = dataclasses.replace(OPTIONS, epochs=1, checkpoint=tmp_path / "state"), split()
    for _ in range(2):
        model = build("mf", data, dim=8)
        model.config = object()
        fit(model, data, options)


def test_a_checkpoint_of_other_data_is_refused(tmp_path):
    options = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state.safetensors")
    trained("mf", options)
    data = split()
    columns = {**data.train.columns, "item": np.roll(data.train["item"], 3)}
    other = dataclasses.replace(data, train=dataclasses.replace(data.train, columns=columns))
    with pytest.raises(ArtifactError) as error:
        fit(build("mf", other, dim=8), other, options)
    assert error.value.differs == ("data",)


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 100])
def test_a_damaged_checkpoint_is_refused_and_says_where(tmp_path, damage):
    path = tmp_path / "state.safetensors"
    options = dataclasses.replace(OPTIONS, checkpoint=path)
    trained("mf", options)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ArtifactError) as error:
        trained("mf", options)
    assert error.value.path == path


def judged(monkeypatch, values, **changes):
    """A training whose validation says these values, whatever the model does."""
    values = iter(values)
    judge = Validation("valid ndcg@3", lambda: next(values), 1.0, changes.get("every", 1))
    monkeypatch.setattr(fit_module, "validation", lambda *_: judge)
    return trained("mf", dataclasses.replace(OPTIONS, **changes))


def test_training_stops_when_patience_ends_and_the_best_epoch_stays(monkeypatch):
    model, result = judged(monkeypatch, [0.1, 0.5, 0.4, 0.3, 0.9], patience=2)
    assert (len(result.history), result.best_epoch, result.best_value) == (4, 2, 0.5)
    two_epochs, _ = judged(monkeypatch, [0.1, 0.5], epochs=2)
    assert same(model, two_epochs)


def test_patience_counts_validations_and_not_epochs(monkeypatch):
    _, result = judged(monkeypatch, [0.1, 0.5, 0.4, 0.3], every=2, epochs=20, patience=2)
    assert (len(result.history), result.best_epoch) == (8, 4)
    assert [epoch.value for epoch in result.history] == [None, 0.1, None, 0.5, None, 0.4, None, 0.3]


def test_the_last_epoch_is_validated_wherever_it_falls(monkeypatch):
    _, result = judged(monkeypatch, [0.1, 0.5], every=4, epochs=6)
    assert [epoch.number for epoch in result.history if epoch.value is not None] == [4, 6]
    assert result.best_epoch == 6


@pytest.mark.parametrize("name", SMALL)
def test_fewer_validations_leave_the_training_as_it_is(name):
    _, often = trained(name)
    _, seldom = trained(name, dataclasses.replace(OPTIONS, every=3))
    assert [epoch.loss for epoch in seldom.history] == [epoch.loss for epoch in often.history]
    assert [epoch.value for epoch in seldom.history if epoch.value is not None] == [
        epoch.value for epoch in often.history if epoch.number in (3, 6)
    ]


@pytest.mark.parametrize("at", [1, 2, 3, 4])
def test_a_training_that_is_seldom_validated_goes_on_bit_by_bit(at, tmp_path):
    options = dataclasses.replace(OPTIONS, every=3, patience=1)
    whole, result = trained("mf", options)
    resumable = dataclasses.replace(options, checkpoint=tmp_path / "state.safetensors")

    def stop(epoch):
        if epoch.number == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        trained("mf", resumable, progress=stop)
    resumed, later = trained("mf", resumable)
    assert same(whole, resumed)
    assert [(e.number, e.loss, e.value) for e in later.history] == [(e.number, e.loss, e.value) for e in result.history]
    assert later.best_epoch == result.best_epoch


def test_a_checkpoint_of_a_training_with_other_validations_is_refused(tmp_path):
    options = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state.safetensors")
    trained("mf", options)
    with pytest.raises(ArtifactError) as error:
        trained("mf", dataclasses.replace(options, every=2))
    assert error.value.differs == ("every",)


def test_a_lower_rmse_is_a_better_one():
    data = split(labels=True)

    def rated(part):
        rest = {name: values for name, values in part.columns.items() if name != "label"}
        return dataclasses.replace(part, columns={**rest, "rating": part["label"] * 4 + 1})

    ratings = Split(rated(data.train), rated(data.valid), rated(data.test))
    model = build("deepfm", ratings, **SMALL["deepfm"])
    result = fit(model, ratings, OPTIONS)
    assert result.metric == "valid rmse"
    assert result.history[result.best_epoch - 1].value == min(epoch.value for epoch in result.history)


def test_without_validation_all_epochs_run_and_the_last_weights_stay():
    data = split(valid=False)
    model = build("mf", data, dim=8)
    result = fit(model, data, dataclasses.replace(OPTIONS, patience=1))
    assert (len(result.history), result.best_epoch, result.metric) == (OPTIONS.epochs, OPTIONS.epochs, "")


def test_a_loss_that_is_not_finite_says_where():
    data = split()
    model = build("mf", data, dim=8)
    with torch.no_grad():
        model.bias[3] = float("nan")
    with pytest.raises(TrainingError) as error:
        fit(model, data, OPTIONS)
    assert (error.value.epoch, error.value.step) == (1, 1)


def test_finetuning_never_ends_worse_than_it_began():
    data = split()
    model, _ = trained("mf")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    result = finetune(model, data, dataclasses.replace(OPTIONS, lr=10.0, epochs=2))
    assert (result.best_epoch, result.best_value) == (0, None)
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


def test_finetuning_a_sparse_item_model_solves_it_again():
    data = split()
    model = build("ease", data)
    fit(model, data, FitOptions(reg=1.0))
    dense = model.items.weight.detach()
    kept = dense.abs().flatten().topk(20).indices.sort().values
    model.items = ItemItem.encode(dense, kept)
    before = model.items.values.detach().clone()
    finetune(model, data, FitOptions(reg=1.0))
    assert not torch.equal(before, model.items.values)
    assert torch.isfinite(model.items.values).all()


def test_a_model_that_some_items_left_trains_with_new_codes():
    data = split()
    new = np.concatenate([np.arange(9), np.zeros(4, dtype=np.int64)])
    for name in ("mf", "caser", "ease"):
        smaller = dataclasses.replace(
            data.train, vocabularies={**data.vocabularies, "item": data.vocabularies["item"].restrict(range(9))}
        )
        model = build(name, Split(smaller, data.valid, data.test), **SMALL.get(name, {}))
        result = finetune(model, data, dataclasses.replace(OPTIONS, epochs=3), renumber={"item": new})
        assert all(np.isfinite(epoch.loss) for epoch in result.history)


def test_a_table_with_sparse_gradients_is_named():
    data = split()
    model = build("mf", data, dim=4)
    model.item.sparse = True
    with pytest.raises(TrainingError, match=r"item .*sparse = False"):
        fit(model, data, OPTIONS)


def test_a_model_that_is_not_on_the_processor_is_refused():
    data = split()
    with pytest.raises(TrainingError, match="meta"):
        fit(build("mf", data, dim=4).to("meta"), data, OPTIONS)


def test_a_model_of_whole_histories_learns_without_being_solved():
    class Encoder(torch.nn.Sequential):
        columns = ("history",)

    data = split()
    torch.manual_seed(0)
    model = Encoder(torch.nn.Linear(13, 6), torch.nn.Tanh(), torch.nn.Linear(6, 13))
    result = fit(model, data, dataclasses.replace(OPTIONS, epochs=20, patience=20, batch=8))
    assert result.history[-1].loss < 0.8 * result.history[0].loss


def test_rows_without_label_or_rating_are_nothing_to_learn_from():
    data = split()
    with pytest.raises(TrainingError, match="negatives"):
        fit(build("deepfm", data, **SMALL["deepfm"]), data, OPTIONS)


@pytest.mark.parametrize(("name", "loss"), [("mf", "bce"), ("deepfm", "softmax")])
def test_a_loss_that_does_not_suit_the_model_is_refused(name, loss):
    with pytest.raises(TrainingError) as error:
        trained(name, dataclasses.replace(OPTIONS, loss=loss))
    assert error.value.loss == loss


@pytest.mark.parametrize("name", ["deepfm", "sasrec", "mixture", "ease", "item_knn", "als"])
def test_nothing_is_learned_of_no_rows(name):
    split = tiny_clicks() if name == "deepfm" else tiny_split(users=40)
    model = build(name, split)
    none = dataclasses.replace(split, train=split.train.take(np.arange(0)))
    with pytest.raises(TrainingError, match="no sample to learn from; look at how the data was split"):
        fit(model, none, FitOptions(epochs=1))


def test_a_metric_that_there_is_not_is_refused_before_training():
    with pytest.raises(DataError):
        trained("mf", dataclasses.replace(OPTIONS, metric="hits"), progress=lambda _: pytest.fail("it trained"))


def test_a_part_of_a_training_takes_the_steps_of_the_whole():
    data = split(valid=False)
    whole, half = (build("mf", data, dim=8) for _ in range(2))
    seen = []

    def note(epoch):
        if epoch.number == 2:
            seen.append({name: tensor.clone() for name, tensor in whole.state_dict().items()})

    options = dataclasses.replace(OPTIONS, schedule="linear")
    fit(whole, data, options, progress=note)
    fit(half, data, dataclasses.replace(options, epochs=2, of=6))
    assert all(torch.equal(seen[0][name], tensor) for name, tensor in half.state_dict().items())
    start = half.item.weight.detach().clone()
    fit(half, data, dataclasses.replace(options, epochs=1, before=5, of=6))
    late = (half.item.weight - start).abs().max()
    assert 0 < late < options.lr  # six steps at a twelfth of it, in the mean


def test_what_is_done_before_every_epoch_is_done_again_where_a_training_goes_on(tmp_path):
    def warned(model, seen):
        def do(done):
            seen.append(done)
            with torch.no_grad():
                model.bias.add_(0.5 ** (done + 1))

        return BeforeEpoch(do, {"bias": "rises"})

    data, (one, other), seen = split(), (build("mf", split(), dim=8) for _ in range(2)), ([], [])
    fit(one, data, OPTIONS, before_epoch=warned(one, seen[0]))
    saved = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state")

    def stop(epoch):
        if epoch.number == 2:
            raise Interrupted

    with pytest.raises(Interrupted):
        fit(other, data, saved, before_epoch=warned(other, seen[1]), progress=stop)
    fit(other, data, saved, before_epoch=warned(other, seen[1]))
    assert seen[0] == seen[1] == list(range(6))
    assert same(one, other)
    with pytest.raises(ArtifactError) as error:
        fit(other, data, saved)
    assert error.value.differs == ("bias",)
