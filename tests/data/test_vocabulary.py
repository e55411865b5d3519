import pytest
from hypothesis import given
from hypothesis import strategies as st

from recprune.data.vocabulary import Vocabulary
from recprune.errors import DataError

IDS = st.lists(st.text(min_size=1, max_size=4), unique=True, max_size=12)


@given(IDS)
def test_encode_then_decode_gives_the_ids_back(ids):
    vocabulary = Vocabulary("item", ids)
    codes = vocabulary.encode(ids).tolist()
    assert codes == list(range(1, len(ids) + 1))
    assert vocabulary.decode(codes) == ids
    assert len(vocabulary) == len(ids) + 1


@pytest.mark.parametrize("other", ["1000", "1_0000", "１０００", " 1_000", "1_000 ", "", None])
def test_ids_that_only_look_alike_are_unknown(other):
    assert Vocabulary("user", ["1_000"]).encode(["1_000", other]).tolist() == [1, 0]


def test_the_unknown_decodes_to_nothing():
    assert Vocabulary("user", ["a"]).decode([0, 1]) == [None, "a"]


def test_an_id_that_stands_twice_is_refused():
    with pytest.raises(DataError, match="not unique"):
        Vocabulary("user", ["a", "b", "a"])


@given(IDS, st.data())
def test_what_stays_keeps_its_order_and_gets_new_codes(ids, data):
    kept = sorted(data.draw(st.sets(st.integers(0, len(ids)))))
    smaller = Vocabulary("item", ids).restrict(kept)
    assert list(smaller.ids) == [ids[code - 1] for code in kept if code]
