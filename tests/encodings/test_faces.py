"""What stands in the place of torch's own modules."""

import copy
import itertools

import pytest
import torch
from torch import nn

from recprune.encodings.faces import Packed, lengths, scores
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.placing import face, opened, refusal
from recprune.errors import SurgeryError


def decoded(module: nn.Module) -> tuple[nn.Module, Packed]:
    """The module with decoded weights, and what takes its place."""
    with torch.no_grad():
        stored = Int8Rows.encode(module.weight)
        module.weight.copy_(stored.dense())
    return module, face(module, stored)


def test_a_table_answers_for_ids_of_any_shape():
    module, packed = decoded(nn.Embedding(9, 4, padding_idx=2))
    for ids in (
        torch.tensor(3),
        torch.tensor([1, 2, 8]),
        torch.randint(9, (2, 3, 4)),
        torch.empty(0, dtype=torch.int32),
    ):
        assert torch.equal(packed(ids), module(ids))
    assert (packed.num_embeddings, packed.embedding_dim, packed.padding_idx) == (9, 4, 2)
    with pytest.raises(IndexError):
        packed(torch.tensor([9]))


def test_lengths_of_rows_are_found_once_and_anew_where_a_part_was_written_to():
    module, packed = decoded(nn.Embedding(9, 4))
    first = lengths(packed)
    assert torch.allclose(first, module.weight.norm(dim=1))
    assert lengths(packed) is first
    packed.stored.scale *= 2
    assert torch.allclose(lengths(packed), 2 * first)
    other = copy.deepcopy(packed)
    other.stored.scale *= 2
    assert torch.allclose(lengths(other), 4 * first)
    assert torch.allclose(lengths(packed), 2 * first)


def test_lengths_of_codes_of_inference_mode_are_found_once():
    with torch.inference_mode():
        packed = decoded(nn.Embedding(9, 4))[1]
        assert lengths(packed) is lengths(packed)


@pytest.mark.parametrize("bias", [True, False])
def test_a_layer_multiplies_inputs_of_any_shape(bias: bool):
    module, packed = decoded(nn.Linear(4, 9, bias=bias))
    for shape in ((4,), (3, 4), (2, 5, 4), (0, 4)):
        x = torch.randn(shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(packed(x), module(x), rtol=1e-5, atol=1e-6)
    assert (packed.in_features, packed.out_features) == (4, 9)
    assert packed.bias is module.bias


MODES = list(itertools.product(["sum", "mean", "max"], [None, 2], [False, True]))


@pytest.mark.parametrize(("mode", "padding", "last"), MODES)
def test_bags_are_those_of_torch(mode: str, padding: int | None, last: bool):
    module, packed = decoded(nn.EmbeddingBag(9, 4, mode=mode, padding_idx=padding, include_last_offset=last))
    flat, offsets = torch.tensor([1, 2, 2, 8, 0, 2, 3]), torch.tensor([0, 2, 2, 5, 7] if last else [0, 2, 2, 5])
    torch.testing.assert_close(packed(flat, offsets), module(flat, offsets))
    if not last:
        torch.testing.assert_close(packed(flat[:6].view(2, 3)), module(flat[:6].view(2, 3)))
    if mode == "sum":
        weights = torch.rand(7, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(packed(flat, offsets, weights), module(flat, offsets, weights))


@pytest.mark.parametrize(
    "module", [nn.Embedding(9, 4, padding_idx=2), nn.Linear(4, 9), nn.EmbeddingBag(9, 4, mode="sum")]
)
def test_it_can_be_opened_again(module: nn.Module):
    module, packed = decoded(module)
    again = opened(packed, nn.Parameter(packed.weight))
    assert type(again) is type(module)
    assert torch.equal(again.weight, module.weight)
    assert {**vars(again), "_parameters": 0} == {**vars(module), "_parameters": 0}


def test_the_scores_of_a_table_are_the_same_packed_or_not():
    module, packed = decoded(nn.Embedding(9, 4))
    x = torch.randn(2, 3, 4, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scores(packed, x), scores(module, x), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(scores(module, x), x @ module.weight.T)


class Own(nn.Linear):
    def forward(self, input: torch.Tensor) -> torch.Tensor:
        return super().forward(input) * 2


def hooked() -> nn.Module:
    module = nn.Linear(2, 2)
    module.register_forward_hook(lambda *_: None)
    return module


@pytest.mark.parametrize(
    ("module", "said"),
    [
        (nn.ConvTranspose1d(2, 2, 1), "of a ConvTranspose1d"),
        (Own(2, 2), "a forward of its own"),
        (nn.Embedding(3, 2, max_norm=1.0), "max_norm"),
        (hooked(), "hooks"),
    ],
)
def test_a_module_that_would_do_something_else_is_refused(module: nn.Module, said: str):
    assert said in refusal(module)
    with pytest.raises(SurgeryError, match=said):
        face(module, Int8Rows.encode(torch.rand(3, 2)))
