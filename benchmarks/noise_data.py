"""Logs with fields that mean nothing, for `benchmarks.noise_fields`: real ones with injected fields, and simulations.

What is selected on holds train and validation alone. The test rows are a function that reads them when it is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import polars as pl
from benchmarks.recipes import FRAPPE, folder
from numpy.typing import NDArray

from recprune.data.dataset import Dataset, Roles, Split
from recprune.data.encode import encode, joint_vocabularies
from recprune.data.formats import completejourney
from recprune.data.log import Log, clean
from recprune.data.negatives import with_negatives
from recprune.data.read import read
from recprune.data.simulate import simulate
from recprune.data.split import split_by_time, split_random
from recprune.data.vocabulary import Vocabulary

__all__ = ["Noisy", "adult", "demo", "frappe", "injected", "simulated"]


@dataclass(frozen=True, slots=True, eq=False)
class Noisy:
    """split: train and validation, no test rows. test: reads them. real: fields of the log; part: field -> what it is
    ("constant", "unique", "copy of ...", "noise of ... values") for those that can leave."""

    split: Split
    test: Callable[[], Dataset]
    real: tuple[str, ...]
    part: Mapping[str, str]


def frappe() -> Noisy:
    """Frappe: the published validation and test rows, the training rows with the published positives."""
    at = folder("frappe")

    def log(part: str) -> Log:
        return clean(read(at / f"frappe.{part}.libfm.gz", "libfm", fields=FRAPPE))

    logs = [log("train-resampled"), log("validation")]
    known = joint_vocabularies(*logs)
    train, valid = (encode(one, known) for one in logs)
    return Noisy(_blind(train, valid), lambda: encode(log("test"), known), train.fields, {})


ADULT = (
    *("age", "workclass", "fnlwgt", "education", "education_num", "marital", "occupation", "relationship", "race"),
    *("sex", "gain", "loss", "hours", "country"),
)


def adult() -> Noisy:
    """Adult: the published test rows; a fifth of the other rows is validation. `fnlwgt` in 32 bins of those rows."""
    at = folder("adult")
    train = _census(at / "adult.data.gz")
    cuts = np.quantile(train["fnlwgt"].cast(pl.Float64).to_numpy(), np.arange(1, 32) / 32)

    def log(frame: pl.DataFrame) -> Log:
        bins = np.searchsorted(cuts, frame["fnlwgt"].cast(pl.Float64).to_numpy())
        binned = frame.with_columns(pl.Series("fnlwgt", bins).cast(pl.String))
        return clean(Log(binned.lazy(), Roles(label="label", categorical=ADULT), source="adult"))

    whole = encode(log(train))
    parts = split_random(whole, valid=0.2, test=0.0, seed=0)
    known = whole.vocabularies
    return Noisy(_blind(parts.train, parts.valid), lambda: encode(log(_census(at / "adult.test.gz")), known), ADULT, {})


def _census(path: Any) -> pl.DataFrame:
    frame = pl.read_csv(path, has_header=False, new_columns=[*ADULT, "label"], infer_schema=False, comment_prefix="|")
    frame = frame.with_columns(pl.all().str.strip_chars()).drop_nulls("label")
    return frame.with_columns((pl.col("label").str.starts_with(">50K")).cast(pl.Int8))


POSITIVES = 30_000  # purchases of the demo log, each with two negatives


def demo() -> Noisy:
    """The demo log as clicks: purchases, a sample of those of the 801 households that are described, of products with
    20 of them or more; each with two products that the household has not had. Parted at two moments: the last 15 % are
    test, 15 % before them validation."""
    log = completejourney.read(folder("complete-journey"))
    when = pl.from_epoch("transaction_timestamp")
    moments = {"weekday": when.dt.weekday(), "hour": when.dt.hour()}
    frame = log.frame.filter(pl.col("age").is_not_null()).with_columns(
        **{name: part.cast(pl.String) for name, part in moments.items()}
    )
    roles = replace(log.roles, categorical=(*log.roles.categorical, *moments))
    bought = clean(Log(frame, roles, source="completejourney"), min_item=20)
    some = np.sort(np.random.default_rng(0).permutation(len(bought))[:POSITIVES])
    sample = bought.frame.with_row_index("row").filter(pl.col("row").is_in(some)).drop("row")
    parts = with_negatives(split_by_time(encode(replace(bought, frame=sample)), valid=0.15, test=0.15), 2)
    return Noisy(_blind(parts.train, parts.valid), lambda: parts.test, parts.train.fields, {})


def simulated(noise: int, seed: int) -> Noisy:
    """50,000 rows of 8 fields that matter, beside user and item; of each real field a copy, 2 constants, 2 unique ids,
    and `noise` fields of 2 to 50,000 values."""
    sim = simulate(
        seed=seed,
        feedback="label",
        user_fields=(4, 6),
        item_fields=(12, 5),
        context_fields=(6, 24, 3, 9),
        constants=2,
        uniques=2,
        noise=_sizes(noise, 50_000),
    )
    parts = split_random(encode(sim.log), valid=0.15, test=0.15, seed=seed)
    idle = sim.truth.playing("redundant", "constant", "unique", "noise")
    part = {name: sim.truth.fields[name] for name in idle}
    return Noisy(
        _blind(parts.train, parts.valid), lambda: parts.test, ("user", "item", *sim.truth.playing("matters")), part
    )


def injected(clean_log: Noisy, count: int, seed: int) -> Noisy:
    """The log with `count` fields more: a copy of a real one, a constant, a unique id, and random ids of 2 to 100,000
    values, drawn for every row by itself."""
    names = [f"injected{number}" for number in range(1, count + 1)]
    rng = np.random.default_rng([seed, count])
    source = str(rng.choice(clean_log.real))
    order = np.r_[0, 1 + rng.permutation(len(clean_log.split.vocabularies[source]) - 1)].astype(np.int32)
    sizes = dict(zip(names[3:], _sizes(count - 3, 100_000), strict=True))
    train, valid = clean_log.split.train, clean_log.split.valid
    rows = len(train) + len(valid)
    vocabularies = {
        names[0]: Vocabulary(names[0], [f"c{code}" for code in range(1, len(order))]),
        names[1]: Vocabulary(names[1], ["always"]),
        names[2]: Vocabulary(names[2], [f"row{row}" for row in range(rows)]),
        **{name: Vocabulary(name, [f"v{code}" for code in range(size)]) for name, size in sizes.items()},
    }
    first = {0: 1, 1: 1 + len(train)}

    def more(part: Dataset, number: int) -> Dataset:
        draw = np.random.default_rng([seed, count, number])
        unique = first[number] + draw.permutation(len(part)) if number in first else np.zeros(len(part))
        columns: dict[str, NDArray[Any]] = {
            names[0]: order[part[source]],
            names[1]: np.ones(len(part), dtype=np.int32),
            names[2]: unique.astype(np.int32),
            **{name: draw.integers(1, size + 1, len(part)).astype(np.int32) for name, size in sizes.items()},
        }
        roles = replace(part.roles, categorical=(*part.roles.categorical, *names))
        return Dataset({**part.columns, **columns}, {**part.vocabularies, **vocabularies}, roles)

    part = {names[0]: f"copy of {source}", names[1]: "constant", names[2]: "unique"}
    part |= {name: f"noise of {size} values" for name, size in sizes.items()}
    return Noisy(_blind(more(train, 0), more(valid, 1)), lambda: more(clean_log.test(), 2), clean_log.real, part)


def _blind(train: Dataset, valid: Dataset) -> Split:
    return Split(train, valid, valid.take(np.zeros(0, dtype=np.int64)))


def _sizes(count: int, most: int) -> list[int]:
    """Numbers of values from 2 to `most`, evenly on a logarithmic scale."""
    return [round(float(size)) for size in np.geomspace(2, most, count)] if count > 0 else []
