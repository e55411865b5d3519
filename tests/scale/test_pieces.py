"""Pieces are whole or not there, and made once."""

import numpy as np
import polars as pl
import pytest

from recprune.scale.pieces import array, of_shelves, put_array, put_json, put_shelf, remembered


def test_an_array_comes_back_as_it_was_also_from_the_disk(tmp_path):
    values = np.arange(5, dtype=np.int32)
    put_array(tmp_path / "deep" / "a.npy", values)
    assert array(tmp_path / "deep" / "a.npy").dtype == np.int32
    np.testing.assert_array_equal(array(tmp_path / "deep" / "a.npy", mapped=True), values)


def test_a_write_that_fails_leaves_what_stood_there_and_nothing_else(tmp_path):
    put_array(tmp_path / "a.npy", np.arange(3))
    with pytest.raises(ValueError, match="allow_pickle"):
        put_array(tmp_path / "a.npy", np.array([object()]))
    assert array(tmp_path / "a.npy").tolist() == [0, 1, 2]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]


@pytest.mark.parametrize("places", [[2, 0, 2, 0], [1, 1, 1, 1], []])
def test_a_shelf_gives_back_the_rows_of_each_place_in_their_order(tmp_path, places):
    frame = pl.DataFrame({"x": [f"r{row}" for row in range(len(places))], "v": [[1, 2]] * len(places)}).cast(
        {"x": pl.String, "v": pl.List(pl.Int64)}
    )
    for name in ("a", "b"):
        put_shelf(tmp_path / name, frame, np.array(places, dtype=np.int64), 3)
    for place in range(3):
        mine = frame.filter(pl.Series([p == place for p in places], dtype=pl.Boolean))
        assert of_shelves([tmp_path / "a", tmp_path / "b"], place).equals(pl.concat([mine, mine]))


def test_what_was_made_is_remembered_and_not_made_again(tmp_path):
    made = []

    def square(number):
        made.append(number)
        return {"square": number**2}

    assert [remembered(tmp_path, square, number) for number in (3, 4, 3)] == [{"square": n} for n in (9, 16, 9)]
    assert made == [3, 4]


def test_what_failed_is_made_again(tmp_path):
    with pytest.raises(ZeroDivisionError):
        remembered(tmp_path, lambda number: 1 // number, 0)
    put_json(tmp_path / "other.json", {})
    assert remembered(tmp_path, lambda number: 7, 0) == 7
