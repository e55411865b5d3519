import re

import pytest

from recprune.report.blocks import Chart, Dot, Value
from recprune.report.html.chart import chart, legend


def drawn(down=False, low=0.97):
    dots = (
        Dot("dense", "stop", Value(1000, "bytes"), Value(1.0, "share"), "stop-0", line=True),
        Dot("cut", "stop", Value(100, "bytes"), Value(0.9, "share"), "stop-1"),
        Dot("before", "before", Value(1000, "bytes"), Value(1.0, "share"), "model-before"),
        Dot("<b>", "rival", Value(500, "bytes"), Value(0.95, "share"), "model-rival-1"),
        Dot("after", "after", Value(400, "bytes"), Value(0.98, "share", low, 0.99), "model-after"),
    )
    return Chart("Quality", "bytes", "ndcg", True, down, dots)


def places(text):
    found = re.findall(r'href="#([\w-]+)".*?transform="translate\(([\d.]+) ([\d.]+)\)"', text)
    return {name: (float(x), float(y)) for name, x, y in found}


def test_cheaper_is_left_and_better_is_up():
    place = places(chart(drawn()))
    assert place["stop-1"][0] < place["model-after"][0] < place["model-rival-1"][0] < place["model-before"][0]
    assert place["model-before"][1] < place["model-after"][1] < place["stop-1"][1]


def test_where_lower_is_better_a_lower_number_stands_higher():
    place = places(chart(drawn(down=True)))
    assert place["stop-1"][1] < place["model-before"][1]


def test_a_point_is_a_link_that_says_all_its_numbers(parsed):
    page = parsed(chart(drawn()))
    links = page.all("a")
    assert len(links) == 5
    after = next(link for link in links if link["href"] == "#model-after")
    told = after["aria-label"].replace("\N{NO-BREAK SPACE}", " ")
    assert told == "after; 400 B; quality 98.0%; interval 97.0% to 99.0%"
    assert page.text.count(after["aria-label"]) == 1, "as a title, too, for who has no script"


def test_a_name_cannot_be_markup():
    assert "<b>" not in chart(drawn()) + legend(drawn())


def test_the_legend_names_every_kind_once(parsed):
    words = parsed(legend(drawn())).words
    for name in ("the larger model", "the smaller model", "<b>", "no other stop is better", "other stops"):
        assert words.count(name) == 1


@pytest.mark.parametrize("low", [0.2, 0.9799])
def test_whiskers_stay_inside_the_drawing(low):
    text = chart(drawn(low=low))
    y = places(text)["model-after"][1]
    (a, b) = re.search(r'class="reach" x1="0" x2="0" y1="([-\d.]+)" y2="([-\d.]+)"', text).groups()
    assert 40 < y + float(b) < y + float(a) < 290
