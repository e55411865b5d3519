"""Quality over bytes, drawn."""

import importlib
import sys
from pathlib import Path
from xml.etree import ElementTree

sys.path.append(str(Path(__file__).parents[2]))
plot = importlib.import_module("benchmarks.quality_plot")
SVG = "{http://www.w3.org/2000/svg}"


def drawn(*series, least=0.5):
    return ElementTree.fromstring(
        plot.quality_plot([plot.Panel("Data", "NDCG", series, least)], "Quality <over> bytes")
    )


def dots(tree):
    marks = [one for one in tree.iter(f"{SVG}circle") if one.get("class") == "mark"]
    return {one.find(f"{SVG}title").text: (float(one.get("cx")), float(one.get("cy"))) for one in marks}


def test_smaller_stands_to_the_left_and_better_above():
    found = dots(drawn(plot.Series("ours", [(1000, 0.9), (100_000, 0.8)])))
    small, large = found["ours: 0.9 in 1,000 bytes"], found["ours: 0.8 in 100,000 bytes"]
    assert small[0] < large[0]
    assert small[1] < large[1]


def test_what_is_below_the_lower_edge_stands_there_as_an_arrow():
    tree = drawn(plot.Series("ours", [(1000, 0.9)]), plot.Series("random", [(1000, 0.1)]))
    assert set(dots(tree)) == {"ours: 0.9 in 1,000 bytes"}
    arrows = [one.find(f"{SVG}title").text for one in tree.iter(f"{SVG}path")]
    assert arrows == ["random: 0.1 in 1,000 bytes"]


def test_a_name_has_one_colour_in_all_panels_and_stands_once_in_the_legend():
    panels = [plot.Panel(name, "AUC", [plot.Series("ours", [(10_000, 0.9)], line=False)], 0.5) for name in ("A", "B")]
    tree = ElementTree.fromstring(plot.quality_plot(panels, "what"))
    assert len({one.get("fill") for one in tree.iter(f"{SVG}circle")}) == 1
    assert [one.text for one in tree.iter(f"{SVG}text")].count("ours") == 1


def test_axes_have_round_values_and_bytes_their_units():
    tree = drawn(plot.Series("ours", [(900_000, 0.93), (40_000_000, 0.71)]), least=0.7)
    texts = [one.text for one in tree.iter(f"{SVG}text")]
    assert {"0.7", "0.8", "0.9", "1 MB", "3 MB", "10 MB", "30 MB"} <= set(texts)
