import numpy as np
import pytest
import scipy.sparse as sp
import torch

from recprune.data.dataset import Histories
from recprune.errors import DataError
from recprune.models._item_item import blank, check_solvable, item_item, ridge_entries, together
from recprune.models._ridge import gram, ridge_columns


def histories(n_users=60, n_items=14, seed=0):
    rng = np.random.default_rng(seed)
    rows = [rng.choice(np.arange(n_items), rng.integers(1, 7), replace=False) for _ in range(n_users)]
    starts = np.concatenate([[0], np.cumsum([len(row) for row in rows])])
    return Histories(starts.astype(np.int64), np.concatenate(rows).astype(np.int32), n_items)


@pytest.mark.parametrize("entries", [0, 1, 4, 5, 9, 11, 16])
def test_room_for_any_number_of_entries_is_a_valid_matrix(entries):
    made = blank(4, entries)
    made.check()
    assert len(made.values) == entries
    assert not made.dense().any()


def test_a_blank_matrix_is_made_without_memory():
    with torch.device("meta"):
        assert blank(4, 9).values.is_meta


def test_a_sparse_matrix_keeps_its_zeros_as_entries():
    made = item_item(sp.csr_matrix((np.array([2.0, 0.0]), np.array([2, 0]), np.array([0, 2, 2, 2])), shape=(3, 3)))
    made.check()
    assert made.dense().tolist() == [[0, 0, 2], [0, 0, 0], [0, 0, 0]]
    assert made.indices.tolist() == [0, 2]


def test_pairs_are_counted_as_the_dense_gram_counts_them():
    data = histories()
    assert np.array_equal(together(data).toarray(), gram(data, torch.float32).numpy())


def test_a_sparse_gram_gives_the_ridge_of_the_dense_one():
    data = histories()
    places = torch.randperm(14 * 14, generator=torch.Generator().manual_seed(0))[:80].sort().values
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(places // 14, minlength=14).cumsum(0)])
    columns = (places % 14).to(torch.int16)
    found = ridge_entries(together(data), columns, starts, 2.0)
    assert torch.allclose(found, ridge_columns(gram(data), columns, starts, 2.0), atol=1e-10)


def test_packed_matrices_and_other_histories_are_refused():
    with pytest.raises(DataError, match="packed"):
        check_solvable(torch.nn.Linear(2, 2), histories(), 14)
    with pytest.raises(DataError) as error:
        check_solvable(blank(5, 5), histories(), 5)
    assert (error.value.expected, error.value.found) == (5, 14)
