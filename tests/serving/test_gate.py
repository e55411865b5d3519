import pytest

from recprune.errors import DataError
from recprune.serving.gate import Gate, gate_of, is_local, read_token
from recprune.serving.refusals import Refusal

TOKEN = "0123456789abcdef"


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.0.7", "example.org", "", "127.0.0.1.example.org"])
def test_an_address_of_others_needs_a_token(host):
    with pytest.raises(DataError, match="RECPRUNE_TOKEN"):
        gate_of(host, None)
    assert gate_of(host, TOKEN.encode()).closed


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "localhost", "LOCALHOST", "127.1.2.3"])
def test_this_machine_needs_none(host):
    assert not gate_of(host, None).closed
    assert is_local(host)


@pytest.mark.parametrize("header", [None, b"", b"Bearer", b"Bearer 0123456789abcdeF", b"Basic 0123456789abcdef"])
def test_another_token_is_refused(header):
    with pytest.raises(Refusal, match="unauthorized"):
        Gate(TOKEN.encode()).check_token(header)


def test_the_token_lets_in(monkeypatch):
    Gate(TOKEN.encode()).check_token(b"bearer " + TOKEN.encode())


def test_tokens_are_compared_in_constant_time(monkeypatch):
    compared = []
    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append((len(a), len(b))) or True)
    Gate(TOKEN.encode()).check_token(b"Bearer short")
    assert compared == [(32, 32)], "digests of one length, whatever was sent"


def test_a_token_is_read_from_a_file_or_the_environment(tmp_path):
    (tmp_path / "token").write_text(TOKEN + "\n")
    assert read_token(tmp_path / "token", {"RECPRUNE_TOKEN": "x"}) == TOKEN.encode()
    assert read_token(None, {"RECPRUNE_TOKEN": TOKEN}) == TOKEN.encode()
    assert read_token(None, {}) is None


@pytest.mark.parametrize("token", ["", "short", "with spaces in the middle", "x" * 4097, "é" * 16])
def test_a_token_that_is_none_is_refused_and_not_told(tmp_path, token):
    (tmp_path / "token").write_text(token)
    with pytest.raises(DataError) as caught:
        read_token(tmp_path / "token", {})
    assert not token or token not in str(caught.value)
    with pytest.raises(DataError):
        read_token(None, {"RECPRUNE_TOKEN": token})


def test_a_token_file_that_is_gone_is_said(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        read_token(tmp_path / "gone", {})
