import copy
import dataclasses

import pytest
import torch
from torch import nn

from recprune.encodings.spelled import spelled
from recprune.errors import ArtifactError, ExtensionError, TrainingError
from recprune.models.build import build
from recprune.packing import pack
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit
from recprune.training.rounded import last_epochs, rounded

OPTIONS = FitOptions(epochs=4, batch=32, lr=0.02, threads=1)
ENCODINGS = ("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows", "bf16", "fp16", "top_entries(k=2)")


def clicks():
    split = tiny_clicks()
    return build("deepfm", split, dim=8, hidden=[16, 8]), split


def batch(model):
    return [torch.arange(1, 4) for _ in model.columns]


def stored(encoding):
    return {"table.weight": encoding, "tower.0.weight": encoding}


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_packing_gives_what_training_saw(encoding):
    model, split = clicks()
    names = list(model.state_dict())
    with rounded(model, stored(encoding)):
        done = fit(model, split, OPTIONS)
        with torch.no_grad():
            seen = model(*batch(model))
    assert len(done.history) == 4
    assert list(model.state_dict()) == names
    assert type(model.table) is nn.Embedding
    assert type(model.tower[0]) is nn.Linear
    with torch.no_grad():
        assert torch.allclose(pack(model, stored(encoding))(*batch(model)), seen, atol=1e-6)
        assert not torch.equal(model(*batch(model)), seen)


def test_the_gradient_goes_straight_through_to_the_floats():
    table = nn.Sequential(nn.Embedding(6, 8))
    plain = copy.deepcopy(table)
    slope = torch.randn(3, 8)
    with rounded(table, {"0.weight": "int2_rotated_rows"}):
        (table(torch.tensor([1, 2, 2])) * slope).sum().backward()
        before = table[0].parametrizations.weight.original
    (plain(torch.tensor([1, 2, 2])) * slope).sum().backward()
    assert before is table[0].weight
    assert torch.equal(table[0].weight, plain[0].weight)
    assert torch.equal(table[0].weight.grad, plain[0].weight.grad)


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_a_step_in_training_sees_codes_of_the_weights_as_they_are_now(encoding):
    torch.manual_seed(0)
    table = nn.Sequential(nn.Embedding(40, 8))
    with rounded(table, {"0.weight": encoding}):
        table.train()
        weight = table[0].parametrizations.weight.original
        for _ in range(20):
            weight.data.add_(0.01 * torch.randn(40, 8))  # as a fused optimizer: no version moves
            found = table(torch.arange(40)).detach()
            exact = spelled(encoding).encode(weight).dense()
            apart = (found - weight).norm() / (exact - weight).norm()
            assert apart < 1.25
            assert torch.equal(found, table(torch.arange(40)))
        assert torch.equal(table.eval()(torch.arange(40)), exact)


def test_scales_that_were_just_found_give_what_packing_gives():
    weight = torch.randn(300, 24)
    for name in ("int4_rows", "int4_rotated_rows", "int2_rotated_rows"):
        value, scale = spelled(name).nearest(weight)
        codes = spelled(name).encode(weight)
        assert torch.allclose(value, codes.dense(), atol=1e-5)
        assert torch.equal(scale, codes.scale)
        assert torch.equal(spelled(name).nearest(weight, scale)[0], value)


def test_before_rounding_begins_training_sees_floats_and_validation_does_not():
    model, _ = clicks()
    model.train()
    plain = copy.deepcopy(model.table)
    with rounded(model, stored("int2_rotated_rows"), after=2) as steps:
        for done, on in ((0, False), (1, False), (2, True), (3, True)):
            steps.do(done)
            model.train()
            assert torch.equal(model.table(torch.arange(5)), plain(torch.arange(5))) is not on
            model.eval()
            assert not torch.equal(model.table(torch.arange(5)), plain(torch.arange(5)))


@pytest.mark.parametrize("at", [1, 3])
@pytest.mark.parametrize("valid", [True, False])
def test_a_training_that_was_stopped_goes_on_bit_by_bit(at, valid, tmp_path):
    split = tiny_split()
    split = split if valid else dataclasses.replace(split, valid=split.valid.take([]))
    names = {"user.weight": "int4_rows", "item.weight": "int2_rotated_rows"}
    saved = dataclasses.replace(OPTIONS, checkpoint=tmp_path / "state")

    def train(options, progress=None, encodings=names, after=1):
        model = build("mf", split, dim=8)
        with rounded(model, encodings, after=after) as steps:
            fit(model, split, options, progress=progress, before_epoch=steps)
        return model

    def stop(epoch):
        if epoch.number == at:
            raise InterruptedError

    with pytest.raises(InterruptedError):
        train(saved, stop)
    whole, resumed = train(OPTIONS), train(saved)
    assert all(torch.equal(a, b) for a, b in zip(whole.parameters(), resumed.parameters(), strict=True))
    with pytest.raises(ArtifactError) as error:
        train(saved, after=2)
    assert error.value.differs == ("after",)
    with pytest.raises(ArtifactError) as error:
        train(saved, encodings={**names, "user.weight": "int8_rows"})
    assert error.value.differs == ("rounded",)


def test_what_fails_inside_leaves_plain_weights():
    model, _ = clicks()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with pytest.raises(InterruptedError), rounded(model, stored("int4_rows")):
        raise InterruptedError
    assert list(before) == list(model.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in model.state_dict().items())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.item, self.out = nn.Embedding(12, 8), nn.Linear(8, 12)
        self.out.weight = self.item.weight

    def forward(self, item):
        return self.out(self.item(item))


def test_a_weight_that_two_modules_share_is_rounded_in_both_and_stays_shared():
    model = Tied()
    with rounded(model, {"item.weight": "int4_rows"}):
        seen = model.eval()(torch.arange(12))
        model.train()(torch.arange(12)).sum().backward()
    assert model.out.weight is model.item.weight
    assert torch.allclose(pack(model, {"item.weight": "int4_rows"})(torch.arange(12)), seen, atol=1e-6)


def test_names_and_numbers_out_of_range_are_refused():
    model, _ = clicks()
    for name, reason in (("nothing", "no parameter"), ("bias", "cannot be rounded"), ("tower.1.weight", "BatchNorm")):
        with (
            pytest.raises(TrainingError, match=reason),
            rounded(model, {"table.weight": "int8_rows", name: "int4_rows"}),
        ):
            pass
    with pytest.raises(ExtensionError), rounded(model, {"table.weight": "int3"}):
        pass
    with pytest.raises(TrainingError, match="epochs"), rounded(model, stored("int4_rows"), after=-1):
        pass
    assert type(model.table) is nn.Embedding


def test_the_last_share_of_the_epochs_is_rounded():
    assert [last_epochs(12, share) for share in (0.0, 0.25, 0.5, 1.0)] == [12, 9, 6, 0]
    assert last_epochs(1, 0.5) == 1
    for share in (-0.1, 1.1, float("nan")):
        with pytest.raises(TrainingError, match="share"):
            last_epochs(4, share)
