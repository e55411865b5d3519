import math

import pytest

from recprune.report.blocks import Value
from recprune.report.told import exact, interval, told


@pytest.mark.parametrize(
    ("number", "unit", "words"),
    [
        (1819801, "count", "1,819,801"),
        (999, "bytes", "999 B"),
        (1097280, "bytes", "1.10 MB"),
        (72.8e6, "bytes", "72.8 MB"),
        (0.03537, "ms", "0.0354 ms"),
        (0.16, "ms", "0.160 ms"),
        (57.73, "ms", "57.7 ms"),
        (0.18664, "metric", "0.1866"),
        (-0.00031, "change", "−0.0003"),
        (0.0041, "change", "+0.0041"),
        (-0.00001, "change", "0.0000"),
        (-0.849, "shift", "−84.9%"),
        (0.0, "shift", "0.0%"),
        (1.654, "times", "1.65 ×"),
        (0.15, "rise", "+0.150"),
        (0.0, "rise", "0"),
        (None, "metric", "–"),
        (math.nan, "metric", "–"),
    ],
)
def test_numbers_are_told_in_their_unit(number, unit, words):
    assert told(Value(number, unit)).replace("\N{NO-BREAK SPACE}", " ") == words


def test_an_interval_says_its_unit_once():
    assert interval(Value(1.5, "ms", 1.2, 2.0)) == "1.20 to 2.00\N{NO-BREAK SPACE}ms"
    assert interval(Value(900, "bytes", 800, 1200)) == "800\N{NO-BREAK SPACE}B to 1.20\N{NO-BREAK SPACE}kB"
    assert interval(Value(0.1, "metric")) == ""
    assert interval(Value(0.1, "metric", math.nan, 0.2)) == ""


def test_what_rounding_hides_of_bytes_is_told():
    assert exact(Value(7279204, "bytes")) == "7,279,204 bytes"
    assert exact(Value(7279204, "count")) == exact(Value(12, "bytes")) == ""
