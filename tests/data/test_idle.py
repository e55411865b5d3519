import numpy as np
import pytest

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import encode
from recprune.data.idle import idle_columns, without_columns
from recprune.data.simulate import simulate
from recprune.data.split import split_by_time
from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError


def split_of(rows: int = 100, **columns) -> Split:
    """Three parts of one table: codes are int32, all others numbers."""
    vocabularies = {
        name: Vocabulary(name, [f"{name}{n}" for n in range(int(values.max()))])
        for name, values in columns.items()
        if values.dtype.kind == "i"
    }
    roles = Roles(user="user", item="item", label="label", categorical=tuple(vocabularies))
    whole = Dataset({"label": np.arange(rows, dtype=np.float32) % 2, **columns}, vocabularies, roles)
    at = np.arange(rows)
    return Split(whole.take(at < 60), whole.take((at >= 60) & (at < 80)), whole.take(at >= 80))


def codes(*values: int, rows: int = 100) -> np.ndarray:
    return np.resize(np.array(values, dtype=np.int32), rows)


def test_the_simulators_constants_uniques_and_copies_leave_and_nothing_else() -> None:
    sim = simulate(200, 100, 4000, 4, feedback="label", copies=2, noise=(2, 30, 3000))
    found = idle_columns(split_by_time(encode(sim.log), 0.2, 0.2))
    assert set(found) == set(sim.truth.playing("redundant", "constant", "unique"))
    for name, why in found.items():
        part = sim.truth.fields[name]
        assert why.startswith({"redundant": f"copy of {sim.truth.copy_of.get(name)}:"}.get(part, part))


def test_a_copy_up_to_the_names_of_its_values_is_found_and_one_wrong_row_is_none() -> None:
    rng = np.random.default_rng(0)
    city = rng.integers(1, 5, 100).astype(np.int32)
    other = city.copy()
    other[70] = city[70] % 4 + 1
    found = idle_columns(split_of(city=city, again=np.array([0, 3, 1, 4, 2], dtype=np.int32)[city], other=other))
    assert found == {"again": "copy of city: the same up to the names of its values"}


def test_what_a_coarser_column_says_is_no_copy() -> None:
    assert idle_columns(split_of(city=codes(1, 2, 3, 4), country=codes(1, 1, 2, 2))) == {}


def test_the_rows_of_test_are_not_looked_at() -> None:
    late = codes(1)
    late[80:] = 2
    assert idle_columns(split_of(late=late, city=codes(1, 2, 3))).keys() == {"late"}


def test_numbers_are_copies_up_to_their_scale_and_not_up_to_any_order() -> None:
    x = np.random.default_rng(0).normal(size=100).astype(np.float32)
    shuffled = np.random.default_rng(1).permutation(x)
    found = idle_columns(split_of(x=x, minus=-2 * x, cubed=x**3, shuffled=shuffled, flat=0 * x))
    assert set(found) == {"minus", "cubed", "flat"}


def test_numbers_that_differ_in_every_row_are_no_unique_ids() -> None:
    assert idle_columns(split_of(price=np.arange(100, dtype=np.float32), row=codes(*range(1, 101)))).keys() == {"row"}


def test_a_value_of_its_own_in_most_rows_counts_as_unique() -> None:
    most, fewer = codes(*range(1, 101)), codes(*range(1, 101))
    most[:5], fewer[:10] = 1, 1
    found = idle_columns(split_of(most=most, fewer=fewer))
    assert found == {"most": "unique: 56 values in 60 rows of train"}


def test_lists_of_codes_are_compared_as_lists() -> None:
    tags = np.stack([codes(1, 2), codes(0, 3)], axis=1)
    found = idle_columns(split_of(tags=tags, again=tags.copy(), same=np.ones((100, 2), dtype=np.int32)))
    assert set(found) == {"again", "same"}


def test_what_is_to_be_kept_never_leaves_and_of_copies_it_is_the_one_that_stays() -> None:
    split = split_of(first=codes(1, 2, 3), item=codes(2, 3, 1), flat=codes(1))
    assert idle_columns(split).keys() == {"item", "flat"}
    assert idle_columns(split, keep=("item", "flat")) == {
        "first": "copy of item: the same up to the names of its values"
    }


def test_a_column_leaves_with_its_vocabulary_and_its_roles() -> None:
    split = without_columns(split_of(user=codes(1, 2), item=codes(1, 2, 3), city=codes(1, 3)), ("user", "city"))
    for part in (split.train, split.valid, split.test):
        assert set(part.columns) == {"label", "item"}
        assert set(part.vocabularies) == {"item"}
        assert part.roles == Roles(item="item", label="label", categorical=("item",))
        assert part.fields == ("item",)
    assert [len(part) for part in (split.train, split.valid, split.test)] == [60, 20, 20]


@pytest.mark.parametrize("name", ["town", "label"])
def test_a_column_that_is_not_there_or_is_no_feature_cannot_leave(name: str) -> None:
    with pytest.raises(DataError) as error:
        without_columns(split_of(city=codes(1, 2)), (name,))
    assert error.value.column == name
