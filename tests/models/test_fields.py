"""Fields of every sort: numbers and many codes a row beside categorical ones."""

import numpy as np
import pytest
import torch

import recprune
from recprune.data.bins import Bins, binned
from recprune.data.pasts import with_pasts
from recprune.errors import DataError
from recprune.evaluation.evaluate import evaluate
from recprune.evaluation.inputs import example, ranks, row_inputs
from recprune.models._fields import FieldModel
from recprune.models.build import build
from recprune.models.recommender import ranks_items
from recprune.planning.budget import Budget
from recprune.planning.plan import Plan
from recprune.recipe.restrict import smaller_vocabularies
from recprune.surgery import apply, renumber
from recprune.testing import check_model, tiny_clicks, tiny_mixed
from recprune.tracing.trace import survey
from recprune.training.fit import FitOptions, fit

CLICKS = ["autoint", "dcn", "deepfm", "din", "fgcnn", "fm", "lr", "wide_deep"]
NONE = np.arange(0)
SMALL = {
    "autoint": {"layers": 2, "heads": 2, "inside": 3, "hidden": (6,)},
    "dcn": {"hidden": (6, 5)},
    "deepfm": {"hidden": (6, 5)},
    "din": {"attention": (7,), "hidden": (6, 5)},
    "fgcnn": {"filters": (3, 5), "hidden": (6, 7)},
    "wide_deep": {"hidden": (6, 5)},
}

FIELDS = {"user.field", "item.field", "city.field", "age.field", "price.field", "user.id", "item.id", "tags.id"}
OTHERS = {"user.field", "city.field", "age.field", "price.field", "user.id", "item+sequence.id", "tags.id"}
DIMS = {"table+bags.0.dim"}
LEAVE = {
    "autoint": {*FIELDS, *DIMS, "attention.0.head", "tower.0.neuron"},
    "dcn": {*FIELDS, *DIMS, "tower.0.neuron"},
    "deepfm": {*FIELDS, *DIMS, "tower.0.neuron"},
    "din": {*OTHERS, *DIMS, "item.dim", "attention.0.neuron", "tower.0.neuron"},
    "fgcnn": {"user.id", "item.id", "convolutions.0.filter", "tower.0.neuron"},
    "fm": {*FIELDS, *DIMS},
    "lr": FIELDS,
    "wide_deep": {*FIELDS, *DIMS, "tower.0.neuron"},
}


def mixed(**options):
    return with_pasts(tiny_mixed(**options), 4)


def in_all_ways(**options):
    """Ages in bins, some of them missing; prices as numbers, some of them missing too."""
    split = mixed(missing=0.2, **options)
    for part in (split.train, split.valid, split.test):
        part.columns["price"][::3] = np.nan
    return binned(split, {"age": 4})


def built(name, split):
    return recprune.build(name, split, **({} if name == "lr" else {"dim": 4}), **SMALL.get(name, {})).eval()


def whole(site):
    return np.arange(site.size)


@pytest.mark.parametrize("name", CLICKS)
def test_every_sort_of_field_keeps_the_contract(name):
    split = mixed()
    model = built(name, split)
    assert {"user", "item", "city", "noise", "age", "price", "tags"} == set(model.columns) - {"sequence"}
    check_model(model, split)


@pytest.mark.parametrize("name", CLICKS)
def test_numbers_in_bins_and_missing_ones_keep_the_contract(name):
    split = in_all_ways()
    model = built(name, split)
    assert model.config["missing"]
    check_model(model, split)


@pytest.mark.parametrize("make", [mixed, in_all_ways])
@pytest.mark.parametrize("name", CLICKS)
def test_every_site_can_leave_alone_and_all_together(name, make):
    split = make()
    model = built(name, split)
    inputs = example(model, split, 7)
    found = survey(model, inputs)
    leave = LEAVE[name] | ({"age.id"} if make is in_all_ways else set())
    assert leave <= {site.name for site in found.sites}, (sorted(s.name for s in found.sites), dict(found.whole))
    for site in found.sites:
        apply(model, Plan(found, {site.name: whole(site)[: site.size // 2]}, Budget(0.0)), inputs)
    halves = {s.name: whole(s)[: (s.size + 1) // 2] for s in found.sites}
    gone = [site.name for site in found.sites if site.kind == "field"][-2:]
    small = apply(model, Plan(found, {**halves, **dict.fromkeys(gone, NONE)}, Budget(0.0)), inputs)
    assert sum(p.numel() for p in small.parameters()) < sum(p.numel() for p in model.parameters())


def test_vectors_are_rows_numbers_times_weights_and_means_of_rows():
    model = FieldModel(("user", "age", "tags"), (4, 0, 5), 3, ("tags",), linear=True)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    model.number_mean[0], model.number_scale[0] = 30.0, 0.2
    columns = (torch.tensor([2, 0]), torch.tensor([35.0, float("nan")]), torch.tensor([[1, 4, 0], [0, 0, 0]]))
    found = model.found(columns)
    got, weights = model.vectors(found), model.weights(found)
    bag = model.bags[0].weight
    assert torch.allclose(got[0, 0], model.table.weight[2])
    assert torch.allclose(got[:, 1], torch.stack([model.number_weight[0], 0 * bag[0]]) + model.number_bias[0])
    assert torch.allclose(got[:, 2], torch.stack([(bag[1] + bag[4]) / 2, 0 * bag[0]]))
    tags = model.bags_linear[0].weight
    assert torch.allclose(weights[0], model.linear.weight[2, 0] + model.number_linear[0] + (tags[1] + tags[4])[0] / 2)
    assert torch.allclose(weights[1], model.linear.weight[0, 0])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64])
@pytest.mark.parametrize("name", CLICKS)
def test_numbers_are_as_precise_as_the_model(name, dtype):
    split = tiny_mixed(missing=0.3)
    split = with_pasts(split, 5) if name == "din" else split
    model = built(name, split).eval()
    inputs = row_inputs(model, split.train, slice(0, 20))
    with torch.no_grad():
        plain, other = model(*inputs), model.to(dtype)(*inputs)
    assert other.dtype == dtype
    assert torch.allclose(other.float(), plain, atol=0.02)


def test_what_is_missing_has_a_vector_and_a_weight_of_its_own():
    model = FieldModel(("age", "price"), (0, 0), 3, missing=True, linear=True)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    found = model.found((torch.tensor([0.5, float("nan")]), torch.tensor([float("nan"), 2.0])))
    vectors, weights = model.vectors(found), model.weights(found)
    assert torch.allclose(vectors[0, 0], 0.5 * model.number_weight[0] + model.number_bias[0])
    assert torch.allclose(vectors[1, 0], model.missing_weight[0] + model.number_bias[0])
    assert torch.allclose(vectors[0, 1], model.missing_weight[1] + model.number_bias[1])
    assert torch.allclose(weights[0], 0.5 * model.number_linear[0] + model.missing_linear[1])


@pytest.mark.parametrize("name", CLICKS)
def test_a_model_learns_that_a_missing_number_says_something(name):
    split = mixed(rows=400)
    for part in (split.train, split.valid, split.test):
        part.columns["age"][part["label"] > 0] = np.nan
        part.columns["age"][part["label"] <= 0] = 30.0
    model = built(name, split)
    fit(model, split, FitOptions(epochs=15, batch=32, lr=0.03, patience=15))
    assert evaluate(model, split).mean["auc"] > 0.95


def test_where_train_lacks_no_number_nothing_stands_for_missing_ones():
    model = recprune.build("deepfm", tiny_mixed())
    assert "missing" not in model.config
    assert not any("missing" in name for name in model.state_dict())


def test_numbers_are_standardised_over_train():
    split = tiny_mixed()
    model = recprune.build("deepfm", split)
    numbers = model.found(row_inputs(model, split.train, slice(None))).numbers
    assert torch.allclose(numbers.mean(0), torch.zeros(2), atol=1e-4)
    assert torch.allclose(numbers.std(0, correction=0), torch.ones(2), atol=1e-4)


def test_a_number_that_never_varies_stays_finite():
    split = tiny_mixed()
    split.train.columns["age"][:] = 7
    model = recprune.build("deepfm", split).eval()
    assert torch.isfinite(model(*row_inputs(model, split.test, slice(None)))).all()


def test_a_numeric_field_leaves_as_a_whole_with_its_mean():
    split = tiny_mixed(missing=0.2)
    model = recprune.build("deepfm", split, dim=4).eval()
    inputs = example(model, split, 7)
    found = survey(model, inputs)
    small = apply(model, Plan(found, {"age.field": NONE}, Budget(0.0)), inputs)
    assert small.columns == tuple(c for c in model.columns if c != "age")
    assert small.number_mean.tolist() == model.number_mean[1:].tolist()
    assert small.missing_weight.shape == (1, 4)
    assert small.number_weight.shape == (1, 4)
    for name in ("number_weight", "number_bias", "number_linear", "missing_weight", "missing_linear"):
        getattr(model, name).data[0] = 0
    rows = row_inputs(model, split.test, slice(None))
    assert torch.allclose(small(*row_inputs(small, split.test, slice(None))), model(*rows), atol=1e-5)


def test_categorical_fields_alone_make_no_tensors_for_others():
    model = recprune.build("deepfm", tiny_clicks())
    own = [name for name in model.state_dict() if not name.startswith("tower.")]
    assert own == ["bias", "offsets", "table.weight", "linear.weight"]
    assert "multi" not in model.config


@pytest.mark.parametrize("name", CLICKS)
def test_it_learns_from_fields_of_every_sort(name):
    split = mixed(rows=400)
    model = built(name, split)
    losses = [epoch.loss for epoch in fit(model, split, FitOptions(epochs=4, batch=32, lr=0.02, patience=4)).history]
    assert losses[-1] < losses[0]


def test_edges_go_into_the_folder_of_a_model_and_a_bin_that_left_is_unknown(tmp_path):
    split = binned(tiny_mixed(missing=0.2), {"age": 4})
    model = recprune.build("lr", split).eval()
    inputs = example(model, split, 7)
    plan = Plan(survey(model, inputs), {"age.id": np.array([0, 2, 4])}, Budget(0.0))
    small, ids = apply(model, plan, inputs), split.vocabularies["age"].ids
    recprune.save(tmp_path / "small", small, vocabularies=smaller_vocabularies(split.vocabularies, renumber(plan)))
    ages = recprune.load(tmp_path / "small").vocabularies["age"]
    assert isinstance(ages, Bins)
    assert ages.ids == (ids[0], ids[2], ids[4])
    edge = ids[1].removeprefix("[").partition(",")[0]
    assert ages.encode([-1.0, None, edge, ids[2]]).tolist() == [1, 3, 0, 2]


def test_a_multi_valued_field_needs_a_size():
    with pytest.raises(DataError, match="tags"):
        FieldModel(("user", "tags"), (4, 0), 3, ("tags",), linear=True)


def test_a_model_of_rows_stays_one_when_only_the_user_is_left():
    split = tiny_clicks()
    model = build("fm", split, dim=4)
    found = survey(model, example(model, split))
    gone = [site.name for site in found.sites if site.name.endswith(".field") and site.name != "user.field"]
    plan = Plan(found, dict.fromkeys(gone, NONE), Budget(0.0))
    small = apply(model, plan, example(model, split))
    assert small.columns == ("user",)
    assert not ranks(small)
    assert not ranks_items(small)
    assert {"auc", "logloss"} <= set(evaluate(small, split, renumber=renumber(plan)).mean)
    assert fit(small, split, FitOptions(epochs=1)).history
