"""A tiny input for every format that recprune reads, with what is to become of it."""

from __future__ import annotations

import io
import sqlite3
from collections.abc import Mapping
from contextlib import closing

import polars as pl

from recprune.testing.formats import Sample

__all__ = ["SAMPLES"]


def _parquet(columns: Mapping[str, list[str | int | float | None]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(columns).write_parquet(out)
    return out.getvalue()


def _sqlite(statements: str) -> bytes:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.executescript(statements)
        return connection.serialize()


def _lines(*lines: str) -> bytes:
    return ("\n".join(lines) + "\n").encode()


SAMPLES: Mapping[str, Sample] = {
    "adjacency": Sample({"train.txt": _lines("u 1 2 3", "v 2", "w", "", "x 1 3")}, "train.txt", rows=6, rejected=2),
    "completejourney": Sample(
        {
            "transactions.csv": _lines(
                "household_id,product_id,store_id,transaction_timestamp",
                "1,10,7,2017-01-01 06:53:26",
                "1,11,7,2017-01-01 07:10:28",
                "2,10,8,2017-01-02 12:00:00",
            ),
            "demographics.csv": _lines(
                "household_id,age,income,home_ownership,marital_status,household_size,household_comp,kids_count",
                "1,25-34,35-49K,Homeowner,Married,2,2 Adults No Kids,0",
            ),
            "products.csv": _lines(
                "product_id,manufacturer_id,department,brand,product_category,product_type,package_size",
                "10,69,GROCERY,National,FRZN ICE,ICE,22 LB",
                "11,2,PASTRY,National,BREAD,BREAD:SWEET,50 OZ",
            ),
        },
        "",
        rows=3,
    ),
    "delimited": Sample(
        {"log.csv": _lines("user,item,rating", "a,x,5", "b,y", "b,y,4", "", "c,z,3", "c,x,much")},
        "log.csv",
        rows=3,
        rejected=3,
    ),
    "jsonlines": Sample(
        {"log.jsonl": _lines('{"user": 7, "item": "x"}', '{"user": 8, "item": "y"', '{"user": 8, "item": "y"}', "[1]")},
        "log.jsonl",
        rows=2,
        rejected=2,
    ),
    "libfm": Sample(
        {"train.libfm": _lines("1 0:1 3:1", "0 1:1 4:1", "-x 1:1", "1 2:1 3:1", "0 1:0.5 3:1")},
        "train.libfm",
        rows=3,
        rejected=2,
    ),
    "movielens": Sample(
        {
            "u.data": _lines("1\t10\t5\t881250949", "2\t10\t3\t891717742", "2\t11\t4"),
            "u.user": _lines("1|24|M|technician|85711", "2|53|F|other|94043"),
        },
        "",
        rows=2,
        rejected=1,
        options={"fields": False},
    ),
    "msweb": Sample(
        {
            "web.data": _lines(
                'I,4,"site","made by hand"',
                'A,1000,1,"Start, page","/start"',
                'C,"1",1',
                "V,1000,1",
                "V,1001,1",
                'C,"2",2',
                "W,1000,1",
                "V,1000,1",
            )
        },
        "web.data",
        rows=3,
        rejected=1,
    ),
    "parquet": Sample(
        {
            "a.parquet": _parquet({"user": [1, 2], "item": ["x", None], "rating": [5.0, 4.0]}),
            "b.parquet": _parquet({"user": [3], "item": ["x"], "rating": [3.0]}),
        },
        "",
        rows=2,
        rejected=1,
    ),
    "recbole": Sample(
        {"tiny.inter": _lines("user_id:token\titem_id:token\trating:float", "a\tx\t5", "b\ty\t4", "b\tx")},
        "",
        rows=2,
        rejected=1,
    ),
    "sessions": Sample({"train.txt": _lines("1 2 3", "", "4 1")}, "train.txt", rows=5, rejected=1),
    "sqlite": Sample(
        {
            "log.db": _sqlite(
                "CREATE TABLE log (user, item, rating); CREATE TABLE users (user, city);"
                "INSERT INTO log VALUES (1, 'x', 5), (2, NULL, 4), ('2', 'y', '3.5'), (3, 'y', 'much'), (3, 'x', 1);"
            )
        },
        "log.db",
        rows=3,
        rejected=2,
        options={"table": "log"},
    ),
}
"""Format -> its sample."""
