"""The dense models of the benchmarks on real data."""

import importlib.util
import os
from pathlib import Path

import numpy as np
import pytest

from recprune.data.encode import missing
from recprune.encodings.item_item import ItemItem
from recprune.evaluation.evaluate import evaluate
from recprune.training.finetune import finetune
from recprune.training.fit import fit

DATA = Path(os.environ.get("RECPRUNE_DATA", Path(__file__).parents[3] / "shared" / "data"))
pytestmark = pytest.mark.skipif(
    not (DATA / "README.md").is_file(), reason="real data: RECPRUNE_DATA names no folder with it"
)


@pytest.fixture(scope="module")
def recipes():
    path = Path(__file__).parents[2] / "benchmarks" / "recipes.py"
    spec = importlib.util.spec_from_file_location("benchmarks_recipes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_parts_have_the_published_sizes(recipes):
    names = ("ml100k", "frappe", "beauty", "adult", "anime", "movietweetings", "online_retail")
    sizes = {name: getattr(recipes, name)() for name in names}
    assert {name: (len(s.train), len(s.valid), len(s.test)) for name, s in sizes.items()} == {
        "ml100k": (79_619, 0, 20_381),
        "frappe": (202_027, 57_722, 28_860),
        "beauty": (153_776, 22_363, 22_363),
        "adult": (29_304, 3_257, 16_281),
        "anime": (335_953, 41_995, 41_995),
        "movietweetings": (52_741, 0, 15_314),
        "online_retail": (211_759, 0, 55_033),
    }


def test_adult_and_anime_are_read_as_their_sources_count_them(recipes):
    adult, anime = recipes.adult(), recipes.anime()
    positives = sum(part["label"].sum() for part in (adult.train, adult.valid))
    assert (positives, adult.test["label"].sum()) == (7_841, 3_846)
    assert (len(adult.train.roles.categorical), len(adult.train.roles.numeric)) == (8, 6)
    assert {"workclass", "occupation", "country"} == set(missing(adult.train))
    assert {"rating", "members"}.isdisjoint(anime.train.columns)
    assert anime.train.fields == ("user", "item", "kind")
    assert np.isfinite(anime.train["episodes"]).all()


def test_ease_on_ml_100k_ranks_as_it_is_known_to_and_survives_a_refit_on_6_percent(recipes):
    model, split, options = recipes.ml100k_ease()
    fit(model, split, options)
    dense = evaluate(model, split).mean
    assert dense["recall@20"] >= 0.198
    assert dense["ndcg@20"] >= 0.211
    weight = model.items.weight.detach()
    kept = weight.abs().flatten().topk(int(0.06 * weight.numel())).indices.sort().values
    model.items = ItemItem.encode(weight, kept)
    finetune(model, split, options)
    assert evaluate(model, split).mean["recall@20"] >= 0.98 * dense["recall@20"]
