"""The cases of failure and of bad input that a server has to survive, each under its number; the others stand beside
what they are about (tests/data, tests/artifact, tests/surgery, ...)."""

import collections
import json
import os
import shutil
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from recprune import artifact
from recprune.data.vocabulary import Vocabulary
from recprune.dispatch import which
from recprune.models.build import build
from recprune.models.popularity import Popularity
from recprune.recipe.served import offer_of
from recprune.serving.app import App
from recprune.serving.eager import Eager
from recprune.serving.lists import write_lists
from recprune.serving.offer import Offer
from recprune.serving.refusals import WORDS, body_of
from recprune.serving.service import Service

pytestmark = pytest.mark.skipif(os.name != "posix", reason="signals are of POSIX")

BODIES = {body_of(code) for code in WORDS}


@pytest.fixture(scope="module")
def ask(tools, shop):
    return tools.Asked(App(offer_of(shop / "ease", shop / "prepared")))


def refused(answer, code):
    assert (answer.status, answer.body) == (WORDS[code][0], body_of(code))


def ids_served(ids):
    """A service of items with these ids, the first of them the best."""
    model = Popularity(len(ids) + 1)
    with torch.no_grad():
        model.users.copy_(torch.arange(len(ids) + 1, 0, -1))
    return Service(Eager(model, len(ids) + 1), Vocabulary("item", ids))


def test_case_07_sigterm_while_serving(shop, tools):
    patient = [word for name in ("header", "body", "idle", "drain") for word in (f"--{name}-seconds", 300)]
    child = tools.Child(shop / "ease", "--data", shop / "prepared", *patient)
    idle = child.raw()
    used = child.raw(tools.request("GET", "/healthz").replace(b"Connection: close\r\n", b""))
    said = b""
    while not said.endswith(b'{"status":"ok"}'):
        said += used.recv(1 << 12)
    body = b'{"user": "u1", "k": 3}'
    begun = child.raw(tools.request("POST", "/recommend", body)[:-4])
    assert child.post("/recommend", {"user": "u1", "k": 3}).status == 200, "so what was sent before has been read"
    child.tell(signal.SIGTERM)
    assert used.recv(1) == b"", "who asks for nothing is let go"
    assert idle.recv(1) == b""
    begun.sendall(body[-4:])
    assert tools.answer(begun).status == 200, "who had begun is answered"
    with pytest.raises(ConnectionRefusedError):
        child.raw()
    assert child.end()[0] == 0


def test_case_08_artifact_replaced_while_serving(shop, split, tools, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shop / "ease", folder)
    child = tools.Child(folder, "--data", shop / "prepared")
    ask = lambda: json.loads(child.post("/recommend", {"user": "u1", "k": 5}).body)  # noqa: E731
    old = ask()
    other = build("popularity", split)
    other.refit_(split.train.histories())
    artifact.save(folder, other, vocabularies=split.vocabularies)
    assert ask() == old, "nothing is loaded that was not asked for"
    child.tell(signal.SIGHUP)
    child.hears("the new model serves")
    new = ask()
    assert new != old
    weights = folder / "weights.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    child.tell(signal.SIGHUP)
    child.hears("the old model stays: ArtifactError")
    assert ask() == new
    shutil.rmtree(folder)
    child.tell(signal.SIGHUP)
    child.hears("does not exist")
    assert ask() == new
    with child.raw(tools.request("GET", "/metrics")) as connection:
        text = tools.answer(connection).body.decode()
    assert 'recprune_reloads_total{outcome="done"} 1' in text
    assert 'recprune_reloads_total{outcome="refused"} 2' in text
    assert child.end()[0] == 0


def test_case_08_a_model_that_loads_and_cannot_answer_is_not_taken(shop, split, tools, tmp_path):
    folder = tmp_path / "model"
    shutil.copytree(shop / "ease", folder)
    child = tools.Child(folder, "--data", shop / "prepared")
    artifact.save(folder, build("mf", split, dim=4), vocabularies={**split.vocabularies, "item": words(split, 9)})
    child.tell(signal.SIGHUP)
    child.hears("the old model stays")
    assert child.post("/recommend", {"user": "u1", "k": 5}).status == 200
    assert child.end()[0] == 0


def words(split, n):
    return Vocabulary("item", split.vocabularies["item"].ids[:n])


def test_case_23_csv_cells_that_are_formulas(tmp_path, shop, split):
    offer = offer_of(shop / "ease", shop / "prepared")
    names = ["=cmd", "+1", "-1", "@sum", "\tx", "\rx", "plain"]
    write_lists(offer.lists, tmp_path / "lists.csv", 1, users=names)
    lines = (tmp_path / "lists.csv").read_bytes().decode().split("\n")[1:-1]
    assert [line.split('","')[0].split('",')[0] for line in lines] == [f"\"'{name}" for name in names[:-1]] + ['"plain']


@pytest.mark.parametrize("near", ["1_000", "１０００", "1e3", "1000.0", " 1000", "01000", "+1000"])
def test_case_24_ids_that_read_as_a_number(tools, near):
    ask = tools.Asked(App(Offer(ids_served(["a", "1000"]))))
    assert ask.post("/recommend", {"history": ["1000"], "k": 1}).json()["items"] == ["a"]
    refused(ask.post("/recommend", {"history": [near], "k": 1}), "unknown_item")
    refused(ask.post("/recommend", {"history": [1000], "k": 1}), "invalid")


def test_case_25_ids_that_are_large_or_negative(tools):
    ids = [str(2**31 + 5), str(2**53 + 1), str(2**53), "-1", str(2**63)]
    ask = tools.Asked(App(Offer(ids_served(ids))))
    for number, key in enumerate(ids):
        rest = ids[:number] + ids[number + 1 :]
        assert ask.post("/recommend", {"history": [key], "k": 5}).json()["items"] == rest, "byte by byte, all distinct"
    refused(ask.post("/recommend", {"history": [-1]}), "invalid")
    refused(ask.post("/recommend", {"user": "-1"}), "unknown_user")


def test_case_26_unicode_is_kept_byte_by_byte(tools):
    ids = ["caf\u00e9", "cafe\u0301", "caf\u00e9\u200b", "\u202ecaf", "😀"]
    ask = tools.Asked(App(Offer(ids_served(ids))))
    answer = ask.post("/recommend", {"history": ids[:1], "k": 5})
    assert answer.json()["items"] == ids[1:]
    refused(ask.post("/recommend", {"history": ["cafe"]}), "unknown_item")
    refused(ask.post("/recommend", b'{"history": ["\\ud800"]}'), "bad_json")
    refused(ask.post("/recommend", b'{"history": ["\xed\xa0\x80"]}'), "bad_json")


def test_case_30_a_user_without_a_history(ask):
    answer = ask.post("/recommend", {"user": "u25", "k": 4}).json()
    assert answer["fallback"] is True
    assert len(answer["items"]) == 4
    assert ask.post("/recommend", {"history": [], "k": 4}).json() == answer


def test_case_30_a_user_who_had_everything(ask, split):
    everything = list(split.vocabularies["item"].ids)
    assert ask.post("/recommend", {"history": everything, "k": 4}).json()["items"] == []
    left = ask.post("/recommend", {"history": everything[:-2], "k": 4}).json()["items"]
    assert set(left) == set(everything[-2:]), "two are left, and nothing is put behind them"


def test_case_31_unknown_ids(ask):
    answer = ask.post("/recommend", {"user": "a-secret-name"})
    refused(answer, "unknown_user")
    assert b"secret" not in answer.body
    refused(ask.post("/recommend", {"history": ["i1", "a-secret-name"]}), "unknown_item")
    for other in (1, None, True, ["u1"], {"id": "u1"}, 1.5):
        refused(ask.post("/recommend", {"user": other}), "invalid")


def test_case_32_an_id_that_was_pruned_away(tools, shop):
    offer = offer_of(shop / "small", shop / "prepared")
    offer = replace(offer, lists=replace(offer.lists, shared=True))  # as where its plan is kept beside it
    ask = tools.Asked(App(offer))
    assert ask.post("/recommend", {"user": "u3", "k": 3}).json()["fallback"] is False, "the shared row answers"
    assert ask.post("/recommend", {"history": ["i1", "i5"], "k": 3}).status == 200
    text = ask("GET", "/metrics").body.decode()
    counted = next(line for line in text.splitlines() if line.startswith("recprune_left_ids_total "))
    assert int(counted.split()[1]) >= 3


DEEP = b"[" * 20_000


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b'{"user":"u1","k":0}', "k_out_of_range"),
        (b'{"user":"u1","k":-1}', "k_out_of_range"),
        (b'{"user":"u1","k":18}', "k_out_of_range"),
        (b'{"user":"u1","k":1000000000000000000000000000000}', "k_out_of_range"),
        (b'{"user":"u1","k":true}', "invalid"),
        (b'{"user":"u1","k":1.0}', "invalid"),
        (b'{"user":"u1","k":1e3}', "invalid"),
        (b'{"user":"u1","k":"5"}', "invalid"),
        (b'{"user":"u1","k":null}', "invalid"),
        (b'{"user":"u1","k":NaN}', "bad_json"),
        (b'{"user":"u1","k":Infinity}', "bad_json"),
        (b'{"user":"u1","k":1,"k":1}', "duplicate_key"),
        (b'{"user":"u1","\\u006b":1,"k":1}', "duplicate_key"),
        (b'{"user":"u1","user":"u2"}', "duplicate_key"),
        (b'{"user":"u1","more":1}', "invalid"),
        (b'{"user":"u1","history":["i1"]}', "user_or_history"),
        (b"{}", "user_or_history"),
        (b'{"user":"u1","exclude":["a"' + b',"a"' * 1000 + b"]}", "too_many_ids"),
        (b'{"user":' + DEEP, "invalid"),
        (DEEP, "invalid"),
        (b'{"history":[' + DEEP, "invalid"),
        (b'{"k":' + b"9" * 60_000 + b"}", "user_or_history"),
        (b"", "bad_json"),
        (b" ", "bad_json"),
        (b"null", "invalid"),
        (b"[]", "invalid"),
        (b'{"user":"u1"', "bad_json"),
        (b'{"user":"u1"} {}', "bad_json"),
        (b"\xef\xbb\xbf{}", "bad_json"),
        (b'{"user":"\xff"}', "bad_json"),
        ('{"user":"u1"}'.encode("utf-16"), "bad_json"),
        (b'{"user":"u\x00"}', "bad_json"),
    ],
)
def test_case_33_bodies_that_mean_nothing(ask, body, code):
    answer = ask.post("/recommend", body)
    assert answer.body in BODIES
    if code == "user_or_history" and b"999" in body:
        assert answer.status in (400, 422)
    else:
        refused(answer, code)


HEAD = b"POST /recommend HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@pytest.fixture
def lean(child):
    """Asked before and after a test, the server answers, and has not grown by 10 MB."""

    def rss():
        lines = Path(f"/proc/{child.process.pid}/status").read_text().splitlines()
        return int(next(line for line in lines if line.startswith("VmRSS")).split()[1])

    for _ in range(3):
        assert child.post("/recommend", {"user": "u1", "k": 3}).status == 200
    before = rss()
    yield child
    assert rss() - before < 10_000, "kilobytes"
    deadline = time.monotonic() + 30
    while child.post("/recommend", {"user": "u1", "k": 3}).status != 200:
        assert time.monotonic() < deadline


def test_case_34_too_much_and_too_late_is_told(lean, tools):
    starts = {
        HEAD + b"Content-Length: 200000000\r\n\r\n" + b" " * 1000: 413,
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n" + (b"8000\r\n" + b" " * 0x8000 + b"\r\n") * 3: 413,
        HEAD + b"Content-Length: 10\r\n\r\n{": 408,
        b"GET / HTT": 408,
        b"": 408,
        b"GET / HTTP/1.1\r\nX: " + b"x" * 20_000: 431,
    }
    for data, status in starts.items():
        with lean.raw(data) as connection:
            assert tools.answer(connection).status == status, data[:60]


def sent(connection, pieces, pause=0.0):
    """How many of the pieces could be sent until the other side hung up."""
    for number, piece in enumerate(pieces):
        try:
            connection.sendall(piece)
        except OSError:
            return number
        time.sleep(pause)
    return len(pieces)


@pytest.mark.parametrize(
    ("head", "piece"),
    [
        (b"Content-Length: 209715200\r\n\r\n", b" " * (1 << 20)),
        (b"Transfer-Encoding: chunked\r\n\r\n", b"100000\r\n" + b" " * (1 << 20) + b"\r\n"),
    ],
)
def test_case_34_two_hundred_megabytes_and_chunks_without_an_end_are_not_swallowed(lean, head, piece):
    with lean.raw(HEAD + head) as connection:
        assert sent(connection, [piece] * 200) < 50  # some of it stays in buffers of the system


@pytest.mark.parametrize("start", [b"GET /", HEAD, HEAD + b"Content-Length: 1000\r\n\r\n"])
def test_case_34_a_byte_at_a_time_is_cut_off_as_silence_is(lean, tools, start):
    with lean.raw(start) as connection:
        assert sent(connection, [b"x"] * 300, pause=0.1) < 300  # half a second is allowed


@pytest.mark.skipif(sys.platform != "linux", reason="how much a process takes, and may open, is told by Linux")
def test_case_34_ten_thousand_idle_connections_are_turned_away(lean):
    import resource

    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    idle = collections.deque()
    try:
        for number in range(10_000):
            idle.append(lean.raw())
            if number == 60:
                refused = [one.recv(1 << 12).startswith(b"HTTP/1.1 503") for one in list(idle)[24:]]
                assert sum(refused) >= 30, "no more than 24 are held at once"
            if len(idle) > most - 500:
                idle.popleft().close()
    finally:
        for connection in idle:
            connection.close()
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_case_35_overload(shop, tools):
    child = tools.Child(shop / "mf", "--data", shop / "prepared", "--max-in-flight", 2, "--threads", 1)
    body = tools.request("POST", "/recommend", b'{"user": "u1", "k": 17}')

    def many(_):
        with child.raw(body) as connection:
            return tools.answer(connection)

    with ThreadPoolExecutor(32) as pool:
        answers = list(pool.map(many, range(400)))
    assert {answer.status for answer in answers} <= {200, 503}
    told = [answer for answer in answers if answer.status == 503]
    assert all(answer.headers["retry-after"] == "1" and answer.body in BODIES for answer in told)
    assert many(0).status == 200, "it recovers"
    assert child.end()[0] == 0


def test_case_40_ties_stand_by_number(tools):
    service = ids_served(["c", "b", "a"])
    with torch.no_grad():
        service.recommender.model.users.fill_(1.0)
    assert tools.Asked(App(Offer(service))).post("/recommend", {"history": ["b"], "k": 3}).json()["items"] == ["c", "a"]


def test_case_43_and_44_neither_kernels_nor_locale_nor_hash_seed_change_a_list(shop, tools):
    found = []
    for number, kernels in enumerate(("numpy", which())):
        words = {
            "PYTHONHASHSEED": str(number),
            "TZ": ("UTC", "Asia/Tokyo")[number],
            "LC_ALL": ("C", "de_DE.UTF-8")[number],
        }
        child = tools.Child(shop / "ease", "--data", shop / "prepared", env={**words, "RECPRUNE_KERNELS": kernels})
        assert f"kernels: {kernels}\n" in "".join(child.log)
        found.append(child.post("/recommend", {"user": "u1", "k": 7}).body)
        child.end()
    assert found[0] == found[1]
