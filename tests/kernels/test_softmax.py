"""Shares of all items, beside torch's softmax."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recprune import dispatch
from recprune.errors import DataError
from recprune.kernels.softmax import softmax_rows

COMPILED = "numpy" not in dispatch._there()[-1:]


def plain(scores, scale, weights):
    wide = scores.double() * scale
    wide[:, 0] = -torch.inf
    return weights.double()[:, None] * torch.softmax(wide, 1), torch.logsumexp(wide, 1)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.sampled_from([0, 1, 5]),
    columns=st.sampled_from([2, 7, 16, 17, 48, 1001]),
    spread=st.sampled_from([0.0, 1.0, 30.0]),
    scale=st.sampled_from([0.1, 1.0, 5.0]),
    seed=st.integers(0, 999),
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_shares_and_logs_are_those_of_torch(level, dtype, rows, columns, spread, scale, seed):
    g = torch.Generator().manual_seed(seed)
    scores = (torch.randn(rows, columns, generator=g) * spread).to(dtype)
    weights = torch.randint(0, 3, (rows,), generator=g).float()
    shares, wanted = plain(scores, scale, weights)
    logs = softmax_rows(scores, scale, weights)
    if level == "numpy":
        assert logs is None
        return
    assert torch.allclose(logs.double(), wanted, rtol=1e-5, atol=1e-4)
    assert torch.allclose(scores.double(), shares, rtol=1e-4 if dtype is torch.float32 else 2**-7, atol=1e-12)
    assert not scores[:, 0].any()


@pytest.mark.parametrize("columns", [1, 16, 45])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_scores_are_shifted_and_no_column_is_left_out_where_that_is_asked_for(level, dtype, columns):
    if level == "numpy":
        pytest.skip("no kernel")
    g = torch.Generator().manual_seed(0)
    scores, shift, weights = torch.randn(4, columns, generator=g), 5 * torch.randn(columns, generator=g), torch.rand(4)
    scores[2, :] = -torch.inf
    scores[1, columns // 2] = -torch.inf if columns > 1 else 0.0
    scores = scores.to(dtype)
    wide = 2.0 * scores.double() + shift
    logs = softmax_rows(scores, 2.0, weights, shift=shift, out=0)
    assert torch.allclose(logs.double(), torch.logsumexp(wide, 1), rtol=1e-5, atol=1e-5)
    shares = (weights.double()[:, None] * torch.softmax(wide, 1)).nan_to_num()
    assert torch.allclose(scores.double(), shares, rtol=1e-4 if dtype is torch.float32 else 2**-7, atol=1e-12)


def test_bfloat16_is_rounded_as_torch_does(level):
    if level == "numpy":
        pytest.skip("nothing is rounded")
    scores, weights = torch.randn(7, 333, generator=torch.Generator().manual_seed(0)).bfloat16(), torch.rand(7)
    wide = scores.float()
    softmax_rows(scores, 1.0, weights)
    softmax_rows(wide, 1.0, weights)
    assert torch.equal(scores, wide.bfloat16())


@pytest.mark.parametrize("odd", [torch.nan, torch.inf])
@pytest.mark.parametrize("place", [1, 20, 32])
def test_a_row_that_is_no_number_does_not_pass_for_one(level, odd, place):
    scores = torch.ones(3, 33)
    scores[1, place] = odd
    logs = softmax_rows(scores, 1.0, torch.ones(3))
    if logs is not None:
        assert logs.isnan().tolist() == [False, True, False]
        assert scores.isnan().any(1).tolist() == [False, True, False]


def test_what_the_unknown_item_scores_does_not_count(level):
    scores = torch.ones(1, 9)
    scores[0, 0] = torch.nan
    logs = softmax_rows(scores, 1.0, torch.ones(1))
    if logs is not None:
        assert logs[0] == pytest.approx(1 + np.log(8))
        assert scores[0].tolist() == pytest.approx([0.0] + [1 / 8] * 8)


@pytest.mark.skipif(not COMPILED, reason="no kernel is compiled")
def test_what_does_not_go_together_is_refused():
    native, level = dispatch.kernels()
    scores, one = np.ones((2, 3), dtype=np.float32), np.ones(2, dtype=np.float32)
    for given_ in (
        (scores, 1.0, None, 1, one[:1], one),
        (scores, 1.0, None, 1, one, one[:1]),
        (scores, 0.0, None, 1, one, one),
        (scores, float("nan"), None, 1, one, one),
        (scores, 1.0, one, 1, one, one),
        (scores, 1.0, None, 2, one, one),
        (scores, 1.0, None, -1, one, one),
        (scores[:, :0].copy(), 1.0, None, 1, one, one),
        (scores.astype(np.float64), 1.0, None, 1, one, one),
    ):
        with pytest.raises(DataError):
            native.softmax_rows(level, *given_)
    with pytest.raises(TypeError, match="softmax_rows takes"):
        native.softmax_rows(level, scores)


def test_other_types_layouts_and_many_threads_are_left_to_torch(level):
    weights = torch.ones(4)
    assert softmax_rows(torch.ones(4, 5, dtype=torch.float64), 1.0, weights) is None
    assert softmax_rows(torch.ones(5, 4).T, 1.0, weights) is None
    before = torch.get_num_threads()
    torch.set_num_threads(5)
    try:
        assert softmax_rows(torch.ones(4, 5), 1.0, weights) is None
    finally:
        torch.set_num_threads(before)
