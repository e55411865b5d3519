"""Workers that score together choose what one chooses; the workers are processes that torchrun starts."""

import json
import subprocess
import sys

import pytest
import torch

from recprune.errors import BudgetError

PROGRAM = """
import json, sys
from pathlib import Path
import torch
from recprune.models.deepfm import DeepFM
from recprune.models.mf import MF
from recprune.planning.budget import Budget
from recprune.recipe.prune import plan, prune
from recprune.testing.data import tiny_clicks, tiny_split
from recprune.training.fit import FitOptions
from recprune.training.together import joined

folder = Path(sys.argv[1])
torch.set_num_threads(1)
clicks, pairs = tiny_clicks(rows=12_000), tiny_split(users=1200)
torch.manual_seed(1)
sizes = [len(v) for v in clicks.vocabularies.values()]
deepfm = DeepFM(tuple(clicks.vocabularies), sizes, dim=4, hidden=(8,), dropout=0.0)
mf = MF(pairs.train.n_users, pairs.train.n_items, dim=6, start="random")
for each in (*deepfm.parameters(), *mf.parameters()):
    each.data.add_(0.3 * torch.randn_like(each))

def kept(chosen):
    return {name: list(map(int, units)) for name, units in chosen.kept.items()}

with joined() as workers:
    said = {"size": workers.size}
    for name, model, split in (("deepfm", deepfm, clicks), ("mf", mf, pairs)):
        for rule in ("taylor", "gradient", "magnitude", "mse_increase"):
            said[f"{name} {rule}"] = kept(plan(model, split, 0.4, rule=rule, workers=workers))
    few = Budget(0.3, kinds=frozenset({"id"}))
    said["ids"] = kept(plan(deepfm, clicks, budget=few, rule="mse_increase", workers=workers))
    done = prune(deepfm, clicks, 0.4, rule="taylor", options=FitOptions(epochs=2, batch=512), workers=workers)
    said["pruned"] = kept(done.plan)
    said["weights"] = {name: value.tolist() for name, value in done.model.state_dict().items()}
    (folder / f"said-{workers.size}-{workers.rank}.json").write_text(json.dumps(said))
"""


@pytest.fixture(scope="module")
def said(tmp_path_factory):
    """What one worker chose, and what each of two did."""
    folder = tmp_path_factory.mktemp("together")
    (folder / "program.py").write_text(PROGRAM)
    for size in (1, 2):
        many = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"] if size > 1 else []
        command = [sys.executable, *many, str(folder / "program.py"), str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, done.stderr[-4000:]
    return [json.loads((folder / f"said-{name}.json").read_text()) for name in ("1-0", "2-0", "2-1")]


@pytest.mark.parametrize("rule", ["taylor", "gradient", "magnitude", "mse_increase"])
@pytest.mark.parametrize("model", ["deepfm", "mf"])
def test_two_workers_choose_what_one_chooses(said, model, rule):
    alone, first, second = (one[f"{model} {rule}"] for one in said)
    assert alone
    assert first == alone
    assert second == alone


def test_ids_are_measured_in_shares_too(said):
    assert [one["size"] for one in said] == [1, 2, 2]
    assert said[0]["ids"] == said[1]["ids"] == said[2]["ids"]


def test_what_is_pruned_and_tuned_together_is_what_one_makes(said):
    alone, first, second = said
    assert alone["pruned"] == first["pruned"] == second["pruned"]
    assert first["weights"] == second["weights"]
    for name, weights in alone["weights"].items():
        if not name.endswith(("0.bias", "running_mean")):  # moved by rounding alone before a norm
            torch.testing.assert_close(
                torch.tensor(first["weights"][name]), torch.tensor(weights), atol=2e-3, rtol=1e-2
            )


def test_a_drop_that_is_met_by_trying_is_met_by_one():
    from recprune.planning.budget import Budget, MaxDrop
    from recprune.recipe.prune import prune
    from recprune.training.together import Together

    with pytest.raises(BudgetError, match="which one worker does"):
        prune(torch.nn.Linear(2, 1), None, budget=Budget(max_drop=MaxDrop("ndcg@10", 0.01)), workers=Together(0, 2))
