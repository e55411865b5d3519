"""A unit left out of averages, which are over the units that stay, and out of the answers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from recprune.tracing.answers import answers_gone, withdrawn
from recprune.tracing.kept_width import KeptWidth, still
from recprune.tracing.site import Site

__all__ = ["averaged_without"]


@contextmanager
def averaged_without(model: nn.Module, site: Site, unit: int) -> Iterator[None]:
    """Inside, the model's forward averages over the other units of the site, as the smaller model will, and what the
    unit answers is -inf.

    Zeros are not enough there: layer norm would count them, softmax would give them weight.
    """
    answers = answers_gone([site], {site.name: np.array([unit], dtype=np.int64)})
    gone: dict[str, dict[int, Tensor]] = {}
    for cut in site.averaged:
        where = torch.from_numpy(cut.positions(np.array([unit], dtype=np.int64)))
        there = gone.setdefault(cut.tensor, {}).get(cut.dim)
        gone[cut.tensor][cut.dim] = where if there is None else torch.cat([there, where])
    if not gone and not answers:
        yield
        return
    plain, own = model.forward, "forward" in vars(model)

    def forward(*inputs: Any, **named: Any) -> Any:
        if not gone:
            return withdrawn(answers, plain(*inputs, **named))
        with still(model), KeptWidth(gone):
            return withdrawn(answers, plain(*inputs, **named))

    model.forward = forward
    try:
        yield
    finally:
        if own:
            model.forward = plain
        else:
            del model.forward
