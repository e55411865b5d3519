"""pack: fewer bytes, the numbers of the decoded weights, and the old model untouched."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from recprune.encodings.faces import Packed
from recprune.encodings.rotation import WIDEST
from recprune.errors import BudgetError, ExtensionError, SurgeryError, TrainingError
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.packing import pack, packable, storing, unpack
from recprune.testing.data import tiny_split
from recprune.tracing.build import named_tensors
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit
from recprune.training.scratch import fresh_copy


class Tied(nn.Module):
    """One table that is looked up and scored with, as most sequence models have it."""

    def __init__(self, rows: int = 40, dim: int = 16) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(rows, dim), nn.Linear(dim, rows)
        self.out.weight = self.item.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.out(torch.relu(self.item(x)))


EXAMPLE = (torch.arange(5),)
ALL = [
    *("int8_rows", "int4_rows", "int4_rotated_rows", "int2_rotated_rows", "fp16", "bf16", "top_entries(k=3,bits=8)"),
    *("sparse_rows", "sparse_rows(entries=70,bits=4)", "product_rows(m=4,b=8,w=16)", "shared_values(b=3)"),
]
EXPORTED = [*ALL, "top_entries(k=1)"]


def held(model: nn.Module) -> int:
    return sum(t.numel() * t.element_size() for t in named_tensors(model).values())


@pytest.mark.parametrize("encoding", ALL)
def test_a_packed_model_is_smaller_and_equals_that_of_the_decoded_weights(encoding: str):
    model = MF(30, 40, 16)
    before = copy.deepcopy(model.state_dict())
    packed = pack(model, {"user.weight": encoding, "item.weight": encoding}, EXAMPLE)
    assert held(packed) < 0.7 * held(model)
    plain = copy.deepcopy(model)
    for name in ("user", "item"):
        getattr(plain, name).weight.data.copy_(getattr(packed, name).weight)
    torch.testing.assert_close(packed(*EXAMPLE), plain(*EXAMPLE), rtol=1e-5, atol=1e-6)
    assert all(torch.equal(before[k], v) for k, v in model.state_dict().items())
    assert not packed.training


def test_a_weight_that_is_shared_stays_one_set_of_codes():
    model = Tied()
    packed = pack(model, {"item.weight": "int8_rows"}, EXAMPLE)
    assert packed.item.stored is packed.out.stored
    assert held(packed) == 40 * (16 + 2) + 40 * 4
    again = copy.deepcopy(packed)
    assert again.item.stored is again.out.stored
    by_other_name = pack(model, {"out.weight": "int8_rows"}, EXAMPLE)
    assert torch.equal(by_other_name(*EXAMPLE), packed(*EXAMPLE))
    with pytest.raises(SurgeryError, match="one tensor"):
        pack(model, {"item.weight": "int8_rows", "out.weight": "fp16"})


def test_a_module_that_stands_in_two_places_is_replaced_in_both():
    model = nn.Module()
    model.a = model.b = nn.Embedding(9, 8)
    model.forward = None
    packed = pack(model, {"a.weight": "int8_rows"})
    assert packed.a is packed.b
    assert isinstance(packed.b, Packed)


def test_what_was_packed_can_be_opened_and_trained():
    packed = pack(Tied(), {"item.weight": "int4_rows"}, EXAMPLE)
    model = unpack(packed)
    assert isinstance(packed.item, Packed)
    assert model.item.weight is model.out.weight
    torch.testing.assert_close(model(*EXAMPLE), packed(*EXAMPLE), rtol=1e-5, atol=1e-5)
    model(*EXAMPLE).sum().backward()
    assert model.item.weight.grad is not None


def test_the_fields_of_a_click_model_can_be_packed_with_its_tower():
    model = DeepFM(["a", "b"], [50, 70], dim=8, hidden=(32, 16)).eval()
    example = tuple(torch.arange(6) % size for size in (5, 7))
    packed = pack(model, {"table.weight": "int4_rows", "tower.0.weight": "int8_rows"}, example)
    assert torch.isfinite(packed(*example)).all()
    assert held(packed) < 0.6 * held(model)


@pytest.mark.parametrize("model", [MF(30, 40, 16), Caser(40, 5, 16, 4, (1, 2), 2)])
def test_a_few_items_are_matched_without_the_others_being_decoded(model: nn.Module, monkeypatch: pytest.MonkeyPatch):
    name = "item.weight" if isinstance(model, MF) else "output.weight"
    packed = pack(model, {name: "int8_rows"})
    query = torch.randn(3, 16, generator=torch.Generator().manual_seed(0))
    monkeypatch.setattr(Packed, "weight", property(lambda self: pytest.fail("the whole weight was decoded")))
    for items in (torch.tensor([1, 7]), torch.randint(40, (3, 2))):
        wanted = model.match(query, items)
        torch.testing.assert_close(packed.match(query, items), wanted, atol=0.1, rtol=0.1)
    packed(torch.zeros(2, 5, dtype=torch.long) if isinstance(model, Caser) else torch.arange(2))


def test_what_would_not_be_smaller_is_refused():
    with pytest.raises(BudgetError, match=r"int8_rows would make 'item\.weight' no smaller: 80 bytes") as caught:
        pack(nn.ModuleDict({"item": nn.Embedding(20, 2)}).half(), {"item.weight": "int8_rows"})
    assert caught.value.tensor == "item.weight"
    with pytest.raises(BudgetError, match="top_entries"):
        pack(MF(30, 40, 16), {"item.weight": "top_entries(k=13)"})


class Functional(nn.Module):
    """Keeps a second hold on its table."""

    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(40, 16)
        self.also = self.item.weight

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.embedding(x, self.also)


class Hidden(nn.Module):
    """Holds on to its layer where torch does not see it."""

    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(40, 16)
        self.layers = [self.item]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[0](x)


class Writes(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.item = nn.Embedding(40, 16)

    def forward(self, x: Tensor) -> Tensor:
        return self.item(x) * self.item.max_norm if self.item.max_norm else self.item(x)


@pytest.mark.parametrize(
    ("model", "name", "said"),
    [
        (Functional(), "item.weight", r"is 'also' of a Functional"),
        (Hidden(), "item.weight", "does not equal the one with the decoded weights"),
        (Writes(), "item.weight", "does not run"),
        (Tied(), "nothing.weight", r"no parameter 'nothing\.weight' in this model; packed can be: item\.weight"),
        (Tied(), "out.bias", "is 'bias' of a Linear"),
        (nn.Linear(16, 16), "weight", "belongs to the model itself"),
        (nn.GRU(16, 16), "weight_ih_l0", "the model itself"),
        (nn.ModuleDict({"up": nn.ConvTranspose1d(4, 4, 2)}), "up.weight", "of a ConvTranspose1d"),
        (pack(Tied(), {"item.weight": "fp16"}), "item.weight", "packed already"),
    ],
)
def test_what_cannot_be_packed_is_refused_with_the_reason(model: nn.Module, name: str, said: str):
    with pytest.raises(SurgeryError, match=said):
        pack(model, {name: "int8_rows"}, EXAMPLE)


def test_an_encoding_that_there_is_not_is_refused():
    with pytest.raises(ExtensionError, match="int8_rows"):
        pack(Tied(), {"item.weight": "int8"})


def test_what_can_be_packed_is_listed_with_the_reasons_of_the_rest():
    found = packable(Functional())
    assert list(found) == ["also"]
    assert "'also' of a Functional" in found["also"]
    found = packable(DeepFM(["a"], [5], dim=4, hidden=(8,)))
    assert list(found) == ["table.weight", "linear.weight", "tower.0.weight", "tower.4.weight"]
    assert not any(found.values())


def test_codes_are_not_trained():
    split = tiny_split()
    model = MF(split.train.n_users, split.train.n_items, 16)
    packed = pack(model, {"item.weight": "int4_rows"})
    with pytest.raises(TrainingError, match=r"item is packed.*unpack"):
        fit(packed, split, FitOptions(epochs=1))
    with pytest.raises(TrainingError, match=r"item is packed.*unpack"):
        fresh_copy(packed)
    assert not torch.equal(fresh_copy(unpack(packed), 1).item.weight, packed.item.weight)


def test_a_packed_model_of_another_type_still_equals_its_decoded_weights():
    model = Tied().double()
    packed = pack(model, {"item.weight": "int4_rotated_rows"}, EXAMPLE)
    assert packed(*EXAMPLE).dtype is torch.float64
    low = pack(Tied().bfloat16(), {"item.weight": "int8_rows"}, EXAMPLE)
    assert low(*EXAMPLE).dtype is torch.bfloat16


class Bags(nn.Module):
    """A look-up, bags and a layer in several pieces."""

    def __init__(self) -> None:
        super().__init__()
        self.item, self.words, self.out = nn.Embedding(40, 16), nn.EmbeddingBag(50, 16), nn.Linear(16, 300)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.item(x[:, 0]) + self.words(x))


@pytest.fixture
def served(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> nn.Module:
    """A packed model whose layer is multiplied in several pieces."""
    monkeypatch.setattr("recprune.encodings.codes.ENTRIES", 1024)
    torch.manual_seed(0)
    return pack(Bags(), dict.fromkeys(("item.weight", "words.weight", "out.weight"), request.param))


GIVEN, OTHER = (torch.arange(12).reshape(4, 3),), (torch.arange(27).reshape(9, 3),)
ROWS = ({0: torch.export.Dim("rows", min=2, max=64)},)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("served", EXPORTED, indirect=True)
def test_a_packed_model_is_exported_and_takes_batches_of_any_length(served: nn.Module):
    program = torch.export.export(served, GIVEN, dynamic_shapes=ROWS)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(*OTHER), served(*OTHER), rtol=1e-5, atol=1e-6)


class Layers(nn.Module):
    """The same without bags, which ONNX has not for every length."""

    def __init__(self) -> None:
        super().__init__()
        self.item, self.out = nn.Embedding(40, 16), nn.Linear(16, 300)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.item(x).sum(1))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("encoding", EXPORTED)
def test_a_packed_model_runs_in_onnx_runtime_and_its_file_stays_small(
    encoding: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    runtime = pytest.importorskip("onnxruntime")
    monkeypatch.setattr("recprune.encodings.codes.ENTRIES", 1024)
    torch.manual_seed(0)
    model = pack(Layers(), {"item.weight": encoding, "out.weight": encoding})
    path = tmp_path / "model.onnx"
    torch.onnx.export(model, GIVEN, dynamo=True, verbose=False, dynamic_shapes=ROWS).save(path)
    session = runtime.InferenceSession(path)
    (came,) = session.run(None, {session.get_inputs()[0].name: OTHER[0].numpy()})
    with torch.no_grad():
        torch.testing.assert_close(torch.from_numpy(came), model(*OTHER), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoding", ["int4_rotated_rows", "int2_rotated_rows"])
def test_a_small_rotated_layer_is_exported_for_batches_of_any_length(encoding: str):
    layer = pack(nn.Sequential(nn.Linear(16, 8)), {"0.weight": encoding})
    rows = torch.export.Dim("rows", min=2)
    made = torch.export.export(layer, (torch.randn(3, 16),), dynamic_shapes=({0: rows},)).module()
    x = torch.randn(50, 16)
    torch.testing.assert_close(made(x), layer(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("encoding", ALL)
def test_rows_of_codes_never_leave_one_by_one(encoding: str):
    """What the survey does not follow stays whole: the mean of codes is no code of the mean."""
    found = survey(pack(MF(30, 40, 16), {"user.weight": encoding, "item.weight": encoding}), EXAMPLE)
    assert not [c.tensor for s in found.sites for c in s.cuts if ".stored." in c.tensor]
    assert "user.stored.codes:0" in found.whole


def test_a_matrix_too_wide_to_be_rotated_is_stored_by_other_encodings():
    model = nn.ModuleDict({"near": nn.Linear(32, 4), "wide": nn.Linear(WIDEST + 1, 4)})
    assert storing(model, "int4_rotated_rows") == {"near.weight": "int4_rotated_rows"}
    assert storing(model, "int4_rows") == {"near.weight": "int4_rows", "wide.weight": "int4_rows"}
