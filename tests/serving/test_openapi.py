"""The document, and the server held against it by requests that are made from it, right and wrong ones."""

import re
import threading
import time
from pathlib import Path

import pytest
import schemathesis
import uvicorn
from hypothesis import HealthCheck, given, settings
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from recprune.recipe.served import offer_of
from recprune.serving.app import App
from recprune.serving.limits import Limits
from recprune.serving.messages import Ask, Listing, Scores
from recprune.serving.metrics import Metrics
from recprune.serving.offer import Offer
from recprune.serving.openapi import document
from recprune.serving.protocol import Settings

LENIENT = [positive_data_acceptance, negative_data_rejection]
"""They hold 1.0 for an integer, as JSON Schema does and we do not, and do not know that 413 is a refusal."""
FEW = settings(max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(scope="module")
def offer(shop):
    """Lists of two models and, as no real server has them, probabilities beside them."""
    lists = offer_of(shop / "ease", shop / "prepared", shop / "mf")
    return Offer(lists.lists, lists.against, offer_of(shop / "clicks").scorer, lists.about)


@pytest.fixture(scope="module")
def api(offer):
    limits, metrics = Limits(), Metrics()
    app = App(offer, limits=limits, metrics=metrics)
    server = uvicorn.Server(Settings(app, limits, metrics, host="127.0.0.1", port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield schemathesis.openapi.from_url(f"http://127.0.0.1:{port}/openapi.json")
    server.should_exit = True
    thread.join()


@pytest.mark.parametrize("mode", ["positive", "negative"])
def test_every_answer_is_one_that_the_document_names(api, mode):
    made = schemathesis.GenerationMode(mode)
    for found in api.get_all_operations():
        operation = found.ok()
        if mode == "negative" and operation.method == "get":
            continue

        @settings(
            max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
        )
        @given(case=operation.as_strategy(generation_mode=made))
        def check(case):
            answer = case.call()
            case.validate_response(answer, excluded_checks=LENIENT)
            assert answer.status_code < 500
            assert mode == "positive" or answer.status_code >= 400

        check()


def test_the_document_names_the_fields_that_are_read_and_written(offer):
    said = document(offer, Limits(), closed=False)
    for path in ("/recommend", "/against"):
        body = said["paths"][path]["post"]["requestBody"]["content"]["application/json"]["schema"]
        assert tuple(body["properties"]) == Ask.__struct_fields__
    for kind in (Listing, Scores):
        assert tuple(said["components"]["schemas"][kind.__name__]["properties"]) == kind.__struct_fields__


def test_the_limits_in_force_stand_in_it(offer):
    said = document(offer, Limits(k=5, ids=7), closed=False)
    body = said["paths"]["/recommend"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"]
    assert (body["k"]["maximum"], body["history"]["maxItems"]) == (5, 7)


def test_a_token_is_asked_for_where_there_is_one(offer):
    said = document(offer, Limits(), closed=True)
    assert said["components"]["securitySchemes"]["token"]["scheme"] == "bearer"
    assert said["paths"]["/recommend"]["post"]["security"] == [{"token": []}]
    assert "security" not in said["paths"]["/healthz"]["get"]
    assert "401" in said["paths"]["/about"]["get"]["responses"]


def test_docs_name_every_path(offer):
    page = (Path(__file__).parents[2] / "docs" / "serving.md").read_text(encoding="utf-8")
    for path in document(offer, Limits(), closed=False)["paths"]:
        assert re.search(rf"`(GET|POST) {path}`", page), path
