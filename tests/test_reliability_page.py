"""docs/reliability.md names every case once, and for each the files that test it: all of them, and no others."""

import re
from collections import defaultdict
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reliability.md"
CASES = range(1, 45)

pytestmark = pytest.mark.skipif(not PAGE.exists(), reason="the pages are not part of this installation")


def told() -> dict[int, list[str]]:
    """Case -> the files that the page names."""
    rows = re.findall(r"^\| (\d+) \|[^|]+\|[^|]+\| ([^|]+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): re.findall(r"`([^`]+)`", files) for number, files in rows}


def there() -> dict[int, set[str]]:
    """Case -> the files that have a test named after it."""
    found = defaultdict(set)
    for file in (ROOT / "tests").rglob("test_*.py"):
        for numbers in re.findall(
            r"^def test_case_(\d+(?:_and_\d+)*)_", file.read_text(encoding="utf-8"), re.MULTILINE
        ):
            for number in numbers.split("_and_"):
                found[int(number)].add(file.relative_to(ROOT).as_posix())
    return found


def test_every_case_stands_on_the_page_once_and_has_a_test() -> None:
    assert list(told()) == list(CASES)
    assert set(there()) == set(CASES)


@pytest.mark.parametrize("case", CASES)
def test_the_page_names_the_files_that_test_a_case(case: int) -> None:
    assert sorted(told()[case]) == sorted(there()[case])
