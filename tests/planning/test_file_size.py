"""Bytes of a file of tensors, before it is written."""

import string

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save

from recprune.encodings.spelled import spelled
from recprune.models.mf import MF
from recprune.packing import pack
from recprune.planning.file_size import DTYPES, file_size, packed_facts
from recprune.tracing.build import named_tensors

NAMES = st.text(string.ascii_letters + string.digits + "_.", min_size=1, max_size=30)


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(NAMES, st.tuples(st.sampled_from(list(DTYPES)), st.lists(st.integers(0, 40), max_size=3))),
)
def test_it_is_the_length_of_what_safetensors_writes(facts: dict[str, tuple[torch.dtype, list[int]]]):
    tensors = {name: torch.zeros(shape, dtype=dtype) for name, (dtype, shape) in facts.items()}
    assert file_size(facts) == len(save(tensors))


@pytest.mark.parametrize("encoding", ["int8_rows", "int2_rotated_rows", "top_entries(k=3)", "sparse_rows(entries=99)"])
def test_packed_matrices_are_told_by_their_parts(encoding: str):
    model = MF(300, 40, 16)
    facts = {name: (tensor.dtype, tuple(tensor.shape)) for name, tensor in named_tensors(model).items()}
    encodings = {"user.weight": encoding, "item.weight": "int4_rows"}
    wanted = len(save({name: t.detach() for name, t in named_tensors(pack(model, encodings)).items()}))
    assert file_size(packed_facts(facts, {name: spelled(text) for name, text in encodings.items()})) == wanted
