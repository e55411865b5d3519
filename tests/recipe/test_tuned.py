import pytest
import torch

from recprune.encodings.faces import Packed
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.size import size_of
from recprune.models.build import build
from recprune.packing import encodings_of, pack, pack_weights, storing, unpack
from recprune.recipe.prune import prune
from recprune.recipe.tuned import tuned
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions, fit

FEW = FitOptions(epochs=4, patience=4, batch=64, lr=0.01)
CODED = ("int8_rows", "int4_rotated_rows", "int2_rotated_rows", "fp16", "top_entries(k=4)", "sparse_rows(entries=60)")


@pytest.fixture(scope="module")
def clicks():
    split = tiny_clicks()
    model = build("deepfm", split, dim=8, hidden=[16])
    fit(model, split, FitOptions(epochs=3))
    return model, split


@pytest.mark.parametrize("encoding", CODED)
def test_packed_weights_are_trained_and_packed_as_before(clicks, encoding):
    model, split = clicks
    small = pack(model, storing(model, encoding))
    said, before = encodings_of(small), size_of(small)[2]
    began = evaluate(small, split, part="valid").mean["auc"]
    made, found = tuned(small, split, FEW)
    assert encodings_of(made).keys() == said.keys()
    assert size_of(made)[2] <= before
    assert evaluate(made, split, part="valid").mean["auc"] >= began
    assert (made is small) == (found.best_epoch == 0)
    assert {name for name, m in made.named_modules() if isinstance(m, Packed)} == {
        name for name, m in small.named_modules() if isinstance(m, Packed)
    }


def test_what_training_brings_is_kept(clicks):
    model, split = clicks
    rough = pack(model, storing(model, "int2_rotated_rows"))
    began = evaluate(rough, split, part="valid").mean["auc"]
    made, found = tuned(rough, split, FEW)
    assert found.best_epoch > 0
    assert evaluate(made, split, part="valid").mean["auc"] > began + 0.001


def test_what_does_not_get_better_stays_the_model_it_was(clicks, monkeypatch):
    def spoiled(plain, *args, **more):
        with torch.no_grad():
            for weight in plain.parameters():
                weight.zero_()
        return pack_weights(plain, *args, **more)

    model, split = clicks
    small = pack(model, storing(model, "int4_rows"))
    monkeypatch.setattr("recprune.recipe.tuned.pack_weights", spoiled)
    made, found = tuned(small, split, FEW)
    assert made is small
    assert found.best_epoch == 0


def test_floats_are_trained_in_place(clicks):
    model, split = clicks
    plain = unpack(pack(model, storing(model, "fp16")))
    made, _ = tuned(plain, split, FEW)
    assert made is plain
    assert encodings_of(made) == {}


@pytest.mark.parametrize(
    ("name", "options", "encoding"),
    [("ease", {}, "item_bytes"), ("mixture", {"dim": 8, "memory": "users"}, "pair_gaps")],
)
def test_what_is_held_by_entries_is_found_anew_and_packed_again(name, options, encoding):
    split = tiny_split(users=60)
    model = build(name, split, **options)
    fit(model, split, FitOptions(epochs=2))
    cut = prune(model, split, 0.5, finetuned=False)
    small = pack_weights(cut.model, {"items.weight": encoding})
    said = encodings_of(small)
    assert said["items.weight"].startswith(encoding)
    made, _ = tuned(small, split, FEW, renumber=cut.renumber)
    assert encodings_of(made) == said
    assert size_of(made)[2] == size_of(small)[2]


def test_books_are_learned_by_how_often_rows_are_looked_up():
    split = tiny_split(users=200, items=1500)
    model = build("sasrec", split, dim=8, length=4, layers=1, heads=2)
    fit(model, split, FitOptions(epochs=1))
    small = pack(model, {"item.weight": "product_rows(m=2,b=8)"})
    assert encodings_of(small) == {"item.weight": "product_rows(m=2,b=8)"}
    made, _ = tuned(small, split, FEW)
    assert encodings_of(made) == encodings_of(small)


def test_weights_that_modules_share_are_named_once_and_packed_again():
    split = tiny_split()
    model = build("sasrec", split, dim=8, length=4, layers=1, heads=2)
    small = pack(model, storing(model, "int8_rows"))
    again = pack_weights(unpack(small), encodings_of(small))
    assert encodings_of(again) == encodings_of(small) == storing(model, "int8_rows")
    for name, tensor in again.state_dict().items():
        torch.testing.assert_close(
            tensor, small.state_dict()[name], atol=1 if tensor.dtype is torch.int8 else 1e-3, rtol=0
        )
    assert pack_weights(model, {}) is model
