"""Every public set that a person may have reads in one call, and its counts are those that are published with it."""

import os
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recprune.data.dataset import Roles
from recprune.data.encode import encode
from recprune.data.log import Log, clean
from recprune.data.read import read, read_parts
from recprune.data.split import split_given

DATA = Path(os.environ.get("RECPRUNE_DATA", Path(__file__).parents[3] / "shared" / "data"))

pytestmark = pytest.mark.skipif(
    not (DATA / "README.md").is_file(), reason="real data: RECPRUNE_DATA names no folder with it"
)

FRAPPE = "user,item,daytime,weekday,isweekend,homework,cost,weather,country,city"
ADULT = (
    "age,workclass,fnlwgt,education,education_num,marital_status,occupation,relationship,race,sex,capital_gain,"
    "capital_loss,hours,country,income"
)
ADULT_NUMERIC = ("age", "fnlwgt", "education_num", "capital_gain", "capital_loss", "hours")
ADULT_ROLES = Roles(
    label="income",
    numeric=ADULT_NUMERIC,
    categorical=tuple(name for name in ADULT.split(",")[:-1] if name not in ADULT_NUMERIC),
    positive="income in >50K, >50K.",
)
CRITEO = Roles(
    label="column_1",
    numeric=tuple(f"column_{i}" for i in range(2, 15)),
    categorical=tuple(f"column_{i}" for i in range(15, 41)),
)
RETAIL = Roles(
    user="CustomerID",
    item="StockCode",
    time="InvoiceDate",
    numeric=("Quantity", "UnitPrice"),
    categorical=("InvoiceNo", "Country"),
)


def one(path: str, *args: Any, **options: Any) -> partial[Log]:
    return partial(read, DATA / path, *args, **options)


def part(name: str, path: str, *args: Any, **options: Any) -> partial[Log]:
    return partial(part_of, DATA / path, name, *args, **options)


def part_of(path: Path, name: str, *args: Any, **options: Any) -> Log:
    return read_parts(path, *args, **options)[name]


SETS: Mapping[str, tuple[partial[Log], dict[str, int]]] = {
    "gowalla train": (part("train", "gowalla"), {"rows": 810_128, "users": 29_858, "items": 40_981}),
    "gowalla test": (part("test", "gowalla"), {"rows": 217_242, "users": 29_858}),
    "ml-100k": (one("ml-100k"), {"rows": 100_000, "users": 943, "items": 1_682}),
    "frappe train": (part("train", "frappe", fields=FRAPPE), {"rows": 202_027, "positive": 67_604}),
    "frappe valid": (part("valid", "frappe", fields=FRAPPE), {"rows": 57_722, "positive": 19_063}),
    "frappe test": (part("test", "frappe", fields=FRAPPE), {"rows": 28_860, "positive": 9_536}),
    "frappe-raw": (one("frappe-raw"), {"rows": 96_203, "users": 957, "items": 4_082, "pairs": 18_842}),
    "movietweetings": (one("movietweetings-100k"), {"rows": 100_000, "users": 16_554, "items": 10_506}),
    "online-retail": (
        one("online-retail", roles=RETAIL),
        {"rows": 541_909 - 135_080, "users": 4_372, "aside": 135_080},
    ),
    "online-retail, invoices of nobody too": (
        one("online-retail", roles=Roles(user="InvoiceNo", item="StockCode", categorical=("Country",))),
        {"rows": 541_909, "users": 25_900, "items": 4_070, "Country": 38},
    ),
    "complete-journey": (
        one("complete-journey"),
        {"rows": 1_469_307, "users": 2_469, "items": 68_509, "pairs": 867_688},
    ),
    "adult train": (part("train", "adult", roles=ADULT_ROLES, columns=ADULT, missing="?"), {"rows": 32_561}),
    "adult test": (part("test", "adult", roles=ADULT_ROLES, columns=ADULT, missing="?"), {"rows": 16_281}),
    "msweb train": (part("train", "msweb"), {"rows": 98_654, "users": 32_711, "items": 285}),
    "msweb test": (part("test", "msweb"), {"rows": 15_191, "users": 5_000}),
    "criteo-head": (one("criteo-head", roles=CRITEO), {"rows": 7_200, "positive": 1_549}),
    "ml-1m train": (part("train", "ml-1m"), {"rows": 590_733, "users": 6_039}),
    "ml-1m valid": (part("valid", "ml-1m"), {"rows": 80_897}),
    "ml-1m test": (part("test", "ml-1m"), {"rows": 164_848}),
    "ml-1m pairs": (one("ml-1m/pairs.txt.gz"), {"rows": 1_000_209, "users": 6_040, "items": 3_706}),
    "ml-1m sample": (one("ml-1m"), {"rows": 100_000}),
    "amazon-book train": (part("train", "amazon-book-kgat"), {"rows": 652_514, "users": 70_679, "items": 24_915}),
    "amazon-book test": (part("test", "amazon-book-kgat"), {"rows": 193_920, "aside": 88}),
    "amazon-beauty-seq": (one("amazon-beauty-seq"), {"rows": 198_502, "users": 22_363, "items": 12_101}),
    "amazon-toys-seq": (one("amazon-toys-seq"), {"rows": 167_597, "users": 19_412, "items": 11_924}),
    "lastfm-seq": (one("lastfm-seq"), {"rows": 52_551, "users": 1_090, "items": 3_646}),
    "diginetica train": (part("train", "diginetica", "sessions"), {"rows": 906_140, "users": 186_670}),
    "diginetica test": (part("test", "diginetica", "sessions"), {"users": 60_858}),
    "yoochoose train": (
        part("train", "yoochoose1-64", "sessions"),
        {"rows": 486_026, "users": 116_167, "items": 17_376},
    ),
    "yoochoose test": (part("test", "yoochoose1-64", "sessions"), {"users": 55_898}),
    "nowplaying train": (part("train", "nowplaying", "sessions"), {"rows": 953_381, "users": 128_077}),
    "nowplaying test": (part("test", "nowplaying", "sessions"), {"users": 89_824}),
    "anime ratings": (one("anime"), {"rows": 419_943, "users": 4_714, "items": 7_157, "pairs": 419_943}),
    "anime history": (one("anime/history.tsv.gz"), {"rows": 520_609, "users": 5_000, "items": 7_390}),
}


def counted(log: Log) -> dict[str, int]:
    roles = log.roles
    asked = {"rows": pl.len()}
    asked |= {name: pl.col(raw).n_unique() for name, raw in (("users", roles.user), ("items", roles.item)) if raw}
    asked |= {"pairs": pl.struct(roles.user, roles.item).n_unique()} if roles.user and roles.item else {}
    asked |= {"positive": (pl.col(roles.label) > 0).sum()} if roles.label and not roles.positive else {}
    asked |= {name: pl.col(name).n_unique() for name in roles.categorical}
    return {"aside": len(log.rejected), **log.frame.select(**asked).collect().row(0, named=True)}


@pytest.mark.parametrize("name", SETS)
def test_a_public_set_has_the_counts_that_are_published_with_it(name: str) -> None:
    call, published = SETS[name]
    expected = {"aside": 0, **published}
    found = counted(call())
    assert {key: found[key] for key in expected} == expected


def test_every_set_is_read() -> None:
    sets = {path for path in DATA.iterdir() if path.is_dir()}
    assert sets == {call.args[0] if call.args[0].is_dir() else call.args[0].parent for call, _ in SETS.values()}


def test_frappe_has_ten_fields_with_the_ids_of_each() -> None:
    parts = read_parts(DATA / "frappe", fields=FRAPPE)
    split = split_given(clean(parts["train"]), clean(parts["test"]), clean(parts["valid"]))
    names, starts = FRAPPE.split(","), (0, 957, 5039, 5046, 5053, 5055, 5058, 5060, 5069, 5149, 5382)
    assert split.train.fields == tuple(names)
    for name, first, last in zip(names, starts, starts[1:], strict=False):
        ids = [int(key) for key in split.vocabularies[name].ids]
        assert first <= min(ids) <= max(ids) < last, name
    assert sum(len(vocabulary.ids) for vocabulary in split.vocabularies.values()) == 5_382


def test_adult_has_numbers_categories_and_missing_values() -> None:
    parts = read_parts(DATA / "adult", roles=ADULT_ROLES, columns=ADULT, missing="?")
    split = split_given(clean(parts["train"]), clean(parts["test"]))
    assert (split.train["label"].sum(), split.test["label"].sum()) == (7_841, 3_846)
    assert (split.train["workclass"] == 0).sum() == 1_836
    assert "?" not in split.vocabularies["workclass"].ids
    assert split.train["capital_gain"].max() == 99_999


def test_the_published_cleaning_of_online_retail_is_one_rule() -> None:
    log = read(DATA / "online-retail", roles=RETAIL)
    frame = log.frame.collect()
    assert frame["InvoiceNo"].str.starts_with("C").sum() > 0
    assert (frame["Quantity"] < 0).sum() > 0
    log = replace(log, roles=replace(RETAIL, positive="Quantity > 0 and UnitPrice > 0"))
    bought = clean(log, duplicates="all")
    pairs = encode(clean(bought, duplicates="last"))
    assert (len(bought), pairs.n_users - 1, pairs.n_items - 1, len(pairs)) == (397_884, 4_338, 3_665, 266_792)


def test_movielens_and_its_like_bring_their_side_fields() -> None:
    genres = {"ml-100k": 19, "movietweetings-100k": 25, "ml-1m": 18}
    for name, count in genres.items():
        dataset = encode(clean(read(DATA / name)))
        assert len(dataset.vocabularies["genres"].ids) == count, name
    households = encode(clean(read(DATA / "complete-journey")))
    known = households["age"] > 0
    assert len(set(households["user"][known].tolist())) == 801


def test_given_parts_of_the_same_people_share_a_vocabulary() -> None:
    parts = read_parts(DATA / "ml-1m")
    split = split_given(parts["train"], parts["test"], parts["valid"])
    assert (len(split.train), len(split.valid), len(split.test)) == (590_733, 80_897, 164_848)
    assert (split.train.n_users - 1, split.train.n_items - 1) == (6_039, 3_628)
