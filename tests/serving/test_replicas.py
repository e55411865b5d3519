"""Models that run in replicas: whoever asks sees no difference, down to the bytes."""

import importlib.util
import json

import pytest

NEEDED = ("ray", "grpc_reflection")


@pytest.fixture(scope="module")
def pair(shop, tools):
    """The same server twice; of the second one the models run in two replicas."""
    if any(importlib.util.find_spec(name) is None for name in NEEDED):
        pytest.skip("Ray Serve is not installed: pip install 'recprune[rayserve]'")
    words = (shop / "small", "--data", shop / "prepared", "--against", shop / "mf", "--max-body", 2000, "--max-k", 15)
    here, there = tools.Child(*words), tools.Child(*words, "--engine", "ray", "--workers", 2)
    yield here, there
    for one in (here, there):
        assert one.end()[0] == 0, "".join(one.log)


ASKED = [
    ("POST", "/recommend", {"user": "u1"}),
    ("POST", "/recommend", {"user": "u3", "k": 9}),
    ("POST", "/recommend", {"user": "u25", "k": 3}),
    ("POST", "/recommend", {"history": ["i2", "i3", "i1"], "k": 4, "exclude": ["i6"]}),
    ("POST", "/against", {"user": "u2", "k": 5}),
    ("POST", "/recommend", {"user": "nobody"}),
    ("POST", "/recommend", {"history": ["nothing"]}),
    ("POST", "/recommend", {"user": "u1", "k": 16}),
    ("POST", "/recommend", {"user": "u1", "history": []}),
    ("POST", "/recommend", {"exclude": ["i"] * 1000, "user": "u1"}),
    ("POST", "/recommend", {"user": 1}),
    ("POST", "/score", {"rows": []}),
    ("GET", "/recommend", {}),
    ("GET", "/about", {}),
    ("GET", "/openapi.json", {}),
    ("GET", "/healthz", {}),
    ("GET", "/", {}),
    ("DELETE", "/about", {}),
]


def told(child, tools, data):
    with child.raw(data) as connection:
        found = tools.answer(connection)
    return found.status, {name: value for name, value in found.headers.items() if name != "date"}, found.body


def test_answers_and_refusals_are_the_same_to_the_byte(pair, tools):
    statuses = []
    for method, path, body in ASKED:
        data = tools.request(method, path, json.dumps(body).encode() if method == "POST" else b"")
        here, there = (told(one, tools, data) for one in pair)
        assert here == there, (method, path, body)
        statuses.append(here[0])
    assert statuses[:5] == [200] * 5
    assert {404, 405, 413, 422} <= set(statuses)


def test_limits_of_a_connection_and_the_gate_are_the_same(pair, tools):
    for data in (
        b"NONSENSE\r\n\r\n",
        tools.request("GET", "/about", b"", "X-Long: " + "a" * 20_000),
        tools.request("GET", "/about").replace(b"localhost", b"elsewhere"),
        tools.request("POST", "/recommend", b"{"),
    ):
        here, there = (told(one, tools, data) for one in pair)
        assert here == there
        assert here[0] >= 400


def test_everything_listens_on_loopback_alone(pair):
    psutil = pytest.importorskip("psutil")
    listening = [
        connection.laddr.ip
        for process in psutil.Process(pair[1].process.pid).children(recursive=True)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert len(listening) > 5
    assert all(ip.removeprefix("::ffff:").startswith("127.") or ip == "::1" for ip in listening), listening


def test_a_model_that_is_loaded_again_answers_from_new_replicas(pair, tools):
    import signal

    data = tools.request("POST", "/recommend", b'{"user": "u1"}')
    before = told(pair[1], tools, data)
    pair[1].tell(signal.SIGHUP)
    pair[1].hears("the new model serves")
    assert told(pair[1], tools, data) == before
