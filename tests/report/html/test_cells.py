import pytest

from recprune.report.blocks import Value
from recprune.report.html.cells import cell


@pytest.mark.parametrize(
    ("text", "kind"),
    [("better", "good"), ("worse than it was", "bad"), ("worsening", None), ("equal to it", None)],
)
def test_a_verdict_that_is_good_or_bad_has_a_colour(text, kind):
    assert cell(text) == f"<td{f' class={kind}' if kind else ''}>{text}</td>"


def test_a_number_stands_to_the_right_with_its_interval_below():
    made = cell(Value(0.1, "change", -0.2, 0.3))
    assert made.startswith('<td class="n"')
    assert '<span class="range">' in made
