from pathlib import Path

import numpy as np
import pytest

from recprune.errors import TrainingError
from recprune.training.options import FitOptions


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("epochs", 0),
        ("every", 0),
        ("lr", 0.0),
        ("lr", float("nan")),
        ("decay", -1.0),
        ("l2", -1.0),
        ("l2", float("inf")),
        ("loss", "hinge"),
        ("unknown", 1.0),
        ("distill", 1.1),
        ("temperature", 0.0),
        ("of", 3),
        ("before", -1),
        ("epochs", 2.5),
        ("batch", 100.5),
        ("batch", True),
        ("every", 1.5),
        ("patience", float("inf")),
        ("threads", 1.5),
        ("k", "20"),
        ("seed", 0.5),
        ("seed", 2**70),
        ("popularity", float("nan")),
    ],
)
def test_an_option_outside_its_range_is_refused_by_name(option, value):
    with pytest.raises(TrainingError) as error:
        FitOptions(**{option: value})
    assert error.value.option == {"before": "of"}.get(option, option)


def test_whole_numbers_may_come_as_floats():
    options = FitOptions(epochs=1e3, batch=64.0, k=np.int64(5), seed=2**64 - 1)
    assert options == FitOptions(epochs=1000, batch=64, k=5, seed=2**64 - 1)
    assert {type(number) for number in (options.epochs, options.batch, options.k)} == {int}


def test_a_part_says_where_it_lies_in_the_whole():
    whole = FitOptions(epochs=10, checkpoint=Path("a") / "state")
    part = whole.part(2, 5)
    assert (part.epochs, part.before, part.of, part.checkpoint) == (3, 2, 10, Path("a") / "state.2-5")
    inner = part.part(1, 3)
    assert (inner.epochs, inner.before, inner.of) == (2, 3, 10)
    assert whole.part(0, 10).checkpoint != part.checkpoint
