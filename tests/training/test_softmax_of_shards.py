"""A softmax over rows that lie with several workers is that over all of them, and its gradients too."""

import json
import subprocess
import sys
from itertools import chain

import pytest
import torch
from torch.nn import functional as F

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from recprune.training import softmax_of_shards as module
from recprune.training.sharded import ShardedEmbedding, range_of, step_of
from recprune.training.together import joined

given = json.loads((Path(sys.argv[1]) / "given.json").read_text())
rows, bias = torch.tensor(given["rows"], dtype=torch.float64), torch.tensor(given["bias"], dtype=torch.float64)
with joined() as workers:
    said = {}
    for name, blocks, biased, unknown in given["cases"]:
        module.BLOCK = blocks
        begin, end = range_of(len(rows), step_of(len(rows), workers.size), workers.rank)
        table = ShardedEmbedding(rows[begin:end].clone(), len(rows), workers)
        query = torch.tensor(given["query"][workers.rank], dtype=torch.float64)
        query = query.reshape(-1 if len(query) else 0, rows.shape[1]).requires_grad_()
        target = torch.tensor(given["target"][workers.rank], dtype=torch.int64)
        weights = torch.tensor(given["weights"][workers.rank], dtype=torch.float64)
        beside = bias.clone().requires_grad_() if biased else None
        before = workers.moved
        lost = module.softmax_of_shards(query, target, table, beside, unknown=unknown)
        (lost * weights).sum().backward()
        said[name] = {
            "lost": lost.tolist(), "query": query.grad.tolist(), "rows": table.own.grad.tolist(),
            "bias": beside.grad.tolist() if biased else [], "moved": workers.moved - before,
        }
    (Path(sys.argv[1]) / f"said-{workers.rank}.json").write_text(json.dumps(said))
"""
CASES = [["plain", 1 << 20, False, True], ["biased", 1 << 20, True, True], ["blocks", 12, True, False]]
SIZES = (4, 0, 2)
"""Queries of each worker."""


def all_of(lists):
    return list(chain.from_iterable(lists))


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """What three workers were given, and what each of them found: the last one has a row less than the others."""
    folder, drawn = tmp_path_factory.mktemp("shards"), torch.Generator().manual_seed(0)
    rows = torch.randn(8, 3, generator=drawn, dtype=torch.float64)
    given = {"rows": rows.tolist(), "bias": torch.randn(8, generator=drawn).tolist(), "cases": CASES}
    given["query"] = [(30 * torch.randn(n, 3, generator=drawn, dtype=torch.float64)).tolist() for n in SIZES]
    given["target"] = [torch.randint(1, 8, (n,), generator=drawn).tolist() for n in SIZES]
    given["weights"] = [torch.rand(n, generator=drawn).tolist() for n in SIZES]
    (folder / "given.json").write_text(json.dumps(given))
    (folder / "program.py").write_text(PROGRAM)
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3"]
    command = [sys.executable, *torchrun, str(folder / "program.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-4000:]
    return given, [json.loads((folder / f"said-{rank}.json").read_text()) for rank in range(3)]


@pytest.mark.parametrize(("name", "blocks", "biased", "unknown"), CASES)
def test_losses_and_gradients_are_those_of_the_whole_table(both, name, blocks, biased, unknown):
    given, said = both
    rows, bias = (torch.tensor(given[one], dtype=torch.float64, requires_grad=True) for one in ("rows", "bias"))
    query = torch.tensor(all_of(given["query"]), dtype=torch.float64, requires_grad=True)
    scores = query @ rows.T + (bias if biased else 0.0)
    if not unknown:
        scores = torch.cat([scores.new_full((len(scores), 1), -torch.inf), scores[:, 1:]], 1)
    lost = F.cross_entropy(scores, torch.tensor(all_of(given["target"])), reduction="none")
    (lost * torch.tensor(all_of(given["weights"]), dtype=torch.float64)).sum().backward()
    found = [one[name] for one in said]
    torch.testing.assert_close(torch.tensor(all_of(one["lost"] for one in found), dtype=torch.float64), lost.detach())
    for what, wanted in (("query", query.grad), ("rows", rows.grad)):
        torch.testing.assert_close(torch.tensor(all_of(one[what] for one in found), dtype=torch.float64), wanted)
    if biased:
        total = torch.tensor([one["bias"] for one in found], dtype=torch.float64).sum(0)
        torch.testing.assert_close(total, bias.grad)


def test_queries_and_their_gradients_are_all_that_is_sent(both):
    every = sum(SIZES)
    for mine, said in zip(SIZES, both[1], strict=True):
        there = 8 * 2 + 2 * mine * (3 * 8 + 8) + 3 * every * 8  # how many; queries, targets; maxima, sums, scores
        back = 2 * mine * 8 + (every - mine) * 3 * 8  # weights of the losses; gradients of the others
        assert said["plain"]["moved"] == there + back
