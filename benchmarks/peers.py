"""Models of other packages, as they come: what leaves them exactly, what stays whole. `python -m benchmarks.peers`.

Runs in an environment of its own with recprune, torch-rechub and deepctr-torch (which also asks for requests, tqdm,
scikit-learn and tensorboard), in another with recprune, keras and keras-rs, in a third with recprune and fuxictr,
in a fourth with recbole, which asks for numpy<2, scipy<1.13, pandas<3 and setuptools<81, and recprune without its pins.
None of them is part of recprune; the table keeps the rows of packages that are not there.
"""

from __future__ import annotations

import importlib.util
import json
import sys
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

import numpy as np
import torch
from benchmarks.result import FOLDER, write_result
from torch import nn

from benchmarks import peers_deepctr, peers_fuxictr, peers_keras, peers_recbole, peers_rechub
from recprune.planning.budget import Budget
from recprune.planning.choose import choose
from recprune.planning.plan import Plan
from recprune.surgery import apply, masked, shrink_inputs, shrink_outputs
from recprune.tracing.comparing import difference
from recprune.tracing.inputs import Example, call, changed
from recprune.tracing.kept_width import still
from recprune.tracing.site import Survey
from recprune.tracing.trace import survey

__all__ = ["PACKAGES", "main", "measure", "reachable", "stirred"]

Made = Callable[[], tuple[nn.Module, Example]]
PACKAGES: dict[str, tuple[str, dict[str, Made]]] = {
    "torch-rechub": ("torch_rechub", dict(peers_rechub.MODELS)),
    "deepctr-torch": ("deepctr_torch", dict(peers_deepctr.MODELS)),
    "fuxictr": ("fuxictr", dict(peers_fuxictr.MODELS)),
    "keras": ("keras", dict(peers_keras.KERAS)),
    "keras-rs": ("keras_rs", dict(peers_keras.KERAS_RS)),
    "recbole": ("recbole", dict(peers_recbole.MODELS)),
}
COLUMNS = ("package", "model", "exact", "difference", "reachable", "removed", "parameters", "seconds", "whole")
BATCHES = (1, 2, 17, 300)
VERSIONS = "versions: "


def stirred(made: Made) -> tuple[nn.Module, Example]:
    """A model whose parameters are normal noise about 0.1: nothing is equal by chance, nothing was left unset."""
    torch.manual_seed(0)
    model, example = made()
    for name, parameter in model.named_parameters():
        if parameter.is_floating_point():
            parameter.data = torch.randn_like(parameter) * 0.3 + 0.1
        if name.endswith("moving_variance"):
            parameter.data.abs_().add_(0.1)
    for name, buffer in model.named_buffers():
        if name.endswith(("running_mean", "running_var")):
            buffer.copy_(torch.rand_like(buffer) + 0.1)
    return model.eval(), example


def reachable(found: Survey) -> tuple[float, int]:
    """Share of the parameters in tensors that some site cuts, and the number of all parameters."""
    cut = {c.tensor for site in found.sites for c in site.cuts}
    sizes = {n: int(np.prod(shape)) for n, shape in found.shapes.items() if n not in found.buffers}
    total = sum(sizes.values())
    return sum(size for n, size in sizes.items() if n in cut) / max(total, 1), total


def measure(made: Made) -> list[Any]:
    """exact, largest difference, reachable, removed, parameters, seconds, what stays whole.

    Exact also asks that the answers differ from row to row: an output that is 1 everywhere would prove nothing.
    """
    model, example = stirred(made)
    began = time.perf_counter()
    found = survey(model, example)
    plan = _half(found)
    small = apply(model, plan, example)
    seconds = time.perf_counter() - began
    reach, total = reachable(found)
    worst = max(_apart(model, small, plan, example, rows) for rows in BATCHES)
    removed = plan.account().share_removed
    exact = worst <= 1e-5 and removed > 0 and _varies(small, plan, example)
    return [exact, worst, reach, removed, total, round(seconds, 2), _why(found)]


def _half(found: Survey) -> Plan:
    """A random plan that takes half of what can be taken at most."""
    most = Plan(found, {s.name: np.array([0]) for s in found.sites if s.size > 1}, Budget(0.0)).account().share_removed
    generator = torch.Generator().manual_seed(0)
    scores = {s.name: torch.rand(s.size, generator=generator) for s in found.sites}
    return choose(found, scores, Budget(most / 2), rule="random")


def _apart(model: nn.Module, small: nn.Module, plan: Plan, example: Example, rows: int) -> float:
    """Difference on a batch of so many rows; 0 where the model as it came does not take such a batch."""
    generator = torch.Generator().manual_seed(rows)
    inputs = changed(example, lambda _, x: x[torch.randint(len(x), (rows,), generator=generator)])
    reference = masked(model, plan)
    with still(model), still(reference), still(small):
        try:
            call(model, inputs)
        except (RuntimeError, IndexError):
            return 0.0
        wanted = shrink_outputs(plan, call(reference, inputs))
        return difference(wanted, call(small, shrink_inputs(plan, inputs)))


def _varies(small: nn.Module, plan: Plan, example: Example) -> bool:
    with still(small):
        output = call(small, shrink_inputs(plan, example))
    output = list(output.values()) if isinstance(output, dict) else output
    tensors = [t.double() for t in (output if isinstance(output, list | tuple) else [output])]
    return any(float(t[t.isfinite()].std()) > 1e-4 for t in tensors)


def _why(found: Survey) -> str:
    """The reasons for parameters in tensors that no site cuts, the largest tensors first."""
    cut = {c.tensor for site in found.sites for c in site.cuts}
    left = [n for n in found.shapes if n not in cut and n not in found.buffers and found.shapes[n]]
    said: dict[str, str] = {}
    for tensor in sorted(left, key=lambda n: -int(np.prod(found.shapes[n]))):
        keys = [k for k in found.whole if k == tensor or k.startswith(f"{tensor}:")]
        reasons = [found.whole[k].split(" (in")[0] for k in keys]
        for reason in reasons:
            said.setdefault(reason, tensor)
    return "; ".join(f"{tensor}: {reason}" for reason, tensor in list(said.items())[:3])


def _kept(measured: set[str]) -> tuple[list[list[Any]], dict[str, str]]:
    """Rows and versions of packages that were measured before and are not here now."""
    path = FOLDER / "peers.json"
    if not path.exists():
        return [], {}
    before = json.loads(path.read_text(encoding="utf-8"))
    rows = [row for row in before["rows"] if row[0] not in measured and row[0] in PACKAGES]
    said = next((note.removeprefix(VERSIONS) for note in before["notes"] if note.startswith(VERSIONS)), "")
    versions = dict(part.split(" ", 1) for part in said.split(", ") if " " in part)
    return rows, {p: v for p, v in versions.items() if p in {row[0] for row in rows}}


def main(only: list[str]) -> int:
    """Measure all models, or those that are named; write the table when all were."""
    torch.set_num_threads(1)
    rows = []
    for package, (module, models) in PACKAGES.items():
        if importlib.util.find_spec(module) is None:
            print(f"{package} is not installed", file=sys.stderr)
            continue
        for name, made in models.items():
            if only and f"{package}/{name}" not in only and name not in only:
                continue
            try:
                found = measure(made)
            except Exception as error:
                found = [False, None, None, None, None, None, f"{type(error).__name__}: {error}"[:160]]
            rows.append([package, name, *found])
            print(*(f"{x:.3g}" if isinstance(x, float) else x for x in rows[-1]), sep=" | ", flush=True)
    exact = [r for r in rows if r[2]]
    print(f"{len(exact)} of {len(rows)} exact, {sum(r[4] >= 0.95 for r in exact)} of them reach 95 %")
    if not only:
        rows = [[("yes" if r[2] else "no") if i == 2 else x for i, x in enumerate(r)] for r in rows]
        kept, versions = _kept({r[0] for r in rows})
        versions |= {p: version(p) for p in {r[0] for r in rows}}
        rows = sorted(rows + kept, key=lambda r: list(PACKAGES).index(r[0]))
        notes = [
            "Models as their packages build them, small; parameters are normal noise about 0.1",
            "Random plans that take half of what can leave; exact: the smaller model equals the masked one, largest "
            f"relative difference at most 1e-5 on batches of {', '.join(map(str, BATCHES))} rows (of those that the "
            "model itself takes)",
            VERSIONS + ", ".join(f"{p} {v}" for p, v in sorted(versions.items())),
            "reachable: share of the parameters in tensors that some site cuts; seconds: survey, choose and apply",
        ]
        title = "Models of other packages, as they come"
        write_result("peers", title, COLUMNS, rows, notes=notes, data=["random ids"], seeds=[0])
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
