"""Which kernels run."""

from types import SimpleNamespace

import pytest

from recprune import dispatch
from recprune.dispatch import LEVELS, kernels, which
from recprune.errors import DataError


def test_what_runs_is_one_of_four() -> None:
    assert which() in ("numpy", *LEVELS)


def test_each_way_can_be_forced(level: str) -> None:
    assert which() == level
    found = kernels()
    assert (found is None) == (level == "numpy")
    assert found is None or LEVELS[found[1]] == level


def test_a_way_that_there_is_not_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECPRUNE_KERNELS", "avx9")
    with pytest.raises(DataError, match="here run: numpy") as caught:
        which()
    assert caught.value.kernels == "avx9"


def test_without_compiled_kernels_numpy_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECPRUNE_KERNELS", raising=False)
    monkeypatch.setattr(dispatch, "_native", lambda: None)
    forget()
    try:
        assert which() == "numpy"
        assert kernels() is None
    finally:
        forget()


def forget() -> None:
    dispatch._there.cache_clear()
    dispatch._asked.cache_clear()


def test_kernels_of_another_version_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dispatch.importlib, "import_module", lambda name: SimpleNamespace(version=0))
    with pytest.warns(UserWarning, match="hatch_build"):
        assert dispatch._native.__wrapped__() is None


def test_a_level_that_this_machine_has_not_is_refused_by_the_c_code() -> None:
    native = dispatch._native()
    if native is None:
        pytest.skip("not compiled")
    with pytest.raises(DataError, match="does not run"):
        native.rows_of_codes(7, 8, b"", b"", b"", bytearray())
