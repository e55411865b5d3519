"""A plan's text is small, and so is what it takes to read it, whoever wrote it."""

import base64
import json
import zlib

import numpy as np
import pytest
import torch

import recprune
from recprune.errors import PlanError
from recprune.planning.plan import LARGEST, Plan
from recprune.testing import tiny_split


@pytest.fixture(scope="module")
def content() -> dict[str, object]:
    split = tiny_split()
    model = recprune.build("mf", split, dim=8, seed=1)
    plan = recprune.prune(model, split, 0.4, rule="magnitude", finetuned=False).plan
    return json.loads(plan.to_json())


def written(content: dict[str, object], kept: object, size: int = LARGEST) -> str:
    """The plan as text, whose first site has so many units, of which these stay."""
    said = json.loads(json.dumps(content))
    said["survey"]["sites"][0]["size"] = size
    said["kept"] = {said["survey"]["sites"][0]["name"]: kept}
    return json.dumps(said)


def bits(size: int, byte: bytes) -> str:
    packer = zlib.compressobj(9)
    parts = [packer.compress(byte * (1 << 20)) for _ in range(size // 8 >> 20)]
    return "bits:" + base64.b64encode(b"".join([*parts, packer.flush()])).decode()


@pytest.mark.parametrize(
    "kept",
    [
        f"0-{LARGEST - 1}",
        ",".join(f"{n}-{n + 2**20}" for n in range(0, 2**30, 2**21)),
        bits(1 << 28, b"\xff"),
    ],
)
def test_a_small_text_takes_no_large_memory(kept: str, content: dict[str, object]):
    size = 1 << 28 if kept.startswith("bits") else LARGEST
    assert len(kept) < 1 << 17
    with pytest.raises(PlanError, match="more than there can be"):
        Plan.from_json(written(content, kept, size), 1000)


@pytest.mark.parametrize("kept", ["0-5,3-9", "5-0", "7,7", "9-12,0-3", ",".join(["0-99"] * 1000)])
def test_units_that_do_not_rise_are_refused(kept: str, content: dict[str, object]):
    with pytest.raises(PlanError, match="do not rise"):
        Plan.from_json(written(content, kept))


@pytest.mark.parametrize("size", [-1, LARGEST + 1, 2.5, True, None, "9"])
def test_a_site_has_as_many_units_as_ids_have_codes(size: int, content: dict[str, object]):
    with pytest.raises(PlanError, match=r"not a plan|number of units"):
        Plan.from_json(written(content, "0", size))


@pytest.mark.parametrize("size", [9, 64 * 3, (1 << 20) + 3])
def test_bits_and_runs_give_the_same_units(size: int, content: dict[str, object]):
    units = np.flatnonzero(torch.rand(size, generator=torch.Generator().manual_seed(size)).numpy() > 0.5)
    mask = np.zeros(size, dtype=bool)
    mask[units] = True
    packed = "bits:" + base64.b64encode(zlib.compress(np.packbits(mask).tobytes())).decode()
    plan = Plan.from_json(written(content, packed, size))
    name = next(iter(plan.kept))
    assert np.array_equal(plan.kept[name], units)


def test_a_key_that_stands_twice_is_refused(content: dict[str, object]):
    with pytest.raises(PlanError, match="stands twice"):
        Plan.from_json('{"rule": "x",' + json.dumps(content)[1:])
