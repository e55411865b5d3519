"""What is read from: files and databases with given tables, and a PostgreSQL of one's own."""

from __future__ import annotations

import io
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import pytest

PASSWORD = "hunter2-und-mehr"
Made = Callable[[Mapping[str, pl.DataFrame]], Path]
BINARIES = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
NOBODY = 65534
"""A user that owns nothing."""


@dataclass(frozen=True)
class Server:
    """A running PostgreSQL: in a folder of its own, on a socket (anybody may come) and a port (with the password)."""

    folder: Path
    port: int

    @property
    def url(self) -> str:
        """By the socket, without a password."""
        return f"postgresql://ann@/postgres?host={self.folder}&port={self.port}"

    @property
    def guarded(self) -> str:
        """By the port, where a password is asked for."""
        return f"postgresql://ann@127.0.0.1:{self.port}/postgres"

    @property
    def pid(self) -> int:
        """The process that all others come from."""
        return int((self.folder / "data" / "postmaster.pid").read_text().split()[0])

    def run(self, *statements: str) -> None:
        """Let it do something."""
        driver = pytest.importorskip("adbc_driver_postgresql.dbapi")
        with driver.connect(self.url, autocommit=True) as connection, connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)

    def ingest(self, name: str, table: pl.DataFrame) -> None:
        """Make a table of a frame."""
        driver = pytest.importorskip("adbc_driver_postgresql.dbapi")
        with driver.connect(self.url, autocommit=True) as connection, connection.cursor() as cursor:
            cursor.adbc_ingest(name, table.to_arrow(), mode="replace")

    def kill(self) -> None:
        """End all of its processes at once, as a machine that loses its power does."""
        first = self.pid
        children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
        for pid in (first, *map(int, children)):
            os.kill(pid, signal.SIGKILL)
        for pid in (first, *map(int, children)):
            while runs(pid):
                time.sleep(0.01)

    def start(self) -> None:
        """Start it, or start it again."""
        for left in (self.folder / "data" / "postmaster.pid", *self.folder.glob(".s.PGSQL.*")):
            left.unlink(missing_ok=True)
        settings = {
            "listen_addresses": "127.0.0.1",
            "unix_socket_directories": str(self.folder),
            "port": str(self.port),
            "fsync": "off",
            "shared_buffers": "16MB",
            "max_connections": "10",
        }
        options = " ".join(f"-c {name}={value}" for name, value in settings.items())
        log = str(self.folder / "log")
        as_nobody(self.folder, "pg_ctl", "-D", str(self.folder / "data"), "-w", "-l", log, "-o", options, "start")

    def stop(self) -> None:
        """Stop it, whatever it does."""
        if (self.folder / "data" / "postmaster.pid").exists() and runs(self.pid):
            as_nobody(self.folder, "pg_ctl", "-D", str(self.folder / "data"), "-w", "-m", "immediate", "stop")


def runs(pid: int) -> bool:
    """Whether a process is there, and not only waits to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def as_nobody(folder: Path, program: str, *words: str) -> None:
    """Run a program of PostgreSQL, which refuses root: then as somebody who may do nothing else."""
    here = shutil.which(program) or str(BINARIES[0] / program)
    somebody: dict[str, Any] = {} if os.geteuid() else {"user": NOBODY, "group": NOBODY, "extra_groups": ()}
    done = subprocess.run([here, *words], cwd=folder, stdout=subprocess.DEVNULL, **somebody)
    assert done.returncode == 0, (
        f"{program} failed: {(folder / 'log').read_text() if (folder / 'log').exists() else ''}"
    )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of one's own, where PostgreSQL is installed; otherwise the test is skipped, and says why."""
    if os.name != "posix":
        pytest.skip("the server is started as POSIX does")
    if not (BINARIES or shutil.which("initdb")):
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql brings it)")
    pytest.importorskip("adbc_driver_postgresql.dbapi")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    folder = Path(tempfile.mkdtemp(prefix="recprune-pg-", dir="/tmp"))  # a socket's path is short
    try:
        (folder / "password").write_text(PASSWORD)
        if not os.geteuid():
            os.chown(folder, NOBODY, NOBODY)
            os.chown(folder / "password", NOBODY, NOBODY)
        data = str(folder / "data")
        how = ("--auth-local=trust", "--auth-host=scram-sha-256", "--encoding=UTF8", "--locale=C", "-N", "-U", "ann")
        as_nobody(folder, "initdb", "-D", data, *how, f"--pwfile={folder / 'password'}")
        server = Server(folder, port)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def parquet_of() -> Callable[..., bytes]:
    """Makes the bytes of a Parquet file of these columns."""

    def made(**columns: list[Any]) -> bytes:
        out = io.BytesIO()
        pl.DataFrame(columns).write_parquet(out)
        return out.getvalue()

    return made


@pytest.fixture
def in_sqlite(tmp_path: Path) -> Made:
    """Makes a SQLite file of these tables."""
    return lambda tables: sqlite_of(tmp_path / "log.db", tables)


@pytest.fixture
def in_duckdb(tmp_path: Path) -> Made:
    """Makes a DuckDB file of these tables."""
    return lambda tables: duckdb_of(tmp_path / "log.duckdb", tables)


def sqlite_of(path: Path, tables: Mapping[str, pl.DataFrame]) -> Path:
    """A SQLite file with these tables."""
    connection = sqlite3.connect(path)
    for name, table in tables.items():
        columns = ", ".join(quoted(column) for column in table.columns)
        connection.execute(f"CREATE TABLE {quoted(name)} ({columns})")
        marks = ", ".join("?" * table.width)
        connection.executemany(f"INSERT INTO {quoted(name)} VALUES ({marks})", table.rows())
    connection.commit()
    connection.close()
    return path


def duckdb_of(path: Path, tables: Mapping[str, pl.DataFrame]) -> Path:
    """A DuckDB file with these tables."""
    duckdb = pytest.importorskip("duckdb")
    connection = duckdb.connect(str(path))
    for name, table in tables.items():
        connection.register("given", table.to_arrow())
        connection.execute(f"CREATE TABLE {quoted(name)} AS SELECT * FROM given")
        connection.unregister("given")
    connection.close()
    return path


def quoted(name: str) -> str:
    """A name in SQL."""
    return '"' + name.replace('"', '""') + '"'
