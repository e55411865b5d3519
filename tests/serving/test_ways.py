"""Ways to list: what takes a model lists as it does, the others say why not."""

import numpy as np
import pytest
import torch

from recprune.errors import DataError, ExtensionError
from recprune.models.build import build
from recprune.runtimes import onnx as file
from recprune.serving import ways as place
from recprune.serving.agreement import differ
from recprune.serving.fast import ByRows
from recprune.serving.recommender import Listed
from recprune.serving.ways import names, recorded, ways
from recprune.testing import tiny_clicks, tiny_split

SPLIT = tiny_split()
SIZES = SPLIT.train.n_items, SPLIT.train.n_users
HISTORIES = SPLIT.train.histories()


def test_every_runtime_is_a_way_and_others_than_kernels_may_stand_before_them():
    assert names() == ["eager", "kernels", "onnx", "onnx_kernels"]


@pytest.mark.parametrize("name", ["sasrec", "caser"])
def test_onnx_lists_as_the_model_does(name):
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    model = build(name, SPLIT, dim=8, length=5, seed=1).eval()
    ready, refused = ways(model, *SIZES)
    assert (list(ready), refused) == (["eager", "kernels", "onnx", "onnx_kernels"], {})
    rows, codes = np.arange(1, 20), np.arange(HISTORIES.n_users)
    wanted = ready["eager"].many(rows, HISTORIES, codes, 5, False)
    for way in ready.values():
        found = way.many(rows, HISTORIES, codes, 5, False)
        for row in range(len(rows)):
            assert not differ(*(Listed(items[row], scores[row]) for items, scores in (found, wanted)))


def test_what_does_not_take_a_model_says_why():
    model = build("popularity", SPLIT).eval()
    ready, refused = ways(model, *SIZES, only=["kernels"])
    assert list(ready) == ["eager"]
    assert "there is none for a Popularity" in refused["kernels"]


def test_a_runtime_that_answers_otherwise_is_refused(monkeypatch):
    model = build("sasrec", SPLIT, dim=8, length=5).eval()

    def wrong(module, example):
        assert len(example[0]) > 1
        return lambda columns: module(*map(torch.from_numpy, columns)).detach().numpy() * 1.01 + 0.01

    monkeypatch.setattr(file, "onnx", wrong)
    ready, refused = ways(model, *SIZES, only=["onnx", "onnx_kernels"])
    assert list(ready) == ["eager"]
    assert all("lists otherwise" in refused[name] for name in ("onnx", "onnx_kernels"))


def test_a_model_of_users_has_no_query_of_a_history():
    _, refused = ways(build("mf", SPLIT).eval(), *SIZES, only=["onnx_kernels"])
    assert "no query of a history" in refused["onnx_kernels"]


def test_a_name_that_there_is_not_and_a_model_of_rows_are_refused():
    with pytest.raises(ExtensionError, match="kernel"):
        ways(build("mf", SPLIT), *SIZES, only=["kernel"])
    with pytest.raises(DataError, match="scores rows"):
        ways(build("deepfm", tiny_clicks()), *SIZES)


def test_a_record_is_gone_by_at_the_nearest_number_of_users():
    found = recorded(build("mf", SPLIT).eval(), {1: "eager", 64: "kernels", 256: "none"}, *SIZES)
    assert found.names == {1: "eager", 64: "kernels", 256: "eager"}
    assert "there is none of that name" in found.refused["none"]
    assert isinstance(found.listing[64], ByRows)
    asked = []

    class Told:
        def __init__(self, users):
            self.users = users

        def lists(self, *_):
            asked.append(self.users)

        many = lists

    found = place.Recorded({n: Told(n) for n in found.listing}, found.names, {}, SIZES[0], True, False)
    found.lists(1, np.zeros(0, int), 3, np.zeros(0, int))
    found.many(np.arange(50), HISTORIES, np.arange(3), 3, False)
    found.many(np.arange(900), HISTORIES, np.arange(3), 3, False)
    assert asked == [1, 64, 256]
