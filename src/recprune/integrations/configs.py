"""prepare_config(): a configuration of RecBole or FuxiCTR and its data folder become a prepared split."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from recprune.data.dataset import Roles
from recprune.errors import DataError, RecpruneError
from recprune.integrations import fuxictr, recbole
from recprune.integrations.yaml_file import read_yaml
from recprune.recipe.prepare import Prepared
from recprune.recipe.stages import Stage, silent

__all__ = ["FromConfig", "prepare_config"]


@dataclass(frozen=True, slots=True, eq=False)
class FromConfig:
    """tool: "recbole" or "fuxictr". roles: which column plays which part. unread: settings that say nothing about data
    here, or that recprune does otherwise."""

    tool: str
    prepared: Prepared
    roles: Roles
    unread: tuple[str, ...]


def prepare_config(
    config: str | Path, folder: str | Path | None = None, dataset: str | None = None, *, stage: Stage = silent
) -> FromConfig:
    """Read a YAML configuration, and clean, encode and split the data as it says. Nothing of it is executed.

    folder: where the data lies, if not where the configuration says (seen from its own folder). dataset: which one of
    a FuxiCTR configuration, where it names several. docs/fits_in.md tells which settings are read.
    Raises DataError for a configuration of neither, for settings that would part or filter the data in a way that
    recprune has not, and for data that is not there.
    """
    path = Path(config)
    said = read_yaml(path)
    place = None if folder is None else Path(folder)
    if dataset is not None or any(isinstance(part, dict) and "feature_cols" in part for part in said.values()):
        tool = "fuxictr"
    elif {"dataset", "load_col", "USER_ID_FIELD", "eval_args", "data_path"} & said.keys():
        tool = "recbole"
    else:
        raise DataError(
            f"{path} is a configuration of neither RecBole (dataset, load_col, eval_args, ...) nor FuxiCTR (a data set "
            "with feature_cols)",
            path=str(path),
        )
    with _told(path):
        found = fuxictr.read(path, said, place, dataset) if tool == "fuxictr" else recbole.read(path, said, place)
    return FromConfig(tool, found.prepare(stage), found.log.roles, found.unread)


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What comes of a setting that is a list instead of a mapping, and its like, as a DataError."""
    try:
        yield
    except RecpruneError:
        raise
    except (AttributeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        raise DataError(
            f"{path}: a setting holds something else than is expected there ({type(error).__name__}: {error})",
            path=str(path),
        ) from error
