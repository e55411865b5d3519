"""The parts of the benchmark of parts."""

import json

import pytest

scale_parts = pytest.importorskip("benchmarks.scale_parts")


@pytest.mark.parametrize("way", ["memory", "local"])
def test_a_way_tells_what_it_took(tmp_path, capsys, way):
    from benchmarks.scale_log import make

    file = make(tmp_path, 3000, 0)["parquet"]
    scale_parts.child(way, str(file), str(tmp_path / "out"))
    said = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert said.keys() == {"start", "wall", "kept", "cpu", "peak", "read", "written"}
    assert 0 < said["kept"] <= 3000
    assert (tmp_path / "out" / "manifest.json").is_file()


def test_what_is_written_is_bounded_by_rows_and_by_those_that_stay():
    assert scale_parts.bound(10, 0) == 970
    assert scale_parts.bound(0, 10) == 770
