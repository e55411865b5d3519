"""How much leaves, as a person writes it."""

import pytest

from recprune.cli._budget import BudgetOptions, read_bytes, read_drop
from recprune.errors import BudgetError
from recprune.planning.budget import MaxDrop


@pytest.mark.parametrize(
    ("text", "number"), [("2MB", 2_000_000), ("300 KiB", 307_200), ("1.5kb", 1500), ("4096", 4096), (" 1GiB ", 2**30)]
)
def test_sizes_are_read(text, number):
    assert read_bytes(text) == number


@pytest.mark.parametrize("text", ["", "MB", "2 bananas", "-3MB", "1e6"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(BudgetError, match="no size"):
        read_bytes(text)


def test_what_may_be_lost_is_read():
    assert read_drop("ndcg@20=0.5%") == MaxDrop("ndcg@20", 0.005)
    assert read_drop("auc = 0.001") == MaxDrop("auc", 0.001)
    with pytest.raises(BudgetError, match="METRIC=SHARE"):
        read_drop("ndcg@20")
    with pytest.raises(BudgetError, match="may be lost"):
        read_drop("auc=200%")


def test_half_leaves_where_nothing_is_said_and_layers_are_held():
    budget = BudgetOptions().budget()
    assert (budget.factor, budget.keep) == (0.5, 0.25)


def test_one_amount_is_said():
    assert BudgetOptions(bytes="2MB").budget().bytes == 2_000_000
    assert BudgetOptions(ms=0.2, rows=100).budget().rows == 100
    with pytest.raises(BudgetError, match="a budget is one of"):
        BudgetOptions(factor=0.5, bytes="2MB").budget()


def test_encodings_are_named_or_none():
    assert BudgetOptions().encodings is None
    assert BudgetOptions(encoding=["none"]).encodings == ()
    assert BudgetOptions(encoding=["int8_rows", "fp16"]).encodings == ("int8_rows", "fp16")
