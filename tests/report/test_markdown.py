import re

from recprune.report import report
from recprune.report.blocks import Code, Section
from recprune.report.make import Report, for_people
from recprune.report.markdown import markdown, plain


def test_every_section_is_a_heading_and_every_table_is_whole(lists_run, found_in):
    made = report(found_in(lists_run))
    text = markdown(made)
    assert [line[3:] for line in text.splitlines() if line.startswith("## ")] == [s.title for s in for_people(made)]
    tables = re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert len(tables) > 8
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_marks_and_markup_of_ids_are_text(hostile_run, found_in):
    text = markdown(report(found_in(hostile_run)))
    assert "&lt;script&gt;" in text
    assert not re.search(r"<\w", text)
    assert plain('nobody\'s "list" & <b>') == 'nobody\'s "list" &amp; &lt;b&gt;'
    assert plain("a_b*c`d`[e](f)\n# g") == "a\\_b\\*c\\`d\\`\\[e\\](f) \\# g"


def test_a_fence_is_longer_than_any_in_the_text():
    made = Report("t", "a", (Section("s", "S", (Code("x ```` y"),)),))
    assert "`````sh\nx ```` y\n`````" in markdown(made)
