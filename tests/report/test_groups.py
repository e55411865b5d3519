from dataclasses import replace

import numpy as np

from recprune.report.groups import groups


def test_quarters_part_the_users_and_fields_name_their_values(lists_run, found_in):
    found = found_in(lists_run)
    made = groups(found.judged, found.split)
    quarters = [group for group in made if "known" in group.name]
    assert 1 < len(quarters) <= 4
    assert np.array_equal(np.sum([group.cases for group in quarters], axis=0), np.ones(len(found.judged.users)))
    valued = [group for group in made if group.name.startswith("user_field1 = ")]
    assert len(valued) > 1
    assert {group.name.partition(" = ")[2] for group in valued} <= set(found.split.vocabularies["user_field1"].ids)


def test_users_who_are_all_alike_make_one_group(lists_run, found_in):
    found = found_in(lists_run)
    alike = replace(found.judged, seen=np.full_like(found.judged.seen, 7))
    first, *_ = groups(alike, found.split)
    assert first.name == "7 items known"
    assert first.cases.all()


def test_data_without_users_has_no_groups(lists_run, found_in):
    found = found_in(lists_run)
    assert groups(replace(found.judged, users=np.zeros_like(found.judged.users)), found.split) == ()
