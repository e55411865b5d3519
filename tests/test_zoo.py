"""Modules that know nothing of pruning: each is cut exactly, or says what stays whole.

Every file of tests/zoo offers make() -> (model, example). What at least has to be found is in FOUND.
"""

import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs
from recprune.tracing.build import named_tensors
from recprune.tracing.inputs import Example, call, changed
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey

ZOO = Path(__file__).parent / "zoo"
NAMES = sorted(path.stem for path in ZOO.glob("*.py"))


def made(name: str) -> tuple[nn.Module, Example]:
    torch.manual_seed(0)
    spec = importlib.util.spec_from_file_location(f"zoo_{name}", ZOO / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    model, example = module.make()
    for tensor in named_tensors(model).values():
        if tensor.is_floating_point() and tensor.layout is torch.strided:
            tensor.data.add_(torch.rand_like(tensor), alpha=0.2)
    return model.eval(), example


def drawn(found: Survey, factor: float, seed: int) -> Plan:
    generator = torch.Generator().manual_seed(seed)
    scores = {s.name: torch.rand(s.size, generator=generator) for s in found.sites}
    return choose(found, scores, Budget(factor))


def longer(example: Example, rows: int) -> Example:
    return changed(example, lambda _, x: x[torch.randint(len(x), (rows,))])


def same(got: object, wanted: object) -> None:
    if isinstance(wanted, dict):
        got, wanted = list(got.values()), list(wanted.values())
    pairs = zip(got, wanted, strict=True) if isinstance(wanted, list | tuple) else [(got, wanted)]
    for one, other in pairs:
        torch.testing.assert_close(one, other, rtol=1e-5, atol=1e-5 * max(1.0, float(other.abs().max())))


@pytest.mark.parametrize("name", NAMES)
def test_random_plans_are_exact_on_batches_of_other_sizes(name: str):
    model, example = made(name)
    found = survey(model, example)
    reach = choose_most(found)
    for seed, share in enumerate((0.3, 0.6, 0.9)):
        plan = drawn(found, share * reach, seed)
        small = apply(model, plan, example).eval()
        assert sum(p.numel() for p in small.parameters()) == plan.account().parameters_after
        for rows in (1, 2, 17, 300):
            inputs = longer(example, rows)
            with torch.no_grad():
                same(call(small, shrink_inputs(plan, inputs)), call(masked(model, plan).eval(), inputs))


def choose_most(found: Survey) -> float:
    """The largest share that can go."""
    kept = {s.name: np.array([0]) for s in found.sites if s.size > 1}
    return Plan(found, kept, Budget(0.0)).account().share_removed * 0.9


@pytest.mark.parametrize("name", NAMES)
def test_every_site_can_be_cut_by_itself(name: str):
    model, example = made(name)
    found = survey(model, example)
    for site in found.sites:
        if site.size > 1:
            apply(model, Plan(found, {site.name: np.arange(0, site.size, 2)}, Budget(0.1)), example)


FOUND: dict[str, set[str]] = {
    "autoint": {"table.dim", "input0.1.field", "input0.1.id"},
    "autoint_split": {"tables.0+tables.1+tables.2.dim", "query.neuron", "input0.0.id"},
    "autoint_wide": {"tables.0+tables.1+tables.2.dim", "input0.2.id"},
    "bags": {"tags.dim", "words.dim", "input0.id", "input1.id", "input2.id", "pair.neuron"},
    "bert4rec": {"item+position.dim", "fc.neuron"},
    "caser_plain": {"item.dim", "across.1.filter", "down.filter", "weight.dim", "user+weight.dim"},
    "dcn_v1": {"tables.0.dim", "tower.0.neuron"},
    "dcn_v2": {"table.dim", "tower.0.neuron", "down.neuron", "input0.2.field"},
    "deepfm_offsets": {"table.dim", "tower.0.neuron", "tower.2.neuron", "input0.0.field"},
    "deepfm_per_field": {"tables.0+tables.1+tables.2.dim", "tower.0.neuron", "input1.id"},
    "din": {"item.dim", "tower.0.neuron", "score.0.neuron"},
    "depthwise": {"item.dim", "query.neuron", "input0.id"},
    "dict_of_fields": {"user.dim", "item.dim", "item+past.id", "user_id.id", "tower.0.neuron"},
    "dlrm": {"bottom.0.neuron", "top.0.neuron"},
    "fibinet": {"table.dim", "squeeze.neuron"},
    "gates": {"both.neuron", "again.neuron", "last.neuron", "item.dim"},
    "gru4rec": {"item.dim", "fc.neuron"},
    "gru_last_state": {"item.dim", "input0.id"},
    "lightgcn": {"user+item.dim"},
    "keywords": {"user.id", "item.id", "up.neuron"},
    "lstm4rec": {"item.dim", "fc.neuron"},
    "mf_bias": {"user+item.dim", "input0.id", "input1.id"},
    "matrix_of_floats": {"x.0.id", "x.1.id", "tables.0+tables.1.dim", "dense.neuron"},
    "mmoe": {"user.dim", "item.dim", "heads.0.0.neuron"},
    "multvae": {"encoder.0.neuron", "decoder.0.neuron"},
    "neumf": {"user_gmf+item_gmf.dim", "user_mlp.dim", "tower.0.neuron"},
    "nextitnet": {"item.dim"},
    "packed_gru": {"item.dim", "gru.weight_ih_l0.neuron"},
    "sasrec_fused": {"item+position.dim"},
    "sasrec_mha": {"item+position.dim", "up.neuron"},
    "sasrec_plain": {"item+position.dim", "blocks.0.up.neuron"},
    "shared_tables": {"item.dim", "tower.0.neuron"},
    "tied_layers": {"user.dim"},
    "wide_and_deep": {"city.dim", "hour.dim", "into.neuron"},
    "written_rows": {"item.dim", "vote.neuron"},
    "xdeepfm": {"first.filter", "second.filter", "input0.1.field"},
}


@pytest.mark.parametrize("name", NAMES)
def test_what_can_leave_is_found(name: str):
    model, example = made(name)
    found = survey(model, example)
    assert FOUND[name] <= {site.name for site in found.sites}, (sorted(s.name for s in found.sites), dict(found.whole))
