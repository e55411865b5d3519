"""Encodings as one writes them."""

import sys
import types

import numpy as np
import pytest
import torch

from recprune import encodings
from recprune.discover import load, names
from recprune.encodings.codes import Codes
from recprune.encodings.fp16 import Fp16
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.spelled import name_of, spelled
from recprune.encodings.top_entries import TopEntries
from recprune.errors import ExtensionError


@pytest.mark.parametrize(
    ("text", "kind", "options"),
    [
        ("fp16", Fp16, {}),
        ("top_entries(k=8)", TopEntries, {"k": 8}),
        (" top_entries(k=8, bits=8) ", TopEntries, {"k": 8, "bits": 8}),
        ("int4_rotated_rows(seed=3)", Int4RotatedRows, {"seed": 3}),
        ("recprune.encodings.fp16:Fp16", Fp16, {}),
    ],
)
def test_a_text_is_an_encoding_and_back(text: str, kind: type, options: dict[str, int]):
    found = spelled(text)
    assert (found.kind, found.options) == (kind, options)
    assert spelled(str(found)) == found


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("int8", "there are: bf16"),
        ("int8_rows(k=3)", "no option 'k'; there are: none"),
        ("top_entries(K=3)", "there are: bits, k"),
        ("top_entries(k=x)", "is no encoding"),
        ("top_entries()", "is no encoding"),
        ("top_entries(k=1,k=2)", "an option stands there once"),
        ("int4_rotated_rows(seed=99999999999999999999999)", r"below 2\^63"),
        ("item_item", "entries that leave by a plan"),
        ("os:system", "stores no matrix as codes"),
        ("", "is no encoding"),
    ],
)
def test_another_text_is_refused_with_what_there_is(text: str, said: str):
    with pytest.raises(ExtensionError, match=said):
        spelled(text)


def test_it_counts_and_encodes_by_its_options():
    found = spelled("top_entries(k=3)")
    assert found.stored_bytes((10, 8)) == 10 * 3 * 5
    assert found.stored_entries((10, 8)) == 30
    assert found.encode(torch.rand(10, 8)).codes.shape == (10, 3)
    stays = np.array([[True, True, False], [False, False, True]])
    assert str(spelled("top_entries").for_entries(stays)) == "top_entries(k=2)"
    assert str(spelled("sparse_rows(bits=8)").for_entries(stays)) == "sparse_rows(entries=3,bits=8)"
    assert found.for_entries(stays) == found
    assert spelled("int8_rows").for_entries(stays) is None
    assert spelled("fp16").stored_bytes((10, 8), value_bytes=8) == 160


def test_an_encoding_of_ones_own_has_the_name_that_it_is_found_by(monkeypatch: pytest.MonkeyPatch):
    mine = types.ModuleType("mine")
    mine.Mine = type("Mine", (Fp16,), {"__module__": "mine"})
    monkeypatch.setitem(sys.modules, "mine", mine)
    assert name_of(mine.Mine) == "mine:Mine"
    assert spelled("mine:Mine").kind is mine.Mine
    assert name_of(Fp16) == "fp16"


def test_the_folder_offers_encodings_and_nothing_else():
    found = {name: load(encodings, name) for name in names(encodings)}
    assert {"item_item", "int8_rows", "int2_rotated_rows", "top_entries"} <= found.keys()
    assert not set(encodings.BESIDE) & found.keys()
    assert {name for name, kind in found.items() if not issubclass(kind, Codes)} == {"item_item"}
