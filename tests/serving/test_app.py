import json

import pytest

from recprune.recipe.served import offer_of
from recprune.serving.app import App
from recprune.serving.gate import Gate
from recprune.serving.limits import Limits
from recprune.serving.offer import Offer
from recprune.serving.refusals import WORDS, body_of

TOKEN = b"a-token-of-some-length"


@pytest.fixture(scope="module")
def offer(shop):
    return offer_of(shop / "small", shop / "prepared", shop / "mf")


@pytest.fixture
def ask(tools, offer):
    return tools.Asked(App(offer))


@pytest.fixture(scope="module")
def clicks(shop):
    return offer_of(shop / "clicks")


def refused(answer, code):
    assert (answer.status, answer.body) == (WORDS[code][0], body_of(code))


def test_both_models_answer_at_their_own_path(ask, offer):
    for path, service in (("/recommend", offer.lists), ("/against", offer.against)):
        answer = ask.post(path, {"user": "u4", "k": 5, "exclude": ["i2"]})
        given = service.by_user("u4", 5, ["i2"])
        assert answer.json() == {"items": given.items, "scores": given.scores, "fallback": False}


def test_a_list_has_twenty_items_or_as_many_as_there_are(ask):
    assert len(ask.post("/recommend", {"user": "u25"}).json()["items"]) == 14
    assert len(ask.post("/against", {"user": "u25"}).json()["items"]) == 16


def test_there_is_only_what_the_model_can_do(tools, offer, clicks):
    lists, rows = tools.Asked(App(offer)), tools.Asked(App(clicks))
    refused(lists.post("/score", {"rows": [{}]}), "no_such_path")
    refused(rows.post("/recommend", {"user": "u1"}), "no_such_path")
    refused(tools.Asked(App(Offer(offer.lists))).post("/against", {"user": "u1"}), "no_such_path")
    assert set(lists("GET", "/openapi.json").json()["paths"]) >= {"/recommend", "/against"}
    assert "/score" in rows("GET", "/openapi.json").json()["paths"]


def test_rows_are_scored_and_ids_that_are_unknown_are_counted(tools, clicks):
    ask = tools.Asked(App(clicks))
    rows = [{"user": "u1", "item": "i2", "age": 31, "tags": ["t1", "t3"]}, {"user": "who", "tags": ["t9", "t1"]}, {}]
    answer = ask.post("/score", {"rows": rows}).json()
    assert answer["unknown"] == [0, 2, 0]
    assert all(0 < p < 1 for p in answer["probabilities"])
    alone = ask.post("/score", {"rows": rows[:1]}).json()["probabilities"][0]
    assert alone == pytest.approx(answer["probabilities"][0], rel=1e-5)
    metrics = ask("GET", "/metrics").body.decode()
    assert "recprune_unknown_ids_total 2" in metrics


@pytest.mark.parametrize(
    ("rows", "code"),
    [
        ([], "invalid"),
        ([{"nothing": "u1"}], "invalid"),
        ([{"age": "old"}], "invalid"),
        ([{"age": True}], "invalid"),
        ([{"user": 1}], "invalid"),
        ([{"tags": "t1"}], "invalid"),
        ([{"age": 1e300}], "number_out_of_range"),
        ([{"age": 3e38}], "number_out_of_range"),
        ([{}] * 1001, "too_many_ids"),
        ([{"tags": ["t1"] * 1001}], "too_many_ids"),
    ],
)
def test_rows_that_cannot_be_scored_are_refused(tools, clicks, rows, code):
    refused(tools.Asked(App(clicks)).post("/score", {"rows": rows}), code)


def test_a_key_that_stands_twice_in_a_row_is_refused(tools, clicks):
    refused(tools.Asked(App(clicks)).post("/score", b'{"rows":[{"age":1,"age":2}]}'), "duplicate_key")


def test_only_json_is_taken_so_that_no_other_page_can_post(ask):
    for headers in ((), [(b"content-type", b"text/plain")]):
        answer = ask("POST", "/recommend", b'{"user":"u1"}', headers)
        refused(answer, "not_json")
        assert answer.headers[b"connection"] == b"close"


def test_what_is_not_there_and_other_methods_are_refused(ask):
    refused(ask("GET", "/nothing"), "no_such_path")
    refused(ask("POST", "/../../etc/passwd"), "no_such_path")
    answer = ask("GET", "/recommend")
    refused(answer, "method_not_allowed")
    assert answer.headers[b"allow"] == b"POST"
    refused(ask("DELETE", "/about"), "method_not_allowed")


def test_a_host_of_another_name_is_refused_where_there_is_no_token(ask):
    for host in (b"localhost:8642", b"127.0.0.1", b"[::1]:80"):
        assert ask("GET", "/about", headers=[(b"host", host)]).status == 200
    for host in (b"evil.example:8642", b"[::1]evil.example", b"127.0.0.1:80@evil.example", b"localhost:80:80", b""):
        refused(ask("GET", "/about", headers=[(b"host", host)]), "wrong_host")


def test_with_a_token_only_the_page_and_the_pulse_are_open(tools, offer):
    ask = tools.Asked(App(offer, gate=Gate(TOKEN)))
    for path in ("/", "/page.css", "/page.js", "/healthz"):
        assert ask("GET", path).status == 200
    for path in ("/about", "/metrics", "/openapi.json", "/nothing"):
        refused(ask("GET", path), "unauthorized")
        refused(ask("GET", path, headers=[(b"authorization", b"Bearer another-token-as-long")]), "unauthorized")
    right = [(b"authorization", b"Bearer " + TOKEN), (b"host", b"anywhere.example")]
    assert ask("GET", "/about", headers=right).status == 200


def test_a_body_in_parts_is_one_body_and_a_large_one_is_refused_as_it_comes(tools, offer):
    ask = tools.Asked(App(offer, limits=Limits(body=30)))
    kind = [(b"content-type", b"application/json; charset=utf-8")]

    def parts(*bodies):
        return [{"type": "http.request", "body": body, "more_body": True} for body in bodies]

    end = {"type": "http.request", "body": b"", "more_body": False}
    assert ask("POST", "/recommend", headers=kind, messages=[*parts(b'{"us', b'er":"u1"}'), end]).status == 200
    refused(ask("POST", "/recommend", headers=kind, messages=parts(b" " * 20, b" " * 20)), "too_large")
    told = [*kind, (b"content-length", b"31")]
    refused(ask("POST", "/recommend", headers=told, messages=[]), "too_large")
    assert ask("POST", "/recommend", headers=kind, messages=[*parts(b"{"), {"type": "http.disconnect"}]) is None


class Broken:
    """A model that fails, and names what it was asked."""

    n_items, by_user, by_history = 18, True, True

    def lists(self, user, history, k, exclude):
        raise KeyError("u4 is a secret")


def test_a_model_that_fails_says_nothing_of_why(tools, offer, caplog):
    broken = type(offer.lists)(Broken(), offer.lists.items, offer.lists.known)
    answer = tools.Asked(App(Offer(broken))).post("/recommend", {"user": "u4"})
    refused(answer, "internal")
    assert "KeyError" in caplog.text
    assert "secret" not in caplog.text
    assert "test_app.py" in caplog.text, "where it was"


def test_another_offer_is_taken_as_a_whole(tools, offer, clicks):
    app = App(offer)
    ask = tools.Asked(app)
    app.take(clicks)
    assert ask("GET", "/about").json()["lists"] is False
    refused(ask.post("/recommend", {"user": "u1"}), "no_such_path")
    assert ask.post("/score", {"rows": [{}]}).status == 200


def test_metrics_count_by_path_and_status_and_hold_nothing_of_a_request(ask):
    ask.post("/recommend", {"user": "u25", "k": 2})
    ask.post("/recommend", {"user": "somebody"})
    ask("GET", "/somewhere")
    text = ask("GET", "/metrics").body.decode()
    assert 'recprune_requests_total{path="/recommend",status="200"} 1' in text
    assert 'recprune_requests_total{path="/recommend",status="404"} 1' in text
    assert 'recprune_requests_total{path="other",status="404"} 1' in text
    assert "recprune_fallbacks_total 1" in text
    assert 'le="+Inf"} 3' in text
    assert "somebody" not in text
    assert "somewhere" not in text


def test_about_says_how_large_both_models_are(ask):
    said = ask("GET", "/about").json()
    assert said["model"]["parameters"] < said["against"]["parameters"]
    assert json.loads(ask("GET", "/healthz").body) == {"status": "ok"}
