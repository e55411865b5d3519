"""The script that measures what a step of training moves."""

import pytest

from recprune.training.together import Alone

scale_sharded = pytest.importorskip("benchmarks.scale_sharded")


def test_one_worker_moves_nothing():
    said = scale_sharded.measure(500, False, Alone())
    assert said["moved"] == 0
    assert said["numbers"] == (500 + 2000) * 32 + 2000
    assert said["told"] is None


def test_shards_are_told_by_what_is_looked_up():
    small, large = (scale_sharded.told(rows, True, 2) for rows in (10_000, 10_000_000))
    assert large < 1.3 * small
    assert scale_sharded.told(10_000, False, 2) == 4 * (12_000 * 32 + 2000)
