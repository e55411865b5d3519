import json

import pytest

from recprune.errors import DataError, ExtensionError
from recprune.report import FORMATS, write


def test_formats_lie_side_by_side(lists_run, found_in, tmp_path):
    files = write(found_in(lists_run), tmp_path / "deep" / "page.html", tuple(FORMATS))
    assert {name: file.name for name, file in files.items()} == {
        "html": "page.html",
        "md": "page.md",
        "json": "page.json",
        "card": "model_card.md",
    }
    assert json.loads(files["json"].read_text())["title"].startswith("mf")
    assert all(0 < file.stat().st_size < 400_000 for file in files.values())


def test_half_a_surrogate_pair_does_not_stop_the_writing(lists_run, found_in, tmp_path):
    found = found_in(lists_run, users=0)
    object.__setattr__(found, "no_plan", "\ud800")
    object.__setattr__(found, "plan", None)
    files = write(found, tmp_path / "report.html", tuple(FORMATS))
    assert "\ufffd" in files["html"].read_text(encoding="utf-8")


def test_a_format_that_there_is_not_is_refused_before_anything_is_written(lists_run, found_in, tmp_path):
    with pytest.raises(ExtensionError, match="no format 'pdf'") as error:
        write(found_in(lists_run), tmp_path / "report.html", ("html", "pdf"))
    assert error.value.format == "pdf"
    assert not list(tmp_path.iterdir())


def test_a_file_in_the_way_is_named(lists_run, found_in, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write(found_in(lists_run), tmp_path / "file" / "report.html")
