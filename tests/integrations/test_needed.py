"""What is not installed is named, with the extra that brings it."""

import json
import subprocess
import sys

import pytest

from recprune.errors import ExtensionError
from recprune.integrations.needed import needed


def test_what_is_there_is_given():
    assert needed("json", "any") is json


def test_what_is_not_there_is_named_with_its_extra():
    with pytest.raises(ExtensionError, match=r"pip install 'recprune\[lightning\]'") as caught:
        needed("no_such_package_anywhere", "lightning")
    assert caught.value.name == "no_such_package_anywhere"


def test_nothing_of_an_extra_is_imported_before_it_is_asked_for():
    ours = ("scikit_learn", "shrinker", "hub", "frames", "configs", "mlflow", "tensorboard")
    extras = {"lightning", "mlflow", "tensorboard", "yaml", "huggingface_hub"}  # scikit-learn itself looks for pandas
    code = f"import sys, {', '.join(f'recprune.integrations.{name}' for name in ours)}"
    code += f"; print(sorted({extras!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_street_starts_without_what_takes_long_to_import():
    slow = {"scipy.stats", "pandas", "sympy", "onnx", "onnxruntime", "matplotlib", "torch._dynamo"}
    code = f"import sys, recprune.recipe.prune, recprune.evaluation.seeds; print(sorted({slow!r} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
