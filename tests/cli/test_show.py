from dataclasses import replace

import pytest
from rich.console import Console

import recprune
from recprune.cli._guard import Answer, _print
from recprune.cli._options import Common
from recprune.cli._show import compared, number, pairs, share, table
from recprune.evaluation.compare import compare
from recprune.evaluation.comparison import Comparison
from recprune.testing.data import tiny_split


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    split = tiny_split()
    models = [recprune.build("mf", split, dim=dim) for dim in (8, 2)]
    found = compare(*models, split, k=3, repeats=5, bootstrap=20)
    wide = {name: replace(side, network=1_234_567_890, bytes=1_234_567_890) for name, side in found.sides.items()}
    return replace(found, sides={**wide, "from scratch": wide["after"], "rare ids": wide["after"]})


def lines(*shown, width):
    console = Console(width=width, highlight=False)
    with console.capture() as captured:
        for part in shown:
            console.print(part, markup=False)
    return captured.get().splitlines()


def test_a_comparison_fits_a_narrow_terminal_and_breaks_no_number(comparison):
    told = lines(*compared(comparison), width=80)
    assert max(map(len, told)) <= 80
    rows = [line for line in told if line.startswith((" before", " after", " from scratch", " rare ids"))]
    assert len(rows) == 12
    assert sum("1,234,567,890" in row for row in rows) == 4


def test_metrics_have_as_many_places_each(comparison):
    told = lines(*compared(comparison), width=120)
    begin = next(place for place, line in enumerate(told) if line.startswith(" quality"))
    cells = [cell for line in told[begin + 2 : begin + 6] for cell in line.replace("from scratch", "").split()[1:]]
    assert {len(cell.partition(".")[2]) for cell in cells if "." in cell} == {4}


def test_no_sentence_of_a_comparison_is_said_twice(comparison):
    points = [line for line in lines(*compared(comparison), width=1000) if line.startswith("•")]
    assert len(points) > 4
    assert len(points) == len(set(points))


def test_a_pipe_gets_a_row_of_a_table_as_one_line(capsys, monkeypatch):
    monkeypatch.delenv("COLUMNS", raising=False)
    _print(Answer({}, (table(["name", "why"], [["a", "word " * 60]]), *pairs({"fact": "word " * 60}))), Common())
    told = capsys.readouterr().out.splitlines()
    assert sum("word" in line for line in told) == 2


def test_numbers_and_shares_stand_to_the_right_and_words_to_the_left():
    told = lines(table(["units", "leave", "kind"], [[5, share(0.5), "dim"], [1000, share(1.0), "id"]]), width=60)
    assert told[-3:-1] == ["     5    50.0%   dim  ", " 1,000   100.0%   id   "]


def test_a_long_fact_goes_on_below_itself():
    told = lines(*pairs({"name": "one two three four", "other": 3}), width=16)
    assert [line.rstrip() for line in told] == ["name   one two", "       three", "       four", "other  3"]


@pytest.mark.parametrize(
    ("value", "said"), [(None, "–"), (1234567, "1,234,567"), (0.123456, "0.1235"), ([1, 2], "1, 2")]
)
def test_a_value_is_told_as_people_read_it(value, said):
    assert number(value) == said
