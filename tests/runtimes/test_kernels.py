"""The kernels answer as the model does, whatever of it is pruned or packed, and refuse what they do not know."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from recprune.errors import ExtensionError
from recprune.evaluation.inputs import example
from recprune.models.deepfm import DeepFM
from recprune.models.recommender import ranks_items
from recprune.packing import pack, storing
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.runtimes import writer
from recprune.runtimes.asking import agree
from recprune.runtimes.kernels import kernels
from recprune.runtimes.writing import _WRITERS, program_of
from recprune.surgery import apply, shrink_inputs
from recprune.tracing.trace import survey

NAMES = ("lr", "fm", "wide_deep", "deepfm", "dcn", "neumf", "autoint")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("data", ["clicks", "mixed"])
def test_every_click_model_is_answered_for(level, name, data, request, trained, asked):
    split = request.getfixturevalue(data)
    model = trained(name, split)
    columns = asked(model, split)
    agree(model, kernels(model, columns), columns)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "encoding", ["int8_rows", "int4_rows", "int4_rotated_rows", "bf16", "shared_values(b=5)", "product_rows(m=2)"]
)
def test_packed_models_are_answered_for(name, encoding, mixed, trained, asked):
    model = trained(name, mixed)
    packed = pack(model, storing(model, encoding))
    columns = asked(packed, mixed)
    agree(packed, kernels(packed, columns), columns)


@pytest.mark.parametrize("encoding", ["int4_rotated_rows", "int2_rotated_rows"])
def test_rotated_tables_are_decoded_only_where_they_are_small(level, encoding, mixed, trained, asked, monkeypatch):
    model = trained("deepfm", mixed)
    packed = pack(model, storing(model, encoding))
    columns = asked(packed, mixed)
    decoded = kernels(packed, columns)(columns)
    monkeypatch.setattr(writer, "SMALL", 0)
    held = [step.table for step in program_of(packed).steps if hasattr(step, "table")]
    assert {table.kind for table in held if table.columns > 1} == {"int4"}
    agree(packed, kernels(packed, columns), columns)
    np.testing.assert_allclose(kernels(packed, columns)(columns), decoded, atol=1e-5)


def test_rows_stay_as_they_are_stored(mixed, trained, asked):
    model = trained("deepfm", mixed)
    packed = pack(model, {"table.weight": "int8_rows"})
    held = [step.table for step in program_of(packed).steps if hasattr(step, "table") and step.table.columns > 1]
    codes = packed.table.stored.codes
    assert any(table.kind == "int8" and table.rows.ctypes.data == codes.data_ptr() for table in held)


@pytest.mark.parametrize("name", NAMES)
def test_pruned_models_are_answered_for(name, mixed, trained, asked):
    model = trained(name, mixed)
    rows = example(model, mixed, 9)
    found = survey(model, rows)
    scores = {site.name: torch.rand(site.size, generator=torch.Generator().manual_seed(1)) for site in found.sites}
    plan = choose(found, scores, Budget(0.4))
    small = apply(model, plan, rows).eval()
    columns = tuple(x.numpy() for x in shrink_inputs(plan, rows, found.columns))
    agree(small, kernels(small, columns), columns)


@pytest.mark.parametrize("name", ["dcn", "dcn_of_rank", "no_norm"])
def test_other_shapes_of_a_model(name, clicks, trained, asked):
    options = {"dcn": {"cross": 1}, "dcn_of_rank": {"rank": 3, "cross": 2}, "no_norm": {"norm": False, "hidden": (5,)}}
    model = trained("dcn", clicks, **options[name])
    columns = asked(model, clicks)
    agree(model, kernels(model, columns), columns)


def test_attention_with_a_tower_beside_it(mixed, trained, asked):
    model = trained("autoint", mixed, layers=2, heads=3, inside=5, hidden=(7,))
    columns = asked(model, mixed)
    agree(model, kernels(model, columns), columns)


def test_a_field_alone(clicks, trained, asked):
    for kind in ("lr", "fm", "deepfm", "dcn", "autoint"):
        model = trained(kind, clicks, fields=["item"])
        columns = asked(model, clicks)
        agree(model, kernels(model, columns), columns)


class Own(DeepFM):
    """Somebody's own."""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda m: m.double(), "float64"),
        (lambda m: m.register_forward_hook(lambda *a: None), "hooks"),
        (lambda m: m.tower[0].register_forward_hook(lambda *a: None), "tower.0 has hooks"),
        (lambda m: setattr(m, "forward", lambda *c: c[0].float()), "forward of its own"),
        (lambda m: m.tower.__setitem__(2, nn.GELU()), "GELU"),
        (lambda m: m.tower.__setitem__(0, nn.Linear(3, 128)), "numbers"),
        (lambda m: m.tower.__setitem__(1, nn.BatchNorm1d(128, track_running_stats=False)), "its batch"),
        (lambda m: setattr(m.table, "max_norm", 1.0), "max_norm"),
        (lambda m: m.register_buffer("offsets", m.offsets[:-1]), "offsets"),
    ],
)
def test_what_is_not_recognised_is_refused_with_the_reason(change, reason, clicks, trained, asked):
    model = trained("deepfm", clicks)
    columns = asked(model, clicks)
    change(model)
    with pytest.raises(ExtensionError, match=reason):
        kernels(model, columns)


def test_models_that_are_not_ours_are_refused(clicks, trained, asked):
    model = copy.deepcopy(trained("deepfm", clicks))
    model.__class__ = Own
    with pytest.raises(ExtensionError, match=r"DeepFM.*and this is a Own"):
        program_of(model)


def test_columns_of_another_type_are_refused(clicks, trained, asked):
    model = trained("deepfm", clicks)
    columns = asked(model, clicks)
    with pytest.raises(ExtensionError, match="float32"):
        kernels(model, [columns[0].astype(np.float32), *columns[1:]])


def test_all_that_is_written_scores_rows(clicks, trained, asked):
    assert not any(ranks_items(trained(name, clicks)) for name in NAMES)
    assert len(_WRITERS) == len(NAMES)
