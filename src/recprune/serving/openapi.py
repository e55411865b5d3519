"""The server described by itself: OpenAPI 3.1, with the limits that are in force and the columns of the model."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

import recprune
from recprune.serving.limits import Limits
from recprune.serving.offer import SOME, Offer
from recprune.serving.refusals import WORDS
from recprune.serving.scorer import Scorer
from recprune.serving.service import Service

__all__ = ["document", "row_decoder"]

ID = {"type": "string"}
KINDS: dict[str, tuple[Any, dict[str, Any]]] = {
    "id": (str | None, {"type": ["string", "null"]}),
    "ids": (list[str] | None, {"type": ["array", "null"], "items": ID}),
    "number": (float | None, {"type": ["number", "null"], "minimum": -3.4e38, "maximum": 3.4e38}),
}
"""Kind of a column -> its type, and its schema. A cell that is missing or null is a missing value."""
AT_ALL = ("bad_request", "wrong_host", "headers_too_large", "internal", "overloaded")
WITH_BODY = ("bad_json", "timeout", "too_large", "not_json", "invalid", "method_not_allowed")


def row_decoder(scorer: Scorer, limits: Limits) -> msgspec.json.Decoder[Any]:
    """What reads {"rows": [...]} strictly: each row a struct whose fields stand in the order of the columns."""
    fields = [(f"c{place}", KINDS[scorer.kind(name)][0], None) for place, name in enumerate(scorer.columns)]
    names = {f"c{place}": name for place, name in enumerate(scorer.columns)}
    row = msgspec.defstruct("Row", fields, rename=names, forbid_unknown_fields=True, frozen=True)
    rows = Annotated[list[row], msgspec.Meta(min_length=1)]  # type: ignore[valid-type]
    whole = msgspec.defstruct("Rows", [("rows", rows)], forbid_unknown_fields=True, frozen=True)
    return msgspec.json.Decoder(whole)


def document(offer: Offer, limits: Limits, closed: bool) -> dict[str, Any]:
    """The whole document. closed: whether a token is needed."""
    paths: dict[str, Any] = {
        "/healthz": _get("Whether the server answers.", "application/json", {"type": "object"}, False),
        "/metrics": _get("Counters for Prometheus.", "text/plain", {"type": "string"}, closed),
        "/about": _get("What is served.", "application/json", {"type": "object"}, closed),
    }
    for path, service, words in (
        ("/recommend", offer.lists, "The best items of a user, or of whoever has a history."),
        ("/against", offer.against, "The same of the model that it is compared with."),
    ):
        if service is not None:
            wrong = ("unknown_user", "unknown_item")
            paths[path] = _post(words, _ask(service, limits), "Listing", wrong, closed)
    if offer.scorer is not None:
        paths["/score"] = _post(
            "The probability of a click on each row.", _rows(offer.scorer, limits), "Scores", (), closed
        )
    return {
        "openapi": "3.1.0",
        "info": {"title": "recprune", "version": recprune.__version__},
        "paths": paths,
        "components": {
            "schemas": {"Error": _error(), "Listing": _listing(), "Scores": _scores()},
            **({"securitySchemes": {"token": {"type": "http", "scheme": "bearer"}}} if closed else {}),
        },
    }


def _ask(service: Service, limits: Limits) -> dict[str, Any]:
    ids = {"type": "array", "items": ID, "maxItems": limits.ids}
    most = max(1, min(limits.k, len(service.items.ids)))
    return {
        "type": "object",
        "properties": {
            "user": ID,
            "history": {**ids, "description": "Oldest item first."},
            "k": {"type": "integer", "minimum": 1, "maximum": most, "default": min(SOME, most)},
            "exclude": ids,
        },
        "oneOf": [{"required": ["user"]}, {"required": ["history"]}],
        "additionalProperties": False,
    }


def _rows(scorer: Scorer, limits: Limits) -> dict[str, Any]:
    columns = {name: KINDS[scorer.kind(name)][1] for name in scorer.columns}
    row = {"type": "object", "properties": columns, "additionalProperties": False}
    return {
        "type": "object",
        "properties": {"rows": {"type": "array", "items": row, "minItems": 1, "maxItems": limits.ids}},
        "required": ["rows"],
        "additionalProperties": False,
    }


def _listing() -> dict[str, Any]:
    numbers = {"type": "array", "items": {"type": "number"}}
    properties = {"items": {"type": "array", "items": ID}, "scores": numbers, "fallback": {"type": "boolean"}}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _scores() -> dict[str, Any]:
    chance = {"type": "number", "minimum": 0, "maximum": 1}
    properties = {
        "probabilities": {"type": "array", "items": chance},
        "unknown": {"type": "array", "items": {"type": "integer", "minimum": 0}},
    }
    return {"type": "object", "properties": properties, "required": list(properties)}


def _error() -> dict[str, Any]:
    properties = {"error": {"type": "string", "enum": list(WORDS)}, "message": {"type": "string"}}
    return {"type": "object", "properties": properties, "required": list(properties)}


def _refusals(codes: tuple[str, ...], closed: bool) -> dict[str, Any]:
    """Responses by status."""
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    out: dict[str, Any] = {}
    for code in (*AT_ALL, *codes, *(("unauthorized",) if closed else ())):
        status, words = WORDS[code]
        there = out.setdefault(str(status), {"description": words, "content": content})
        if status == 503:
            there["headers"] = {"Retry-After": {"schema": {"type": "integer"}}}
    return out


def _post(words: str, body: dict[str, Any], answer: str, codes: tuple[str, ...], closed: bool) -> dict[str, Any]:
    schema = {"$ref": f"#/components/schemas/{answer}"}
    good = {"description": words, "content": {"application/json": {"schema": schema}}}
    operation = {
        "summary": words,
        "requestBody": {"required": True, "content": {"application/json": {"schema": body}}},
        "responses": {"200": good, **_refusals((*WITH_BODY, *codes), closed)},
    }
    return {"post": {**operation, **_security(closed)}}


def _get(words: str, kind: str, schema: dict[str, Any], closed: bool) -> dict[str, Any]:
    good = {"description": words, "content": {kind: {"schema": schema}}}
    responses = {"200": good, **_refusals(("method_not_allowed",), closed)}
    return {"get": {"summary": words, "responses": responses, **_security(closed)}}


def _security(closed: bool) -> dict[str, Any]:
    return {"security": [{"token": []}]} if closed else {}
