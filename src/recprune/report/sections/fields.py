"""Importance of the fields of a click model, with intervals, before and after."""

from __future__ import annotations

from recprune.importance.fields import FieldImportance
from recprune.report.blocks import Block, Missing, Range, Ranges, Section, Value, Words
from recprune.report.found import Found
from recprune.report.lacking import no_data

__all__ = ["fields"]
PLACE = 4


def fields(found: Found) -> Section:
    """By how much the loss rises when a field is shuffled."""
    return Section("fields", "Which fields matter", _blocks(found))


def _blocks(found: Found) -> tuple[Block, ...]:
    if found.ranks:
        why = "this model takes no fields: it ranks items by what a user had"
        how = "recprune select PREPARED --model deepfm -o fewer/, which finds those that a click model needs"
        return (Missing("Importance of fields", why, how),)
    if not found.fields:
        if found.judged is not None:
            return (Missing("Importance of fields", "the validation part is empty", "prepare with --valid 0.1"),)
        return (no_data(found, "Importance of fields"),)
    before, after = found.fields["before"], found.fields["after"]
    left = [name for name in before.names if name not in after.names]
    order = sorted(before.names, key=lambda name: -before.of(name)[0])
    rows = tuple(
        Range(f"{name} (left)" if name in left else name, _rise(before, name), _rise(after, name)) for name in order
    )
    told = (
        f"Each field is shuffled over {before.rows:,} rows of validation, {before.repeats} times: the rise of the mean "
        "loss is what the model makes of it. An interval (95%) that holds 0 says that the field may mean nothing."
    )
    caption = "Rise of the loss when a field says nothing"
    return Words(told, soft=True), Ranges(caption, ("larger model", "smaller model"), rows)


def _rise(found: FieldImportance, name: str) -> Value:
    """The rise of one field with its interval; nothing where the model does not take it."""
    if name not in found.names:
        return Value(None, "rise")
    low, high = found.interval()
    place = found.names.index(name)
    return Value(float(found.mean[place]), "rise", float(low[place]), float(high[place]))
