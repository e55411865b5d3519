"""JSON has one meaning or is refused."""

import pytest

from recprune.plain_json import read_json


def test_plain_data_comes_as_json_says():
    assert read_json('{"a": [1, 2.5, null, true, "é\\ud83d\\ude00"]}') == {"a": [1, 2.5, None, True, "é😀"]}
    assert read_json(b'"\xc3\xa9"') == "é"
    assert read_json("1" * 400) == int("1" * 400)


@pytest.mark.parametrize(
    "text",
    [
        '{"a": 1, "a": 2}',
        '[{"b": {"a": 1, "\\u0061": 2}}]',
        "NaN",
        "[-Infinity]",
        "1e999",
        '"\\ud800"',
        '{"\\uDFFF": 1}',
        "[" * 100_000,
        "9" * 5000,
        "",
        "{'a': 1}",
        "\ufeff{}",
        b"\xff",
        b'"\xed\xa0\x80"',
    ],
)
def test_what_has_two_meanings_or_none_is_refused(text: str | bytes):
    with pytest.raises(ValueError, match=r"."):
        read_json(text)
