"""The best items of a catalogue, beside a loop that sorts all scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn

from recprune.dispatch import LEVELS, kernels
from recprune.encodings.faces import PackedEmbedding, PackedLinear
from recprune.encodings.int2_rotated_rows import Int2RotatedRows
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.product_rows import ProductRows
from recprune.encodings.sparse_rows import SparseRows
from recprune.errors import DataError
from recprune.kernels.catalogue import Catalogue
from recprune.kernels.stored import stored

SCANS = ("int8", "bf16", "float32")
many_levels = settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)


def score(row: NDArray[Any], query: NDArray[Any], scale: float = 1.0, bias: float = 0.0) -> float:
    """The definition: eight sums of every eighth product, in one fixed order."""
    a, b, c, d, e, f, g, h = (sum((float(x) * float(y) for x, y in zip(row[i::8], query[i::8], strict=True)), 0.0)
                              for i in range(8))  # fmt: skip
    return (((a + e) + (c + g)) + ((b + f) + (d + h))) * scale + bias


def slow(rows: NDArray[Any], query: NDArray[Any], k: int, out: Any = (), scale: Any = None, bias: Any = None) -> Any:
    """Items and scores by sorting everything."""
    found = []
    for i, row in enumerate(rows):
        if i not in out:
            at = score(row, query, 1.0 if scale is None else float(scale[i]), 0.0 if bias is None else float(bias[i]))
            found.append((-at, i))
    best = sorted(found)[:k]
    return [i for _, i in best], [np.float32(-s) for s, _ in best]


@st.composite
def cases(draw: st.DrawFn) -> dict[str, Any]:
    n, d = draw(st.integers(1, 70)), draw(st.integers(1, 19))
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    kind = draw(st.sampled_from(["normal", "ties", "long and short", "tiny and huge", "all zero", "equal rows"]))
    rows = rng.standard_normal((n, d)).astype(np.float32)
    if kind == "ties":
        rows = rng.integers(-1, 2, (n, d)).astype(np.float32)
    if kind == "long and short":
        rows *= rng.lognormal(0, 2, (n, 1)).astype(np.float32)
    if kind == "tiny and huge":
        rows *= np.float32(10.0) ** rng.integers(-40, 30, (n, 1)).astype(np.float32)
    if kind == "all zero":
        rows[:] = 0
    if kind == "equal rows":
        rows[:] = rows[0]
    query = rng.standard_normal(d).astype(np.float32) * np.float32(10.0 ** draw(st.sampled_from([-30, 0, 5])))
    extra = draw(st.sampled_from(["nothing", "scale", "bias", "both"]))
    return {
        "rows": rows,
        "query": query,
        "scale": rng.standard_normal(n).astype(np.float32) if extra in ("scale", "both") else None,
        "bias": rng.standard_normal(n).astype(np.float32) if extra in ("bias", "both") else None,
        "k": draw(st.integers(1, 80)),
        "out": rng.integers(0, n, draw(st.integers(0, n))) if draw(st.booleans()) else np.arange(0),
        "scan": draw(st.sampled_from(SCANS)),
    }


@many_levels
@given(case=cases())
def test_it_lists_what_sorting_all_scores_lists(level: str, case: dict[str, Any]) -> None:
    catalogue = Catalogue.of(case["rows"], scale=case["scale"], bias=case["bias"], scan=case["scan"])
    top = catalogue.top(case["query"], case["k"], case["out"])
    items, scores = slow(case["rows"], case["query"], case["k"], set(case["out"].tolist()), case["scale"], case["bias"])
    assert top.items.tolist() == items
    assert top.scores.tolist() == scores


@many_levels
@given(case=cases(), users=st.integers(0, 70))
def test_all_users_get_what_each_gets(level: str, case: dict[str, Any], users: int) -> None:
    rng = np.random.default_rng(users)
    catalogue = Catalogue.of(case["rows"], scale=case["scale"], bias=case["bias"], scan=case["scan"])
    queries = rng.standard_normal((users, case["rows"].shape[1])).astype(np.float32)
    outs = [rng.integers(0, catalogue.n, rng.integers(0, 9)) for _ in range(users)]
    starts = np.concatenate([[0], np.cumsum([len(out) for out in outs])]).astype(np.int64)
    both = catalogue.top_of_all(queries, case["k"], (starts, np.concatenate([np.arange(0), *outs])))
    for user in range(users):
        one = catalogue.top(queries[user], case["k"], outs[user])
        assert both.items[user].tolist() == one.items.tolist() + [-1] * (case["k"] - len(one.items))
        assert both.scores[user].tolist() == one.scores.tolist() + [-np.inf] * (case["k"] - len(one.items))


def product_codes(rng: np.random.Generator, n: int, d: int, m: int, kind: str = "normal", b: int = 16) -> ProductRows:
    """Codes and books that no k-means has to find."""
    books = rng.standard_normal((2, 256, d)).astype(np.float32)
    if kind == "ties":
        books = rng.integers(-1, 2, books.shape).astype(np.float32)
    if kind == "tiny and huge":
        books *= np.float32(10.0) ** rng.integers(-30, 25, (2, 256, 1)).astype(np.float32)
    if kind == "all zero":
        books[:] = 0
    if kind == "words without a row":
        books[:, 200:] *= 1e9
    codes = rng.integers(0, 200 if kind == "words without a row" else 256, (n, m + 1))
    if kind == "equal rows":
        codes[:] = codes[0]
    centres, words = (
        (torch.from_numpy(rng.integers(-127, 128, (256, d))).to(torch.int8) for _ in range(2))
        if b == 8
        else torch.from_numpy(books).bfloat16()
    )
    units = {"units": torch.from_numpy(rng.random((2, d))).bfloat16()} if b == 8 else {}
    return ProductRows(
        {
            "codes": torch.from_numpy(codes.astype(np.uint8)),
            "centres": centres,
            "words": words,
            **units,
            "groups": torch.tensor([m]),
            "like": torch.empty(0, d),
        }
    )


KINDS = ["normal", "ties", "tiny and huge", "all zero", "equal rows", "words without a row"]


@many_levels
@given(
    n=st.integers(1, 700),
    d=st.integers(1, 19),
    groups=st.integers(1, 19),
    seed=st.integers(0, 10_000),
    kind=st.sampled_from(KINDS),
    b=st.sampled_from([8, 16]),
    extra=st.sampled_from(["nothing", "scale", "bias", "both"]),
    k=st.integers(1, 40),
    power=st.sampled_from([-30, 0, 5]),
    scan=st.sampled_from(["product", "int8"]),
)
def test_product_codes_list_what_their_numbers_do(
    level: str, n: int, d: int, groups: int, seed: int, kind: str, b: int, extra: str, k: int, power: int, scan: str
) -> None:
    rng = np.random.default_rng(seed)
    codes = product_codes(rng, n, d, min(groups, d), kind, b)
    more = {
        "scale": rng.standard_normal(n).astype(np.float32) if extra in ("scale", "both") else None,
        "bias": rng.standard_normal(n).astype(np.float32) if extra in ("bias", "both") else None,
    }
    catalogue = Catalogue.of(codes, scan=scan, **more)
    plain = Catalogue.of(codes.dense(), scan="float32", **more)
    queries = rng.standard_normal((3, d)).astype(np.float32) * np.float32(10.0**power)
    out = rng.integers(0, n, n // 3)
    for query in queries:
        one, other = catalogue.top(query, k, out), plain.top(query, k, out)
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    assert catalogue.top_of_all(queries, k).items.tolist() == plain.top_of_all(queries, k).items.tolist()


@pytest.mark.parametrize(("scan", "width"), [("product", 8), ("int8", 24 + 4)])
def test_many_rows_of_product_codes_are_passed_over_in_few_bytes(level: str, scan: str, width: int) -> None:
    rng = np.random.default_rng(4)
    codes = product_codes(rng, 30_000, 24, 6, b=8)
    catalogue, plain = Catalogue.of(codes, scan=scan, without=[0, 7]), Catalogue.of(codes.dense(), without=[0, 7])
    for query in rng.standard_normal((8, 24)).astype(np.float32):
        one, other = catalogue.top(query, 50, [3, 9]), plain.top(query, 50, [3, 9])
        assert one.items.tolist() == other.items.tolist()
        assert one.scores.tolist() == other.scores.tolist()
    assert catalogue.bytes < 30_000 * width + 2 * 256 * 24 * 4 + 20_000


@pytest.mark.parametrize(
    ("n", "columns", "groups", "scan"),
    [(12_101, 64, 7, "product"), (12_101, 64, 15, "int8"), (43_097, 128, 31, "product"), (17_586, 128, 39, "int8")],
)
def test_product_codes_are_passed_over_as_they_are_where_that_is_faster(
    n: int, columns: int, groups: int, scan: str
) -> None:
    codes = product_codes(np.random.default_rng(6), n, columns, groups, b=8)
    native = kernels()
    fast = native is not None and native[1] == LEVELS.index("avx512") and native[0].words_fast
    assert stored(codes, None).scan == (scan if fast else "int8")


def test_product_codes_of_many_groups_or_other_numbers_are_decoded(level: str) -> None:
    rng = np.random.default_rng(5)
    wide = product_codes(rng, 300, 140, 130)
    query = rng.standard_normal(140).astype(np.float32)
    assert Catalogue.of(wide).top(query, 9).items.tolist() == slow(wide.dense().numpy(), query, 9)[0]
    half = ProductRows({**dict(wide.named_buffers()), "like": torch.empty(0, 140, dtype=torch.bfloat16)})
    found = Catalogue.of(half).top(query, 9)
    assert found.items.tolist() == slow(half.dense().float().numpy(), query, 9)[0]
    for one in (wide, half):
        with pytest.raises(DataError, match="product"):
            Catalogue.of(one, scan="product")


def large(n: int = 5000, d: int = 32) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(3)
    return rng.standard_normal((n, d)).astype(np.float32), rng.standard_normal((9, d)).astype(np.float32)


@pytest.mark.parametrize("scan", SCANS)
def test_more_rows_than_are_held_at_a_time(level: str, scan: str) -> None:
    rows, queries = large()
    catalogue = Catalogue.of(torch.from_numpy(rows), scan=scan)
    top = catalogue.top_of_all(torch.from_numpy(queries), 20)
    wide = rows.astype(np.float64) @ queries.astype(np.float64).T
    assert top.items.tolist() == np.argsort(-wide, axis=0, kind="stable")[:20].T.tolist()


def test_thousands_of_equal_rows_come_by_number(level: str) -> None:
    rows = np.ones((3000, 8), dtype=np.float32)
    rows[1234] *= 2
    for scan in SCANS:
        catalogue = Catalogue.of(rows, scan=scan)
        assert catalogue.top(np.ones(8), 4, [1]).items.tolist() == [1234, 0, 2, 3]
        assert catalogue.top(-np.ones(8), 3).items.tolist() == [0, 1, 2]
        assert catalogue.top(np.zeros(8), 3).items.tolist() == [0, 1, 2]


def test_scores_that_rise_along_the_rows_are_found_to_the_last(level: str) -> None:
    rows = np.linspace(-1, 1, 4000, dtype=np.float32)[:, None] * np.ones((1, 4), dtype=np.float32)
    top = Catalogue.of(rows).top(np.ones(4), 5)
    assert top.items.tolist() == [3999, 3998, 3997, 3996, 3995]


def test_where_everything_is_left_out_nothing_is_listed(level: str) -> None:
    rows, queries = large(40, 5)
    catalogue = Catalogue.of(rows)
    assert len(catalogue.top(queries[0], 3, np.arange(40)).items) == 0
    both = catalogue.top_of_all(queries[:1], 2, ([0, 40], np.arange(40)[::-1]))
    assert both.items.tolist() == [[-1, -1]]


def test_a_catalogue_without_items_lists_none(level: str) -> None:
    catalogue = Catalogue.of(torch.zeros(0, 6))
    assert len(catalogue.top(np.ones(6), 3).items) == 0
    assert catalogue.top_of_all(np.ones((2, 6)), 1).items.tolist() == [[-1], [-1]]
    with pytest.raises(DataError):
        catalogue.top(np.ones(6), 3, [0])


def test_items_that_are_never_listed_are_never_listed(level: str) -> None:
    rows, queries = large(100, 7)
    found = Catalogue.of(rows, without=[0, 99]).top(queries[0], 100).items.tolist()
    assert sorted(found) == list(range(1, 99))


@pytest.mark.parametrize("encoding", [Int8Rows, Int4Rows, Int4RotatedRows, Int2RotatedRows])
@pytest.mark.parametrize("width", [8, 13, 64])
def test_packed_rows_are_scored_as_they_are_stored(level: str, encoding: Any, width: int) -> None:
    rng = np.random.default_rng(width)
    codes = encoding.encode(torch.from_numpy(rng.standard_normal((300, width)).astype(np.float32)))
    query, bias = rng.standard_normal(width).astype(np.float32), rng.standard_normal(300).astype(np.float32)
    turned = codes.turned(torch.from_numpy(query)[None])[0].numpy()
    scale = codes.scale.float().reshape(-1).numpy()
    numbers = codes.numbers(lambda part: part, torch.float32).numpy() - codes.middle
    top = Catalogue.of(PackedEmbedding(codes, None), bias=bias).top(query, 10, [5])
    if encoding in (Int4RotatedRows, Int2RotatedRows):
        numbers, query = codes.dense().numpy(), query
        assert top.items.tolist() == slow(numbers, query, 10, {5}, None, bias)[0]
    else:
        assert (top.items.tolist(), top.scores.tolist()) == slow(numbers, turned, 10, {5}, scale, bias)


def test_codes_are_served_in_their_own_bytes() -> None:
    codes = Int4Rows.encode(torch.randn(320, 64, generator=torch.Generator().manual_seed(0)))
    catalogue = Catalogue.of(PackedLinear(codes, None))
    assert catalogue.bytes < 320 * (32 + 4 + 2)


def test_codes_of_two_bits_are_served_in_four(level: str) -> None:
    codes = Int2RotatedRows.encode(torch.randn(320, 63, generator=torch.Generator().manual_seed(0)))
    catalogue = Catalogue.of(PackedLinear(codes, None))
    assert catalogue.bytes < 320 * (32 + 4 + 2)
    numbers = codes.numbers(lambda part: part, torch.float32).numpy() - codes.middle
    rows = stored(codes, None)
    assert np.array_equal(rows.numbers(slice(None)) / 2, numbers)
    assert np.array_equal(rows.scale, codes.scale.float().numpy()[:, 0] / 2)


@pytest.mark.parametrize("encoding", [ProductRows, SparseRows])
def test_other_codes_are_decoded(level: str, encoding: Any) -> None:
    rng = np.random.default_rng(0)
    codes = encoding.encode(torch.from_numpy(rng.standard_normal((60, 8)).astype(np.float32)))
    query = rng.standard_normal(8).astype(np.float32)
    assert Catalogue.of(codes).top(query, 6).items.tolist() == slow(codes.dense().numpy(), query, 6)[0]


def test_half_precision_is_scored_as_it_is(level: str) -> None:
    table = torch.randn(90, 11, generator=torch.Generator().manual_seed(2)).bfloat16()
    query = np.arange(11, dtype=np.float32) - 5
    wanted = slow(table.float().numpy(), query, 9)
    for scan in ("bf16", "int8"):
        top = Catalogue.of(table, scan=scan).top(query, 9)
        assert (top.items.tolist(), top.scores.tolist()) == wanted
    assert Catalogue.of(table.half().float().half()).top(query, 1).items.tolist() == wanted[0][:1]


def test_a_module_is_taken_by_its_weight(level: str) -> None:
    table = nn.Embedding(30, 6)
    query = torch.randn(6)
    wanted = slow(table.weight.detach().numpy(), query.numpy(), 5)[0]
    assert Catalogue.of(table).top(query, 5).items.tolist() == wanted


def test_the_table_can_be_strided_and_of_doubles(level: str) -> None:
    rows, queries = large(50, 12)
    wanted = Catalogue.of(np.ascontiguousarray(rows[:, ::2])).top(queries[0, :6], 5).items.tolist()
    assert Catalogue.of(rows[:, ::2]).top(queries[0, :6].astype(np.float64), 5).items.tolist() == wanted
    assert (
        Catalogue.of(torch.from_numpy(rows.astype(np.float64))[:, ::2]).top(queries[0, :6], 5).items.tolist() == wanted
    )


@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf, 2e36])
@pytest.mark.parametrize("scan", SCANS)
def test_numbers_that_cannot_be_bound_are_refused(level: str, number: float, scan: str) -> None:
    rows, _ = large(20, 4)
    rows[7, 2] = number
    with pytest.raises(DataError):
        Catalogue.of(rows, scan=scan)


@pytest.mark.parametrize("column", ["scale", "bias"])
def test_scales_and_biases_are_finite_and_one_an_item(level: str, column: str) -> None:
    rows, _ = large(20, 4)
    for wrong in (np.full(20, np.nan), np.ones(19), np.ones((20, 1)), "x" * 20, [None] * 20):
        with pytest.raises(DataError):
            Catalogue.of(rows, **{column: wrong})  # type: ignore[arg-type]


@pytest.mark.parametrize("k", [0, -1, True, 2.0, 2**31, None, "3"])
def test_k_is_a_whole_number(level: str, k: Any) -> None:
    rows, queries = large(20, 4)
    with pytest.raises(DataError, match="k is"):
        Catalogue.of(rows).top(queries[0], k)
    with pytest.raises(DataError, match="k is"):
        Catalogue.of(rows).top_of_all(queries, k)


@pytest.mark.parametrize("query", [np.ones(3), np.ones((1, 4)), np.full(4, np.nan), np.full(4, np.inf), ["a"] * 4, 1.0])
def test_a_query_is_finite_and_as_long_as_a_row(level: str, query: Any) -> None:
    rows, _ = large(20, 4)
    with pytest.raises(DataError):
        Catalogue.of(rows).top(query, 2)


@pytest.mark.parametrize(
    "out", [[-1], [20], [2**40], [1.5], np.array([2**63], dtype=np.uint64), [[1]], ["1"], np.array([-(2**63)])]
)
def test_items_to_leave_out_are_items(level: str, out: Any) -> None:
    rows, queries = large(20, 4)
    with pytest.raises(DataError):
        Catalogue.of(rows).top(queries[0], 2, out)
    with pytest.raises(DataError):
        Catalogue.of(rows).top_of_all(queries[:1], 2, ([0, np.asarray(out).size], out))


@pytest.mark.parametrize("starts", [[0, 1], [0, 2, 1], [-1, 0, 0], [0, 0, 99], [0, 0, 0, 0], [2**62, 2**62, 2**62]])
def test_starts_that_leave_the_items_are_refused(level: str, starts: list[int]) -> None:
    rows, queries = large(20, 4)
    with pytest.raises(DataError):
        Catalogue.of(rows).top_of_all(queries[:2], 2, (starts, [1, 2]))


@pytest.mark.parametrize(
    "items", [np.zeros(4), np.zeros((3, 0)), np.zeros((2, 2), dtype=np.int64), torch.zeros(2, 2, 2)]
)
def test_what_is_no_table_is_refused(level: str, items: Any) -> None:
    with pytest.raises(DataError, match="floats"):
        Catalogue.of(items)


def test_a_scan_that_does_not_suit_the_rows_is_refused(level: str) -> None:
    codes = Int4Rows.encode(torch.randn(20, 8))
    for table, scan in ((codes, "int8"), (torch.randn(5, 2), "int4"), (torch.randn(5, 2).bfloat16(), "float32")):
        with pytest.raises(DataError, match="passed over as"):
            Catalogue.of(table, scan=scan)


def test_an_item_that_is_never_listed_must_be_one(level: str) -> None:
    with pytest.raises(DataError):
        Catalogue.of(torch.randn(5, 2), without=[5])


def test_many_threads_may_ask_one_catalogue(level: str) -> None:
    from concurrent.futures import ThreadPoolExecutor

    rows, queries = large()
    catalogue = Catalogue.of(rows)
    wanted = [catalogue.top(query, 7).items.tolist() for query in queries]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda i: catalogue.top(queries[i % 9], 7).items.tolist(), range(90)))
    assert found == wanted * 10
