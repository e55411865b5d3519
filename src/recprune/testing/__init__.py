"""Contract checks and tiny data makers, shipped, so that other people can check their own rules and models.

Each check raises AssertionError with a sentence that says what does not hold; no test framework is needed.

>>> check_rule(MyRule())
>>> check_model(MyModel(17), tiny_split())
>>> check_format(my_format, tmp_path, Sample({"log.txt": b"u i\\n"}, "log.txt", rows=1))
"""

from recprune.testing.cases import Case, tiny_cases, tiny_factors, tiny_fields, tiny_item_item, tiny_mlp
from recprune.testing.data import tiny_clicks, tiny_mixed, tiny_split
from recprune.testing.encodings import check_encoding
from recprune.testing.formats import Sample, check_format
from recprune.testing.models import check_model
from recprune.testing.rules import check_rule
from recprune.testing.runtimes import check_runtime
from recprune.testing.structures import check_structure

__all__ = [
    "Case",
    "Sample",
    "check_encoding",
    "check_format",
    "check_model",
    "check_rule",
    "check_runtime",
    "check_structure",
    "tiny_cases",
    "tiny_clicks",
    "tiny_factors",
    "tiny_fields",
    "tiny_item_item",
    "tiny_mixed",
    "tiny_mlp",
    "tiny_split",
]
