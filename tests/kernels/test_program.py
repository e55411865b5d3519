"""Programs of click models: C by every way that this machine has, and numpy, beside slow and obvious loops."""

from __future__ import annotations

import threading
from dataclasses import replace

import numpy as np
import pytest
import torch

from recprune.dispatch import kernels
from recprune.encodings.int2_rotated_rows import Int2RotatedRows
from recprune.encodings.int4_rotated_rows import Int4RotatedRows
from recprune.encodings.int4_rows import Int4Rows
from recprune.encodings.int8_rows import Int8Rows
from recprune.encodings.product_rows import ProductRows
from recprune.errors import DataError
from recprune.kernels.program import Reader, Runnable
from recprune.kernels.steps import (
    MARGIN,
    Attend,
    Dot,
    Largest,
    Layer,
    LookBack,
    LookUp,
    Mean,
    Norm,
    Pairs,
    Product,
    Program,
    Recur,
    Spread,
    Standard,
    Step,
    Sum,
    Weigh,
    Window,
)
from recprune.kernels.stored import stored

CODED = (Int8Rows, Int4Rows, Int4RotatedRows, Int2RotatedRows)
ROWS = (1, 2, 7, 48, 49, 131)
WIDTHS = (1, 3, 8, 15, 16, 17, 33, 70, 129)


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def table(rows: int, width: int, kind: str):
    matrix = torch.from_numpy(floats(rows, width, seed=width))
    if kind == "product":
        return stored(ProductRows.encode(matrix, m=max(1, width // 3)), "product")
    encode = {"float32": lambda m: m, **{one.__name__: one.encode for one in CODED}}[kind]
    return stored(encode(matrix), None)


def rows_of(found) -> np.ndarray:
    rows = found.numbers(slice(None)) * (1 if found.scale is None else found.scale[:, None])
    return rows if found.turn is None else rows @ found.turn.T


def ids(rows: int, below: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, below, rows)


def close(found: np.ndarray, wanted: np.ndarray) -> None:
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, wanted, rtol=2e-5, atol=2e-5 * max(1.0, float(np.abs(wanted).max(initial=0))))


@pytest.mark.parametrize("kind", ["float32", "product", *(one.__name__ for one in CODED)])
@pytest.mark.parametrize("width", WIDTHS)
def test_rows_are_looked_up_as_they_are_stored(level: str, kind: str, width: int):
    found, weight = table(23, width, kind), floats(2 * width)
    steps = (LookUp(0, found, 0, 0, 0), LookUp(1, found, 3, 0, width), Dot(0, weight))
    run = Runnable(Program(("id", "id"), (2 * width,), steps, 0.5))
    for rows in ROWS:
        one, two = ids(rows, 23), ids(rows, 20, 1).astype(np.int32)
        wanted = np.concatenate([rows_of(found)[one], rows_of(found)[two + 3]], 1) @ weight + 0.5
        close(run([one, two]), wanted)


def test_a_table_of_width_1_adds_to_the_logit(level: str):
    found = table(9, 1, "float32")
    some = ids(60, 9)
    close(Runnable(Program(("id",), (), (LookUp(0, found, 0, -1),), -1.0))([some]), rows_of(found)[some, 0] - 1)


@pytest.mark.parametrize("kind", ["float32", "Int8Rows", "Int2RotatedRows", "product"])
def test_the_mean_of_a_bag_leaves_row_0_out(level: str, kind: str):
    found, weight = table(11, 5, kind), floats(5)
    run = Runnable(Program(("ids",), (5,), (Mean(0, found, 0), Dot(0, weight)), 0.0))
    bags = np.array([[0, 0, 0], [3, 0, 4], [1, 2, 3], [0, 0, 7]])
    wanted = [rows_of(found)[bag[bag > 0]].mean(0) @ weight if bag.any() else 0.0 for bag in bags]
    close(run([bags]), np.array(wanted, dtype=np.float32))
    close(run([np.zeros((3, 0), dtype=np.int64)]), np.zeros(3, dtype=np.float32))


def test_numbers_are_standardised_and_missing_ones_told(level: str):
    mean, scale = floats(2, seed=1), np.abs(floats(2, seed=2))
    weight, bias, gone, last = floats(2, 3), floats(2, 3, seed=3), floats(2, 3, seed=4), floats(6, seed=5)
    steps = (
        Standard(np.array([1, 0]), mean, scale, 0, 1),
        Spread(0, 2, 0, weight, bias, 1, gone),
        Dot(2, last),
    )
    run = Runnable(Program(("number", "number"), (2, 2, 6), steps))
    x = floats(50, 2, seed=6)
    x[3, 0] = x[4, 1] = np.nan
    z = (x[:, ::-1] - mean) * scale
    out = np.nan_to_num(z)[:, :, None] * weight + bias + np.isnan(z)[:, :, None] * gone
    close(run([np.ascontiguousarray(c) for c in x.T]), out.reshape(50, 6) @ last)


def test_infinite_numbers_become_the_largest_as_torch_has_it(level: str):
    one = np.ones(1, dtype=np.float32)
    run = Runnable(Program(("number",), (1,), (Standard(np.array([0]), 0 * one, one, 0), Dot(0, one))))
    x = np.array([np.inf, -np.inf, np.nan, 2], dtype=np.float32)
    assert run([x]).tolist() == torch.from_numpy(x).nan_to_num().tolist()


@pytest.mark.parametrize("into", WIDTHS)
@pytest.mark.parametrize("relu", [True, False])
def test_layers_of_every_width(level: str, into: int, relu: bool):
    found, width = table(31, 37, "float32"), 37
    weight, bias, last = floats(into, width), floats(into, seed=1), floats(into, seed=2)
    steps = (LookUp(0, found, 0, 0), Layer(0, 1, weight, bias, relu), Dot(1, last))
    run = Runnable(Program(("id",), (width, into), steps))
    for rows in ROWS:
        some = ids(rows, 31)
        out = rows_of(found)[some] @ weight.T + bias
        close(run([some]), (np.maximum(out, 0) if relu else out) @ last)


def test_a_cross_layer_multiplies_and_adds(level: str):
    found, last = table(12, 21, "float32"), floats(21, seed=9)
    weight, bias = floats(21, 21), floats(21, seed=1)
    steps = (LookUp(0, found, 0, 0), Layer(0, 1, weight, bias, first=0, plus=0), Dot(1, last))
    some = ids(51, 12)
    x = rows_of(found)[some]
    close(Runnable(Program(("id",), (21, 21), steps))([some]), (x * (x @ weight.T + bias) + x) @ last)


@pytest.mark.parametrize("into", WIDTHS)
def test_a_layer_is_repeated_on_vectors_side_by_side(level: str, into: int):
    found, width, times = table(20, 15, "float32"), 5, 3
    weight, bias, last = floats(into, width), floats(into, seed=1), floats(times * into, seed=2)
    slots = (15, times * into + MARGIN)
    steps = (LookUp(0, found, 0, 0), Layer(0, 1, weight, bias, True, times=times), Dot(1, np.pad(last, (0, MARGIN))))
    run = Runnable(Program(("id",), slots, steps))
    for rows in ROWS:
        some = ids(rows, 20)
        out = rows_of(found)[some].reshape(rows, times, width) @ weight.T + bias
        close(run([some]), np.maximum(out, 0).reshape(rows, -1) @ last)


@pytest.mark.parametrize(("count", "heads", "width"), [(1, 1, 1), (3, 2, 5), (17, 1, 16), (10, 3, 18), (2, 4, 1)])
def test_vectors_attend_to_each_other(level: str, count: int, heads: int, width: int):
    some = count * heads * width
    tables = [table(9, some, "float32") for _ in range(4)]
    slots, last = (some,) * 5, floats(some, seed=3)
    steps = (*(LookUp(i, t, 0, i) for i, t in enumerate(tables)), Attend(0, 1, 2, 3, 4, count, heads, width))
    run = Runnable(Program(("id",) * 4, slots, (*steps, Dot(4, last))))
    asked = [ids(50, 9, seed) for seed in range(4)]
    q, k, v, rest = (rows_of(t)[i].reshape(50, count, heads, width) for t, i in zip(tables, asked, strict=True))
    out = np.empty_like(q)
    for row, head, f in np.ndindex(50, heads, count):
        scores = np.exp((q[row, f, head] * k[row, :, head]).sum(1).astype(np.float64))
        out[row, f, head] = (scores / scores.sum()) @ v[row, :, head]
    close(run(asked), np.maximum(out + rest, 0).reshape(50, -1) @ last)


def test_attention_to_scores_far_apart_takes_the_largest(level: str):
    far = np.array([[0, 0], [300, 1]], dtype=np.float32)
    found = stored(torch.from_numpy(far), None)
    one = stored(torch.tensor([[1.0, 1.0]]), None)
    steps = (LookUp(0, one, 0, 0), LookUp(1, found, 0, 1), Attend(0, 1, 1, 1, 2, 2, 1, 1), Dot(2, np.ones(2, "f")))
    run = Runnable(Program(("id", "id"), (2, 2, 2), steps))
    close(run([np.array([0, 0]), np.array([0, 1])]), np.array([0.0, 300 + 300 + 300 + 1], dtype=np.float32))


@pytest.mark.parametrize("width", WIDTHS)
def test_all_pairs_are_multiplied(level: str, width: int):
    tables = [table(7 + i, width, "float32") for i in range(3)]
    steps = (*(LookUp(i, t, 0, 0, i * width) for i, t in enumerate(tables)), Pairs(0, 3, width))
    run = Runnable(Program(("id",) * 3, (3 * width,), steps))
    some = [ids(50, 7, seed) for seed in range(3)]
    a, b, c = (rows_of(t)[i] for t, i in zip(tables, some, strict=True))
    close(run(some), (a * b + a * c + b * c).sum(1))


def test_two_slots_are_multiplied(level: str):
    found, last = table(9, 19, "Int8Rows"), floats(19)
    steps = (LookUp(0, found, 0, 0), LookUp(1, found, 0, 1), Product(0, 1, 2), Dot(2, last))
    one, two = ids(9, 9), ids(9, 9, 1)
    close(
        Runnable(Program(("id", "id"), (19, 19, 19), steps))([one, two]),
        (rows_of(found)[one] * rows_of(found)[two]) @ last,
    )


def test_what_is_not_a_number_stays_none(level: str):
    found, nan = table(4, 3, "float32"), np.full((2, 3), np.nan, dtype=np.float32)
    steps = (LookUp(0, found, 0, 0), Layer(0, 1, nan, floats(2), True), Dot(1, floats(2)))
    assert np.isnan(Runnable(Program(("id",), (3, 2), steps))([ids(5, 4)])).all()


@pytest.mark.parametrize("wrong", [-1, 5, 2**40])
def test_an_id_that_a_table_has_not_is_refused(level: str, wrong: int):
    run = Runnable(Program(("id",), (), (LookUp(0, table(5, 1, "float32"), 0, -1),)))
    with pytest.raises(DataError, match="none of its table, which has 5 rows"):
        run([np.array([0, wrong, 1])])
    assert len(run([np.array([0, 1])])) == 2
    bag = Runnable(Program(("ids",), (), (Mean(0, table(5, 1, "float32"), -1),)))
    with pytest.raises(DataError, match="none of its table"):
        bag([np.array([[0, wrong]])])


def test_other_columns_are_refused(level: str):
    run = Runnable(Program(("id", "number"), (), (LookUp(0, table(5, 1, "float32"), 0, -1),)))
    one, number = ids(3, 5), floats(3)
    for columns in ([one], [one, number, one], [one, one], [number, number], [one, number[:2]], [one[:, None], number]):
        with pytest.raises(DataError):
            run(columns)
    with pytest.raises(DataError):
        run([one, number.astype(np.float64)])


def test_no_rows_give_no_logits(level: str):
    run = Runnable(Program(("id",), (), (LookUp(0, table(5, 1, "float32"), 0, -1),)))
    assert run([np.zeros(0, dtype=np.int64)]).shape == (0,)


T = table(5, 3, "float32")
P = table(5, 3, "product")
R = table(5, 3, "Int4RotatedRows")
ODD = {
    "a slot that there is not": ((3,), (LookUp(0, T, 0, 1),)),
    "groups that end before the columns": ((3,), (LookUp(0, replace(P, books=(P.books[0], np.array([0, 2]))), 0, 0),)),
    "groups that fall": ((3,), (LookUp(0, replace(P, books=(P.books[0], np.array([0, 4, 3]))), 0, 0),)),
    "no groups": ((3,), (LookUp(0, replace(P, books=(P.books[0], np.array([0]))), 0, 0),)),
    "words for fewer groups": ((3,), (LookUp(0, replace(P, books=(P.books[0], np.array([0, 1, 3]))), 0, 0),)),
    "books of fewer words": ((3,), (LookUp(0, replace(P, books=(P.books[0][:, :9].copy(), P.books[1])), 0, 0),)),
    "product codes that are wider than their slot": ((2,), (LookUp(0, P, 0, 0),)),
    "a row that is wider than its slot": ((3,), (LookUp(0, T, 0, 0, 1),)),
    "a row for the logit": ((3,), (LookUp(0, T, 0, -1),)),
    "a turned row for the logit": ((1,), (LookUp(0, table(5, 1, "Int4RotatedRows"), 0, -1),)),
    "a turn of another width": ((3,), (LookUp(0, replace(R, turn=floats(2, 2)), 0, 0),)),
    "a turn that is no square": ((3,), (LookUp(0, replace(R, turn=floats(2, 3)), 0, 0),)),
    "a column that there is not": ((3,), (LookUp(2, T, 0, 0),)),
    "a bag of a column of ids": ((3,), (Mean(0, T, 0),)),
    "a layer onto itself": ((3,), (Layer(0, 0, floats(3, 3), floats(3)),)),
    "a layer of more than there is": ((3, 2), (Layer(0, 1, floats(2, 4), floats(2)),)),
    "a layer of another width": ((3, 2), (Layer(0, 1, floats(1, 3), floats(1)),)),
    "a bias of another width": ((3, 2), (Layer(0, 1, floats(2, 3), floats(3)),)),
    "a narrow factor": ((3, 2, 1), (Layer(0, 1, floats(2, 3), floats(2), first=2),)),
    "more pairs than there are": ((3,), (Pairs(0, 2, 3),)),
    "a dot of another width": ((3,), (Dot(0, floats(2)),)),
    "a product of other widths": ((3, 2), (Product(0, 1, 0),)),
    "a number of ids": ((3,), (Standard(np.array([0]), floats(1), floats(1), 0),)),
    "numbers without means": ((3,), (Standard(np.array([0, 0]), floats(1), floats(1), 0),)),
    "weights for more numbers": ((3, 3), (Spread(0, 1, 0, floats(1, 4), floats(1, 4)),)),
    "a slot of no width": ((0,), ()),
    "repeated without a margin": ((4, 6), (Layer(0, 1, floats(3, 2), floats(3), times=2),)),
    "repeated more often than there is": ((3, 40), (Layer(0, 1, floats(3, 2), floats(3), times=2),)),
    "repeated no time": ((3, 3), (Layer(0, 1, floats(3, 3), floats(3), times=0),)),
    "repeated and crossed": ((4, 40), (Layer(0, 1, floats(3, 2), floats(3), first=0, times=2),)),
    "attention onto itself": ((4, 4), (Attend(0, 0, 0, 0, 0, 2, 1, 2),)),
    "attention of more than there is": ((4, 4), (Attend(0, 0, 0, 0, 1, 2, 2, 2),)),
    "attention of no heads": ((4, 4), (Attend(0, 0, 0, 0, 1, 2, 0, 2),)),
    "a sum of other widths": ((3, 2), (Sum(0, 1, 0),)),
    "a norm of another width": ((3, 3), (Norm(0, 1, floats(2), floats(2), 1e-5),)),
    "a norm whose bias is of another width": ((3, 3), (Norm(0, 1, floats(3), floats(2), 1e-5),)),
    "a norm of less than no variance": ((3, 3), (Norm(0, 1, floats(3), floats(3), -1.0),)),
    "a look back on rows that are no sequence": ((4, 4), (LookBack(0, 0, 0, 1, 2, 2, 5),)),
}


@pytest.mark.parametrize("odd", ODD)
def test_steps_that_do_not_fit_are_refused_by_the_c_code(odd: str):
    if kernels() is None:
        pytest.skip("not compiled")
    widths, steps = ODD[odd]
    with pytest.raises(DataError):
        Runnable(Program(("id",), widths, steps))


def test_the_c_code_takes_nothing_but_steps():
    found = kernels()
    if found is None:
        pytest.skip("not compiled")
    native, level = found
    widths = np.array([3])
    for steps in ((1,), ((),), ((99,),), ((-1, 2),), (("a",),), ((5, 0),), ([5, 0, 1, 3],)):
        with pytest.raises((DataError, TypeError)):
            native.Program(level, b"l", widths, 0.0, steps)
    with pytest.raises(DataError):
        native.Program(level, b"", widths, 0.0, ())
    with pytest.raises(DataError):
        native.Program(9, b"l", widths, 0.0, ())


def test_many_threads_get_what_one_gets(level: str):
    found, weight = table(31, 40, "float32"), floats(64, 40)
    steps = (LookUp(0, found, 0, 0), Layer(0, 1, weight, floats(64), True), Dot(1, floats(64)))
    run, some = Runnable(Program(("id",), (40, 64), steps)), ids(3000, 31)
    wanted, same = run([some]), []

    def ask() -> None:
        same.extend(np.array_equal(run([some]), wanted) for _ in range(5))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert same == [True] * 20


@pytest.mark.parametrize(
    "steps",
    [
        (LookBack(0, 0, 0, 0, 2, 2, 5),),
        (LookBack(0, 0, 0, 1, 2, 3, 5),),
        (LookBack(0, 0, 2, 1, 2, 2, 5),),
        (LookBack(0, 0, 0, 1, 0, 2, 5),),
        (LookBack(0, 0, 0, 1, 2, 2, 0),),
        (LookBack(0, 0, 0, 1, 2, 2, 5000),),
        (LookBack(0, 0, 0, 1, 2, 2, 5), LookBack(0, 0, 0, 1, 2, 2, 6)),
        (Recur(0, 0, floats(3, 1), 5),),
        (Recur(0, 1, floats(6, 2), 5),),
        (Recur(0, 1, floats(11, 4), 5),),
        (Recur(0, 1, floats(12, 4), 5),),
        (Recur(0, 2, floats(3, 1), 0),),
        (LookBack(0, 0, 0, 1, 2, 2, 5), Recur(0, 2, floats(3, 1), 6)),
        (Window(0, 1, 2, 1, 5),),
        (Window(0, 0, 1, 1, 5),),
        (Window(2, 1, 4, 0, 5),),
        (Window(2, 1, 4, 1, 0),),
        (Window(2, 7, 4, 1, 5),),
        (Window(-1, 1, 4, 1, 5),),
        (Window(2, 1, 4, 1, 5), LookBack(0, 0, 0, 1, 2, 2, 6)),
        (Largest(0, 0, 0, 0, 5),),
        (Largest(0, 1, 1, 0, 5),),
        (Largest(0, 1, -1, 0, 5),),
        (Largest(0, 1, 0, 5, 5),),
        (Largest(0, 1, 0, -1, 5),),
        (Largest(0, 9, 0, 0, 5),),
        (Weigh(0, 0, 0, floats(1, 5), floats(1)),),
        (Weigh(0, 1, 0, floats(2, 5), floats(2)),),
        (Weigh(0, 1, 1, floats(1, 5), floats(1)),),
        (Weigh(0, 1, 0, floats(1, 5), floats(2)),),
        (Weigh(2, 1, -1, floats(1, 5), floats(1)),),
        (Weigh(2, 1, 0, floats(4, 5), floats(4)), Largest(0, 1, 0, 0, 6)),
    ],
)
def test_steps_of_sequences_that_do_not_fit_are_refused_by_the_c_code(steps: tuple[Step, ...]):
    if kernels() is None:
        pytest.skip("not compiled")
    with pytest.raises(DataError, match="does not fit"):
        Runnable(Program(("id", "id"), (4, 4, 1), steps))


def test_a_sequence_is_read_and_rows_are_run():
    found = kernels()
    if found is None:
        pytest.skip("not compiled")
    steps = (LookUp(0, table(9, 4, "float32"), 0, 0), LookBack(0, 0, 0, 1, 2, 2, 3))
    read = Reader(Program(("id", "id"), (4, 4), steps), 3)
    asked, out = np.ones((2, 3), dtype=np.int64), np.empty((2, 4), dtype=np.float32)
    read.native.read(asked, out)
    for wrong in ((asked[:, :2].copy(), out), (asked[:1], out), (asked, out[:, :3].copy()), (asked * 9, out)):
        with pytest.raises(DataError):
            read.native.read(*wrong)
    with pytest.raises(DataError, match="reads sequences"):
        read.native.run((asked[0], asked[0]), out[0])
    plain = Runnable(Program(("id", "id"), (4,), steps[:1]))
    with pytest.raises(DataError):
        plain.native.read(asked, out)


def test_a_look_back_takes_shares_of_what_came_before(level: str):
    found = table(9, 6, "float32")
    read = Reader(Program(("id", "id"), (6, 6), (LookUp(0, found, 0, 0), LookBack(0, 0, 0, 1, 2, 3, 4))), 4)
    asked = np.array([[1, 0, 5, 7], [0, 0, 0, 2]])
    rows = rows_of(found)
    for sequence, said in zip(asked, read([asked]), strict=True):
        x = rows[sequence[sequence > 0]]
        for head in (slice(0, 3), slice(3, 6)):
            shares = np.exp(x[:, head] @ x[-1, head])
            close(said[head], (shares / shares.sum()) @ x[:, head])
