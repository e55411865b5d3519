import numpy as np
import pytest
import torch
from torch import nn

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import encode
from recprune.data.simulate import simulate
from recprune.data.split import split_random
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError
from recprune.models.build import build
from recprune.recipe import trials
from recprune.recipe.select_fields import select_fields
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit

IDLE = ("redundant", "constant", "unique", "noise")


class Votes(nn.Module):
    """The sign of the sum of what the columns say (code 2: yes, code 1: no), times a factor. Nothing is learned."""

    def __init__(self, columns: tuple[str, ...], factor: float = 2.0, deaf: tuple[str, ...] = ()) -> None:
        super().__init__()
        self.columns, self.factor = columns, nn.Parameter(torch.tensor(factor))
        self.heard = torch.tensor([name not in deaf for name in columns])

    def forward(self, *columns: torch.Tensor) -> torch.Tensor:
        return self.factor * ((2 * torch.stack(columns, 1) - 3) * self.heard).sum(1).sign()


def votes_split(rows: int = 4000, copies: int = 5, wrong: float = 0.02, rating: bool = False, **more) -> Split:
    """v0, v1, ...: the truth with some rows wrong, each by itself; label: the truth, in one row of five wrong."""
    rng = np.random.default_rng(0)
    truth = rng.random(rows) < 0.5
    columns = {f"v{n}": (1 + (truth ^ (rng.random(rows) < wrong))).astype(np.int32) for n in range(copies)}
    columns |= {name: rng.integers(1, 3, rows).astype(np.int32) for name in more.get("noise", ())}
    vocabularies = {name: Vocabulary(name, ["no", "yes"]) for name in columns}
    answer = (truth ^ (rng.random(rows) < 0.2)).astype(np.float32)
    answers = {"rating": 4 * answer - 2} if rating else {"label": answer}
    roles = Roles(categorical=tuple(columns), **dict.fromkeys(answers, next(iter(answers))))
    whole = Dataset({**columns, **answers}, vocabularies, roles)
    at = np.arange(rows)
    return Split(
        whole.take(at < rows // 2), whole.take((at >= rows // 2) & (at < rows - 10)), whole.take(at >= rows - 10)
    )


def of_votes(split: Split, seed: int) -> Votes:
    return Votes(split.train.fields)


def test_on_the_simulator_what_means_nothing_leaves_and_what_matters_stays() -> None:
    """The number of fields that matter is not told to the rule."""
    sim = simulate(300, 150, 12_000, 4, seed=1, feedback="label", constants=2, noise=(2, 5, 30, 300, 3000, 12_000))
    split = split_random(encode(sim.log), valid=0.25, test=0.05, seed=0)
    seen = []

    def build_and_fit(part: Split, seed: int) -> nn.Module:
        seen.append(len(part.test))
        model = build("deepfm", part, seed=seed, dim=8, hidden=(32,), dropout=0.2)
        options = FitOptions(epochs=6, batch=512, lr=3e-3, decay=0.5, schedule="linear", patience=1, seed=seed)
        fit(model, part, options)
        return model

    found = select_fields(build_and_fit, split, keep=("user", "item"))
    assert set(found.left) == set(sim.truth.playing(*IDLE))
    assert set(found.kept) == {"user", "item", *sim.truth.playing("matters")}
    assert set(found.model.columns) == set(found.kept) == set(found.split.train.fields)
    assert set(seen) == {0}
    assert len(found.split.test) == len(split.test)
    for name, why in found.left.items():
        part = sim.truth.fields[name]
        assert why.startswith({"noise": "shuffled", "redundant": "copy of"}.get(part, part))
    assert not any(one.undone for one in found.rounds)


def test_columns_that_cover_for_each_other_do_not_all_leave() -> None:
    split = votes_split(noise=("n0", "n1"))
    found = select_fields(lambda part, _: Votes(part.train.fields, deaf=("n0", "n1")), split)
    first = found.rounds[0]
    assert max(first.importance.of(f"v{n}")[0] for n in range(5)) < 0.1
    assert {"n0", "n1"} <= set(found.left)
    assert 1 <= len(found.kept) <= 3
    assert all(name.startswith("v") for name in found.kept)
    assert found.rounds[-1].gain > -0.02


def test_fields_that_the_next_model_misses_come_back_and_the_others_still_leave() -> None:
    """The first model is deaf to v1, a model without it is broken: shuffling alone would throw it out."""
    split = votes_split(copies=2, noise=("n0", "n1", "n2"))

    def build_and_fit(part: Split, seed: int) -> nn.Module:
        broken = "v1" not in part.train.fields
        return Votes(part.train.fields, 0.0 if broken else 2.0, deaf=("v1", "n0", "n1", "n2"))

    found = select_fields(build_and_fit, split)
    assert set(found.kept) == {"v0", "v1"}
    assert set(found.left) == {"n0", "n1", "n2"}
    undone = [one for one in found.rounds if one.undone]
    assert undone
    assert all("v1" in one.left and one.gain < 0 for one in undone)


def test_a_training_that_went_ill_by_chance_is_told_from_a_field_that_is_missed() -> None:
    """By its first seed the smaller model is broken, by the others it is as good: idle fields leave all the same."""
    split = votes_split(copies=1, noise=("n0", "n1"))
    seeds = []

    def build_and_fit(part: Split, seed: int) -> nn.Module:
        seeds.append((len(part.train.fields), seed))
        unlucky = seed == 7 and len(part.train.fields) == 1
        return Votes(part.train.fields, 0.3 if unlucky else 2.0, deaf=("n0", "n1", *(["v0"] if unlucky else [])))

    found = select_fields(build_and_fit, split, seed=7)
    assert found.kept == ("v0",)
    (only,) = found.rounds
    assert (only.trainings, only.undone) == (3, False)
    assert only.gain < 0
    assert sorted(seeds) == [(1, 7), (1, 8), (1, 9), (3, 7), (3, 8), (3, 9)]


def test_while_the_last_model_is_worse_than_the_first_its_rounds_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    again = [(-0.003, 0.001)] * 3
    said = iter([(-0.001, 0.001), (-0.001, 0.001), (-0.003, 0.001), *again, (-0.001, 0.001)])
    monkeypatch.setattr(trials, "delong", lambda *_: next(said))
    found = select_fields(of_votes, votes_split())
    assert len(found.rounds) == 2
    assert set(found.left) == set(found.rounds[0].left)
    assert set(found.kept) | set(found.left) == {f"v{n}" for n in range(5)}
    assert next(said, None) is None


def test_of_ratings_the_squared_error_is_compared() -> None:
    split = votes_split(copies=1, noise=("n0",), rating=True)
    found = select_fields(lambda part, _: Votes(part.train.fields, deaf=("n0",)), split)
    assert found.kept == ("v0",)
    assert (found.rounds[0].gain, found.rounds[0].undone) == (0.0, False)


def test_what_is_to_be_kept_stays_though_it_is_idle() -> None:
    split = votes_split(copies=1, noise=("n0", "n1"))
    found = select_fields(lambda part, _: Votes(part.train.fields, deaf=("n0", "n1")), split, keep=("n0",))
    assert set(found.kept) == {"v0", "n0"}


def test_where_no_field_matters_one_stays() -> None:
    split = votes_split(copies=0, noise=("n0", "n1", "n2"))
    assert len(select_fields(lambda part, _: Votes(part.train.fields, 0.0), split).kept) == 1


def test_an_empty_validation_part_a_level_that_is_none_and_a_model_without_fields_are_refused() -> None:
    clicks = tiny_clicks()
    with pytest.raises(DataError, match="validation"):
        select_fields(of_votes, Split(clicks.train, clicks.valid.take(np.zeros(0, dtype=np.int64)), clicks.test))
    with pytest.raises(DataError) as error:
        select_fields(of_votes, clicks, level=1.0)
    assert error.value.level == 1.0
    with pytest.raises(DataError, match="there is no column 'usr'; there are: "):
        select_fields(of_votes, clicks, keep=("usr",))
    with pytest.raises(DataError, match="takes no fields"):
        select_fields(lambda part, _: build("mf", part), tiny_split())
