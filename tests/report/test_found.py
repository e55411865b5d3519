import json
import shutil

import pytest

from recprune.errors import ArtifactError, DataError
from recprune.recipe.frontier import Frontier


def test_all_that_the_folders_hold_is_found(lists_run, found_in):
    found = found_in(lists_run)
    assert found.ranks
    assert found.plan == found.small.plan is not None
    assert found.comparison.to_json() == (lists_run / "out" / "comparison.json").read_text()
    assert len(found.judged.users) == found.comparison.cases
    assert found.places.data == lists_run / "out" / "prepared"
    assert set(found.stops) == {point.step for point in found.frontier.points} - {0}
    assert found.fields == {}


def test_fields_are_shuffled_for_a_model_of_rows(clicks_run, found_in):
    found = found_in(clicks_run)
    assert set(found.fields["before"].names) == set(found.whole.model.columns)
    assert set(found.fields["after"].names) == set(found.small.model.columns)


def test_a_comparison_of_other_models_is_refused(lists_run, clicks_run, found_in):
    with pytest.raises(DataError, match="is of other models") as error:
        found_in(lists_run, comparison=clicks_run / "out" / "comparison.json")
    assert error.value.path == str(lists_run / "out" / "big")


def test_data_that_was_not_compared_on_is_refused(lists_run, found_in, tmp_path):
    text = json.loads((lists_run / "out" / "comparison.json").read_text())
    for side in text["sides"].values():
        side["metrics"]["ndcg@20"] += 0.1
    (tmp_path / "comparison.json").write_text(json.dumps(text))
    with pytest.raises(DataError, match="on this data it has") as error:
        found_in(lists_run, comparison=tmp_path / "comparison.json")
    assert error.value.metric == "ndcg@20"


def test_a_plan_of_another_model_is_left_out_with_the_reason(lists_run, found_in):
    out, stops = lists_run / "out", lists_run / "stops"
    found = found_in(lists_run, small=out / "big", comparison=None)
    assert found.plan is None
    assert "no plan" in found.no_plan
    found = found_in(lists_run, small=stops / "step-1", big=stops / "step-2", frontier=None, steps=None)
    assert found.plan is None
    assert "another model" in found.no_plan


def test_without_data_the_rest_is_still_there(lists_run, found_in, tmp_path):
    for name in ("big", "small"):
        shutil.copytree(lists_run / "out" / name, tmp_path / "out" / name)
    found = found_in(tmp_path)
    assert found.split is None
    assert found.judged is None
    assert found.comparison is not None


def test_what_cannot_be_read_is_named(lists_run, found_in, tmp_path):
    with pytest.raises(DataError, match=r"none\.json"):
        found_in(lists_run, frontier=tmp_path / "none.json")
    (tmp_path / "odd.json").write_text("{}")
    with pytest.raises(DataError, match="no frontier"):
        found_in(lists_run, frontier=tmp_path / "odd.json")
    with pytest.raises(ArtifactError, match="does not exist"):
        found_in(lists_run, small=tmp_path / "none")
    with pytest.raises(DataError, match="frontier of another model"):
        found_in(lists_run, big=lists_run / "stops" / "step-2", small=lists_run / "stops" / "step-1")
    assert Frontier.from_json((lists_run / "frontier.json").read_text()).points
