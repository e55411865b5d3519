"""The engine that is this process."""

import pytest

from recprune.errors import DataError
from recprune.scale.engines.local import Local


def test_parts_are_worked_on_one_after_the_other():
    done = []
    with Local() as engine:
        results = engine.map(done.append, range(3))
        assert done == []
        next(results)
        assert done == [0]


def test_more_workers_are_refused():
    with pytest.raises(DataError, match="engine ray"):
        Local(2)
