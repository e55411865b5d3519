"""Plan: what stays, of which model, by which rule. Plain data: look at it, diff it, keep it."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recprune.encodings.folded import folded_norms
from recprune.encodings.spelled import Encoding
from recprune.errors import PlanError
from recprune.plain_json import read_json
from recprune.planning.account import Account, account, packed
from recprune.planning.budget import Budget
from recprune.planning.file_size import file_size, planned_facts
from recprune.planning.sized import sized
from recprune.tracing.site import Absent, Cut, Kind, Site, Survey

__all__ = ["Plan"]

_FORMAT = 1
_RUNS = 64
_PIECE = 1 << 17
LARGEST = 1 << 31
"""Units of a site: ids have codes of 32 bits."""
MANY = 1 << 28
"""Units that stay, of all sites together, where nobody knows better."""


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """kept: site -> units that stay (int64, ascending); a site that is not named stays whole.
    encodings: tensor -> the encoding that stores what stays of it: "item_item" or "item_bytes" where entries leave, or
    any that `pack` takes, as in "int4_rows" or "top_entries(k=8)"; "folded" for all tensors of a batch norm that goes
    into the layer before it; for the values of a sparse matrix "item_bytes",
    "pair_bits" or "pair_gaps", which is told its bytes here (`sized`).
    rule: what scored the units, as one would write it.
    Raises PlanError where `kept` names no site, or units that a site does not have, or `encodings` no tensor.
    """

    survey: Survey
    kept: Mapping[str, NDArray[np.int64]]
    budget: Budget
    rule: str = ""
    encodings: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        sizes = {site.name: site.size for site in self.survey.sites}
        whole = {name: _whole_numbers(name, units) for name, units in self.kept.items()}
        object.__setattr__(self, "kept", whole)
        for name, units in self.kept.items():
            if name not in sizes:
                raise PlanError(f"no site {name!r} in this survey; there are: {', '.join(sizes)}", site=name)
            if len(units) and (units[0] < 0 or units[-1] >= sizes[name] or bool((np.diff(units) <= 0).any())):
                raise PlanError(f"site {name!r}: units must ascend within 0..{sizes[name] - 1}", site=name)
        for tensor, text in self.encodings.items():
            if tensor not in self.survey.shapes or not isinstance(text, str):
                raise PlanError(f"encoding {text!r} of {tensor!r}: no such tensor in this survey", tensor=tensor)
        object.__setattr__(self, "encodings", sized(self.survey, self.encodings, whole))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Plan) and self.to_json() == other.to_json()

    def __hash__(self) -> int:
        return hash(self.to_json())

    def units(self, site: Site) -> NDArray[np.int64]:
        """The units of a site that stay."""
        return self.kept.get(site.name, np.arange(site.size, dtype=np.int64))

    def leaving(self, site: Site) -> NDArray[np.int64]:
        """The units of a site that leave."""
        leaves = np.ones(site.size, dtype=np.bool_)
        leaves[self.units(site)] = False
        return np.flatnonzero(leaves)

    def account(self) -> Account:
        """Parameters and bytes before and after, exact, from shapes alone."""
        return account(self.survey, self.kept, self.encodings)

    def packed(self) -> dict[str, Encoding]:
        """Tensor -> the encoding of what stays of it, for tensors that are packed once the cuts are made.

        Raises PlanError where an encoding does not go with entries that leave, ExtensionError for an unknown one.
        """
        return packed(self.survey, self.kept, self.encodings)

    def folded(self) -> tuple[str, ...]:
        """Paths of the batch norms that go into the layers before them where weights are packed."""
        return folded_norms(self.encodings)

    def meets(self, budget: Budget) -> bool:
        """Whether as much leaves as a budget asks for, in parameters or bytes; False for one that is measured."""
        if budget.factor is not None:
            account = self.account()
            return account.parameters_after <= (1 - budget.factor) * account.parameters_before + 1e-9
        return budget.bytes is not None and self.file_bytes() <= budget.bytes

    def file_bytes(self) -> int:
        """Bytes of the weights file that an artifact of the smaller model has: its tensors and a header."""
        left = {row.tensor: (row.after, row.entries_after) for row in self.account().rows}
        some = {name: str(encoding) for name, encoding in self.packed().items()}
        return file_size(planned_facts(self.survey, left, {**self.encodings, **some}))

    def size_budget(self) -> Budget:
        """The budget from shapes alone: as it was said, or, where it had to be measured, the share that leaves.

        The `keep` of an allowed loss is a share of what stays, for it is held at every step on the way.
        """
        if self.budget.factor is not None or self.budget.bytes is not None:
            return self.budget
        share, keep = self.account().share_removed, self.budget.keep
        keep = keep * (1 - share) if self.budget.max_drop is not None else keep
        return replace(self.budget, factor=share, keep=keep, milliseconds=None, max_drop=None)

    def to_json(self, *, indent: int | None = 1) -> str:
        """The whole plan as text, with indent=None in one line; `Plan.from_json` gives it back."""
        kept = {s.name: _write(self.kept[s.name], s.size) for s in self.survey.sites if s.name in self.kept}
        content = {
            "format": _FORMAT,
            "rule": self.rule,
            "budget": self.budget.to_dict(),
            "kept": kept,
            "encodings": dict(self.encodings),
            "survey": _survey_to_dict(self.survey),
        }
        return json.dumps(content, indent=indent, separators=(",", ": ") if indent else (",", ":"))

    @classmethod
    def from_json(cls, text: str, most: int = MANY) -> Plan:
        """Read a plan back. most: units that may stay, of all its sites together, so that a small text takes no large
        memory. Raises PlanError for text that is no plan."""
        try:
            content = read_json(text)
            if content["format"] != _FORMAT:
                raise PlanError(f"plan format {content['format']!r} is not {_FORMAT}: written by another version")
            survey = _survey_from_dict(content["survey"])
            sizes = {site.name: site.size for site in survey.sites}
            if any(type(size) is not int or not 0 <= size <= LARGEST for size in sizes.values()):
                raise PlanError(f"a site has no number of units, or more than {LARGEST:,}")
            kept = {}
            for name, value in content["kept"].items():
                kept[name] = _read(value, sizes[name], most)
                most -= len(kept[name])
            return cls(
                survey, kept, Budget.from_dict(content["budget"]), str(content["rule"]), dict(content["encodings"])
            )
        except (KeyError, TypeError, ValueError, AttributeError, zlib.error) as error:
            if isinstance(error, PlanError):
                raise
            raise PlanError(
                f"this is not a plan: {type(error).__name__} {error}; `recprune plan` writes one"
            ) from error


def _whole_numbers(name: str, units: Any) -> NDArray[np.int64]:
    """Units as they are held. Raises PlanError where they are not a list of whole numbers."""
    found = np.asarray(units)
    if found.ndim != 1 or (found.size and found.dtype.kind not in "iu"):
        told = f"{found.dtype} of shape {found.shape}"
        raise PlanError(f"site {name!r}: units are a list of whole numbers, not {told}", site=name)
    return found.astype(np.int64, copy=False)


def _write(units: NDArray[np.int64], size: int) -> str:
    """Runs of units, as a person reads them; a bit a unit where there are more than `_RUNS` of them."""
    if not len(units):
        return ""
    breaks = np.flatnonzero(np.diff(units) > 1)
    firsts, lasts = units[np.r_[0, breaks + 1]], units[np.r_[breaks, len(units) - 1]]
    if len(firsts) <= _RUNS:
        return ",".join(f"{a}-{b}" if b > a else f"{a}" for a, b in zip(firsts, lasts, strict=True))
    mask = np.zeros(size, dtype=np.bool_)
    mask[units] = True
    return "bits:" + base64.b64encode(zlib.compress(np.packbits(mask).tobytes(), 9)).decode()


def _read(text: str, size: int, most: int) -> NDArray[np.int64]:
    if text.startswith("bits:"):
        return _of_bits(text[5:], size, most)
    runs = [(int(first), int(last or first)) for first, _, last in (p.partition("-") for p in text.split(",") if p)]
    if any(last >= size for _, last in runs):
        raise PlanError(f"units reach beyond the site's size {size}")
    if any(first <= last for (_, last), (first, _) in pairwise(runs)) or any(first > last for first, last in runs):
        raise PlanError("the units of a site do not rise")
    _refuse_more(sum(last - first + 1 for first, last in runs), most)
    parts = [np.arange(first, last + 1, dtype=np.int64) for first, last in runs]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.int64)


def _of_bits(text: str, size: int, most: int) -> NDArray[np.int64]:
    expected = (size + 7) // 8
    packed = zlib.decompressobj().decompress(base64.b64decode(text, validate=True), expected + 1)
    if len(packed) != expected:
        raise PlanError("the bits of a site do not match its size")
    pieces = [np.frombuffer(packed, np.uint8, min(_PIECE, expected - at), at) for at in range(0, expected, _PIECE)]
    _refuse_more(sum(int(np.bitwise_count(piece).sum()) for piece in pieces), most)
    ones = [np.flatnonzero(np.unpackbits(piece)) + 8 * _PIECE * number for number, piece in enumerate(pieces)]
    units = np.concatenate(ones).astype(np.int64) if ones else np.empty(0, dtype=np.int64)
    return units[units < size]


def _refuse_more(units: int, most: int) -> None:
    if units > most:
        raise PlanError(f"{units:,} units stay, which is more than there can be")


def _survey_to_dict(survey: Survey) -> dict[str, Any]:
    sites = [
        {
            "name": s.name,
            "kind": s.kind,
            "size": s.size,
            "column": s.column,
            "fallback": s.fallback,
            "cuts": [[c.tensor, c.dim, c.start, c.width] for c in s.cuts],
            "averaged": [[c.tensor, c.dim, c.start, c.width] for c in s.averaged],
            "attributes": list(s.attributes),
            "rescaled": list(s.rescaled),
            "also": list(s.also),
            "absent": None if s.absent is None else asdict(s.absent),
            "matrix": None if s.matrix is None else list(s.matrix),
            "answers": [[c.tensor, c.dim, c.start, c.width] for c in s.answers],
        }
        for s in survey.sites
    ]
    return {
        "fingerprint": survey.fingerprint,
        "sites": sites,
        "tensors": {n: [list(shape), survey.bytes_per_entry[n]] for n, shape in survey.shapes.items()},
        "types": dict(survey.types),
        "features": sorted(survey.features),
        "buffers": sorted(survey.buffers),
        "pointers": dict(survey.pointers),
        "columns": list(survey.columns),
        "whole": dict(survey.whole),
    }


def _survey_from_dict(content: Mapping[str, Any]) -> Survey:
    sites = tuple(
        Site(
            s["name"],
            Kind(s["kind"]),
            s["size"],
            tuple(Cut(t, d, start, width) for t, d, start, width in s["cuts"]),
            None if s["column"] is None else _text(s["column"]),
            s["fallback"],
            tuple(Cut(t, d, start, width) for t, d, start, width in s["averaged"]),
            tuple(s["attributes"]),
            tuple(s["rescaled"]),
            tuple(map(_text, s.get("also", ()))),
            _absent_from_dict(s.get("absent")),
            _matrix_from_list(s.get("matrix")),
            tuple(Cut(t, d, start, width) for t, d, start, width in s.get("answers", ())),
        )
        for s in content["sites"]
    )
    tensors = content["tensors"]
    return Survey(
        sites,
        {n: tuple(shape) for n, (shape, _) in tensors.items()},
        {n: width for n, (_, width) in tensors.items()},
        dict(content["whole"]),
        content["fingerprint"],
        frozenset(content["features"]),
        frozenset(content["buffers"]),
        dict(content["pointers"]),
        tuple(content.get("columns", ())),
        dict(content.get("types", {})),
    )


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"a name of a column is a text, not {value!r}")
    return value


def _matrix_from_list(content: Sequence[int] | None) -> tuple[int, int] | None:
    if content is None:
        return None
    rows, columns = content
    return int(rows), int(columns)


def _absent_from_dict(content: Mapping[str, Any] | None) -> Absent | None:
    if content is None:
        return None
    path, keys, shape, like = (tuple(content[name]) for name in ("path", "keys", "shape", "like"))
    return Absent(path, keys, shape, like, str(content["dtype"]))
