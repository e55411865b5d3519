"""RecBole atomic files: `.inter`, and beside it `.user` and `.item`, tab-separated with typed headers."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from recprune.data.beside import beside
from recprune.data.dataset import Roles
from recprune.data.formats import delimited
from recprune.data.guess import guess_roles
from recprune.data.log import Log
from recprune.data.unpack import first_lines
from recprune.errors import DataError

__all__ = ["read"]

TYPES = ("token", "token_seq", "float", "float_seq")


def read(path: str | Path, roles: Roles | None = None) -> Log:
    """A log from an `.inter` file, or from the folder that holds one, with the fields of `.user` and `.item` beside it.

    Columns are called as in the header, without the type. The columns of users and items, the rating, the label and the
    time are known by their names (user_id, item_id, rating, label, timestamp and the like); every other token is a
    categorical field, token_seq a multi-valued one (parted by spaces), float a numeric one; float_seq is left out.
    Raises DataError where there is no `.inter` file, or a header has no types.
    """
    inter = inter_of(Path(path))
    named = guess_roles(list(header(inter)), [], header=True)
    if named.user is None or named.item is None:
        raise DataError(
            f"{inter}: no columns called like user_id and item_id: {', '.join(header(inter))}", path=str(inter)
        )
    log = joined(inter, named, inter)
    return replace(log, roles=roles or log.roles)


def joined(inter: Path, named: Roles, there: Path) -> Log:
    """An `.inter` file whose main columns are named, with the fields of the `.user` and `.item` beside another path.

    Rows of those that cannot be used, and further ones of the same key, are counted with those of the log.
    """
    main = {named.user, named.item, named.rating, named.label, named.time}
    log = table(inter, with_fields(named, header(inter), main))
    for suffix, key in ((".user", named.user), (".item", named.item)):
        side = there.with_suffix(suffix)
        if side.is_file():
            kinds = header(side)
            if key not in kinds:
                raise DataError(f"{side}: no column {key!r}; there are: {', '.join(kinds)}", path=str(side), column=key)
            fields = with_fields(Roles(), kinds, {key, *log.frame.collect_schema().names()})
            own = table(side, fields)
            columns = own.frame.select(key, *fields.categorical, *fields.numeric, *fields.multi)
            log = beside(log, replace(own, frame=columns), key)
            log = replace(log, roles=both(log.roles, fields, suffix))
    return log


def inter_of(path: Path) -> Path:
    """The `.inter` file. Raises DataError where there is none, or several."""
    if path.is_file():
        return path
    found = sorted(path.glob("*.inter"))
    if len(found) != 1:
        raise DataError(f"{path}: expected one .inter file, found {len(found)}; name the file", path=str(path))
    return found[0]


def header(path: Path) -> dict[str, str]:
    """Column -> type, as the first line says."""
    parts = [name.rpartition(":") for name in first_lines(path, count=1)[0].split("\t")]
    for name, _, kind in parts:
        if not name or kind not in TYPES:
            raise DataError(
                f"{path}: expected a header like user_id:token with types {', '.join(TYPES)}, found {kind!r}",
                path=str(path),
            )
    return {name: kind for name, _, kind in parts}


def table(path: Path, roles: Roles) -> Log:
    """One atomic file."""
    return delimited.read(path, roles, separator="\t", header=True, columns=list(header(path)), multi=" ")


def with_fields(roles: Roles, kinds: dict[str, str], known: set[str | None]) -> Roles:
    """The roles with every column that is not yet known as a field of its type."""
    fields = {kind: tuple(name for name, said in kinds.items() if said == kind and name not in known) for kind in TYPES}
    return replace(roles, categorical=fields["token"], numeric=fields["float"], multi=fields["token_seq"])


def both(roles: Roles, fields: Roles, suffix: str) -> Roles:
    """The roles with the fields of a side table behind their own."""
    names = (*fields.categorical, *fields.numeric, *fields.multi)
    return replace(
        roles,
        categorical=roles.categorical + fields.categorical,
        numeric=roles.numeric + fields.numeric,
        multi=roles.multi + fields.multi,
        of_user=roles.of_user + (names if suffix == ".user" else ()),
        of_item=roles.of_item + (names if suffix == ".item" else ()),
    )
