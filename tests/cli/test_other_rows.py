import shutil
from types import SimpleNamespace

import pytest

from recprune.cli._other_rows import tell_other_rows
from recprune.data.store import save_split
from recprune.testing.data import tiny_split


@pytest.fixture
def at(tmp_path):
    """Two prepared folders of other rows, and a copy of the first."""
    for seed in (0, 1):
        save_split(tiny_split(seed), tmp_path / f"split{seed}")
    shutil.copytree(tmp_path / "split0", tmp_path / "copy")
    return tmp_path


def model(data):
    return SimpleNamespace(folder="big", data=data)


def test_other_training_rows_are_told(at, capsys):
    tell_other_rows(model(at / "split0"), at / "split1")
    said = capsys.readouterr()
    assert "split1 has other training rows than" in said.err
    assert said.out == ""


@pytest.mark.parametrize(("then", "now"), [("split0", "copy"), ("split0", None), ("gone", "split1"), (None, "split1")])
def test_the_same_rows_and_what_nobody_can_know_are_not_told(at, capsys, then, now):
    tell_other_rows(model(then and at / then), now and at / now)
    assert capsys.readouterr().err == ""
