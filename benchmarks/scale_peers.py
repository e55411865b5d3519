"""The job of `recprune prepare` written directly: in polars, and in DuckDB's SQL. See prepare_scale.py."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

__all__ = ["PEERS"]

CORE, VALID, TEST = 5, 0.1, 0.2


def in_polars(path: Path, out: Path) -> dict[str, int]:
    """Ids become Categorical while the file is streamed; everything after that is done on integers in memory."""
    import polars as pl

    scan = pl.scan_parquet(path) if path.suffix == ".parquet" else pl.scan_csv(path, infer_schema=False)
    log = (
        scan.select(
            pl.col("user").cast(pl.Categorical(pl.Categories.random("user"))),
            pl.col("item").cast(pl.Categorical(pl.Categories.random("item"))),
            pl.col("rating").cast(pl.Float32, strict=False),
            pl.col("time").cast(pl.Int64, strict=False),
        )
        .filter(
            pl.col("user").is_not_null(),
            pl.col("item").is_not_null(),
            pl.col("rating").is_finite(),
            pl.col("time").is_not_null(),
        )
        .collect(engine="streaming")
    )
    distinct = {name: log[name].unique() for name in ("user", "item")}
    ids = {
        name: pl.DataFrame({name: column.to_physical(), "id": column.cast(pl.String)})
        for name, column in distinct.items()
    }
    log = log.with_columns(pl.col("user", "item").to_physical())
    log = log.lazy().sort("time").unique(["user", "item"], keep="last").collect()
    before = -1
    while before != (before := log.height):
        for side in ("user", "item"):
            log = log.filter(pl.len().over(side) >= CORE)
    for side, names in ids.items():
        vocabulary = names.join(log.select(side).unique(), on=side, how="semi")
        vocabulary = vocabulary.sort(pl.col("id").str.len_bytes(), "id").with_row_index("code", offset=1)
        vocabulary.select("id").write_parquet(out / f"{side}.parquet")
        log = log.join(vocabulary.select(side, pl.col("code").cast(pl.Int32)), on=side).drop(side)
        log = log.rename({"code": side})
    times, n = log["time"].sort(), log.height
    first_test, first_valid = times[math.floor((1 - TEST) * n)], times[math.floor((1 - TEST - VALID) * n)]
    parts = {
        "train": log.filter(pl.col("time") < first_valid),
        "valid": log.filter(pl.col("time").is_between(first_valid, first_test, closed="left")),
        "test": log.filter(pl.col("time") >= first_test),
    }
    for name, part in parts.items():
        part.write_parquet(out / f"{name}.parquet", compression="zstd")
    counts = {name: log[name].n_unique() for name in ids}
    return {"rows": n, "users": counts["user"], "items": counts["item"], "test": parts["test"].height}


def in_duckdb(path: Path, out: Path) -> dict[str, int]:
    """Plain SQL on an in-memory database with DuckDB's own settings; it may spill to its temporary folder."""
    import duckdb

    base = duckdb.connect()
    base.execute(f"SET temp_directory = '{out}/spill'")
    base.execute("SET preserve_insertion_order = false")
    source = f"read_parquet('{path}')" if path.suffix == ".parquet" else f"read_csv('{path}', all_varchar = true)"
    base.execute(
        'CREATE TABLE log AS SELECT "user", item, arg_max(rating, "time") AS rating, max("time") AS "time" FROM ('
        'SELECT "user", item, try_cast(rating AS FLOAT) AS rating, try_cast("time" AS BIGINT) AS "time" '
        f"FROM {source}) WHERE \"user\" <> '' AND item <> '' AND isfinite(rating) AND \"time\" IS NOT NULL "
        'GROUP BY "user", item'
    )
    before = -1
    while before != (before := number(base, "SELECT count(*) FROM log")):
        for side in ('"user"', "item"):
            rare = f"SELECT {side} FROM log GROUP BY {side} HAVING count(*) < {CORE}"
            base.execute(f"CREATE TABLE next AS SELECT * FROM log WHERE {side} NOT IN ({rare})")
            base.execute("DROP TABLE log")
            base.execute("ALTER TABLE next RENAME TO log")
    for side in ("user", "item"):
        base.execute(
            f'CREATE TABLE v_{side} AS SELECT "{side}" AS id, (row_number() OVER (ORDER BY strlen("{side}"), '
            f'"{side}"))::INTEGER AS code FROM (SELECT DISTINCT "{side}" FROM log)'
        )
        base.execute(f"COPY (SELECT id FROM v_{side} ORDER BY code) TO '{out}/{side}.parquet'")
    base.execute(
        'CREATE TABLE coded AS SELECT u.code AS "user", i.code AS item, rating, "time" FROM log '
        'JOIN v_user u ON log."user" = u.id JOIN v_item i ON log.item = i.id'
    )
    moment = 'SELECT "time" FROM coded ORDER BY "time" OFFSET {} LIMIT 1'
    first_test = number(base, moment.format(math.floor((1 - TEST) * before)))
    first_valid = number(base, moment.format(math.floor((1 - TEST - VALID) * before)))
    parts = {
        "train": f'"time" < {first_valid}',
        "valid": f'"time" >= {first_valid} AND "time" < {first_test}',
        "test": f'"time" >= {first_test}',
    }
    for name, where in parts.items():
        base.execute(f"COPY (SELECT * FROM coded WHERE {where}) TO '{out}/{name}.parquet' (COMPRESSION zstd)")
    users, items = (number(base, f"SELECT count(*) FROM v_{side}") for side in ("user", "item"))
    test = number(base, f"SELECT count(*) FROM coded WHERE {parts['test']}")
    return {"rows": before, "users": users, "items": items, "test": test}


def number(base: Any, query: str) -> int:
    """The one number that a query gives."""
    return int(base.execute(query).fetchone()[0])


PEERS = {"polars": in_polars, "duckdb": in_duckdb}
"""Name -> job: reads a file, writes what it prepared into a folder, says how many rows, users, items and test rows."""
