"""Each check notices what it is there for: things that break a contract, one promise at a time."""

import sys
import types
from pathlib import Path

import polars as pl
import pytest
import torch
from torch import nn

from recprune.data.dataset import Roles
from recprune.data.log import Log, Rejected
from recprune.encodings import fp16, int8_rows, item_item
from recprune.errors import DataError, ExtensionError, SurveyError
from recprune.importance.rules.magnitude import Magnitude
from recprune.models.mf import MF
from recprune.testing import (
    Sample,
    check_encoding,
    check_format,
    check_model,
    check_rule,
    check_runtime,
    check_structure,
    tiny_split,
)


def wrong_shape(site, probe):
    return torch.zeros(site.size, 1)


def not_finite(site, probe):
    return Magnitude()(site, probe) / 0


def whole_numbers(site, probe):
    return torch.ones(site.size, dtype=torch.int64)


def other_each_time(site, probe):
    return torch.rand(site.size)


def favours_the_first(site, probe):
    return Magnitude()(site, probe) * torch.arange(1, site.size + 1)


def changes_the_model(site, probe):
    next(probe.model.parameters()).data.add_(1)
    return torch.ones(site.size)


def leaves_training_off(site, probe):
    probe.model.eval()
    return torch.ones(site.size)


def refuses_all(site, probe):
    raise SurveyError(f"not {site.name}")


def refuses_without_a_name(site, probe):
    raise SurveyError("no")


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (wrong_shape, "shape"),
        (not_finite, "not finite"),
        (whole_numbers, "floating"),
        (other_each_time, "asked twice"),
        (favours_the_first, "renumbered"),
        (changes_the_model, "is not what it was"),
        (leaves_training_off, "training flag"),
        (refuses_all, "every kind"),
        (refuses_without_a_name, "does not name the site"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_rule_that_breaks_a_promise_is_told_which(rule, said):
    with pytest.raises(AssertionError, match=said):
        check_rule(rule)


class Good(MF):
    """A model that keeps every promise; each of those below breaks one."""


class NoConfig(MF):
    @property
    def config(self):
        return None

    @config.setter
    def config(self, value):
        pass


class LooksAtOthers(MF):
    def forward(self, user):
        scores = super().forward(user)
        return scores - scores.mean(0)


class WrongWidth(MF):
    def forward(self, user):
        return super().forward(user)[:, 1:]


class Idle(MF):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.unused = nn.Parameter(torch.zeros(3))


class ColumnsAsList(MF):
    def __init__(self, *args, **options):
        super().__init__(*args, **options)
        self.columns = ["user"]


def mf(kind):
    split = tiny_split()
    return kind(split.train.n_users, split.train.n_items, 4), split


def test_a_model_that_keeps_every_promise_is_left_as_it_was():
    model, split = mf(Good)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    check_model(model, split)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert model.training


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (NoConfig, "config"),
        (LooksAtOthers, "otherwise alone"),
        (WrongWidth, "expected"),
        (Idle, "no gradient reaches"),
        (ColumnsAsList, "tuple"),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_model_that_breaks_a_promise_is_told_which(kind, said):
    with pytest.raises(AssertionError, match=said):
        check_model(*mf(kind))


def as_a_format(read):
    found = types.ModuleType("their.format")
    found.read = read
    return found


def lines_of(path, roles=None):
    """One row a line, user and item."""
    try:
        text = Path(path).read_text()
        rows = [line.split() for line in text.splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: {error}", path=path) from error
    if not rows:
        raise DataError(f"{path} is empty", path=path)
    frame = pl.DataFrame(rows, schema={"user": pl.String, "item": pl.String}, orient="row")
    return Log(frame.lazy(), roles or Roles(user="user", item="item"), Rejected(), str(path))


def forgives_empty(path, roles=None):
    """As above, and an empty file is an empty log."""
    try:
        return lines_of(path, roles)
    except DataError:
        frame = pl.DataFrame(schema={"user": pl.String, "item": pl.String})
        return Log(frame.lazy(), Roles(user="user", item="item"), Rejected(), str(path))


def hides_the_path(path, roles=None):
    """As above, and the error is silent about the file."""
    try:
        return lines_of(path, roles)
    except DataError:
        raise DataError("cannot be read") from None


def writes_beside(path, roles=None):
    """As above, with a cache."""
    log = lines_of(path, roles)
    Path(path).with_suffix(".cache").write_text("x")
    return log


TWO_LINES = Sample({"log.txt": b"a x\nb y\n"}, "log.txt", rows=2)


def test_a_format_that_keeps_every_promise_passes(tmp_path):
    check_format(as_a_format(lines_of), tmp_path, TWO_LINES)


@pytest.mark.parametrize(
    ("read", "sample", "said"),
    [
        (lambda log, roles=None: lines_of(log), None, "path and roles"),
        (forgives_empty, None, "is read as a log"),
        (hides_the_path, None, "does not name it"),
        (writes_beside, TWO_LINES, "beside its input"),
        (lines_of, Sample({"log.txt": b"a x\n"}, "log.txt", rows=2), "1 rows of the sample"),
        (lines_of, Sample({"log.txt": b"a x\n"}, "log.txt", rows=1, rejected=1), "expected 1 rows aside"),
    ],
    ids=["arguments", "empty", "nameless", "writes", "rows", "aside"],
)
def test_a_format_that_breaks_a_promise_is_told_which(read, sample, said, tmp_path):
    with pytest.raises(AssertionError, match=said):
        check_format(as_a_format(read), tmp_path, sample)


def test_an_encoding_that_counts_its_bytes_wrongly_or_decodes_another_matrix_is_told():
    short = types.ModuleType("their.encoding")
    short.__all__, short.ItemItem = ["ItemItem"], item_item.ItemItem
    short.stored_bytes = lambda shape, entries: item_item.stored_bytes(shape, entries) - 4
    with pytest.raises(AssertionError, match="stored_bytes says"):
        check_encoding(short)

    class Doubled(item_item.ItemItem):
        @classmethod
        def encode(cls, matrix, kept):
            return item_item.ItemItem.encode(2 * matrix, kept)

    short.ItemItem, short.stored_bytes = Doubled, item_item.stored_bytes
    with pytest.raises(AssertionError, match="another matrix"):
        check_encoding(short)


class Late(fp16.Fp16):
    """Forgets its last row."""

    def numbers(self, pick, dtype):
        return super().numbers(pick, dtype) * (torch.arange(len(pick(self.codes))) < len(self.codes) - 1)[:, None]


class Coarse(int8_rows.Int8Rows):
    """Promises more than it keeps."""

    @classmethod
    def bound(cls, matrix, **options):
        return super().bound(matrix) / 100


class Light(int8_rows.Int8Rows):
    """Forgets its scales."""

    @classmethod
    def stored_bytes(cls, shape, value_bytes=4, **options):
        return super().stored_bytes(shape, value_bytes) - 2 * shape[0]


class Trusting(int8_rows.Int8Rows):
    """Takes what is stored as it is."""

    @classmethod
    def rebuilt(cls, parts):
        return cls(parts)


class Shifted(int8_rows.Int8Rows):
    """Looks up the next row."""

    def rows(self, indices):
        return super().rows((indices + 1) % len(self.codes))


class Restless(int8_rows.Int8Rows):
    """Draws something."""

    @classmethod
    def coded(cls, rows, **options):
        parts = super().coded(rows)
        return {**parts, "codes": parts["codes"] + torch.randint(2, (1,)).to(torch.int8)}


class Learned(fp16.Fp16):
    """Is trained."""

    def __init__(self, parts):
        super().__init__(parts)
        self.more = nn.Parameter(torch.zeros(1))


@pytest.mark.parametrize(
    ("kind", "said"),
    [
        (Late, "further off than `bound`"),
        (Coarse, "further off than `bound`"),
        (Light, "stored_bytes says"),
        (Trusting, "rebuilt takes"),
        (Shifted, "other rows"),
        (Restless, "encoded twice"),
        (Learned, "it has parameters"),
    ],
)
def test_codes_that_break_a_promise_are_told_which(kind, said, monkeypatch):
    theirs = types.ModuleType("their_codes")
    theirs.__all__, kind.__module__ = [kind.__name__], "their_codes"
    setattr(theirs, kind.__name__, kind)
    monkeypatch.setitem(sys.modules, "their_codes", theirs)
    with pytest.raises(AssertionError, match=said):
        check_encoding(theirs)


@pytest.mark.parametrize(
    ("operations", "said"),
    [(["aten.mm.default"], "tuple"), ((), "not empty"), (("aten.mm.default",) * 2, "twice"), ((7,), "names")],
)
def test_a_structure_that_breaks_a_promise_is_told_which(operations, said):
    theirs = types.ModuleType("their.structure", "Rows may leave.")
    theirs.operations, theirs.follow = operations, lambda step: None
    with pytest.raises(AssertionError, match=said):
        check_structure(theirs)


def answers_otherwise(model, example):
    return lambda columns: columns[0].astype("float32") + 1


def answers_otherwise_each_time(model, example):
    return lambda columns: columns[0] * 2 + torch.rand(len(columns[0])).numpy() * 1e-6


def changes_what_it_runs(model, example):
    model.scale.data.add_(1e-6)
    return lambda columns: columns[0] * 2


def writes_into_columns(model, example):
    asked = []

    def run(columns):
        asked.append(len(columns[0]))
        found = columns[0] * 2
        if len(asked) > 4:  # the last time that it is asked
            columns[0][:] = 0
        return found

    return run


def refuses_without_a_word(model, example):
    raise ExtensionError("")


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, x):
        return x * self.scale


@pytest.mark.parametrize(
    ("runtime", "said"),
    [
        (answers_otherwise, "from the model's"),
        (answers_otherwise_each_time, "asked again"),
        (changes_what_it_runs, "changed \\['scale'\\]"),
        (writes_into_columns, "writes into the columns"),
        (refuses_without_a_word, "does not say why"),
    ],
)
def test_runtimes_that_break_the_contract_are_noticed(runtime, said):
    with pytest.raises(AssertionError, match=said):
        check_runtime(runtime, Twice(), (torch.rand(5),))
