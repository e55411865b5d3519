import re

from recprune.report.blocks import Bar, Bars, Range, Ranges, Value
from recprune.report.html.bars import bars, ranges


def test_lengths_begin_at_zero_and_keep_their_proportions():
    rows = (Bar("a", Value(1000, "bytes"), Value(250, "bytes")), Bar("b", Value(500, "bytes"), Value(0, "bytes")))
    text = bars(Bars("Bytes", rows))
    assert re.findall(r'x="0" y="\d" width="([\d.]+)"', text) == ["100.00", "25.00", "50.00", "0.00"]


def test_numbers_stand_beside_what_is_drawn(parsed):
    page = parsed(bars(Bars("Bytes", (Bar("<i>", Value(1000, "bytes"), Value(250, "bytes")),))))
    assert "<i>" in page.words
    assert "1.00\N{NO-BREAK SPACE}kB250\N{NO-BREAK SPACE}B" in page.words
    assert not page.all("i")


def test_an_interval_is_drawn_around_its_point_and_zero_is_on_the_scale():
    rows = (Range("g", Value(0.5, "change", 0.25, 1.0)), Range("h", Value(None, "change")))
    text = ranges(Ranges("Change", ("after − before",), rows))
    zero = float(re.search(r'class="zero" x1="([\d.]+)"', text)[1])
    low, high = (float(n) for n in re.search(r'class="whisker only" x1="([\d.]+)" x2="([\d.]+)"', text).groups())
    point = float(re.search(r'class="point only" x1="([\d.]+)"', text)[1])
    assert zero < low < point < high
    assert (low - zero) * 2 == point - zero
    assert text.count('class="point') == 1
