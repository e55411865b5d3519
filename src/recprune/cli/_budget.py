"""Options that say how much leaves, by which rule, and how what stays is stored."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, ClassVar

import typer

from recprune.errors import BudgetError

if TYPE_CHECKING:
    from recprune.planning.budget import Budget, MaxDrop

__all__ = ["BudgetOptions", "read_bytes", "read_drop"]

UNITS = {"": 1, "b": 1, "kb": 10**3, "mb": 10**6, "gb": 10**9, "kib": 2**10, "mib": 2**20, "gib": 2**30}


@dataclass(frozen=True, slots=True)
class BudgetOptions:
    """How much leaves: one of factor, bytes, ms and max-drop."""

    HEADING: ClassVar[str] = "What leaves"

    factor: Annotated[
        float | None, typer.Option("--factor", help="Share of the parameters to remove, 0 (none) to 1. Default: 0.5.")
    ] = None
    bytes: Annotated[
        str | None,
        typer.Option("--bytes", metavar="SIZE", help="Most bytes of the weights file, as in 2MB or 300KiB."),
    ] = None
    ms: Annotated[float | None, typer.Option("--ms", help="Most milliseconds of a request, measured here.")] = None
    rows: Annotated[int, typer.Option("--rows", min=1, help="Users or rows of a request that --ms is about.")] = 1
    max_drop: Annotated[
        str | None,
        typer.Option(
            "--max-drop",
            metavar="METRIC=SHARE",
            help="Smallest model that loses no more on validation, as in ndcg@20=0.5% (for `run`).",
        ),
    ] = None
    encoding: Annotated[
        list[str] | None,
        typer.Option(
            "--encoding",
            help="How what stays may be stored, as in int8_rows; repeat for more. Default: with --bytes and --max-drop "
            "what pays, else floats. The word none: floats.",
        ),
    ] = None
    rule: Annotated[
        str | None, typer.Option("--rule", help="A rule's name, or package.module:Name. Default: what suits the model.")
    ] = None
    kind: Annotated[
        list[str] | None, typer.Option("--kind", help="Kind of unit that may leave; repeat for more. Default: all.")
    ] = None
    site: Annotated[list[str] | None, typer.Option("--site", help="Only this site; repeat for more.")] = None
    floor: Annotated[int, typer.Option("--floor", help="Fewest units that a site keeps.")] = 1
    keep: Annotated[
        float | None,
        typer.Option("--keep", help="Smallest share of a site's units that stays. Default: half of what stays."),
    ] = None
    multiple: Annotated[int, typer.Option("--multiple", help="Kept widths are divisible by this.")] = 1

    @property
    def encodings(self) -> tuple[str, ...] | None:
        """Names that were said; none at all is None."""
        if self.encoding is None:
            return None
        return () if self.encoding == ["none"] else tuple(self.encoding)

    def budget(self) -> Budget:
        """The budget. Raises BudgetError for a number out of range or a kind that there is not."""
        from recprune.planning.budget import Budget
        from recprune.recipe.pruned import usual_budget
        from recprune.tracing.site import Kind

        for name in self.kind or ():
            if name not in list(Kind):
                raise BudgetError(f"no kind {name!r}; there are: {', '.join(Kind)}", kind=name)
        kinds = frozenset(Kind(name) for name in self.kind) if self.kind else frozenset(Kind)
        asked = {"--factor": self.factor, "--bytes": self.bytes, "--ms": self.ms, "--max-drop": self.max_drop}
        said = [flag for flag, value in asked.items() if value is not None]
        if len(said) > 1:
            raise BudgetError(f"{' and '.join(said)} were said, and a budget is one of {', '.join(asked)}", said=said)
        factor = self.factor if said else 0.5
        keep = usual_budget(factor).keep if factor is not None else 0.5 if self.max_drop else 0.0
        return Budget(
            factor,
            self.floor,
            self.multiple,
            kinds,
            frozenset(self.site or ()),
            keep if self.keep is None else self.keep,
            None if self.bytes is None else read_bytes(self.bytes),
            self.ms,
            None if self.max_drop is None else read_drop(self.max_drop),
            self.rows,
        )


def read_bytes(text: str, option: str = "--bytes") -> int:
    """Bytes of a size such as "2MB", "300 KiB" or "4096". Raises BudgetError for another text."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-zA-Z]*)\s*", text, re.ASCII)
    if found is None or found[2].lower() not in UNITS:
        raise BudgetError(f"{option} {text!r} is no size; write it as 2MB, 300KiB or 4096", bytes=text)
    return int(float(found[1]) * UNITS[found[2].lower()])


def read_drop(text: str) -> MaxDrop:
    """What may be lost, "ndcg@20=0.5%" or "auc=0.001". Raises BudgetError for another text."""
    from recprune.planning.budget import MaxDrop

    found = re.fullmatch(r"\s*([\w@]+)\s*=\s*(\d+(?:\.\d+)?(?:e-?\d+)?)\s*(%?)\s*", text, re.ASCII)
    if found is None:
        raise BudgetError(f"--max-drop {text!r} is not METRIC=SHARE; write it as ndcg@20=0.5%", max_drop=text)
    return MaxDrop(found[1], float(found[2]) / (100 if found[3] else 1))
