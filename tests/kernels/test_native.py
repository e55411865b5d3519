"""The C code itself, asked for what the Python faces never ask: refused with one error, never a crash."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from recprune import dispatch
from recprune.errors import DataError

native = dispatch._native()
pytestmark = pytest.mark.skipif(native is None, reason="not compiled")

ROWS = np.arange(24, dtype=np.float32).reshape(6, 4)
ORDER = np.arange(6, dtype=np.int32)
GOOD: dict[str, Any] = {
    "level": 0, "rows": ROWS, "stored": 0, "scanned": 2, "columns": 4, "order": ORDER, "scale": None, "bias": None,
    "books": None, "edges": None
}  # fmt: skip
BOOKS = np.ones((2, 256, 4), dtype=np.float32)
SPELLED: dict[str, Any] = {
    "rows": np.zeros((6, 3), dtype=np.uint8), "stored": 4, "scanned": 4, "books": BOOKS, "edges": np.array([0, 1, 4])
}  # fmt: skip


def table(**changed: Any) -> Any:
    return native.Table(*{**GOOD, **changed}.values())


@pytest.mark.parametrize(
    "changed",
    [
        {"level": 9},
        {"level": -1},
        {"rows": ROWS.astype(np.float64)},
        {"rows": ROWS[:, ::2]},
        {"rows": ROWS.ravel()},
        {"rows": ROWS.astype(">f4")},
        {"rows": np.frombuffer(b"\0" * 97, np.uint8)[1:97].view(np.float32).reshape(6, 4)},
        {"rows": None},
        {"stored": 5},
        {"scanned": 4},
        {"stored": -1},
        {"scanned": 3},
        {"stored": 2},
        {"stored": 3, "scanned": 3},
        {"columns": 3},
        {"columns": 0},
        {"columns": 2**40},
        {"order": np.array([0, 0], dtype=np.int32)},
        {"order": np.array([6], dtype=np.int32)},
        {"order": np.array([-1], dtype=np.int32)},
        {"order": np.arange(7, dtype=np.int32)},
        {"order": np.arange(6)},
        {"scale": np.ones(5, dtype=np.float32)},
        {"bias": np.ones(7, dtype=np.float32)},
        {"bias": np.full(6, np.nan, dtype=np.float32)},
    ],
)
def test_a_table_of_wrong_parts_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        table(**changed)


@pytest.mark.parametrize(
    "changed",
    [
        *({"scanned": kind} for kind in (0, 1, 3)),
        {"scanned": 2, "books": None},
        {"scanned": 2, "scale": np.full(6, 3e38, dtype=np.float32), "books": BOOKS * np.float32(2.0**100)},
        {"rows": np.zeros((6, 4), dtype=np.uint8)},
        {"rows": np.zeros((6, 3), dtype=np.int8)},
        {"books": None},
        {"books": BOOKS[:, :255].copy()},
        {"books": BOOKS[:1]},
        {"books": BOOKS[:, :, :3].copy()},
        {"books": BOOKS.astype(np.float64)},
        {"books": np.where(np.arange(4) == 3, np.nan, BOOKS).astype(np.float32)},
        {"books": BOOKS * np.float32(2.0**121)},
        {"edges": None},
        {"edges": np.array([0, 5, 4])},
        {"edges": np.array([1, 2, 4])},
        {"edges": np.array([0, -1, 4])},
        {"edges": np.array([0, 1, 3])},
        {"edges": np.array([0]), "rows": np.zeros((6, 1), dtype=np.uint8)},
        {"edges": np.zeros(131, dtype=np.int64), "rows": np.zeros((6, 131), dtype=np.uint8)},
        {"scale": np.full(6, 3e38, dtype=np.float32)},
    ],
)
def test_a_table_of_wrong_codes_is_refused(changed: dict[str, Any]) -> None:
    table(**SPELLED)
    with pytest.raises(DataError):
        table(**{**SPELLED, **changed})


def asked(**changed: Any) -> dict[str, Any]:
    good: dict[str, Any] = {
        "query": np.ones(4, dtype=np.float32),
        "k": 2,
        "out": None,
        "items": np.empty(2, dtype=np.int64),
        "scores": np.empty(2, dtype=np.float32),
    }
    return {**good, **changed}


@pytest.mark.parametrize(
    "changed",
    [
        {"query": np.ones(3, dtype=np.float32)},
        {"query": np.ones(4)},
        {"k": 0},
        {"k": 2**62},
        {"k": 3},
        {"out": np.array([1.0])},
        {"out": np.array([6])},
        {"items": np.empty(1, dtype=np.int64)},
        {"items": np.empty(2, dtype=np.int32)},
        {"scores": np.empty(1, dtype=np.float32)},
        {"scores": b"12345678"},
    ],
)
def test_a_request_of_wrong_parts_is_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        table().top(*asked(**changed).values())


def test_too_few_or_odd_arguments_are_refused() -> None:
    with pytest.raises(TypeError):
        table().top(1)
    with pytest.raises(TypeError):
        table().top_of_all(1)
    with pytest.raises(TypeError):
        table().top(*asked(k="2").values())
    with pytest.raises(TypeError):
        native.Table(*GOOD.values(), name=1)
    with pytest.raises(TypeError):
        native.Table()
    with pytest.raises(TypeError):
        native.top_of_scores(1)
    with pytest.raises(TypeError):
        native.rows_of_codes(1)


@pytest.mark.parametrize(
    ("queries", "starts", "out", "room"),
    [
        ((2, 3), None, None, (2, 2)),
        ((2, 4), None, None, (1, 2)),
        ((2, 4), None, None, (2, 3)),
        ((2, 4), [0, 0, 0], None, (2, 2)),
        ((2, 4), None, [1], (2, 2)),
        ((2, 4), [0, 1], [1], (2, 2)),
    ],
)
def test_a_batch_of_wrong_parts_is_refused(queries: Any, starts: Any, out: Any, room: Any) -> None:
    parts = (None if part is None else np.array(part, dtype=np.int64) for part in (starts, out))
    items, scores = np.empty(room, dtype=np.int64), np.empty(room, dtype=np.float32)
    with pytest.raises(DataError):
        table().top_of_all(np.ones(queries, dtype=np.float32), 2, *parts, items, scores)


def test_lent_rows_live_as_long_as_the_table() -> None:
    made = native.Table(*{**GOOD, "rows": ROWS.copy()}.values())
    items, scores = np.empty(2, dtype=np.int64), np.empty(2, dtype=np.float32)
    assert made.top(np.ones(4, dtype=np.float32), 2, None, items, scores) == 2
    assert items.tolist() == [5, 4]
    assert scores.tolist() == [86.0, 70.0]


def neighbours(*changed: tuple[int, Any]) -> Any:
    good = [
        0,
        3,
        2,
        np.array([], dtype=np.int64),
        np.ones(2, dtype=np.float32),
        np.array([0, 1], dtype=np.int32),
        np.array([0, 1, 2, 2]),
        None,
    ]
    for place, part in changed:
        good[place] = part
    return native.Neighbours(*good)


@pytest.mark.parametrize(
    "changed",
    [
        [(1, 2**40)],
        [(2, -1)],
        [(3, np.array([3]))],
        [(4, np.ones(3, dtype=np.float32))],
        [(4, np.array([np.nan, 1], dtype=np.float32))],
        [(5, np.array([0, 2], dtype=np.int32))],
        [(5, np.array([0, -1], dtype=np.int32))],
        [(6, np.array([0, 1, 2]))],
        [(6, np.array([0, 2, 1, 2]))],
        [(6, np.array([1, 1, 2, 2]))],
        [(6, np.array([0, 1, 2, 3]))],
        [(6, np.array([0, 1, 1, 1]))],
        [(7, np.ones(3, dtype=np.float32))],
    ],
)
def test_an_item_item_matrix_of_wrong_parts_is_refused(changed: list[tuple[int, Any]]) -> None:
    with pytest.raises(DataError):
        neighbours(*changed)


def coded(*changed: tuple[int, Any]) -> Any:
    good = [
        (4, np.ones(2, dtype=np.int8)),
        (5, np.array([0, 2], dtype=np.uint8)),
        (6, np.array([[1], [1]], dtype=np.uint8)),
        (7, np.ones(3, dtype=np.float32)),
    ]
    return neighbours(*good, *changed)


@pytest.mark.parametrize(
    "changed",
    [
        [(4, np.ones(3, dtype=np.int8))],
        [(5, np.zeros(3, dtype=np.uint8))],
        [(6, np.array([[1], [2]], dtype=np.uint8))],
        [(6, np.array([[1, 1]], dtype=np.uint8))],
        [(7, np.ones(2, dtype=np.float32))],
        [(7, np.zeros(3, dtype=np.float32))],
        [(7, -np.ones(3, dtype=np.float32))],
        [(7, np.full(3, np.nan, dtype=np.float32))],
    ],
)
def test_codes_of_wrong_parts_are_refused(changed: list[tuple[int, Any]]) -> None:
    assert coded() is not None
    with pytest.raises(DataError):
        coded(*changed)


def test_lent_codes_that_change_under_the_kernel_do_no_harm() -> None:
    places, counts = np.array([0, 2], dtype=np.uint8), np.array([[1], [1]], dtype=np.uint8)
    made = coded((5, places), (6, counts))
    places[:] = 255
    items, scores = np.empty(2, dtype=np.int64), np.empty(2, dtype=np.float32)
    none = np.array([], dtype=np.int64)
    assert made.top(np.array([0, 1]), None, 2, none, items, scores) == 2
    assert scores.tolist() == [0.0, 0.0]
    counts[:] = 255
    with pytest.raises(DataError, match="changed while"):
        made.top(np.array([0, 1]), None, 2, none, items, scores)
    counts[:], places[:] = 1, [0, 2]
    assert made.top(np.array([0, 1]), None, 2, none, items, scores) == 2
    assert scores.tolist() == [1.0, 1.0]


def test_ids_and_shapes_of_a_look_up_are_checked() -> None:
    codes, scale = np.ones((5, 4), dtype=np.int8), np.ones(5, dtype=np.uint16)
    ids, out = np.array([0, 4]), np.empty((2, 4), dtype=np.float32)
    native.rows_of_codes(0, 8, codes, scale, ids, out)
    native.rows_of_codes(0, 8, codes, scale, 3, out)
    for wrong in (
        (0, 8, codes, scale[:4], ids, out),
        (0, 8, codes, scale, ids, out[:1]),
        (0, 8, codes.view(np.uint8), scale, ids, out),
        (0, 8, codes[:, :3].copy(), scale, ids, out),
        (0, 8, codes, scale, ids, out.astype(np.float64)),
        (0, 8, codes, scale, 4, out),
        (0, 8, codes, scale, -1, out),
        (0, 8, codes, scale, ids.astype(np.int32), out),
        (0, 4, codes, scale, ids, out),
        (0, 4, codes.view(np.uint8), scale, ids, out),
        (0, 3, codes.view(np.uint8), scale, ids, out),
    ):
        with pytest.raises(DataError):
            native.rows_of_codes(*wrong)
    for ids in (np.array([0, 5]), np.array([-1, 0])):
        with pytest.raises(IndexError):
            native.rows_of_codes(0, 8, codes, scale, ids, out)
    for wrong in ((0, 8, codes, scale, 2**70, out), (0, "8", codes, scale, ids, out)):
        with pytest.raises((OverflowError, TypeError)):
            native.rows_of_codes(*wrong)


def test_rows_of_values_are_what_codes_name() -> None:
    values = np.array([0x0000, 0x3F80, 0x4000, 0xC040], dtype=np.uint16)  # 0, 1, 2 and -3 in bfloat16
    codes = np.array([[0b11100100, 0b10], [0b00000000, 0b11]], dtype=np.uint8)
    ids, out = np.array([1, 0, 1]), np.empty((3, 5), dtype=np.float32)
    for level in (0, 1):
        native.rows_of_values(level, codes, values, ids, out)
        assert out.tolist() == [[0, 0, 0, 0, -3], [0, 1, 2, -3, 2], [0, 0, 0, 0, -3]]
    native.rows_of_values(0, codes, values, 1, out[:1])
    assert out[0].tolist() == [0, 0, 0, 0, -3]
    for wrong in (
        (0, codes, values[:3], ids, out),
        (0, codes, values[:2], ids, out),
        (0, codes, np.zeros(512, dtype=np.uint16), ids, out),
        (0, codes, values.view(np.int8), ids, out),
        (0, codes[:, :1].copy(), values, ids, out),
        (0, codes.view(np.int8), values, ids, out),
        (0, codes, values, ids, out[:2]),
        (0, codes, values, 2, out[:1]),
        (0, codes, values, ids.astype(np.int32), out),
    ):
        with pytest.raises(DataError):
            native.rows_of_values(*wrong)
    for wrong in (np.array([0, 2, 1]), np.array([0, -1, 1])):
        with pytest.raises(IndexError):
            native.rows_of_values(0, codes, values, wrong, out)
    with pytest.raises(TypeError):
        native.rows_of_values(1)


BOOKED = {
    "level": 0,
    "codes": np.array([[1, 255, 0], [0, 0, 3]], dtype=np.uint8),
    "centres": np.ones((256, 5), dtype=np.int8),
    "words": np.full((256, 5), 2, dtype=np.int8),
    "units": np.array([[0.5] * 5, [2.0] * 5], dtype=np.float32),
    "edges": np.array([0, 2, 5]),
    "ids": np.array([1, 0]),
    "out": np.empty((2, 5), dtype=np.float32),
}


def test_rows_of_books_are_a_centre_and_words() -> None:
    native.rows_of_books(*BOOKED.values())
    assert (BOOKED["out"] == 4.5).all()
    half = {name: np.full((16, 5), 0x3F80, dtype=np.uint16) for name in ("centres", "words")}  # 1 in bfloat16
    native.rows_of_books(*{**BOOKED, **half, "codes": BOOKED["codes"][:, :2].copy(), "units": None}.values())
    assert (BOOKED["out"] == 2.0).all()


def test_scores_of_books_are_those_of_their_rows() -> None:
    table = list(BOOKED.values())[:6]
    queries, out = np.array([[1, 2, 3, 4, 5], [0, 0, 0, 0, 1]], dtype=np.float32), np.empty((2, 2), dtype=np.float32)
    native.scores_of_books(*table, queries, out)
    assert out.tolist() == [[67.5, 67.5], [4.5, 4.5]]
    for wrong in (
        (queries, np.empty((2, 3), dtype=np.float32)),
        (queries, np.empty((1, 2), dtype=np.float32)),
        (queries[:, :4].copy(), out),
        (queries.astype(np.float64), out),
        (queries[0], out),
    ):
        with pytest.raises(DataError):
            native.scores_of_books(*table, *wrong)
    with pytest.raises(DataError):
        native.scores_of_books(9, *table[1:], queries, out)
    with pytest.raises(TypeError):
        native.scores_of_books(1)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("level", 9),
        ("codes", np.zeros((2, 4), dtype=np.uint8)),
        ("codes", np.zeros((2, 3), dtype=np.int8)),
        ("centres", np.ones((255, 5), dtype=np.int8)),
        ("centres", np.ones((256, 4), dtype=np.int8)),
        ("centres", np.ones((256, 5), dtype=np.uint16)),
        ("words", np.ones((16, 5), dtype=np.int8)),
        ("units", None),
        ("units", np.ones((2, 4), dtype=np.float32)),
        ("units", np.ones((1, 5), dtype=np.float32)),
        ("edges", np.array([0, 2, 4])),
        ("edges", np.array([1, 2, 5])),
        ("edges", np.array([0, 6, 5])),
        ("edges", np.array([0, -1, 5])),
        ("edges", np.array([0, 5])),
        ("edges", np.array([], dtype=np.int64)),
        ("ids", np.array([0, 2])),
        ("ids", np.array([0, -1])),
        ("ids", 1),
        ("out", np.empty((2, 6), dtype=np.float32)),
        ("out", np.empty((3, 5), dtype=np.float32)),
    ],
)
def test_books_that_do_not_fit_are_refused(name: str, wrong: object) -> None:
    with pytest.raises(IndexError if name == "ids" and not isinstance(wrong, int) else DataError):
        native.rows_of_books(*{**BOOKED, name: wrong}.values())
    with pytest.raises(TypeError):
        native.rows_of_books(1)


WORDS: dict[str, Any] = {
    "rows": np.ones((4, 5), dtype=np.float32),
    "book": np.arange(15, dtype=np.float32).reshape(3, 5),
    "edges": np.array([0, 2, 5]),
    "codes": np.array([[0, 2], [1, 1], [2, 0], [0, 0]], dtype=np.uint8),
    "weights": np.ones(4, dtype=np.float32),
    "sums": np.zeros((3, 5), dtype=np.float32),
    "counts": np.zeros((3, 2), dtype=np.float32),
}
NEAREST, MADE = ("rows", "book", "edges", "codes"), ("codes", "book", "edges", "rows")
SUMMED = ("codes", "rows", "weights", "edges", "sums", "counts")


@pytest.mark.parametrize(
    ("name", "wrong", "not_by"),
    [
        ("rows", np.ones((3, 5), dtype=np.float32), ()),
        ("rows", np.ones((4, 4), dtype=np.float32), ()),
        ("rows", np.ones((4, 5)), ()),
        ("book", np.ones((3, 4), dtype=np.float32), ()),
        ("book", np.ones((0, 5), dtype=np.float32), ()),
        ("book", np.ones((257, 5), dtype=np.float32), ()),
        ("book", np.ones((2, 5), dtype=np.float32), (NEAREST,)),
        ("edges", np.array([0, 5]), ()),
        ("edges", np.array([0, 2, 4]), ()),
        ("edges", np.array([1, 2, 5]), ()),
        ("edges", np.array([0, 6, 5]), ()),
        ("edges", np.array([0.0, 2, 5]), ()),
        ("codes", np.zeros((4, 3), dtype=np.uint8), ()),
        ("codes", np.zeros((4, 2), dtype=np.int8), ()),
        ("codes", np.full((4, 2), 3, dtype=np.uint8), (NEAREST,)),
        ("weights", np.ones(3, dtype=np.float32), ()),
        ("sums", np.zeros((2, 5), dtype=np.float32), ()),
        ("sums", np.zeros((3, 6), dtype=np.float32), ()),
        ("counts", np.zeros((3, 3), dtype=np.float32), ()),
        ("counts", np.zeros((2, 2), dtype=np.float32), ()),
    ],
)
def test_words_that_do_not_fit_are_refused(name: str, wrong: object, not_by: tuple[tuple[str, ...], ...]) -> None:
    for call, first, parts in (
        (native.nearest_words, (0,), NEAREST),
        (native.rows_of_words, (), MADE),
        (native.sums_of_words, (), SUMMED),
    ):
        given = {part: WORDS[part].copy() for part in parts}
        call(*first, *given.values())
        if name in parts and parts not in not_by:
            with pytest.raises(DataError):
                call(*first, *{**given, name: wrong}.values())
        with pytest.raises(TypeError):
            call(1)
    with pytest.raises(DataError):
        native.nearest_words(9, *(WORDS[part] for part in NEAREST))


def test_room_for_the_best_of_scores_is_checked() -> None:
    scores = np.zeros((3, 4), dtype=np.float32)
    for items in (np.empty((2, 2), dtype=np.int64), np.empty((3, 0), dtype=np.int64), np.empty((3, 2), dtype=np.int32)):
        with pytest.raises(DataError):
            native.top_of_scores(0, scores, items)


STARTS, PLACES = np.array([0, 2, 3, 3, 3, 3, 4]), np.array([0, 1, 0, 1], dtype=np.int32)
OF_USERS = np.array([0, 2, 4]), np.array([0, 1, 0, 5], dtype=np.int32)
BOOK = np.ones((256, 4), dtype=np.float32)
CODES = np.zeros((6, 3), dtype=np.uint8)
BOOKS = BOOK, BOOK, np.array([0, 2, 4])
WALKS: dict[str, Any] = {
    "level": 0, "temperature": 0.1, "share": 1.0, "never": np.array([0]), "rows": ROWS, "books": None,
    "inverse": np.ones(6, dtype=np.float32), "had": (STARTS, PLACES, None), "by": OF_USERS
}  # fmt: skip


def walks(**changed: Any) -> Any:
    return native.Walks(*{**WALKS, **changed}.values())


@pytest.mark.parametrize(
    "changed",
    [
        {"level": 9},
        {"temperature": 0.0},
        {"temperature": np.nan},
        {"share": -1.0},
        {"share": np.inf},
        {"never": np.array([6])},
        {"rows": ROWS.astype(np.float64)},
        {"rows": ROWS[:0]},
        {"rows": np.full((6, 4), np.inf, dtype=np.float32)},
        {"rows": CODES},
        {"rows": CODES[:, :1], "books": (BOOK, BOOK, np.array([0]))},
        {"rows": CODES, "books": (BOOK[:255], BOOK, BOOKS[2])},
        {"rows": CODES, "books": (BOOK, BOOK[:, :3], BOOKS[2])},
        {"rows": CODES, "books": (BOOK, BOOK * np.float32(np.nan), BOOKS[2])},
        {"rows": CODES, "books": (BOOK, BOOK, np.array([0, 4]))},
        {"rows": CODES, "books": (BOOK, BOOK, np.array([0, 5, 4]))},
        {"rows": CODES, "books": (BOOK, BOOK, np.array([1, 2, 4]))},
        {"rows": CODES, "books": (BOOK, BOOK, np.array([0, 2, 3]))},
        {"rows": CODES, "books": (BOOK, BOOK, np.array([0, -2, 4]))},
        {"inverse": np.ones(5, dtype=np.float32)},
        {"inverse": -np.ones(6, dtype=np.float32)},
        {"had": (STARTS[:-1], PLACES, None)},
        {"had": (STARTS[::-1].copy(), PLACES, None)},
        {"had": (STARTS + 1, PLACES, None)},
        {"had": (STARTS, PLACES + 2, None)},
        {"had": (STARTS, PLACES - 1, None)},
        {"had": (STARTS, PLACES, np.ones(4, dtype=np.float32))},
        {"had": (STARTS, PLACES, np.ones(3, dtype=np.float32)), "by": None},
        {"had": (STARTS, PLACES, -np.ones(4, dtype=np.float32)), "by": None},
        {"by": (OF_USERS[0], OF_USERS[1] + 1)},
        {"by": (np.array([0, 4, 4]), OF_USERS[1])},
        {"by": (np.array([0, 4]), OF_USERS[1])},
        {"by": (OF_USERS[0][:0], OF_USERS[1])},
    ],
)
def test_walks_of_wrong_parts_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises(DataError):
        walks(**changed)


@pytest.mark.parametrize("changed", [{"books": (BOOK,)}, {"had": (STARTS,)}, {"by": (STARTS,)}, {"had": None}])
def test_walks_of_too_few_parts_are_refused(changed: dict[str, Any]) -> None:
    with pytest.raises((TypeError, SystemError)):
        walks(**changed)


def test_walks_check_what_they_are_asked() -> None:
    for made in (walks(), walks(rows=CODES, books=BOOKS)):
        items, scores = np.empty(3, dtype=np.int64), np.empty(3, dtype=np.float32)
        mine = np.array([1, 5])
        assert made.top(mine, 3, None, items, scores) == 3
        for asked in (
            (mine.astype(np.float32), 3, None, items, scores),
            (mine, 0, None, items, scores),
            (mine, 4, None, items, scores),
            (mine, 3, None, items[:2], scores),
            (mine, 3, None, items.astype(np.int32), scores),
            (np.array([6]), 3, None, items, scores),
        ):
            with pytest.raises(DataError):
                made.top(*asked)
        wide = np.empty((1, 3), dtype=np.int64), np.empty((1, 3), dtype=np.float32)
        made.top_of_all(np.array([0, 2]), mine, 3, None, None, *wide)
        for asked in (
            (np.array([0, 3]), mine, 3, None, None, *wide),
            (np.array([0, 2, 2]), mine, 3, None, None, *wide),
            (np.array([0, 2]), mine, 2, None, None, *wide),
            (np.array([0, 2]), mine, 3, np.array([0, 2]), None, *wide),
            (np.array([0, 2]), mine, 3, np.array([0, 3]), mine, *wide),
        ):
            with pytest.raises(DataError):
                made.top_of_all(*asked)
        with pytest.raises(TypeError):
            made.top(mine, 3)


@pytest.mark.parametrize("made", [lambda: table(), lambda: walks(), lambda: walks(rows=CODES, books=BOOKS)])
def test_what_is_no_array_of_the_right_kind_is_left_to_python(made: Any) -> None:
    held = made()
    right = ROWS[0] if type(held) is native.Table else np.array([1, 5])
    assert len(held.best(right, 3, None).items) == 3
    assert len(held.best(right, 99, np.array([0], dtype=np.int32)).items) <= 5
    for asked in (
        ([1, 5], 3, None),
        (right.astype(np.float16), 3, None),
        (np.stack([right, right]), 3, None),
        (right, 0, None),
        (right, 2**70, None),
        (right, True, None),
        (right, np.int64(3), None),
        (right, 3, [1]),
        (right, 3, np.array([0.5])),
    ):
        assert held.best(*asked) is None
    with pytest.raises(DataError):
        held.best(right, 3, np.array([6]))
    with pytest.raises(TypeError):
        held.best(right, 3)
