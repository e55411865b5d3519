"""Parameters and bytes, also of what is packed."""

import torch
from torch import nn

from recprune.evaluation.size import size_of
from recprune.models.deepfm import DeepFM
from recprune.packing import pack


def deepfm() -> nn.Module:
    return DeepFM(["a", "b"], [20, 30], dim=8, hidden=(16,))


def test_tables_are_features_and_all_other_parameters_network():
    tower = 16 * 16 + 16 + 2 * 16 + 16 + 1
    buffers = 2 * 8 + 2 * 16 * 4 + 8
    assert size_of(deepfm()) == (50 * 9, tower + 1, 4 * (50 * 9 + tower + 1) + buffers)


def test_a_packed_weight_counts_its_entries_and_the_bytes_of_its_codes():
    plain = size_of(deepfm())
    packed = size_of(pack(deepfm(), {"table.weight": "int4_rows", "tower.0.weight": "int8_rows"}))
    assert packed[:2] == plain[:2]
    assert packed[2] == plain[2] - 4 * (50 * 8 + 16 * 16) + 50 * (4 + 2) + 16 * (16 + 2)


def test_entries_that_are_not_stored_do_not_count():
    features, _, _ = size_of(pack(deepfm(), {"table.weight": "top_entries(k=3)"}))
    assert features == 50 * 3 + 50


def test_a_table_that_is_also_a_layer_counts_once_and_as_a_table():
    model = nn.ModuleDict({"out": nn.Linear(16, 10, bias=False), "item": nn.Embedding(10, 16)})
    model["item"].weight = model["out"].weight
    assert size_of(model) == (160, 0, 640)
    assert size_of(pack(model, {"out.weight": "int8_rows"})) == (160, 0, 10 * (16 + 2))
    assert torch.equal(model["item"].weight, model["out"].weight)
