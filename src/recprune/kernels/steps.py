"""Steps of a flat program over rows of floats, and the program that they make."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recprune.kernels.stored import Stored

__all__ = [
    "MARGIN",
    "Attend",
    "Dot",
    "Largest",
    "Layer",
    "LookBack",
    "LookUp",
    "Mean",
    "Norm",
    "Pairs",
    "Product",
    "Program",
    "Recur",
    "Spread",
    "Standard",
    "Step",
    "Sum",
    "Weigh",
    "Window",
]

Floats: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True, eq=False)
class LookUp:
    """Row `id + offset` of a table goes into a slot from `at` on; of a table of width 1, to the logit (into -1)."""

    column: int
    table: Stored
    offset: int
    into: int
    at: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Mean:
    """The mean of the rows of all ids of a bag that are not 0, zeros where there is none; it goes as in `LookUp`."""

    column: int
    table: Stored
    into: int
    at: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Standard:
    """(x - mean) * scale of some columns of numbers, 0 where one is missing; `missing`: a slot of ones for those."""

    columns: NDArray[np.int64]
    mean: Floats
    scale: Floats
    into: int
    missing: int = -1


@dataclass(frozen=True, slots=True, eq=False)
class Spread:
    """z_n weight_n + bias_n of every number of a slot, + m_n gone_n of those in the slot `missing`; one vector a number
    goes into a slot from `at` on. weight, bias, gone: (numbers, dim)."""

    slot: int
    into: int
    at: int
    weight: Floats
    bias: Floats
    missing: int = -1
    gone: Floats | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Layer:
    """into = relu(first * (weight slot + bias) + plus), where there are such; first and plus are slots.

    weight: (out, in), which may be the first numbers of the slot. times: the same layer on so many vectors side by
    side, without first and plus; `into` then has MARGIN numbers more. tail: of a sequence, for its last row alone.
    """

    slot: int
    into: int
    weight: Floats
    bias: Floats
    relu: bool = False
    first: int = -1
    plus: int = -1
    times: int = 1
    tail: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """The inner products of all pairs of `count` vectors of a slot are added to the logit (Rendle 2010, lemma 3.1)."""

    slot: int
    count: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Dot:
    """weight · slot is added to the logit."""

    slot: int
    weight: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Product:
    """into = slot * other."""

    slot: int
    other: int
    into: int


@dataclass(frozen=True, slots=True, eq=False)
class Attend:
    """into = relu(heads + rest) of `count` vectors side by side, (heads, width) each (Song et al. 2019, equations 5 to
    8): a head compares <query_f, key_g>, takes shares over g by a softmax, and adds up shares of value_g."""

    query: int
    key: int
    value: int
    rest: int
    into: int
    count: int
    heads: int
    width: int


@dataclass(frozen=True, slots=True, eq=False)
class Sum:
    """into = slot + other."""

    slot: int
    other: int
    into: int


@dataclass(frozen=True, slots=True, eq=False)
class Norm:
    """into = (slot - its mean) / its deviation * weight + bias, row by row; `least` is added to the variance. tail: for
    the last row alone. relu: what is below 0 comes out as 0."""

    slot: int
    into: int
    weight: Floats
    bias: Floats
    least: float
    tail: bool = False
    relu: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class LookBack:
    """Rows are a sequence, `longest` at most: a head compares each with itself and those before it, takes shares by a
    softmax of <query, key>, and adds up shares of values (Vaswani et al. 2017, section 3.2). tail: the last row alone
    looks."""

    query: int
    key: int
    value: int
    into: int
    heads: int
    width: int
    longest: int
    tail: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Recur:
    """Rows are a sequence, `longest` at most: gated units without biases (Cho et al. 2014, section 2.3), whose state
    goes into a slot row by row. slot: reset, keep and new of each row, one behind the other, as its input gives them;
    weight: (3 width, width), what the state before adds."""

    slot: int
    into: int
    weight: Floats
    longest: int


@dataclass(frozen=True, slots=True, eq=False)
class Window:
    """Rows are a sequence, `longest` at most: into = the row `(count - 1) * apart` before, ..., the row `apart` before
    and the row itself, side by side, zeros where there is none: what a causal convolution sees. masked: rows of id 0
    are zeros, and those in front are left out; otherwise no row is. tail: for the last row alone."""

    slot: int
    into: int
    count: int
    apart: int
    longest: int
    masked: bool = True
    tail: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Largest:
    """Rows are a sequence of `longest`, none left out: the largest of every column from row `first` on goes into the
    last row of a slot, from `at` on."""

    slot: int
    into: int
    at: int
    first: int
    longest: int


@dataclass(frozen=True, slots=True, eq=False)
class Weigh:
    """Rows are a sequence, none left out: bias_f + sum over rows of weight_fr row_r, of one f after the other, goes
    into the last row of a slot, from `at` on. weight: (sets, rows); bias: (sets,)."""

    slot: int
    into: int
    at: int
    weight: Floats
    bias: Floats


Step: TypeAlias = (
    LookUp
    | Mean
    | Standard
    | Spread
    | Layer
    | Pairs
    | Dot
    | Product
    | Attend
    | Sum
    | Norm
    | LookBack
    | Recur
    | Window
    | Largest
    | Weigh
)
MARGIN = 16
"""Zeros that a slot has behind vectors side by side, where a layer writes whole registers."""


@dataclass(frozen=True, slots=True, eq=False)
class Program:
    """columns: "id", "ids" or "number", what each input holds. widths: floats a row of every slot. bias: where logits
    begin."""

    columns: tuple[Literal["id", "ids", "number"], ...]
    widths: tuple[int, ...]
    steps: tuple[Step, ...]
    bias: float = 0.0
