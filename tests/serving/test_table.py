import csv

import polars as pl
import pytest

from recprune.serving.table import escaped, join, packed

RISKY = ["=1+1", "+1", "-1", "@x", "\tx", "\rx", "'x"]
PLAIN = ["x", "", "1-1", " =1", 'a"b', "a,b", "a\nb", "é"]


def parts(tmp_path, *columns):
    paths = []
    for number, cells in enumerate(columns):
        paths.append(tmp_path / f"{number}.parquet")
        paths[-1].write_bytes(packed(pl.DataFrame({"item": cells, "score": [-0.5] * len(cells)})))
    return paths


def test_cells_that_a_spreadsheet_takes_for_a_formula_get_a_quote_in_front():
    frame = escaped(pl.DataFrame({"item": [*RISKY, *PLAIN], "score": [-1.0] * 15}))
    assert frame["item"].to_list() == [*(f"'{cell}" for cell in RISKY), *PLAIN]
    assert frame["score"].to_list() == [-1.0] * 15


def test_taking_one_quote_away_gives_every_cell_back(tmp_path):
    join(parts(tmp_path, RISKY, PLAIN), tmp_path / "out.csv")
    with open(tmp_path / "out.csv", newline="", encoding="utf-8") as file:
        header, *rows = csv.reader(file)
    assert header == ["item", "score"]
    assert [cell.removeprefix("'") for cell, _ in rows] == [*RISKY, *PLAIN]


def test_parquet_holds_ids_as_they_are(tmp_path):
    join(parts(tmp_path, RISKY, PLAIN), tmp_path / "out.parquet")
    assert pl.read_parquet(tmp_path / "out.parquet")["item"].to_list() == [*RISKY, *PLAIN]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_part_that_cannot_be_read_leaves_what_stood_there(tmp_path, suffix):
    good, bad = parts(tmp_path, ["a"], ["b"])
    bad.write_bytes(b"no parquet")
    out = tmp_path / f"out{suffix}"
    out.write_text("before")
    with pytest.raises(pl.exceptions.PolarsError):
        join([good, bad], out)
    assert out.read_text() == "before"
    assert not list(tmp_path.glob(".*.tmp"))
