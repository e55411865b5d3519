"""Random orthogonal matrices from a seed."""

import numpy as np
import pytest

from recprune.encodings.rotation import WIDEST, rotation
from recprune.errors import SurgeryError


@pytest.mark.parametrize("width", [1, 2, 3, 7, 16, 24, 64])
def test_it_is_orthogonal_and_of_its_seed(width: int):
    turn = rotation(width, 5)
    np.testing.assert_allclose(turn @ turn.T, np.eye(width), atol=1e-12)
    rotation.cache_clear()
    assert np.array_equal(turn, rotation(width, 5))
    assert width == 1 or not np.array_equal(turn, rotation(width, 6))


def test_the_stream_of_a_seed_never_changes():
    """An artifact holds the seed alone."""
    assert np.sign(rotation(8, 0)[:, 0]).tolist() == [-1, 1, 1, 1, -1, -1, -1, -1]
    np.testing.assert_allclose(rotation(3, 0)[0], [0.427160365422, 0.558023625895, 0.711437738074], atol=1e-9)


def test_a_single_large_entry_is_spread_over_the_row():
    row = np.zeros(64)
    row[7] = 8.0
    assert np.abs(row @ rotation(64, 0)).max() == pytest.approx(1.0)


def test_what_cannot_be_rotated_is_refused():
    with pytest.raises(SurgeryError, match="too wide"):
        rotation(WIDEST + 1, 0)
    with pytest.raises(SurgeryError, match="0 or more"):
        rotation(4, -1)
