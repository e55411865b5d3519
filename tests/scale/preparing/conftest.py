"""A job whose first stages are done."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from recprune.data.dataset import Roles
from recprune.recipe.prepare import SplitBy
from recprune.scale.preparing.ids import located, merge
from recprune.scale.preparing.job import Job
from recprune.scale.preparing.run import Scale, _job
from recprune.scale.preparing.scatter import scatter
from recprune.scale.preparing.settle import settle
from recprune.scale.preparing.source import source_of


@pytest.fixture
def job(text: Path, tmp_path: Path) -> Job:
    """Read, settled in three buckets, and every id located."""
    roles = Roles(user="user", item="item", time="at", categorical=("city",), multi=("tags",))
    found = source_of(text, 9000, roles=roles)
    assert found is not None
    job = _job(replace(found, size=3), tmp_path, {}, SplitBy(), Scale(workers=3))
    assert job.buckets == 3
    for part in range(len(found.parts)):
        scatter(job, part)
    for bucket in range(job.buckets):
        settle(job, bucket)
    for column in range(len(job.ids)):
        merge(job, column)
    for bucket in range(job.buckets):
        located(job, bucket)
    return job
