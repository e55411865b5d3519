import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.positive import positive
from recprune.errors import DataError

FRAME = pl.DataFrame(
    {
        "stars": [1.0, 4.0, 5.0, None],
        "cnt": [3, 0, 7, 2],
        "income": [">50K", "<=50K", ">50K.", None],
        "shelf": ["Food and Drink", "Food", "Drink", "Toys"],
        "price": pl.Series([4.1, 3.7, 4.0, None], dtype=pl.Float32),
        "bought": ["10", " 3.0", "none", None],
        "zip": ["02139", "2139", "9", "10"],
    }
)
ROLES = Roles(rating="stars", numeric=("cnt",), categorical=("income", "shelf", "zip"), label="bought")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        ("rating >= 4", [0, 1, 1, 0]),
        ("stars>4", [0, 0, 1, 0]),
        ("cnt != 0", [1, 0, 1, 1]),
        ("income in >50K, >50K.", [1, 0, 1, 0]),
        ("income == >50K", [1, 0, 0, 0]),
        ("cnt > 0 and rating >= 4", [0, 0, 1, 0]),
        ("cnt > 0 and rating >= 1 and income == >50K", [1, 0, 0, 0]),
        ("shelf == Food and Drink", [1, 0, 0, 0]),
        ("shelf in Food and Drink, Toys and cnt > 2", [1, 0, 0, 0]),
        ("price in 4.1, 3.7", [1, 1, 0, 0]),
        ("label > 2", [1, 1, 0, 0]),
        ("bought == 3", [0, 1, 0, 0]),
        ("bought != 3", [1, 0, 1, 0]),
        ("bought in 3, none", [0, 1, 1, 0]),
        ("bought == none", [0, 0, 1, 0]),
        ("zip == 02139", [1, 0, 0, 0]),
        ("zip > 9", [1, 1, 0, 1]),
    ],
)
def test_a_rule_says_which_rows_are_positive_and_a_missing_value_is_not(rule, expected):
    assert FRAME.select(positive(rule, ROLES, FRAME.schema)).to_series().to_list() == [bool(e) for e in expected]


@pytest.mark.parametrize("rule", ["rating", "rating 4", "weight > 3", "cnt > many", "cnt > 0 and weight > 3"])
def test_a_rule_of_another_form_is_refused(rule):
    with pytest.raises(DataError, match="positive"):
        positive(rule, ROLES, FRAME.schema)
