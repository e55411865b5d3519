import numpy as np
import pytest

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.pasts import with_pasts
from recprune.errors import DataError
from recprune.testing import tiny_clicks, tiny_split


def slow(rows, known, length):
    """A loop over everything."""
    out = []
    for user, time in zip(rows["user"], rows["time"], strict=True):
        past = [(t, n) for n, (u, t) in enumerate(zip(known["user"], known["time"], strict=True)) if u == user]
        label = known.columns.get("label")
        items = [known["item"][n] for t, n in sorted(past) if t < time and (label is None or label[n] > 0)]
        out.append(([0] * length + items)[-length:] if user else [0] * length)
    return np.array(out)


def joined(one, other):
    return Dataset({name: np.concatenate([one[name], other[name]]) for name in one.columns}, one.vocabularies)


@pytest.mark.parametrize("split", [tiny_split(), tiny_clicks()], ids=["lists", "clicks"])
def test_the_past_of_a_row_is_what_a_loop_finds(split):
    found = with_pasts(split, 4)
    assert found.train["sequence"].tolist() == slow(split.train, split.train, 4).tolist()
    assert found.valid["sequence"].tolist() == slow(split.valid, split.train, 4).tolist()
    assert found.test["sequence"].tolist() == slow(split.test, joined(split.train, split.valid), 4).tolist()


def test_the_unknown_user_has_no_past_and_equal_times_do_not_see_each_other():
    split = tiny_split()
    split.train["time"][:] = 5
    split.valid["user"][:3] = 0
    found = with_pasts(split, 3)
    assert not found.train["sequence"].any()
    assert not found.valid["sequence"][:3].any()
    assert found.valid["sequence"][3:].any()


def test_rows_without_time_are_refused():
    split = tiny_split()
    parts = [
        Dataset({n: v for n, v in part.columns.items() if n != "time"}, part.vocabularies)
        for part in (split.train, split.valid, split.test)
    ]
    with pytest.raises(DataError, match="time"):
        with_pasts(Split(*parts))


def test_a_field_of_the_same_name_is_refused():
    split = tiny_clicks()
    parts = [
        Dataset({**part.columns, "sequence": part["item"]}, part.vocabularies, Roles(categorical=("sequence",)))
        for part in (split.train, split.valid, split.test)
    ]
    with pytest.raises(DataError, match="rename"):
        with_pasts(Split(*parts), 3)
    again = with_pasts(with_pasts(split, 2), 3)
    assert again.train["sequence"].shape[1] == 3
