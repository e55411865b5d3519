import pytest

from recprune.errors import ArtifactError, DataError
from recprune.recipe.frontier import Frontier


def test_a_comparison_of_other_models_is_refused(lists_run, clicks_run, found_in):
    with pytest.raises(DataError, match="is of other models") as error:
        found_in(lists_run, comparison=clicks_run / "out" / "comparison.json")
    assert error.value.path == str(lists_run / "out" / "big")


def test_a_plan_of_another_model_is_left_out_with_the_reason(lists_run, found_in):
    out, stops = lists_run / "out", lists_run / "stops"
    found = found_in(lists_run, small=out / "big", comparison=None)
    assert found.plan is None
    assert "no plan" in found.no_plan
    found = found_in(lists_run, small=stops / "step-2", big=stops / "step-1", frontier=None, steps=None)
    assert found.plan is None
    assert "another model" in found.no_plan


def test_what_cannot_be_read_is_named(lists_run, found_in, tmp_path):
    with pytest.raises(DataError, match=r"none\.json"):
        found_in(lists_run, frontier=tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(DataError, match="no frontier"):
        found_in(lists_run, frontier=tmp_path / "odd.json")
    with pytest.raises(ArtifactError, match="does not exist"):
        found_in(lists_run, small=tmp_path / "none")
    with pytest.raises(DataError, match="frontier of another model"):
        found_in(lists_run, big=lists_run / "stops" / "step-1", small=lists_run / "stops" / "step-2")
    assert Frontier.from_json((lists_run / "frontier.json").read_text()).points
