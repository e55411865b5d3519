import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from recprune import artifact
from recprune.cli import app
from recprune.data.store import save_split
from recprune.models.build import build
from recprune.testing import tiny_split

RUNNER, APP = CliRunner(), app()


@pytest.fixture(scope="module")
def at(tmp_path_factory):
    at, split = tmp_path_factory.mktemp("ui"), tiny_split()
    save_split(split, at / "prepared")
    artifact.save(at / "big", build("mf", split, dim=4), vocabularies=split.vocabularies)
    return at


def call(*arguments, env=None):
    return RUNNER.invoke(APP, ["ui", *map(str, arguments)], env={"RECPRUNE_TOKEN": None, **(env or {})})


def refused(done, *words):
    assert done.exit_code == 2, done.output
    for word in words:
        assert word in done.stderr.strip().splitlines()[-1]


def test_an_address_of_others_needs_a_token(at):
    refused(call(at / "prepared", "--model", at / "big", "--host", "0.0.0.0"), "RECPRUNE_TOKEN", "--token-file")


def test_what_does_not_go_is_said_before_it_listens(at, tmp_path):
    refused(call(at / "prepared", "--model", tmp_path), "ArtifactError", str(tmp_path))
    refused(call(at / "big", "--model", at / "prepared"), "no model")
    refused(call(at / "prepared", "--model", at / "big", "--out", at / "nowhere"), "--out")
    refused(call(at / "prepared", "--model", at / "big", "--rule", "magnitud"), "magnitude")
    refused(call(at / "prepared", "--model", at / "big", "--idle-seconds", 0), "idle_seconds")


def test_what_is_not_installed_is_named_with_the_extra(at, monkeypatch):
    for name in [n for n in sys.modules if n.startswith(("recprune.serving.", "recprune.studio."))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "msgspec", None)
    refused(call(at / "prepared", "--model", at / "big"), "msgspec", "recprune[serve]")


def test_told_to_stop_it_ends_with_0_and_says_how_many_it_answered(at):
    words = [sys.executable, "-m", "recprune", "ui", at / "prepared", "--model", at / "big", "--port", "0", "--json"]
    child = subprocess.Popen(list(map(str, words)), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while "serving http://127.0.0.1:" not in (line := child.stderr.readline()):
        assert line or child.poll() is None
        time.sleep(0)
    child.send_signal(signal.SIGINT)
    printed, _ = child.communicate(timeout=300)
    assert child.returncode == 0
    assert '"requests": 0' in printed
