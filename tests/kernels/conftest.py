"""Every test of a kernel runs by every way that this machine has, and in numpy."""

import pytest

from recprune.kernels import dispatch
from recprune.kernels.dispatch import LEVELS


@pytest.fixture(params=["numpy", *LEVELS])
def level(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param not in dispatch._there():
        pytest.skip(f"{request.param} does not run here")
    monkeypatch.setenv("RECPRUNE_KERNELS", request.param)
    return request.param
