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


def labels(text):
    found = re.findall(
        r'<text class="label (\w+)" x="([-\d.]+)" y="([-\d.]+)" text-anchor="(\w+)">([^<]*)</text>', text
    )
    return {name: (kind, float(x), float(y), anchor) for kind, x, y, anchor, name in found}


def crowded(rivals):
    dots = [Dot("before", "before", Value(1000, "bytes"), Value(1.0, "share"), "model-before")]
    dots += [Dot("after", "after", Value(400, "bytes"), Value(0.98, "share"), "model-after")]
    dots += [
        Dot(f"rival {n}", "rival", Value(400 + n, "bytes"), Value(0.98, "share"), f"model-rival-{n}") for n in rivals
    ]
    return chart(Chart("Quality", "bytes", "ndcg", True, False, tuple(dots)))


def test_the_two_models_and_the_rivals_stand_by_their_names():
    assert {name: label[0] for name, label in labels(chart(drawn())).items()} == {
        "larger": "before",
        "smaller": "after",
        "&lt;b&gt;": "rival",
    }


def test_names_do_not_cover_each_other_and_rivals_without_room_have_none():
    found = labels(crowded(range(1, 12)))
    assert {"larger", "smaller"} <= set(found)
    assert 3 <= len(found) < 13
    boxes = []
    for name, (_, x, y, anchor) in found.items():
        wide = 7 * len(name)
        left = x - {"start": 0, "middle": wide / 2, "end": wide}[anchor]
        boxes.append((left, y - 10, left + wide, y + 2))
    for n, one in enumerate(boxes):
        for other in boxes[:n]:
            assert one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
