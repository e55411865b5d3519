"""Open attention answers as nn.MultiheadAttention does."""

import pytest
import torch
from torch import nn

from recprune.rewrites.open_attention import OpenAttention, open_attention


class Holder(nn.Module):
    def __init__(self, **options: object) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(8, 2, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("mask", [None, "bool", "float", "per head"])
@pytest.mark.parametrize("padded", [True, False])
def test_it_answers_the_same(first: bool, bias: bool, mask: str | None, padded: bool):
    torch.manual_seed(0)
    model = Holder(batch_first=first, bias=bias).eval()
    opened = open_attention(model)
    assert isinstance(opened.attention, OpenAttention)
    assert opened.attention.in_proj_weight is model.attention.in_proj_weight
    assert list(opened.state_dict()) == list(model.state_dict())
    query, key = torch.randn(3, 4, 8), torch.randn(3, 5, 8)
    where = torch.rand(3 * 2 if mask == "per head" else 1, 4, 5) > 0.7
    where[..., 0] = False
    given = {None: None, "bool": where[0], "per head": where, "float": torch.randn(4, 5)}[mask]
    padding = torch.tensor([[False] * 4 + [True]] * 3) if padded else None
    if padded and mask == "float":
        padding = torch.zeros(3, 5).masked_fill(padding, -torch.inf)
    parts = [x if first else x.transpose(0, 1) for x in (query, key, key)]
    for average in (True, False):
        wanted = model.attention(*parts, key_padding_mask=padding, attn_mask=given, average_attn_weights=average)
        got = opened.attention(*parts, key_padding_mask=padding, attn_mask=given, average_attn_weights=average)
        torch.testing.assert_close(got, wanted)


@pytest.mark.parametrize("kind", [torch.bool, torch.float32])
def test_a_row_that_may_look_nowhere_is_0_where_no_weights_are_asked_for(kind):
    torch.manual_seed(0)
    model, x = Holder(batch_first=True).eval(), torch.randn(2, 4, 8)
    padding = torch.tensor([[False, False, True, True], [True] * 4])
    how = {"key_padding_mask": padding, "need_weights": False}
    if kind is torch.float32:
        how["key_padding_mask"] = torch.zeros(2, 4).masked_fill(padding, -torch.inf)
    wanted = model.attention(x, x, x, **how)[0]  # with gradients, where torch goes by its formula
    got = open_attention(model).attention(x, x, x, **how)[0]
    assert wanted.isfinite().all()
    torch.testing.assert_close(got, wanted)
    got.sum().backward()
    assert model.attention.in_proj_weight.grad.isfinite().all()
    how["need_weights"] = True
    torch.testing.assert_close(
        open_attention(model).attention(x, x, x, **how), model.attention(x, x, x, **how), equal_nan=True
    )


def test_one_sequence_without_a_batch():
    model = Holder().eval()
    x = torch.randn(4, 8)
    torch.testing.assert_close(open_attention(model).attention(x, x, x), model.attention(x, x, x))


def test_a_model_without_attention_is_itself_and_other_kinds_stay():
    plain = nn.Linear(2, 2)
    assert open_attention(plain) is plain
    other = Holder(kdim=4)
    assert open_attention(other) is other


def test_an_encoder_layer_keeps_its_answer():
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    x = torch.randn(2, 5, 8)
    torch.testing.assert_close(open_attention(layer)(x), layer(x))
