"""Models of other packages, as they come: exact, and reached nearly whole. Skipped where a package is not installed."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[2]))
peers = importlib.import_module("benchmarks.peers")

MODELS = [(package, name) for package, (_, models) in peers.PACKAGES.items() for name in models]

WIDTHS_IN_FORWARD = {
    "torch-rechub/EDCN": "lists of widths that were counted when it was built",
    "torch-rechub/DIEN": "a cell of its own that starts from a state of its own",
    "deepctr-torch/xDeepFM": "half of a layer by a number",
    "fuxictr/TWIN": "positions of the past are picked by their scores, with the width of a head by a number",
    "recbole/xDeepFM": "half of a layer by a number",
}
UNREAD = {
    "torch-rechub/ComirecSA": "a parameter that forward does not read",
    "torch-rechub/MIND": "a parameter that forward does not read",
    "fuxictr/FinalMLP": "gates that forward does not read",
    "deepctr-torch/MLR": "tables that forward does not read",
    "recbole/DSSM": "linear terms that forward does not read",
    "recbole/FNN": "linear terms that forward does not read",
    "recbole/KD_DAGFM": "weights of the student that forward does not read",
    "recbole/LINE": "a table of contexts that only the loss reads",
    "recbole/NPE": "a table of contexts that only the loss reads",
    "recbole/PNN": "linear terms that forward does not read",
    "recbole/RecVAE": "an older copy of the encoder that only the loss reads",
}
PICKED = """BERT4Rec FDSA FEARec FOSSIL GCSAN GRU4Rec GRU4RecF LightSANs NARM RepeatNet S3Rec SASRec SASRecF SINE
    SRGNN STAMP"""
OFFSETS = "AFM DeepFM FFM FM FwFM NFM WideDeep"
NOT_FOLLOWED = {
    **{f"recbole/{name}": "the last place of a history is picked by gather" for name in PICKED.split()},
    **{f"recbole/{name}": "linear terms, whose row offsets are an array of numpy" for name in OFFSETS.split()},
    "recbole/DIEN": "a cell of its own that writes into a state of its own",
    "recbole/DIN": "an activation with a plain tensor that is no buffer",
    "recbole/TransRec": "a bias of each item that is given back for all items",
}


@pytest.mark.parametrize(("package", "name"), MODELS)
def test_a_model_that_nobody_here_wrote_is_cut_exactly(package: str, name: str):
    module, models = peers.PACKAGES[package]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{package} is not installed")
    exact, difference, reachable, removed, *_ = peers.measure(models[name])
    assert difference <= 1e-5
    assert removed > 0.03
    assert exact
    if f"{package}/{name}" not in WIDTHS_IN_FORWARD | UNREAD | NOT_FOLLOWED:
        assert reachable >= 0.95
