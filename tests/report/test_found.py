import json
import shutil

import numpy as np
import pytest

from recprune.data.dataset import Split
from recprune.data.store import load_split, save_split
from recprune.errors import DataError
from recprune.report import report
from recprune.report.blocks import Missing


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


def test_data_that_was_not_compared_on_is_refused(lists_run, found_in, tmp_path):
    text = json.loads((lists_run / "out" / "comparison.json").read_text())
    for side in text["sides"].values():
        side["metrics"]["ndcg@20"] += 0.1
    (tmp_path / "comparison.json").write_text(json.dumps(text))
    with pytest.raises(DataError, match="on this data it has") as error:
        found_in(lists_run, comparison=tmp_path / "comparison.json")
    assert error.value.metric == "ndcg@20"


def test_without_data_the_rest_is_still_there(lists_run, found_in, tmp_path):
    for name in ("big", "small"):
        shutil.copytree(lists_run / "out" / name, tmp_path / "out" / name)
    found = found_in(tmp_path)
    assert found.split is None
    assert found.judged is None
    assert found.comparison is not None


def test_data_that_nothing_can_be_judged_on_is_no_error(lists_run, found_in, tmp_path):
    split = load_split(lists_run / "out" / "prepared")
    untested = Split(split.train, split.valid, split.test.take(np.zeros(0, dtype=np.int64)))
    found = found_in(lists_run, data=save_split(untested, tmp_path / "prepared"))
    assert found.judged is None
    assert "test part of the data is empty" in found.no_cases
    missing = [
        b for s in report(found).sections for b in s.blocks if isinstance(b, Missing) and b.why == found.no_cases
    ]
    assert [one.what for one in missing] == ["Groups of users", "Lists before and after"]
