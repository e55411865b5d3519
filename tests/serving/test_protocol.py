"""Connections as hostile as they come, against a server in a thread whose limits are short."""

import contextlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import uvicorn

from recprune.data.vocabulary import Vocabulary
from recprune.serving.app import App
from recprune.serving.limits import Limits
from recprune.serving.metrics import Metrics
from recprune.serving.offer import Offer
from recprune.serving.protocol import Settings
from recprune.serving.recommender import Listed
from recprune.serving.refusals import body_of
from recprune.serving.service import Service

JSON_IN_CHUNKS = b"Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = Limits(header_seconds=0.3, body_seconds=0.3, write_seconds=0.3, connections=8, in_flight=3, headers=2048)


class Slow:
    """A model that answers when it is told to."""

    n_items, by_user, by_history = 2000, True, True

    def __init__(self):
        self.go, self.asked = threading.Event(), threading.Semaphore(0)
        self.go.set()

    def lists(self, user, history, k, exclude):
        self.asked.release()
        assert self.go.wait(60)
        return Listed(np.arange(1, k + 1), np.zeros(k, np.float32))


class Served:
    """A server in a thread."""

    def __init__(self, limits=LIMITS):
        self.model, self.metrics = Slow(), Metrics()
        words = Vocabulary("item", [f"{number}-{'x' * 90}" for number in range(1999)])
        self.workers = ThreadPoolExecutor(4)
        app = App(
            Offer(Service(self.model, words, None, words)), limits=limits, metrics=self.metrics, workers=self.workers
        )
        self.server = uvicorn.Server(Settings(app, limits, self.metrics, host="127.0.0.1", port=0))
        self.user = words.ids[0]
        self.thread = threading.Thread(target=self.server.run)
        self.thread.start()
        while not self.server.started:
            time.sleep(0.01)
        self.port = self.server.servers[0].sockets[0].getsockname()[1]

    def end(self):
        self.model.go.set()
        self.server.should_exit = True
        self.thread.join(30)
        self.workers.shutdown()
        assert not self.thread.is_alive()


@pytest.fixture(scope="module")
def served():
    made = Served()
    yield made
    made.end()


@pytest.fixture
def send(served, tools):
    """Send bytes and take what comes until the other side closes."""

    def send(data):
        with tools.raw(served.port, data) as connection:
            return tools.answer(connection)

    return send


def refused(answer, status, code):
    assert (answer.status, answer.body) == (status, body_of(code))
    assert answer.headers["connection"] == "close"


def alive(served, send, tools):
    """It answers as if nothing had been."""
    answer = send(tools.request("POST", "/recommend", json.dumps({"user": served.user, "k": 2}).encode()))
    assert answer.status == 200
    return True


@pytest.mark.parametrize("start", [b"", b"P", b"POST /recommend HTTP/1.1\r\nHost: local", b"GET / HTTP/1.1\r\n"])
def test_headers_that_do_not_come_are_waited_for_only_so_long(send, start):
    refused(send(start), 408, "timeout")


def test_a_body_that_does_not_come_is_waited_for_only_so_long(send, tools):
    whole = tools.request("POST", "/recommend", b'{"user": "a"}')
    refused(send(whole[:-3]), 408, "timeout")
    chunked = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\n" + JSON_IN_CHUNKS + b"5\r\n{"
    refused(send(chunked), 408, "timeout")


def test_one_byte_at_a_time_gains_no_time(served, tools):
    with tools.raw(served.port) as connection, contextlib.suppress(ConnectionError):
        for byte in b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 1000:
            connection.sendall(bytes([byte]))
            time.sleep(0.02)
        pytest.fail("it took a thousand bytes, at 20 ms each")


def test_headers_that_are_too_large_are_refused_whole_or_in_parts(served, send, tools):
    refused(send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"x" * 3000 + b"\r\n\r\n"), 431, "headers_too_large")
    refused(send(b"GET /" + b"x" * 3000), 431, "headers_too_large")
    refused(send(b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 500 + b"\r\n"), 431, "headers_too_large")
    assert alive(served, send, tools)


def test_a_body_that_is_too_large_is_refused_before_it_comes(send, tools):
    head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    refused(send(head + b"Content-Length: 200000000\r\n\r\n"), 413, "too_large")
    refused(send(head + b"Content-Length: 70000\r\nExpect: 100-continue\r\n\r\n"), 413, "too_large")


def test_by_what_stands_behind_a_body_nothing_is_decided(served, send):
    said = json.dumps({"user": served.user, "k": 2}).encode()
    body = b"%x\r\n%b\r\n0\r\n" % (len(said), said)
    start, close = b"POST /recommend HTTP/1.1\r\n", b"Connection: close\r\n"
    assert (
        send(start + b"Host: localhost\r\n" + close + JSON_IN_CHUNKS + body + b"Host: evil.com\r\n\r\n").status == 200
    )
    late = b"Host: localhost\r\nContent-Type: application/json\r\n\r\n"
    refused(send(start + b"Host: evil.com\r\n" + close + JSON_IN_CHUNKS + body + late), 421, "wrong_host")
    plain = JSON_IN_CHUNKS.replace(b"application/json", b"text/plain")
    refused(send(start + b"Host: localhost\r\n" + close + plain + body + late), 415, "not_json")
    large = b"X: " + b"x" * 3000 + b"\r\n\r\n"
    refused(send(start + b"Host: localhost\r\n" + JSON_IN_CHUNKS + body + large), 431, "headers_too_large")


def test_a_host_is_said_once(send):
    for hosts in (b"", b"Host: localhost\r\nHost: localhost\r\n"):
        refused(send(b"GET /healthz HTTP/1.1\r\n" + hosts + b"\r\n"), 400, "bad_request")
    assert send(b"GET /healthz HTTP/1.0\r\n\r\n").status == 200


def test_space_around_a_value_is_no_part_of_it(served, send):
    said = json.dumps({"user": served.user, "k": 2}).encode()
    head = b"POST /recommend HTTP/1.1\r\nHost: localhost \r\nContent-Type: application/json\t\r\nConnection: close\r\n"
    assert send(head + b"Content-Length: %d \t\r\n\r\n" % len(said) + said).status == 200


def test_an_endless_chunked_body_is_cut_off(served, tools):
    head = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with tools.raw(served.port, head + b"Transfer-Encoding: chunked\r\n\r\n") as connection:
        with contextlib.suppress(ConnectionError):
            for _ in range(1000):
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        assert tools.answer(connection).status in (413, 0), "0: it was closed while we were still sending"


@pytest.mark.parametrize(
    "data",
    [
        b"\r\n\r\n\x00\x01\x02",
        b"hello\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET http://[ HTTP/1.1\r\n\r\n",
        b"CONNECT host:1 HTTP/1.1\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /recommend HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{",
        b"POST /recommend HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET / HTTP/1.1\r\nBad Header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_http_is_refused_in_fixed_words(served, send, tools, data):
    answer = send(data)
    assert answer.status in (400, 404, 408)
    assert answer.body in (body_of("bad_request"), body_of("timeout"), body_of("no_such_path"), body_of("not_json"))
    assert alive(served, send, tools)


def test_an_upgrade_is_an_ordinary_request(send):
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    assert send(head).status == 200


def test_requests_behind_each_other_are_answered_in_their_order(send, tools):
    first = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    answer = send(first * 3 + tools.request("GET", "/nothing"))
    assert answer.data.count(b"HTTP/1.1 200 OK") == 3
    assert answer.data.index(b"HTTP/1.1 404") > answer.data.rindex(b"HTTP/1.1 200")


def test_nothing_behind_a_request_is_taken_for_its_answer(served, tools):
    served.model.go.clear()
    body = json.dumps({"user": served.user}).encode()
    whole = tools.request("POST", "/recommend", body).replace(b"Connection: close\r\n", b"")
    with tools.raw(served.port, whole + b"\x00\x00 no http\r\n\r\n") as connection:
        assert tools.answer(connection).data == b""
    served.model.go.set()


def test_more_connections_than_there_may_be_are_told_to_come_back(served, send, tools):
    held = [tools.raw(served.port, b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n") for _ in range(8)]
    for connection in held:
        assert connection.recv(1 << 12).startswith(b"HTTP/1.1 200")
    before = served.metrics.refused_connections
    answer = send(b"")
    refused(answer, 503, "overloaded")
    assert answer.headers["retry-after"] == "1"
    assert served.metrics.refused_connections == before + 1
    for connection in held:
        connection.close()


def test_more_in_flight_than_there_may_be_are_told_to_come_back_at_once(served, send, tools):
    served.model.go.clear()
    body = json.dumps({"user": served.user, "k": 3}).encode()
    held = [tools.raw(served.port, tools.request("POST", "/recommend", body)) for _ in range(3)]
    for _ in held:
        assert served.model.asked.acquire(timeout=30)
    answer = send(tools.request("POST", "/recommend", body))
    assert (answer.status, answer.body, answer.headers["retry-after"]) == (503, body_of("overloaded"), "1")
    assert send(tools.request("GET", "/metrics")).status == 200, "who watches is still answered"
    served.model.go.set()
    for connection in held:
        assert tools.answer(connection).status == 200, "who came first is answered"
        connection.close()
    assert alive(served, send, tools)


def test_an_answer_that_nobody_reads_ends_the_connection(served, tools):
    body = json.dumps({"user": served.user, "k": 1000}).encode()
    whole = tools.request("POST", "/recommend", body).replace(b"Connection: close\r\n", b"")
    with tools.raw(served.port, whole * 200) as connection, contextlib.suppress(ConnectionError):
        for _ in range(1000):
            time.sleep(0.02)
            connection.sendall(b"GET")
        pytest.fail("it is still open")
