"""The largest entries of a matrix, as many in a row as there are."""

import io

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from recprune.encodings.faces import PackedEmbedding
from recprune.encodings.sparse_rows import SparseRows, largest
from recprune.errors import SurgeryError


def decoded_slowly(matrix: torch.Tensor, entries: int, floor: int) -> torch.Tensor:
    """Entry by entry: the floor of each row, then the largest of what is left."""
    rows, columns = matrix.shape
    by_size = sorted(
        ((r, c) for r in range(rows) for c in range(columns)), key=lambda at: (-abs(float(matrix[at])), at)
    )
    first = [at for at in by_size if [one for one in by_size if one[0] == at[0]].index(at) < floor]
    kept = (first + [at for at in by_size if at not in first])[:entries]
    out = torch.zeros_like(matrix)
    for at in kept:
        out[at] = matrix[at]
    return out


def test_a_matrix_worked_by_hand():
    matrix = torch.tensor([[3.0, -5.0, 1.0, 5.0], [0.0, 0.0, 0.5, 0.0], [2.0, 2.0, 0.0, -2.0]])
    stored = SparseRows.encode(matrix, entries=5, floor=1)
    assert stored.codes.tolist() == [3.0, -5.0, 5.0, 0.5, 2.0]
    assert stored.mask.tolist() == [[0b1011], [0b0100], [0b0001]]
    assert stored.starts.tolist() == [0]
    assert stored.dense().tolist() == [[3.0, -5.0, 0.0, 5.0], [0.0, 0.0, 0.5, 0.0], [2.0, 0.0, 0.0, 0.0]]
    assert SparseRows.stored_bytes((3, 4), entries=5) == 5 * 4 + 3 + 4
    assert SparseRows.encode(matrix, entries=5).dense()[1].tolist() == [0.0, 0.0, 0.0, 0.0]


def test_few_entries_of_long_rows_are_told_by_their_columns():
    matrix = torch.zeros(20, 300)
    matrix[3, 299], matrix[3, 7], matrix[19, 0] = 1.0, -2.0, 3.0
    stored = SparseRows.encode(matrix, entries=3)
    assert stored.indices.tolist() == [7, 299, 0]
    assert stored.counts.tolist() == [0, 0, 0, 2, *[0] * 15, 1]
    assert stored.starts.tolist() == [0, 2]
    assert torch.equal(stored.dense(), matrix)
    assert SparseRows.stored_bytes((20, 300), entries=3) == 3 * (4 + 2) + 20 * 2 + 2 * 4


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(1, 40),
    columns=st.integers(1, 40),
    share=st.floats(0.02, 1.0),
    bits=st.sampled_from([0, 8, 4]),
    seed=st.integers(0, 99),
)
def test_rows_and_products_are_those_of_the_decoded_matrix(rows: int, columns: int, share: float, bits: int, seed: int):
    generator = torch.Generator().manual_seed(seed)
    entries = max(2, round(share * rows * columns))
    if rows * columns < 2:
        return
    stored = SparseRows.encode(torch.randn(rows, columns, generator=generator), entries=entries, bits=bits)
    dense = stored.dense()
    which = torch.randint(rows, (3, 5), generator=generator)
    assert torch.equal(PackedEmbedding(stored, None)(which), dense[which])
    for batch in (1, 20):
        x = torch.randn(batch, columns, generator=generator)
        torch.testing.assert_close(stored.multiply(x), x @ dense.T, rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(stored.multiply(x.requires_grad_()).detach(), x @ dense.T, rtol=1e-5, atol=1e-5)
    held = sum(part.numel() * part.element_size() for part in stored.buffers())
    assert held == SparseRows.stored_bytes((rows, columns), entries=entries, bits=bits)
    assert stored.entries == SparseRows.stored_entries((rows, columns), entries=entries, bits=bits)
    again = SparseRows.rebuilt(dict(stored.named_buffers()))
    assert torch.equal(again.dense(), dense)
    assert again.shape == (rows, columns)


@settings(max_examples=30, deadline=None)
@given(floor=st.integers(0, 3), more=st.integers(1, 9), ties=st.booleans(), seed=st.integers(0, 99))
def test_what_stays_is_what_a_slow_loop_keeps(floor: int, more: int, ties: bool, seed: int):
    matrix = torch.randn(4, 5, generator=torch.Generator().manual_seed(seed))
    matrix = matrix.round() if ties else matrix
    entries = min(4 * floor + more, 20)
    stored = SparseRows.encode(matrix, entries=entries, floor=floor)
    assert torch.equal(stored.dense(), decoded_slowly(matrix, entries, floor))
    kept = largest(matrix, entries, floor)
    assert int(kept.sum()) == entries
    assert int(kept.sum(1).min()) >= floor


@pytest.mark.parametrize("columns", [8, 300])
def test_values_in_fewer_bits_are_those_of_whole_rows_in_as_many(columns: int):
    matrix = torch.randn(50, columns, generator=torch.Generator().manual_seed(0))
    kept = largest(matrix, 50 * columns // 20, 0)
    for bits, off in ((8, 0.01), (4, 0.2)):
        stored = SparseRows.encode(matrix, entries=50 * columns // 20, bits=bits).dense()
        assert torch.equal(stored != 0, kept & (stored != 0))
        assert float((stored - matrix)[kept].norm() / matrix[kept].norm()) < off


def test_half_of_a_table_takes_half_the_bytes_and_a_bit_an_entry():
    whole = 29_859 * 64
    stored = SparseRows.stored_bytes((29_859, 64), entries=whole // 2)
    assert stored == whole // 2 * 4 + whole // 8 + 4 * -(-29_859 // 16)


@pytest.mark.parametrize("columns", [8, 300])
def test_damaged_parts_are_refused(columns: int):
    generator = torch.Generator().manual_seed(0)
    parts = dict(SparseRows.encode(torch.rand(40, columns, generator=generator), entries=60).named_buffers())
    assert ("mask" in parts) == (columns == 8)
    damaged = [{**parts, "starts": parts["starts"].flip(0)}, {**parts, "codes": parts["codes"][:-1]}]
    if columns == 8:
        damaged += [{**parts, "mask": parts["mask"].flip(0)}, {**parts, "mask": parts["mask"].int()}]
    else:
        damaged += [{**parts, "indices": parts["indices"].flip(0)}, {**parts, "counts": parts["counts"].flip(0)}]
        damaged += [{**parts, "indices": parts["indices"] + 300}]
    damaged.append({name: part for name, part in parts.items() if name not in ("mask", "counts")})
    for one in damaged:
        with pytest.raises(SurgeryError):
            SparseRows.rebuilt(one)


def test_a_bit_beyond_the_last_column_is_refused():
    parts = dict(SparseRows.encode(torch.ones(4, 5), entries=20).named_buffers())
    moved = parts["mask"].clone()
    moved[0] = 0b00111110
    with pytest.raises(SurgeryError, match="damaged"):
        SparseRows.rebuilt({**parts, "mask": moved})


def test_options_that_make_no_sense_are_refused():
    for options, said in (
        ({"bits": 3}, "not in 3"),
        ({"entries": -1}, "-1"),
        ({"entries": 0}, "1 or more and floor"),
        ({"entries": 5, "floor": 2}, "leave no 2"),
        ({"entries": 1, "bits": 4}, "leave no"),
    ):
        with pytest.raises(SurgeryError, match=said):
            SparseRows.encode(torch.rand(3, 4), **options)


def test_it_is_exported_and_runs_alike(tmp_path):
    generator = torch.Generator().manual_seed(0)
    for columns, bits in ((8, 0), (8, 4), (300, 8)):
        stored = SparseRows.encode(torch.randn(40, columns, generator=generator), entries=100, bits=bits)
        which = torch.tensor([3, 39, 17, 0])
        program = torch.export.export(PackedEmbedding(stored, None), (which,))
        buffer = io.BytesIO()
        torch.export.save(program, buffer)
        assert torch.equal(program.module()(which.flip(0)), stored.rows(which.flip(0)))
