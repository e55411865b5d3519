"""What a job says of its columns."""

from dataclasses import replace

from recprune.data.dataset import Roles


def test_ids_are_named_as_in_a_dataset(job):
    assert job.names == {"user": "user", "item": "item", "time": "at", "city": "city", "tags": "tags"}
    assert job.ids == ["user", "item", "city", "tags"]


def test_a_label_that_a_rule_has_marked_is_a_number(job):
    roles = Roles(user="user", label="rating", positive="rating >= 4")
    marked = replace(job, source=replace(job.source, roles=roles))
    assert marked.roles.positive is None
    assert marked.ids == ["user"]
