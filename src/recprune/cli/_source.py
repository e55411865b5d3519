"""Options that say what a raw log is, and how it is cleaned and split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

import typer

from recprune.cli._options import settings
from recprune.errors import DataError

if TYPE_CHECKING:
    from recprune.data.dataset import Roles
    from recprune.data.log import Log
    from recprune.recipe.prepare import Columns, SplitBy
    from recprune.scale import Scale

__all__ = ["Making", "Parting", "Scaling", "Source", "named"]

EMBEDDED = Path("completejourney")
"""The word that stands for the embedded default, a package that is installed."""
SINGLE = ("user", "item", "rating", "label", "time")
SEVERAL = ("categorical", "numeric", "multi", "of_item", "of_user")


@dataclass(frozen=True, slots=True)
class Source:
    """What a raw log is: its format, and which column plays which part."""

    HEADING: ClassVar[str] = "The log"

    format: Annotated[str | None, typer.Option("--format", help="Format. Default: by name and content.")] = None
    user: Annotated[str | None, typer.Option("--user", help="Column of the users.")] = None
    item: Annotated[str | None, typer.Option("--item", help="Column of the items.")] = None
    rating: Annotated[str | None, typer.Option("--rating", help="Column of the ratings.")] = None
    label: Annotated[str | None, typer.Option("--label", help="Column of the labels, 1 or 0.")] = None
    time: Annotated[str | None, typer.Option("--time", help="Column of the times.")] = None
    categorical: Annotated[list[str] | None, typer.Option("--categorical", help="Categorical fields: a,b,…")] = None
    numeric: Annotated[list[str] | None, typer.Option("--numeric", help="Numeric fields: a,b,…")] = None
    multi: Annotated[list[str] | None, typer.Option("--multi", help="Multi-valued fields: a,b,…")] = None
    of_item: Annotated[list[str] | None, typer.Option("--of-item", help="Fields that the item has: a,b,…")] = None
    of_user: Annotated[list[str] | None, typer.Option("--of-user", help="Fields that the user has: a,b,…")] = None
    positive: Annotated[
        str | None, typer.Option("--positive", help='What counts as positive, as in "rating >= 4". Default: every row.')
    ] = None
    log: Annotated[Path | None, typer.Option("--log", help="A log.toml that says the columns' roles.")] = None
    query: Annotated[
        str | None, typer.Option("--query", help="Of a database (PostgreSQL, SQLite, DuckDB): one SELECT.")
    ] = None
    table: Annotated[
        str | None, typer.Option("--table", help="A table of it, as in log or schema.log. Default: the only one.")
    ] = None
    setting: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="Option of the format, as in separator=; or header=false."),
    ] = None

    def read(self, path: Path | str) -> Log:
        """The log at that path or URL; roles that are not said are those the format knows or guesses."""
        from recprune.data.formats import completejourney
        from recprune.data.read import read_completed

        format, roles, options = self._said()
        if path == EMBEDDED and not EMBEDDED.exists():
            return self._with_positive(completejourney.read(None, roles))
        return self._with_positive(read_completed(path, format, roles, **options))

    def in_parts(self, path: Path | str) -> dict[str, Any]:
        """What `recprune.scale.prepare_large` takes of the log at that path: how to read it in parts, or the log."""
        from recprune.data.guess import completed
        from recprune.scale.preparing.source import guessed

        format, roles, options = self._said()
        guess = guessed(path, format, **options) if path != EMBEDDED or EMBEDDED.exists() else None
        if guess is None:
            return {"source": self.read(path)}
        if roles is None:
            roles = guess
        elif not (roles.label or (roles.user and roles.item)):
            roles = completed(roles, guess)
        roles = replace(roles, positive=self.positive) if self.positive else roles
        return {"source": path, "format": format, "roles": roles, "options": options}

    def parts(self, path: Path | str) -> Mapping[str, Log]:
        """The parts in a folder whose files are named after them: train, test and perhaps valid."""
        from recprune.data.read import read_parts

        format, roles, options = self._said()
        return {name: self._with_positive(log) for name, log in read_parts(path, format, roles, **options).items()}

    def _with_positive(self, log: Log) -> Log:
        return replace(log, roles=replace(log.roles, positive=self.positive)) if self.positive else log

    def _said(self) -> tuple[str | None, Roles | None, dict[str, Any]]:
        """Format, roles (None where none was said) and options of the format; flags go before a log.toml."""
        from recprune.data.dataset import Roles
        from recprune.data.logtoml import read_log_toml

        there = read_log_toml(self.log) if self.log is not None else None
        said: dict[str, Any] = {name: value for name in SINGLE if (value := getattr(self, name)) is not None}
        several = {name: [one for part in getattr(self, name) or () for one in part.split(",")] for name in SEVERAL}
        said |= {name: tuple(value) for name, value in several.items() if value}
        start = there.roles if there is not None else None
        if self.positive and (said or start):
            said["positive"] = self.positive
        roles = replace(start or Roles(), **said) if said else start
        asked = {name: value for name in ("query", "table") if (value := getattr(self, name)) is not None}
        options = {**(there.options if there else {}), **settings(self.setting or ()), **asked}
        return self.format or (there.format if there else None), roles, options


def named(path: Path | str) -> Path | str:
    """A path, or a URL as it is. Raises DataError for one with a password in it, which is not repeated."""
    from recprune.data.address import Address, located

    there = located(path)
    return there.text if isinstance(there, Address) else there


@dataclass(frozen=True, slots=True)
class Scaling:
    """How a log is prepared that does not fit into memory."""

    HEADING: ClassVar[str] = "Larger than memory"

    engine: Annotated[
        str | None,
        typer.Option(
            "--engine",
            help="For logs larger than memory: local (this process, in parts) or ray. Default: all in memory.",
        ),
    ] = None
    workers: Annotated[int, typer.Option("--workers", min=1, help="Workers of the engine ray.")] = 1
    memory: Annotated[str, typer.Option("--memory", metavar="SIZE", help="Memory of a worker, about.")] = "1GB"
    work: Annotated[
        Path | None, typer.Option("--work", help="Folder for what lies between, seen by all workers. Default: beside.")
    ] = None

    def scale(self, parting: Parting, columns: Columns) -> Scale | None:
        """Engine, workers and memory; None where all is to be in memory. Raises DataError for what goes only there, or
        only with an engine."""
        from recprune.cli._budget import read_bytes
        from recprune.scale import Scale

        if self.engine is None:
            if self.workers != 1 or self.work is not None:
                raise DataError("--workers and --work go with an engine: add --engine ray (or local)")
            return None
        asked = {
            "--test-log": parting.test_log,
            "--split given": parting.split == "given",
            "--negatives": parting.negatives,
            "--bins": columns.bins,
            "--impute": columns.impute,
            "--pasts": columns.pasts,
            "--min-count": columns.min_count,
        }
        for option, value in asked.items():
            if value:
                raise DataError(f"{option} is made in memory only: leave out --engine, or {option}", option=option)
        return Scale(self.engine, self.workers, read_bytes(self.memory, "--memory"), self.work)


@dataclass(frozen=True, slots=True)
class Making:
    """What columns become."""

    HEADING: ClassVar[str] = "What columns become"

    bins: Annotated[
        list[str] | None,
        typer.Option(
            "--bins",
            metavar="FIELD=BINS",
            help="A numeric field in so many bins, in those of squared_log (counts), or in one for each number that "
            "train has (distinct): age=10,visits=squared_log,price=distinct.",
        ),
    ] = None
    impute: Annotated[
        bool, typer.Option("--impute", help="Missing numbers become the mean over train. Default: they stay missing.")
    ] = False
    pasts: Annotated[
        int, typer.Option("--pasts", min=0, help="Keep the items that a user had before each row, so many (for din).")
    ] = 0
    min_count: Annotated[
        int,
        typer.Option(
            "--min-count", min=0, help="Ids that train has fewer times count as unknown (of rows with a label)."
        ),
    ] = 0

    def columns(self, source: Source, path: Path | str) -> Columns:
        """What is said here, and what a log.toml (`source.log`, or the log itself) says of bins where it is not."""
        from recprune.data.logtoml import read_log_toml
        from recprune.recipe.prepare import Columns

        log = path if isinstance(path, Path) and path.suffix == ".toml" else source.log
        there = read_log_toml(log).bins if log is not None else {}
        said = settings([pair for part in self.bins or () for pair in part.split(",")], "--bins")
        return Columns({**there, **said}, self.impute, self.pasts, self.min_count)


@dataclass(frozen=True, slots=True)
class Parting:
    """How a log is cleaned and split."""

    HEADING: ClassVar[str] = "Cleaning and splitting"
    split: Annotated[
        str,
        typer.Option(
            "--split",
            help="user (last share of each user), time (one moment), last (each user's last item), random, auto.",
        ),
    ] = "auto"
    valid_share: Annotated[float, typer.Option("--valid-share", help="Share of the rows for validation.")] = 0.1
    test_share: Annotated[float, typer.Option("--test-share", help="Share of the rows for test.")] = 0.2
    test_log: Annotated[str | None, typer.Option("--test-log", help="Test rows as given, alike.")] = None
    valid_log: Annotated[str | None, typer.Option("--valid-log", help="Validation rows as given.")] = None
    negatives: Annotated[int | None, typer.Option("--negatives", min=0, help="Negatives drawn a positive.")] = None
    duplicates: Annotated[
        str | None, typer.Option("--duplicates", help="Rows of the same user and item: last, first, sum or all.")
    ] = None
    k_core: Annotated[int, typer.Option("--k-core", min=0, help="Users and items with fewer rows leave.")] = 0
    min_user: Annotated[int, typer.Option("--min-user", min=0, help="Users with fewer rows leave.")] = 0
    min_item: Annotated[int, typer.Option("--min-item", min=0, help="Items with fewer rows leave.")] = 0
    since: Annotated[str | None, typer.Option("--since", help="Rows from this time on: a number or a date.")] = None
    until: Annotated[str | None, typer.Option("--until", help="Rows before this time.")] = None

    def read(self, source: Source, path: Path | str) -> dict[str, Log]:
        """The logs that `recprune.recipe.prepare` takes: log, and test and valid where they are given."""
        if self.valid_log and not self.test_log:
            raise DataError("--valid-log needs --test-log beside it")
        if self.split == "given" and not self.test_log:
            parts = source.parts(path)
            return {"log" if name == "train" else name: log for name, log in parts.items()}
        given = {"log": path, "test": self.test_log, "valid": self.valid_log}
        return {name: source.read(named(where)) for name, where in given.items() if where is not None}

    def cleaning(self) -> dict[str, Any]:
        """The options of `clean`."""
        return {n: getattr(self, n) for n in ("duplicates", "k_core", "min_user", "min_item", "since", "until")}

    def by(self, seed: int) -> SplitBy:
        """How the parts are made. Raises DataError for what cannot be, before anything is read."""
        from recprune.recipe.prepare import SplitBy

        by = SplitBy(self.split, self.valid_share, self.test_share, seed)
        (by if self.split != "given" else replace(by, way="auto")).refuse()
        return by
