import pytest

from recprune.report.html.scale import linear, logarithmic


def test_a_linear_scale_holds_its_numbers_and_round_ticks():
    scale = linear([0.0, 97.0], 0, 100)
    assert (scale.at(0.0), scale.at(97.0)) == (0.0, 100.0)
    assert scale.ticks == (0, 20, 40, 60, 80)


def test_small_differences_are_not_blown_up():
    scale = linear([1.0, 1.0001], 0, 100, least=0.01)
    assert scale.high - scale.low == pytest.approx(0.01)
    assert abs(scale.at(1.0001) - scale.at(1.0)) == pytest.approx(1.0, abs=0.02)


def test_one_number_alone_has_a_scale():
    assert 0 < linear([5.0], 0, 100).at(5.0) < 100
    assert 0 < logarithmic([5.0], 0, 100).at(5.0) < 100


def test_a_scale_of_powers_has_equal_steps_for_equal_ratios():
    scale = logarithmic([1e4, 1e6], 0, 100)
    assert scale.at(1e5) - scale.at(1e4) == pytest.approx(scale.at(1e6) - scale.at(1e5))
    assert {1e4, 1e5, 1e6} <= set(scale.ticks)
    assert all(scale.low <= tick <= scale.high for tick in scale.ticks)
