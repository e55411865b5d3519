import json

import pytest
from typer.testing import CliRunner

from recprune.cli import app
from recprune.data.formats import completejourney
from recprune.errors import BudgetError, DataError
from recprune.planning.budget import Budget
from recprune.recipe import demo
from recprune.recipe.pruned import usual_budget
from recprune.recipe.run import Order
from recprune.training.fit import FitOptions

QUICK = FitOptions(epochs=1)
ORDERS = {
    "mf": Order(
        "mf", {"dim": 4}, QUICK, QUICK, usual_budget(0.5), rivals=False, bench=False, cleaning={"min_item": 200}
    )
}


def test_where_the_package_is_missing_the_demo_runs_on_a_simulated_log(tmp_path, monkeypatch):
    def missing():
        raise DataError("not installed")

    monkeypatch.setattr(completejourney, "read", missing)
    monkeypatch.setattr(demo.demo, "__kwdefaults__", {**demo.demo.__kwdefaults__, "orders": ORDERS})
    done = CliRunner().invoke(app(), ["demo", "--out", str(tmp_path), "--json"])
    assert done.exit_code == 0, done.output
    assert "a simulated log stands in" in done.stderr
    said = json.loads(done.stdout)
    assert said["small"] == {"mf": str(tmp_path / "mf" / "small")}
    assert said["comparisons"]["mf"]["sides"]["after"]["bytes"] > 0


def test_the_demo_has_a_collaborative_and_a_deep_recommender_and_shows_both_rivals():
    assert len(demo.ORDERS) == 2
    assert "ease" in demo.ORDERS
    assert all(order.rivals for order in demo.ORDERS.values())


@pytest.mark.parametrize("factor", ["0.5", None, 1.5, float("nan")])
def test_what_is_no_share_is_refused_by_name(factor):
    with pytest.raises(BudgetError, match=r"factor|a budget is one of"):
        usual_budget(factor)


def test_every_site_keeps_half_of_the_share_that_stays():
    assert usual_budget(0.6) == Budget(0.6, keep=0.2)
