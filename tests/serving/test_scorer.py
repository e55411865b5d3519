import numpy as np
import pytest
import torch

from recprune.data.pasts import with_pasts
from recprune.evaluation.inputs import row_inputs
from recprune.models.build import build
from recprune.serving.refusals import Refusal
from recprune.serving.scorer import Scorer
from recprune.testing import tiny_clicks, tiny_mixed


def outside(split, part, row, columns, many=()):
    """The cells of a row of a dataset, as one would send them."""
    cells = []
    for name in columns:
        value, words = part[name][row], split.vocabularies.get("item" if name == "sequence" else name)
        if name == "sequence" or name in many:
            cells.append([words.ids[code - 1] for code in value if code])
        else:
            cells.append(float(value) if words is None else words.ids[value - 1])
    return cells


def test_rows_get_the_probability_that_the_data_gives():
    split = tiny_mixed()
    split.test.columns["tags"][:] = [1, 3, 0]
    model = build("deepfm", split, dim=4).eval()
    scorer = Scorer(model, split.vocabularies, frozenset({"tags"}))
    rows = [outside(split, split.test, row, scorer.columns, ("tags",)) for row in range(9)]
    want = model(*row_inputs(model, split.test, slice(0, 9))).sigmoid()
    given, unknown = scorer.score(rows)
    assert given == pytest.approx(want.tolist(), rel=1e-5)
    assert unknown == [0] * 9


def test_a_past_is_taken_oldest_first():
    split = with_pasts(tiny_clicks(), 4)
    model = build("din", split, dim=4).eval()
    scorer = Scorer(model, split.vocabularies)
    rows = [outside(split, split.test, row, scorer.columns) for row in range(9)]
    want = model(*row_inputs(model, split.test, slice(0, 9))).sigmoid()
    assert scorer.score(rows)[0] == pytest.approx(want.tolist(), rel=1e-5)


@pytest.mark.parametrize("length", [3, 60])
def test_of_a_longer_past_as_many_items_count_as_the_model_was_trained_with(length):
    split = with_pasts(tiny_clicks(), length)
    model = build("din", split, dim=4).eval()
    torch.nn.init.normal_(model.item.weight)
    scorer = Scorer(model, split.vocabularies)
    row = outside(split, split.test, 0, scorer.columns)
    codes = torch.arange(80) % (split.train.n_items - 1) + 1
    row[scorer.columns.index("sequence")] = [split.vocabularies["item"].ids[code - 1] for code in codes]
    item, _, *others = row_inputs(model, split.test, slice(0, 1))
    want = model(item, codes[None, -length:], *others).sigmoid()
    assert scorer.score([row])[0] == pytest.approx(want.tolist(), rel=1e-5)


def test_what_is_missing_is_a_missing_value_and_not_unknown():
    split = tiny_mixed()
    scorer = Scorer(build("deepfm", split, dim=4).eval(), split.vocabularies, frozenset({"tags"}))
    given, unknown = scorer.score([[None] * len(scorer.columns)])
    assert unknown == [0]
    assert np.isfinite(given).all()


def test_a_number_that_the_model_cannot_hold_is_refused():
    split = tiny_mixed()
    scorer = Scorer(build("deepfm", split, dim=4).eval(), split.vocabularies, frozenset({"tags"}))
    row = [1e39 if scorer.kind(name) == "number" else None for name in scorer.columns]
    with pytest.raises(Refusal, match="number_out_of_range"):
        scorer.score([row])


def test_a_model_that_gives_nan_gives_no_probability():
    split = tiny_clicks()
    model = build("lr", split).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.fill_(torch.nan)
    with pytest.raises(ArithmeticError):
        Scorer(model, split.vocabularies).score([[None] * 4])
