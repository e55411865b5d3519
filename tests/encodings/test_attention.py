"""nn.MultiheadAttention whose weights are stored as codes answers as it does with the decoded weights."""

import pytest
import torch
from torch import Tensor, nn

import recprune
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.placing import check
from recprune.errors import SurgeryError
from recprune.evaluation.size import size_of
from recprune.importance.rules.magnitude import Magnitude
from recprune.packing import encodings_of, pack, packable, storing, unpack
from recprune.planning.budget import Budget
from recprune.rewrites.open_attention import OpenAttention
from recprune.training.rounded import rounded


class Reads(nn.Module):
    columns = ("sequence",)

    def __init__(self) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(50, 16), nn.Linear(16, 50)
        self.attention = nn.MultiheadAttention(16, 4, batch_first=True)
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)

    def forward(self, sequence: Tensor) -> Tensor:
        x = self.item(sequence)
        x = x + self.attention(x, x, x, need_weights=False)[0]
        return self.out(self.layer(x)[:, -1])


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Reads().eval()


SEQUENCES = torch.randint(0, 20, (3, 7), generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("encoding", ["int8_rows", "int4_rows", "int4_rotated_rows", "bf16"])
def test_it_answers_as_training_saw_and_as_the_decoded_weights_do(model, encoding):
    stored = storing(model, encoding)
    assert {"attention.in_proj_weight", "layer.self_attn.in_proj_weight"} <= stored.keys()
    assert not any(packable(model).values())
    names = list(model.state_dict())
    with rounded(model, stored):
        model.train()(SEQUENCES).sum().backward()
        seen = model.eval()(SEQUENCES)
    packed = pack(model, stored, (SEQUENCES,))
    assert isinstance(packed.attention, OpenAttention)
    assert type(model.attention) is nn.MultiheadAttention
    torch.testing.assert_close(packed(SEQUENCES), seen, rtol=1e-4, atol=1e-5)
    assert encodings_of(packed).keys() == stored.keys()
    assert size_of(packed)[:2] == size_of(model)[:2]
    plain = unpack(packed)
    assert sorted(plain.state_dict()) == sorted(names)
    torch.testing.assert_close(plain(SEQUENCES), packed(SEQUENCES), rtol=1e-4, atol=1e-5)


def test_heads_leave_and_what_stays_is_packed_and_comes_back(model, tmp_path):
    found = recprune.survey(model, (SEQUENCES,))
    scores = recprune.score(found, Magnitude(), recprune.Probe(model, found))
    stored = storing(model, "int8_rows")
    plan = recprune.choose(found, scores, Budget(0.4, keep=0.2), encodings=stored)
    assert len(plan.kept["attention.head"]) < 4
    small = recprune.apply(model, plan, (SEQUENCES,))
    assert encodings_of(small).keys() == stored.keys()
    recprune.save(tmp_path / "small", small, plan=plan)
    again = recprune.load(tmp_path / "small", model=Reads()).model
    assert torch.equal(again(SEQUENCES), small(SEQUENCES))


def test_codes_that_do_not_fit_are_refused(model):
    packed = pack(model, {"attention.in_proj_weight": "int8_rows"})
    check(packed.attention)
    packed.attention.in_proj_weight.stored = Int8Rows.encode(torch.randn(45, 16))
    with pytest.raises(SurgeryError, match="45 packed rows"):
        check(packed.attention)


def test_one_with_keys_of_another_width_is_refused():
    other = nn.ModuleDict({"attention": nn.MultiheadAttention(16, 4, kdim=8, vdim=8)})
    with pytest.raises(SurgeryError, match="'q_proj_weight' of a MultiheadAttention"):
        pack(other, {"attention.q_proj_weight": "int8_rows"})
