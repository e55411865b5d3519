import math
from dataclasses import fields

import pytest

from recprune.errors import DataError
from recprune.serving.limits import Limits


def test_every_limit_is_on_from_the_start():
    assert all(0 < getattr(Limits(), field.name) < math.inf for field in fields(Limits))
    assert (Limits().body, Limits().headers, Limits().ids, Limits().k) == (65_536, 16_384, 1_000, 1_000)


@pytest.mark.parametrize("name", [field.name for field in fields(Limits)])
@pytest.mark.parametrize("value", [0, -1, math.nan])
def test_no_limit_can_be_turned_off(name, value):
    with pytest.raises(DataError) as caught:
        Limits(**{name: value})
    assert caught.value.limit == name
