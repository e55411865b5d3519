"""torch.export, ONNX Runtime and the artifact take every smaller module: all of the zoo, and the models of recprune.

What torch or ONNX cannot do with the module as it came is listed by name, with the reason, and seen to fail there too.
"""

import dataclasses
import functools
import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.onnx._internal.exporter._registration
from torch import Tensor, nn
from torch._dynamo.exc import UserError
from torch.export import Dim, ExportedProgram, ShapesCollection, export, register_dataclass
from torch.utils._pytree import tree_leaves

from recprune.artifact import load, save
from recprune.encodings.item_item import ItemItem
from recprune.models.caser import Caser
from recprune.models.deepfm import DeepFM
from recprune.models.ease import Ease
from recprune.models.mf import MF
from recprune.planning.plan import Plan
from recprune.surgery import apply, shrink_inputs
from recprune.tracing.inputs import Example, call
from recprune.tracing.trace import survey

pytestmark = pytest.mark.filterwarnings("ignore")

sys.path.append(str(Path(__file__).parent))
zoo = importlib.import_module("test_zoo")

WITHOUT_EXPORT = {
    "control_flow": "what forward does depends on the numbers",
    "packed_gru": "packed sequences ask for their lengths as numbers",
}
FIXED_BATCH = {
    "cells": "len(x) is a number",
    "caser_plain": "len(image) is a number",
    "deepfm_offsets": "len(x) is a number",
    "written_rows": "len(past) is a number",
}
WITHOUT_ONNX = {
    "bert4rec": "ONNX Runtime chooses no truth values by a mask",
    "half": "ONNX Runtime has no bfloat16 on a CPU",
    "ngcf": "ONNX has no product with a sparse matrix",
    "lightgcn": "ONNX has no product with a sparse matrix",
}
OURS: dict[str, Callable[[], tuple[nn.Module, Example]]] = {
    "ease": lambda: (Ease(14), ((torch.rand(3, 14) > 0.5).float(),)),
    "mf": lambda: (MF(9, 12, 6), (torch.arange(3),)),
    "deepfm": lambda: (
        DeepFM(["user", "item", "hour"], [11, 13, 5], dim=4, hidden=(8, 6)),
        tuple(torch.randint(5, (3,)) for _ in range(3)),
    ),
    "caser": lambda: (Caser(20, 5, 6, 4, (1, 2, 5), 3), (torch.randint(20, (3, 5)),)),
}
NAMES = [*zoo.NAMES, *OURS]
EXPORTED = [name for name in NAMES if name not in WITHOUT_EXPORT]


@dataclasses.dataclass(frozen=True)
class Pruned:
    """A module before and after, with inputs for it, of 3 rows, and for the smaller one, of 3 and of 17."""

    model: nn.Module
    small: nn.Module
    plan: Plan
    before: Example
    three: Example
    seventeen: Example


@functools.cache
def pruned(name: str) -> Pruned:
    """Half of what can leave has left, by a random plan."""
    model, example = made(name)
    found = survey(model, example)
    plan = zoo.drawn(found, 0.5 * zoo.choose_most(found), 0)
    assert plan.account().share_removed > 0.05
    columns, longer = getattr(model, "columns", ()), zoo.longer(example, 17)
    three, more = shrink_inputs(plan, example, columns), shrink_inputs(plan, longer, columns)
    return Pruned(model, apply(model, plan, example).eval(), plan, example, three, more)


def made(name: str) -> tuple[nn.Module, Example]:
    if name not in OURS:
        return zoo.made(name)
    torch.manual_seed(0)
    model, example = OURS[name]()
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter)
    return model.eval(), example


def arguments(inputs: Example) -> tuple[tuple[Any, ...], dict[str, Any]]:
    for value in inputs.values() if isinstance(inputs, dict) else inputs:
        if dataclasses.is_dataclass(value):
            register(type(value))
    return ((), dict(inputs)) if isinstance(inputs, dict) else (tuple(inputs), {})


@functools.cache
def register(kind: type) -> None:
    register_dataclass(kind, serialized_type_name=f"{kind.__name__}{id(kind)}")


def tensors(nest: object) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(nest) if isinstance(leaf, Tensor)]


def exported(module: nn.Module, inputs: Example, *, batch: bool) -> ExportedProgram:
    """batch: the number of rows is left open."""
    args, kwargs = arguments(inputs)
    shapes = ShapesCollection()
    for tensor in tensors((args, kwargs)):
        shapes[tensor] = {0: Dim("batch")}
    with torch.no_grad():
        return export(module, args, kwargs, dynamic_shapes=shapes if batch else None)


@functools.cache
def program(name: str) -> tuple[ExportedProgram, Example]:
    """The smaller module, exported from 3 rows, and inputs to run it with: of 17 where the batch is open."""
    found, batch = pruned(name), name not in FIXED_BATCH
    return exported(found.small, found.three, batch=batch), found.seventeen if batch else found.three


def answers(name: str, inputs: Example) -> list[Tensor]:
    with torch.no_grad():
        return tensors(call(pruned(name).small, inputs))


def onnx_session(program: ExportedProgram) -> Any:
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    made = torch.onnx.export(program, dynamo=True, verbose=False)
    return onnxruntime.InferenceSession(made.model_proto.SerializeToString(), providers=["CPUExecutionProvider"])


@pytest.fixture(autouse=True, scope="module")
def operations_read_once() -> Iterator[None]:
    """torch reads its table of ONNX operations anew for each export, which takes longer than these modules do."""
    registry = torch.onnx._internal.exporter._registration.ONNXRegistry
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(registry, "from_torchlib", staticmethod(functools.cache(registry.from_torchlib)))
        yield


@pytest.mark.parametrize("name", EXPORTED)
def test_torch_export_takes_the_smaller_module(name: str):
    made, inputs = program(name)
    args, kwargs = arguments(inputs)
    for got, wanted in zip(tensors(made.module()(*args, **kwargs)), answers(name, inputs), strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-5, atol=1e-5 * max(1.0, float(wanted.abs().max())))


@pytest.mark.parametrize("name", [name for name in EXPORTED if name not in WITHOUT_ONNX])
def test_onnx_runtime_answers_as_the_smaller_module_does(name: str):
    made, inputs = program(name)
    session = onnx_session(made)
    places = [place.name for place in session.get_inputs()]
    feeds = dict(zip(places, (x.numpy() for x in tensors(arguments(inputs))), strict=True))
    for got, wanted in zip(session.run(None, feeds), answers(name, inputs), strict=True):
        got = torch.from_numpy(got)
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4 * float(wanted.abs().max()))


@pytest.mark.parametrize("name", NAMES)
def test_the_artifact_comes_back_the_same_to_the_bit(name: str, tmp_path: Path):
    found = pruned(name)
    save(tmp_path / "small", found.small, plan=found.plan)
    again = load(tmp_path / "small", None if name in OURS else made(name)[0])
    assert again.plan is not None
    assert again.plan.to_json() == found.plan.to_json()
    with torch.no_grad():
        for got, wanted in zip(
            tensors(call(again.model, found.seventeen)), answers(name, found.seventeen), strict=True
        ):
            assert torch.equal(got, wanted)


def test_ease_is_exported_with_its_entries_packed():
    assert isinstance(pruned("ease").small.items, ItemItem)


@pytest.mark.parametrize("name", WITHOUT_EXPORT)
def test_a_module_that_cannot_be_exported_could_not_be_before(name: str):
    found = pruned(name)
    with pytest.raises((TypeError, RuntimeError), match=r"FakeTensor|data-dependent"):
        exported(found.model, found.before, batch=False)


@pytest.mark.parametrize("name", FIXED_BATCH)
def test_a_module_of_fixed_batch_was_so_before(name: str):
    found = pruned(name)
    with pytest.raises(UserError, match="specialized"):
        exported(found.model, found.before, batch=True)


@pytest.mark.parametrize("name", WITHOUT_ONNX)
def test_a_module_without_onnx_had_none_before(name: str):
    found = pruned(name)
    made = exported(found.model, found.before, batch=True)
    with pytest.raises(Exception, match=r"Where|sparse|Mul|InlinePass"):
        onnx_session(made)
