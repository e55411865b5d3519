import json

import pytest

from recprune.serving.refusals import WORDS as USUAL
from recprune.studio.page import FILES
from recprune.studio.refusals import WORDS

TOKEN = "a-token-of-some-length"
POSTS = {
    "/plan": {"rule": "magnitude", "factor": 0.5},
    "/score": {"rule": "magnitude", "factor": 0.5},
    "/find": {"rule": "magnitude", "milliseconds": 0.5},
    "/measure": {"rule": "magnitude", "factor": 0.5, "epochs": 0},
    "/apply": {"rule": "magnitude", "factor": 0.5, "epochs": 0, "name": "small"},
    "/lists": {"user": "u1"},
    "/cancel": {},
}


def refused(answer, code):
    said, (status, words) = answer.json(), {**USUAL, **WORDS}[code]
    assert (answer.status, said["error"]) == (status, code)
    assert said["message"] == words or not words
    assert answer.headers[b"content-type"] == b"application/json"


@pytest.fixture
def page(at_desk, page_of):
    return page_of(at_desk("lists", rule="magnitude"))


def test_the_page_is_open_and_takes_files_of_the_studio_alone(page):
    for path, (kind, content) in FILES.items():
        answer = page.get(path)
        assert (answer.status, answer.headers[b"content-type"], answer.body) == (200, kind, content)
        policy = answer.headers[b"content-security-policy"].decode()
        assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'")
        assert "frame-ancestors 'none'" in policy
        assert answer.headers[b"x-content-type-options"] == b"nosniff"
    assert page.app.word.encode() not in b"".join(content for _, content in FILES.values())


def test_a_plan_a_measurement_lists_and_a_folder_are_asked_for_one_after_the_other(page, tmp_path):
    wait = page.app.desk.line.wait
    assert page.post("/plan", POSTS["/plan"]).json() == {"state": "not_scored"}
    refused(page.post("/measure", POSTS["/measure"]), "not_scored")
    assert page.post("/score", POSTS["/score"]).status == 202
    wait()
    assert page.get("/job").json()["state"] == "done"
    plan = page.post("/plan", POSTS["/plan"])
    assert plan.status == 200
    assert plan.json()["share"] >= 0.5
    refused(page.post("/lists", POSTS["/lists"]), "not_measured")
    begun = page.post("/measure", POSTS["/measure"])
    assert (begun.status, begun.json()["kind"]) == (202, "measure")
    wait()
    assert page.get("/job").json()["result"]["plan"] == plan.json()["plan"]
    assert set(page.post("/lists", POSTS["/lists"]).json()["lists"]) == {"before", "after"}
    refused(page.post("/lists", {"user": "nobody"}), "unknown_user")
    assert page.post("/apply", POSTS["/apply"]).status == 202
    wait()
    assert page.get("/job").json()["result"]["folder"] == str(tmp_path / "small")
    refused(page.post("/apply", POSTS["/apply"]), "taken")
    refused(page.post("/cancel", {}), "idle")


def test_a_budget_that_cannot_be_met_says_what_stands_in_the_way(page):
    page.post("/score", POSTS["/score"])
    page.app.desk.line.wait()
    wish = {"rule": "magnitude", "bytes": 30, "bits": False}
    answer = page.post("/plan", wish)
    assert (answer.status, answer.json()["state"]) == (200, "refused")
    assert "cannot be met: at least" in answer.json()["message"]
    refused(page.post("/measure", wish), "refused")
    assert "cannot be met: at least" in page.post("/measure", wish).json()["message"]


def test_a_model_whose_folder_is_gone_or_another_one_stays_as_it_was_read(page):
    before, folder = page.get("/about").json(), page.app.desk.whole.folder
    manifest = folder / "manifest.json"
    was = manifest.read_bytes()
    try:
        manifest.write_text("{}")
        assert page.get("/about").json() == before
    finally:
        manifest.write_bytes(was)


def test_refusals_lead_nowhere_that_there_is_not(page):
    refused(page.get("/openapi.json"), "no_such_path")
    refused(page.post("/plan", {"rule": 1}), "invalid")
    assert not any("openapi" in words for _, words in WORDS.values())


def test_a_key_that_stands_twice_is_refused(page):
    refused(page.post("/plan", b'{"rule": "magnitude", "factor": 0.1, "factor": 0.9}'), "duplicate_key")


@pytest.mark.parametrize("path", POSTS)
def test_what_writes_or_works_is_asked_by_the_own_page_alone(page, path):
    for origin in ("http://evil.example", "http://localhost:9999", "null", "http://localhost:8643.evil.example", None):
        refused(page.post(path, POSTS[path], origin=origin), "wrong_origin")
    for word in ("", "another", page.app.word[:-1], None):
        refused(page.post(path, POSTS[path], x_recprune_page=word), "old_page")
    refused(page.post(path, POSTS[path], content_type="text/plain"), "not_json")
    refused(page.post(path, POSTS[path], host="evil.example", origin="http://evil.example"), "wrong_host")
    refused(page.get(path), "method_not_allowed")
    assert page.app.desk.line.last is None


def test_the_word_is_another_one_at_every_start(at_desk, page_of):
    desk = at_desk("lists", rule="magnitude")
    first, then = page_of(desk), page_of(desk)
    assert first.app.word != then.app.word
    assert first.get("/about").json()["word"] == first.app.word
    refused(then.post("/plan", POSTS["/plan"], x_recprune_page=first.app.word), "old_page")


def test_elsewhere_a_token_is_needed_for_all_but_the_page(at_desk, page_of):
    page = page_of(at_desk("lists", rule="magnitude"), TOKEN.encode())
    assert page.get("/").status == page.get("/healthz").status == 200
    for path in ("/about", "/job", "/metrics", "/nothing"):
        refused(page.get(path), "unauthorized")
        assert page.get("/job", authorization="Bearer " + TOKEN).status == 200
    refused(page.post("/score", POSTS["/score"]), "unauthorized")
    far = {"host": "studio.example", "origin": "https://studio.example", "authorization": "Bearer " + TOKEN}
    refused(page.post("/cancel", {}, **far), "idle")
    refused(page.post("/cancel", {}, **{**far, "origin": "https://evil.example"}), "wrong_origin")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "bad_json"),
        (b"[]", "invalid"),
        (b'{"rule":"magnitude","factor":NaN}', "bad_json"),
        (b'{"rule":"magnitude","factor":2}', "invalid"),
        (b'{"rule":"magnitude","factor":0.5,"more":1}', "invalid"),
        (b'{"rule":"magnitude"}', "one_amount"),
        (b'{"rule":"os:system","factor":0.5}', "no_rule"),
        (b'{"rule":"magnitude","factor":0.5,"kinds":["finger"]}', "no_kind"),
        (b'"' + b"a" * 70_000 + b'"', "too_large"),
    ],
)
def test_bodies_of_another_shape_are_refused(page, body, code):
    refused(page.post("/plan", body), code)


def test_paths_and_methods_that_there_are_not_are_refused(page):
    refused(page.get("/nothing"), "no_such_path")
    refused(page.get("/../desk.py"), "no_such_path")
    refused(page.post("/about", {}), "method_not_allowed")
    refused(page.post("/nothing", {}), "no_such_path")


def test_nothing_that_is_told_is_lost_in_json(page):
    assert page.get("/job").json() is None
    page.app.desk.line.start("score", 1, lambda job: {"nan": float("nan"), "words": "–"})
    page.app.desk.line.wait()
    assert page.get("/job").json()["result"] == {"nan": None, "words": "–"}


def test_something_that_fails_inside_is_said_without_its_words(page, caplog):
    page.app.desk.lists = lambda user: json.loads("{" + user)
    answer = page.post("/lists", {"user": "a secret"})
    refused(answer, "internal")
    assert "secret" not in caplog.text
