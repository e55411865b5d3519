"""Lines judged at once, beside a slow loop that takes one character after the other."""

from __future__ import annotations

import csv
import io

from hypothesis import example, given, settings
from hypothesis import strategies as st

from recprune.data.lines import EMPTY, NOT_UTF8, QUOTES, WIDTH, judge, split_quoted

LINES = st.lists(st.text('ab",é \x00', max_size=8).map(str.encode) | st.binary(max_size=4), min_size=1, max_size=8)


def slow(line: bytes, width: int | None, quote: bytes) -> str:
    if not line:
        return EMPTY
    try:
        line.decode()
    except UnicodeDecodeError:
        return NOT_UTF8
    fields = split_quoted(line, b",", quote) if quote else line.split(b",")
    if fields is None:
        return QUOTES
    return WIDTH if width is not None and len(fields) != width else ""


@given(LINES, st.sampled_from([None, 1, 2, 3]), st.sampled_from([b"", b'"']))
@example([b'"a,b",c'], 2, b'"')
@example([b'"a"",b",c', b'a"b,c"d', b'"a"b,c', b'"a,b', b'5" pipe,c'], 2, b'"')
@settings(deadline=None, max_examples=300)
def test_each_line_is_judged_as_a_slow_obvious_loop_judges_it(
    lines: list[bytes], width: int | None, quote: bytes
) -> None:
    lines = [line.replace(b"\n", b"").replace(b"\r", b"") for line in lines]
    judged = judge(b"".join(line + b"\n" for line in lines), width, b",", quote)
    expected = [(place, why, line) for place, line in enumerate(lines) if (why := slow(line, width, quote))]
    assert list(judged.bad) == expected
    assert judged.total == len(lines)
    assert judged.numbers.tolist() == [place for place, line in enumerate(lines) if not slow(line, width, quote)]
    good = judged.text.split(b"\n")[:-1]
    for place, line in zip(judged.numbers, good, strict=True):
        if quote:
            assert split_quoted(line, b",", quote) == split_quoted(lines[place], b",", quote)
        else:
            assert line == lines[place]


@given(st.lists(st.text('ab", é', max_size=6), min_size=1, max_size=5))
@settings(deadline=None, max_examples=100)
def test_what_the_csv_module_writes_is_taken_apart_again(fields: list[str]) -> None:
    out = io.StringIO()
    csv.writer(out, lineterminator="").writerow(fields)
    if fields != [""]:
        assert split_quoted(out.getvalue().encode(), b",", b'"') == [field.encode() for field in fields]
