import copy
import dataclasses
from typing import ClassVar

import numpy as np
import pytest
import torch

from recprune.errors import ArtifactError, TrainingError
from recprune.models.build import build
from recprune.models.mf import MF
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.soft_threshold import soft_threshold

OPTIONS = FitOptions(epochs=8, batch=32, lr=0.02, threads=1)
TABLES = ("user.weight", "item.weight")
N = (25 + 17) * 8


def made(**options):
    split = tiny_split()
    model = build("mf", split, dim=8)
    return soft_threshold(model, split, TABLES, options.pop("share", 0.3), OPTIONS, **options), model, split


@pytest.mark.parametrize("granularity", ["global", "row", "dim", "entry"])
@pytest.mark.parametrize("share", [0.03, 0.3, 0.9])
def test_exactly_the_asked_share_is_left(granularity, share):
    found, model, _ = made(granularity=granularity, share=share)
    state = found.model.state_dict()
    assert sum(len(positions) for positions in found.kept.values()) == round(share * N)
    for name in TABLES:
        assert torch.equal(torch.nonzero(state[name].flatten()).flatten(), found.kept[name])
    assert list(state) == list(model.state_dict())
    assert type(found.model.item) is torch.nn.Embedding


def test_the_model_that_is_given_stays_as_it_is_and_the_same_seed_gives_the_same():
    (one, model, split), (other, _, _) = made(), made()
    fresh = build("mf", split, dim=8)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), fresh.parameters(), strict=True))
    assert all(torch.equal(one.kept[name], other.kept[name]) for name in TABLES)
    assert all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))


def test_what_is_left_has_learned():
    split = tiny_split()
    found = soft_threshold(build("mf", split, dim=8), split, TABLES, 0.4, dataclasses.replace(OPTIONS, epochs=60))
    with torch.no_grad():
        scores = found.model(torch.arange(1, 25))[:, 1:].softmax(1)
    same_taste = (torch.arange(1, 25) % 2)[:, None] == (torch.arange(1, 17) % 2)[None, :]
    assert (scores * same_taste).sum(1).mean() > 0.6


def test_thresholds_are_learned_row_by_row():
    kept = {g: made(granularity=g)[0].kept for g in ("global", "row")}
    assert not all(torch.equal(kept["row"][name], kept["global"][name]) for name in TABLES)


class Counting(MF):
    """Remembers how many entries are not zero in each forward pass."""

    seen: ClassVar[list[int]] = []

    def forward(self, user):
        self.seen.append(int((self.user.weight != 0).sum() + (self.item.weight != 0).sum()))
        return super().forward(user)


def test_the_share_falls_by_the_cubic_schedule_and_then_stays():
    split = tiny_split()
    torch.manual_seed(0)
    model = Counting(25, 17, 8)
    torch.nn.init.normal_(model.user.weight, std=0.05)
    Counting.seen.clear()
    soft_threshold(model, split, TABLES, 0.25, dataclasses.replace(OPTIONS, epochs=9, batch=64, loss="softmax"))
    steps = len(Counting.seen) // 9
    wanted, begun = round(0.25 * N), Counting.seen[::steps]
    assert begun[0] == N
    expected = [N - (1 - (1 - min(t / 6, 1)) ** 3) * (N - wanted) for t in range(1, 9)]
    assert begun[1:] == pytest.approx(expected, abs=2)  # an entry may lie on the threshold


@pytest.mark.parametrize("at", [2, 7])
def test_a_search_that_was_stopped_goes_on_bit_by_bit(at, tmp_path):
    whole, model, split = made()
    saved = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state")

    def stop(epoch):
        if epoch.number == at:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        soft_threshold(model, split, TABLES, 0.3, saved, progress=stop)
    resumed = soft_threshold(model, split, TABLES, 0.3, saved)
    assert all(torch.equal(whole.kept[name], resumed.kept[name]) for name in TABLES)
    assert all(torch.equal(a, b) for a, b in zip(whole.model.parameters(), resumed.model.parameters(), strict=True))
    with pytest.raises(ArtifactError) as error:
        soft_threshold(model, split, TABLES, 0.4, saved)
    assert error.value.differs == ("soft threshold",)


def test_a_table_of_large_numbers_and_one_of_zeros_meet_the_share_too():
    split = tiny_clicks()
    model = build("deepfm", split, dim=4, hidden=[8])
    with torch.no_grad():
        model.table.weight.mul_(1000.0)
        model.linear.weight.zero_()
    names = ("table.weight", "linear.weight")
    found = soft_threshold(model, split, names, 0.5, dataclasses.replace(OPTIONS, epochs=2))
    assert sum(len(positions) for positions in found.kept.values()) == round(0.5 * 27 * 5)
    assert all(np.isfinite(epoch.loss) for epoch in found.fit.history)


def test_names_and_numbers_out_of_range_are_refused():
    split = tiny_split()
    model = build("mf", split, dim=8)
    for share in (0.0, 1.0, float("nan")):
        with pytest.raises(TrainingError, match="share"):
            soft_threshold(model, split, TABLES, share, OPTIONS)
    with pytest.raises(TrainingError, match="no table"):
        soft_threshold(model, split, ["bias"], 0.5, OPTIONS)
    with pytest.raises(TrainingError, match="no parameter"):
        soft_threshold(model, split, ["items"], 0.5, OPTIONS)
    with pytest.raises(TrainingError, match="none of"):
        soft_threshold(model, split, TABLES, 0.5, OPTIONS, granularity="block")
    before = copy.deepcopy(model)
    fit(model, split, dataclasses.replace(OPTIONS, epochs=1))
    assert not torch.equal(before.item.weight, model.item.weight)
