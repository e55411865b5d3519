from recprune.report import report
from recprune.report.card import card


def test_a_card_says_what_the_model_is_how_good_and_for_whom_it_is_worse(lists_run, found_in):
    found = found_in(lists_run)
    text = card(report(found), found)
    assert text.startswith("---\nlibrary_name: recprune\n")
    headings = [line[3:] for line in text.splitlines() if line.startswith("## ")]
    assert headings[:3] == ["Model details", "Use", "Evaluation"]
    assert "Who it serves worse than the larger model" in headings
    assert f"{found.said['small']['parameters']:,}" in text
    assert "Licence, intended users" in text
    assert "not here" not in text


def test_the_code_of_a_card_loads_the_model(lists_run, found_in, monkeypatch):
    found = found_in(lists_run)
    text = card(report(found), found)
    code = text.partition("```python\n")[2].partition("```")[0]
    here = {}
    exec(code, here)  # noqa: S102
    assert sum(p.numel() for p in here["model"].parameters()) == found.said["small"]["parameters"]
