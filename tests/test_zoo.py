"""Modules that know nothing of pruning: each is cut exactly, or says what stays whole.

Every file of tests/zoo offers make() -> (model, example). What at least has to be found is in FOUND.
"""

import importlib.util
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs, shrink_outputs
from recprune.tracing.build import named_tensors
from recprune.tracing.inputs import Example, call, changed
from recprune.tracing.site import Kind, Site, Survey
from recprune.tracing.trace import survey

ZOO = Path(__file__).parent / "zoo"
NAMES = sorted(path.stem for path in ZOO.glob("*.py"))
BATCHES = (1, 2, 17, 300)


def made(name: str, seed: int = 0) -> tuple[nn.Module, Example]:
    torch.manual_seed(seed)
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


def fresh(found: Survey, example: Example, rows: int) -> Example:
    """A random batch: ids of the whole vocabulary where it is known, other numbers around those of the example."""
    sizes = {column: s.size + 1 for s in found.sites if s.kind is Kind.ID for column in s.columns}

    def redrawn(column: str, x: Tensor) -> Tensor:
        out = x[torch.randint(len(x), (rows,))]
        if column in sizes:
            return torch.randint(sizes[column], out.shape)
        parts = {j: f"{column}.{j}" for j in range(x.shape[1])} if x.dim() == 2 else {}
        for j, part in parts.items():
            out[:, j] = torch.randint(sizes[part], (rows,)) if part in sizes else out[:, j]
        known = any(part in sizes for part in parts.values())
        return out * (0.5 + torch.rand(rows, *(1,) * (x.dim() - 1))) if x.is_floating_point() and not known else out

    return changed(example, redrawn)


def apart(got: object, wanted: object) -> float:
    """Largest difference of two answers, over the largest number of the second."""
    pairs = list(zip(parts(got), parts(wanted), strict=True))
    assert pairs
    assert all(one.shape == other.shape for one, other in pairs)
    return max(float((one - other).abs().max() / other.abs().max().clamp(min=1e-12)) for one, other in pairs)


def parts(answer: object) -> Iterator[Tensor]:
    if isinstance(answer, Tensor):
        yield answer.detach().double()
    else:
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from parts(part)


def tolerance(model: nn.Module) -> float:
    return 2e-2 if any(p.dtype is torch.bfloat16 for p in model.parameters()) else 1e-5


def cut_exactly(model: nn.Module, plan: Plan, example: Example) -> nn.Module:
    """The smaller module, which counts as the plan says and answers as the masked one does, whatever the batch."""
    small, reference = apply(model, plan, example).eval(), masked(model, plan).eval()
    assert sum(p.numel() for p in small.parameters()) == plan.account().parameters_after
    for rows in BATCHES:
        inputs = fresh(plan.survey, example, rows)
        with torch.no_grad():
            got = call(small, shrink_inputs(plan, inputs))
            wanted = shrink_outputs(plan, call(reference, inputs))
        assert apart(got, wanted) <= tolerance(model), rows
    return small


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("name", NAMES)
def test_random_plans_of_random_weights_are_exact_on_random_batches(name: str, seed: int):
    model, example = made(name, seed)
    found = survey(model, example)
    plan = drawn(found, (0.3, 0.6, 0.9)[seed] * choose_most(found), seed)
    says_what_it_is(cut_exactly(model, plan, example))


def says_what_it_is(small: nn.Module) -> None:
    """Numbers beside the tensors are those of the tensors."""
    for module in small.modules():
        if isinstance(module, nn.Linear):
            assert (module.out_features, module.in_features) == tuple(module.weight.shape)
        if isinstance(module, nn.Embedding | nn.EmbeddingBag):
            assert (module.num_embeddings, module.embedding_dim) == tuple(module.weight.shape)
        if isinstance(module, nn.LayerNorm):
            assert module.normalized_shape == tuple(module.weight.shape)
        if isinstance(module, nn.RNNBase):
            assert (module.hidden_size, module.input_size) == (
                module.weight_hh_l0.shape[1],
                module.weight_ih_l0.shape[1],
            )


def choose_most(found: Survey) -> float:
    """The largest share that can go."""
    kept = {s.name: np.array([0]) for s in found.sites if s.size > 1}
    return Plan(found, kept, Budget(0.0)).account().share_removed * 0.9


@pytest.mark.parametrize("name", NAMES)
def test_every_site_can_be_cut_by_itself(name: str):
    model, example = made(name)
    found = survey(model, example)
    for site in found.sites:
        if site.size > 1 and site.kind is not Kind.ENTRY:
            apply(model, Plan(found, {site.name: np.arange(0, site.size, 2)}, Budget(0.1)), example)


@pytest.mark.parametrize("name", NAMES)
def test_keeping_everything_is_bit_identical_and_what_is_smaller_learns_and_shrinks_again(name: str):
    model, example = made(name)
    found = survey(model, example)
    with torch.no_grad():
        whole = apply(model, drawn(found, 0.0, 0), example)
        assert apart(call(whole, example), call(model, example)) == 0.0
    plan = drawn(found, 0.3 * choose_most(found), 1)
    small, inputs = apply(model, plan, example).train(), shrink_inputs(plan, example)
    sum(x.float().square().mean() for x in outputs(call(small, inputs))).backward()
    assert any(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in small.parameters())
    torch.optim.SGD(small.parameters(), 1e-3).step()
    again = survey(small.eval(), inputs)
    cut_exactly(small, drawn(again, 0.5 * choose_most(again), 2), inputs)


@pytest.mark.parametrize("name", NAMES)
def test_two_plans_in_a_row_equal_their_composition(name: str):
    model, example = made(name)
    found = survey(model, example)
    generator = np.random.default_rng(0)

    def some(sites: Iterable[Site]) -> dict[str, np.ndarray]:
        """Three quarters of the units of each site; ids and entries have tests of their own."""
        free = [s for s in sites if s.size > 1 and s.kind not in (Kind.ID, Kind.ENTRY, Kind.FIELD)]
        return {s.name: np.sort(generator.permutation(s.size)[: -(-3 * s.size // 4)]) for s in free}

    first = some(found.sites)
    once = apply(model, Plan(found, first, Budget(0.0)), example)
    again = survey(once, example)
    known = {s.name: s.size for s in again.sites}
    assert all(known[site] == len(units) for site, units in first.items()), (first, known)
    second = some(again.sites)
    twice = apply(once, Plan(again, second, Budget(0.0)), example)
    both = {site: units[second[site]] if site in second else units for site, units in first.items()}
    at_once = apply(model, Plan(found, both, Budget(0.0)), example)
    for one, other in zip(twice.parameters(), at_once.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def outputs(answer: object) -> Iterator[Tensor]:
    if isinstance(answer, Tensor):
        yield answer
    else:
        for part in answer.values() if isinstance(answer, dict) else answer:
            yield from outputs(part)


def every(site: Site) -> bool:
    return True


def whole_heads(site: Site) -> bool:
    return site.kind is Kind.HEAD


def inside_heads(site: Site) -> bool:
    return ".inside." in site.name


def tables(site: Site) -> bool:
    return site.kind in (Kind.ID, Kind.DIM)


def hidden_units(site: Site) -> bool:
    return "weight_ih" in site.name


FORMULATIONS: dict[str, tuple[str, Callable[[Site], bool]]] = {
    "DeepFM, a table a field": ("deepfm_per_field", every),
    "DeepFM, one offset table": ("deepfm_offsets", every),
    "DCN v2, a table a field": ("dcn_v2_per_field", every),
    "DCN v2, one offset table, flattened": ("dcn_v2", every),
    "DCN v1, raw cross parameters, a table a field": ("dcn_v1", every),
    "DCN v1, raw cross parameters, one offset table": ("dcn_v1_offsets", every),
    "DLRM": ("dlrm_embedding", every),
    "Caser": ("caser_plain", every),
    "SASRec, own queries, keys and values": ("sasrec_untied", every),
    "the same, dims inside the heads": ("sasrec_untied", inside_heads),
    "the same, whole heads": ("sasrec_untied", whole_heads),
    "SASRec, nn.MultiheadAttention": ("sasrec_mha", every),
    "the same, whole heads and dims of the table": ("sasrec_mha", lambda s: whole_heads(s) or s.kind is Kind.DIM),
    "SASRec, tied by expression": ("sasrec_plain", every),
    "SASRec, tied by a shared parameter": ("sasrec_fused", every),
    "one table for two fields": ("shared_tables", tables),
    "GRU4Rec, GRU": ("gru4rec", hidden_units),
    "GRU4Rec, LSTM": ("lstm4rec", hidden_units),
    "factors with biases of width 1": ("mf_bias", every),
}
"""Ways in which recommenders are written -> the module that is written so, and the units that must be able to leave."""


def test_there_are_nineteen_formulations():
    assert len(FORMULATIONS) == 19


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("formulation", FORMULATIONS)
def test_every_formulation_is_exact_and_loses_what_is_asked_for(formulation: str, seed: int):
    name, asked = FORMULATIONS[formulation]
    model, example = made(name, seed)
    found = survey(model, example)
    sites = [s for s in found.sites if s.size > 1 and asked(s)]
    assert sites
    generator = np.random.default_rng(seed)
    kept = {s.name: np.sort(generator.permutation(s.size)[: (s.size + 1) // 2]) for s in sites}
    plan = Plan(found, kept, Budget(0.0))
    small = cut_exactly(model, plan, example)
    before, after = model.state_dict(), small.state_dict()
    cut = {cut.tensor for site in sites for cut in site.cuts}
    assert all(after[tensor].numel() < before[tensor].numel() for tensor in cut)
    ties = {id(p): n for n, p in model.named_parameters(remove_duplicate=False)}
    assert len({id(p) for p in small.parameters()}) == len(ties)


FOUND: dict[str, set[str]] = {
    "afm": {"table.dim", "attention.neuron", "input0.1.id"},
    "autoint": {"table.dim", "input0.1.field", "input0.1.id"},
    "autoint_split": {"tables.0+tables.1+tables.2.dim", "query.neuron", "input0.0.id"},
    "autoint_wide": {"tables.0+tables.1+tables.2.dim", "input0.2.id"},
    "bags": {"tags.dim", "words.dim", "input0.id", "input1.id", "input2.id", "pair.neuron"},
    "bert4rec": {"item+position.dim", "fc.neuron", "encoder.layers.1.self_attn.head"},
    "bidirectional": {"item.dim", "gru.weight_ih_l0.neuron", "lstm.weight_ih_l0.neuron", "plain.weight_ih_l0.neuron"},
    "bilinear_fields": {"tables.0+tables.1+tables.2.dim", "squeeze.0.neuron", "input0.1.id", "tower.0.neuron"},
    "caser_plain": {"item.dim", "across.1.filter", "down.filter", "weight.dim", "user+weight.dim"},
    "cells": {"item.dim", "gru.weight_ih.neuron"},
    "control_flow": {"item.dim", "layers.0.neuron", "layers.2.neuron"},
    "dataclass_batch": {"user.field", "item.field", "user.id", "item.id", "user+item.dim", "into.neuron"},
    "dcn_v1": {"tables.0.dim", "tower.0.neuron"},
    "dcn_v1_offsets": {"table.dim", "input0.2.field", "input0.0.id", "tower.2.neuron"},
    "dcn_v2": {"table.dim", "tower.0.neuron", "down.neuron", "input0.2.field"},
    "dcn_v2_per_field": {"tables.0.dim", "tables.1.dim", "tables.2.dim", "input1.id", "tower.2.neuron"},
    "deepfm_offsets": {"table.dim", "tower.0.neuron", "tower.2.neuron", "input0.0.field"},
    "deepfm_per_field": {"tables.0+tables.1+tables.2.dim", "tower.0.neuron", "input1.id"},
    "depthwise": {"item.dim", "query.neuron", "input0.id"},
    "dict_by_name": {"user.field", "city.field", "past.field", "tags.field", "past.id", "tags.dim"},
    "dict_of_fields": {"user_id.field", "user.dim", "item.dim", "item+past.id", "user_id.id", "tower.0.neuron"},
    "dien": {"item.dim", "gru.weight_ih_l0.neuron", "tower.0.neuron"},
    "din": {"item.dim", "tower.0.neuron", "score.0.neuron"},
    "dlrm": {"bottom.0.neuron", "top.0.neuron"},
    "dlrm_embedding": {"bottom.0.neuron", "tables.0+tables.1+tables.2.dim", "input1.2.id", "top.0.neuron"},
    "fibinet": {"table.dim", "squeeze.neuron"},
    "gates": {"both.neuron", "again.neuron", "last.neuron", "item.dim"},
    "gru4rec": {"item.dim", "fc.neuron", "rnn.weight_ih_l0.neuron"},
    "gru_last_state": {"item.dim", "input0.id"},
    "grouped": {"item.dim", "grouped.head", "grouped.filter", "point.filter", "each.out.inside.filter", "up.filter"},
    "half": {"user+item.dim", "into.neuron", "input0.id"},
    "item_item": {"items.entry"},
    "keywords": {"user.id", "item.id", "up.neuron"},
    "lightgcn": {"user+item.dim"},
    "lstm4rec": {"item.dim", "fc.neuron", "rnn.weight_ih_l0.neuron"},
    "matrix_of_floats": {"x.0.id", "x.1.id", "tables.0+tables.1.dim", "dense.neuron"},
    "mf_bias": {"user+item.dim", "input0.id", "input1.id"},
    "mmoe": {"user.dim", "item.dim", "heads.0.0.neuron"},
    "multi_hot": {"genre.dim", "word.dim", "input1.id"},
    "multvae": {"encoder.0.neuron", "decoder.0.neuron"},
    "neumf": {"user_gmf+item_gmf.dim", "user_mlp.dim", "tower.0.neuron"},
    "nextitnet": {"item.dim"},
    "nfm": {"user.field", "item.field", "tables.user+tables.item+tables.hour.dim", "user.id", "tower.0.neuron"},
    "ngcf": {"factors.neuron", "plain.0.neuron", "plain.1.neuron"},
    "packed_gru": {"item.dim", "gru.weight_ih_l0.neuron"},
    "ple": {"user.dim", "first.own.0.neuron", "second.own.0.neuron"},
    "pnn": {"tables.0+tables.1+tables.2.dim", "linear.neuron", "input2.id"},
    "pruned_before": {"tables.0.dim", "tables.1.dim", "second.neuron", "input2.id"},
    "sasrec_fused": {"input0.id", "item+position.dim", "blocks.0.head", "blocks.1.inside.neuron"},
    "sasrec_mha": {"input0.id", "item+position.dim", "up.neuron", "attention.head", "attention.inside.neuron"},
    "sasrec_plain": {"input0.id", "item+position.dim", "blocks.0.up.neuron", "blocks.0.head", "blocks.1.inside.neuron"},
    "sasrec_untied": {"item+position.dim", "input0.id", "up.neuron", "forward.head", "forward.inside.neuron"},
    "shared_bottom": {"user.dim", "bottom.0.neuron", "bottom.3.neuron", "click.0.neuron", "buy.0.neuron"},
    "shared_tables": {"item.dim", "tower.0.neuron"},
    "tied_layers": {"user.dim"},
    "two_towers": {"user.dim", "item.dim", "input1+input2.id", "left.2.neuron"},
    "wide_and_deep": {"city.dim", "hour.dim", "into.neuron"},
    "written_rows": {"item.dim", "vote.neuron"},
    "writes": {"item.dim", "step.neuron", "input0.id"},
    "xdeepfm": {"first.filter", "second.filter", "input0.1.field"},
}


@pytest.mark.parametrize("name", NAMES)
def test_what_can_leave_is_found(name: str):
    model, example = made(name)
    found = survey(model, example)
    assert FOUND[name] <= {site.name for site in found.sites}, (sorted(s.name for s in found.sites), dict(found.whole))
