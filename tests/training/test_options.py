import pytest

from recprune.errors import TrainingError
from recprune.training.options import FitOptions


@pytest.mark.parametrize(
    ("option", "value"),
    [("epochs", 0), ("lr", 0.0), ("lr", float("nan")), ("decay", -1.0), ("loss", "hinge"), ("unknown", 1.0)],
)
def test_an_option_outside_its_range_is_refused_by_name(option, value):
    with pytest.raises(TrainingError) as error:
        FitOptions(**{option: value})
    assert error.value.option == option
