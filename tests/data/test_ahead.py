import threading
from collections.abc import Iterator

import pytest

from recprune.data.ahead import ahead


def counting(n: int, seen: list[int]) -> Iterator[int]:
    for i in range(n):
        seen.append(i)
        yield i


def test_items_come_in_their_order() -> None:
    assert list(ahead(iter(range(1000)))) == list(range(1000))
    assert list(ahead(iter(()))) == []


def test_one_item_is_made_while_another_is_used() -> None:
    seen: list[int] = []
    made = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        made.set()
        yield 2
        seen.append(3)
        yield 3

    stream = ahead(items())
    assert next(stream) == 1
    assert made.wait(10)
    assert seen == []  # and not more than one


def test_what_goes_wrong_in_the_making_is_raised_to_the_user() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("broken")

    stream = ahead(items())
    assert next(stream) == 1
    with pytest.raises(ValueError, match="broken"):
        next(stream)


def test_whoever_stops_early_leaves_no_thread_behind() -> None:
    seen: list[int] = []
    stream = ahead(counting(1000, seen))
    next(stream)
    stream.close()
    assert len(seen) <= 2
    assert not [one for one in threading.enumerate() if one.name.startswith("recprune-ahead")]
