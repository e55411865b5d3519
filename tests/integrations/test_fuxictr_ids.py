import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.log import Log
from recprune.integrations.fuxictr_ids import Feature, only_known


def log(ids, seen):
    frame = pl.LazyFrame({"city": ids, "seen": seen}, schema={"city": pl.String, "seen": pl.List(pl.String)})
    return Log(frame, Roles(categorical=("city",), multi=("seen",)))


@pytest.fixture
def logs():
    train = log(["a", "a", "b", None], [["x", "y"], ["x"], [], ["y", "z", "y"]])
    return {"train_data": train, "test_data": log(["b", "c", "a"], [["w", "x", "z"], None, ["y"]])}


def read(logs, part, column):
    return logs[part].frame.collect()[column].to_list()


@pytest.mark.parametrize(
    ("least", "train", "test"),
    [(1, ["a", "a", "b", None], ["b", None, "a"]), (2, ["a", "a", None, None], [None, None, "a"])],
)
def test_an_id_has_to_stand_in_train_often_enough(logs, least, train, test):
    made = only_known(logs, [Feature("city", "categorical", "^", least, 0)])
    assert read(made, "train_data", "city") == train
    assert read(made, "test_data", "city") == test
    assert read(made, "test_data", "seen") == read(logs, "test_data", "seen")


@pytest.mark.parametrize(
    ("least", "most", "train", "test"),
    [
        (1, 0, [["x", "y"], ["x"], [], ["y", "z", "y"]], [["x", "z"], None, ["y"]]),
        (2, 0, [["x", "y"], ["x"], [], ["y", "y"]], [["x"], None, ["y"]]),
        (1, 2, [["x", "y"], ["x"], [], ["y", "z"]], [["x"], None, ["y"]]),
        (1, -1, [["y"], ["x"], [], ["y"]], [["z"], None, ["y"]]),
    ],
)
def test_sequences_are_cut_and_lose_what_is_not_known(logs, least, most, train, test):
    made = only_known(logs, [Feature("seen", "sequence", "^", least, most)])
    assert read(made, "train_data", "seen") == train
    assert read(made, "test_data", "seen") == test
