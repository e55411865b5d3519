import pytest

from recprune.serving.face import JSON, Face
from recprune.serving.gate import Gate
from recprune.serving.limits import Limits
from recprune.serving.refusals import Refusal, body_of


class Echo(Face):
    """Says what it was sent, or fails."""

    def paths(self, method):
        return frozenset({"/echo"} if method == "POST" else {"/fails"})

    async def answer(self, path, method, said, receive):
        if path == "/fails":
            raise KeyError("a secret")
        if path not in self.paths(method):
            raise Refusal("no_such_path")
        body = await self.body(said, receive)
        return 200, await self.run(lambda: body.upper()), [JSON]


def test_a_face_answers_refuses_and_counts(tools, caplog):
    face = Echo(limits=Limits(body=10), gate=Gate(None))
    ask = tools.Asked(face)
    assert ask.post("/echo", b'"a"').body == b'"A"'
    assert ask.post("/echo", b'"' + b"a" * 20 + b'"').body == body_of("too_large")
    assert ask("POST", "/echo", b'"a"').body == body_of("not_json")
    assert ask("GET", "/nothing").body == body_of("no_such_path")
    failed = ask("GET", "/fails")
    assert (failed.status, failed.body) == (500, body_of("internal"))
    assert failed.headers[b"cache-control"] == b"no-store"
    assert "secret" not in caplog.text
    assert face.metrics.requests == {
        ("/echo", 200): 1,
        ("/echo", 413): 1,
        ("/echo", 415): 1,
        ("other", 404): 1,
        ("/fails", 500): 1,
    }


def test_a_face_has_to_say_what_it_answers():
    with pytest.raises(TypeError):
        Face()
