import socket
import sys
from dataclasses import fields

import pytest
from typer.testing import CliRunner

from recprune import artifact
from recprune.cli import app
from recprune.cli._serving import Caps
from recprune.errors import DataError
from recprune.models.build import build
from recprune.serving.limits import Limits
from recprune.testing import tiny_split

RUNNER, APP = CliRunner(), app()


def call(*arguments, env=None):
    return RUNNER.invoke(APP, ["serve", *map(str, arguments)], env={"RECPRUNE_TOKEN": None, **(env or {})})


def refused(done, *words):
    assert done.exit_code == 2, done.output
    for word in words:
        assert word in done.stderr.strip().splitlines()[-1]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    split = tiny_split()
    return artifact.save(
        tmp_path_factory.mktemp("serve") / "mf", build("mf", split, dim=4), vocabularies=split.vocabularies
    )


def test_every_limit_has_a_flag_with_its_usual_value():
    assert Caps().limits() == Limits()
    changed = Caps(**{field.name: 7 for field in fields(Caps)}).limits()
    assert {getattr(changed, field.name) for field in fields(Limits)} == {7}
    with pytest.raises(DataError):
        Caps(body_seconds=0).limits()


def test_an_address_of_others_is_refused_without_a_token(model, tmp_path):
    for host in ("0.0.0.0", "::", "some.host"):
        refused(call(model, "--host", host), "RECPRUNE_TOKEN", "--token-file")


def test_a_token_that_is_too_short_is_refused_and_not_told(model, tmp_path):
    (tmp_path / "token").write_text("swordfish")
    done = call(model, "--host", "0.0.0.0", "--token-file", tmp_path / "token")
    refused(done, "9 bytes")
    assert "swordfish" not in done.output
    refused(call(model, env={"RECPRUNE_TOKEN": "swordfish"}), "9 bytes")


def test_a_port_that_is_taken_is_said(model):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        refused(call(model, "--port", taken.getsockname()[1]), "cannot be listened at", "--port")


def test_what_is_not_installed_is_named_with_the_extra(model, monkeypatch):
    for name in [n for n in sys.modules if n.startswith("recprune.serving.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "msgspec", None)
    refused(call(model), "msgspec", "recprune[serve]")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("--engine", "cloud"), "not cloud"),
        (("--workers", 2), "of one worker"),
        (("--engine", "ray", "--threads", 0), "asked by threads"),
    ],
)
def test_where_models_run_is_said_in_full_or_refused(model, words, why):
    refused(call(model, *words), "DataError", why)
