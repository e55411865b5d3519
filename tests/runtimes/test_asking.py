"""Whether a runtime answers as the model does."""

import numpy as np
import pytest

from recprune.errors import ExtensionError
from recprune.runtimes.asking import agree
from recprune.runtimes.eager import eager


def test_the_model_agrees_with_itself(mixed, trained, asked):
    model = trained("deepfm", mixed)
    columns = asked(model, mixed)
    agree(model, eager(model, columns), columns)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda y: y + np.float32(0.01), "from the model's"),
        (lambda y: np.append(y, y[-1]), "numbers"),
        (lambda y: y * np.float32(np.nan), "nan from the model's"),
        (lambda y: y if len(y) > 1 else y + 1, "from the model's"),
        (lambda y: 1 / 0, "it fails with 60 rows: ZeroDivisionError"),
    ],
)
def test_other_answers_are_no_answers(change, said, mixed, trained, asked):
    model = trained("lr", mixed)
    columns = asked(model, mixed)
    run = eager(model, columns)
    with pytest.raises(ExtensionError, match=said):
        agree(model, lambda some: change(run(some)), columns)
