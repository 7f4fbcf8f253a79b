"""OpenAPI 3.1 of the API, made of the table of operations and of the structs."""

import re
from collections import defaultdict
from functools import cache
from typing import Any, Final

import msgspec

from evhold.domain.access import Role
from evhold.web import cookies, dto
from evhold.web.operations import Operation
from evhold.web.problems import MEDIA_TYPE, PROBLEMS, RETRY_AFTER_S
from evhold.web.routes import OPERATIONS

Json = dict[str, Any]
_PART: Final = re.compile(r"\{(\w+)(?::(\w+))?\}")
_REF: Final = "#/components/schemas/{name}"
_ALWAYS: Final = (
    "invalid-request",
    "request-timeout",
    "address-too-long",
    "rate-limited",
    "too-many-failures",
    "headers-too-large",
    "storage-unavailable",
    "internal-error",
)
#: Problems that say when to come again, beside those that always say the same.
_WAITS: Final = ("rate-limited", "too-many-failures", "issuer-unavailable")
_HEADERS: Final[dict[str, tuple[str, Json]]] = {
    "Idempotency-Key": ("A repeat with the same key gets the first answer", {"type": "string", "maxLength": 255}),
    "Prefer": ("wait=SECONDS: answer after so long at the latest; the order goes on", {"type": "string"}),
    "If-Match": ("The ETag that the reservation must still have", {"type": "string"}),
    "Last-Event-ID": ("Go on after this event", {"type": "string", "pattern": "^[0-9]{1,18}$"}),
}
EXAMPLES: Final[dict[str, Json]] = {
    "ReservationCreate": {
        "stationId": "CS1",
        "evseId": 1,
        "idToken": {"idToken": "AABBCCDD", "type": "ISO14443"},
        "expiryDateTime": "2030-12-15T14:30:00Z",
    },
    "ReservationPatch": {"expiryDateTime": "2030-12-15T15:00:00Z"},
    "StationPut": {"location": {"name": "Harbour car park", "latitude": 53.55, "longitude": 9.99}},
    "TokenPut": {"status": "Accepted", "groupIdToken": {"idToken": "FAMILY1", "type": "Central"}},
    "KeyCreate": {"role": "operator", "name": "the booking desk"},
}


@cache
def document(version: str, issuer: str | None = None) -> bytes:
    """The OpenAPI document as JSON; ``issuer`` is where one whose tokens are taken describes itself."""
    schemas = _schemas()
    paths: defaultdict[str, Json] = defaultdict(dict)
    for operation in OPERATIONS:
        path = _PART.sub(r"{\1}", operation.address)
        paths[path][operation.method.lower()] = _operation(operation)
    content = {
        "openapi": "3.1.0",
        "info": {"title": "evhold", "version": version, "description": "Reservations at OCPP 2.0.1 Charging Stations."},
        "servers": [{"url": "/"}],
        "security": [{"key": []}, {"session": []}, *([] if issuer is None else [{"oidc": []}])],
        "paths": paths,
        "components": {
            "schemas": {**schemas, "Problem": _problem_schema()},
            "securitySchemes": {
                "key": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": cookies.NAME},
                **({} if issuer is None else {"oidc": {"type": "openIdConnect", "openIdConnectUrl": issuer}}),
            },
        },
    }
    return msgspec.json.encode(content)


def _types() -> list[object]:
    named: list[object] = []
    for operation in OPERATIONS:
        for one in (operation.body, operation.query, *operation.answers.values()):
            named += one if isinstance(one, tuple) else [] if one is None else [one]
    return named


@cache
def _schemas() -> Json:
    _, components = msgspec.json.schema_components(_types(), ref_template=_REF)
    queries = {operation.query.__name__ for operation in OPERATIONS if operation.query is not None}
    schemas = {name: schema for name, schema in components.items() if name not in queries}
    for name, example in EXAMPLES.items():
        schemas[name]["examples"] = [example]
    return _ecma(schemas)  # type: ignore[no-any-return]  # a dict in, a dict out


def _ecma(node: Any) -> Any:
    """Patterns as ECMA 262 has them: ``$`` for our ``\\Z``."""
    if isinstance(node, dict):
        return {
            name: value.replace("\\Z", "$") if name == "pattern" and isinstance(value, str) else _ecma(value)
            for name, value in node.items()
        }
    return [_ecma(one) for one in node] if isinstance(node, list) else node


def _schema_of(kind: object) -> Json:
    if isinstance(kind, tuple):
        return {"anyOf": [_schema_of(one) for one in kind]}
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REF)
    return _ecma(schema)  # type: ignore[no-any-return]  # a dict in, a dict out


def _operation(operation: Operation) -> Json:
    shown: Json = {
        "operationId": operation.name,
        "summary": operation.summary,
        "description": _who(operation),
        "tags": [operation.tag],
        "parameters": [*_path_parameters(operation), *_query_parameters(operation), *_header_parameters(operation)],
        "responses": _responses(operation),
    }
    if operation.is_public:
        shown["security"] = []
    if operation.body is not None:
        shown["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": _schema_of(operation.body)}},
        }
    elif operation.name == "callStation":
        payload = {"schema": {"type": "object"}, "example": {"requestedMessage": "StatusNotification"}}
        shown["requestBody"] = {"required": True, "content": {"application/json": payload}}
    return shown


def _who(operation: Operation) -> str:
    if operation.is_public:
        return "No key: the link is the permission." if operation.path.startswith("/driver/") else "No key."
    return f"Roles: {', '.join(role for role in Role if role in operation.roles)}."


def _path_parameters(operation: Operation) -> list[Json]:
    return [
        {
            "name": name,
            "in": "path",
            "required": True,
            "schema": {"type": "integer", "minimum": 0} if kind == "int" else _part(name),
        }
        for name, kind in _PART.findall(operation.path)
    ]


def _part(name: str) -> Json:
    named = {"stationId": dto.StationName, "type": dto.IdTokenKind, "idToken": dto.TokenText}
    return _schema_of(named[name]) if name in named else {"type": "string", "minLength": 1}


def _query_parameters(operation: Operation) -> list[Json]:
    if operation.query is None:
        return []
    _, components = msgspec.json.schema_components([operation.query], ref_template=_REF)
    return [
        {"name": name, "in": "query", "required": False, "schema": _ecma(schema)}
        for name, schema in components[operation.query.__name__]["properties"].items()
    ]


def _header_parameters(operation: Operation) -> list[Json]:
    return [
        {"name": name, "in": "header", "required": False, "description": _HEADERS[name][0], "schema": _HEADERS[name][1]}
        for name in operation.headers
    ]


def _responses(operation: Operation) -> Json:
    responses: Json = {}
    for status, kind in operation.answers.items():
        answer: Json = {"description": operation.summary}
        if kind is not None:
            media_type = "text/event-stream" if operation.streams else operation.media_type
            answer["content"] = {media_type: {"schema": _schema_of(kind)}}
        responses[str(status)] = answer
    by_status: defaultdict[int, list[str]] = defaultdict(list)
    unauthorized = () if operation.is_public else ("unauthorized", "issuer-unavailable")
    csrf = () if operation.is_public or operation.method == "GET" else ("csrf-token-missing",)
    forbidden = () if operation.is_public or operation.roles == frozenset(Role) else ("forbidden",)
    too_large = ("body-too-large",) if operation.method in ("POST", "PUT", "PATCH") else ()
    not_found = ("not-found",) if "{" in operation.path else ()
    for name in (*_ALWAYS, *unauthorized, *csrf, *forbidden, *too_large, *not_found, *operation.problems):
        by_status[PROBLEMS[name][0]].append(name)
    for status, names in by_status.items():
        responses[str(status)] = _problem(names)
    return responses


def _problem(names: list[str]) -> Json:
    schema = {
        "allOf": [{"$ref": _REF.format(name="Problem")}],
        "properties": {"type": {"enum": [f"/problems/{name}" for name in names]}},
    }
    shown: Json = {
        "description": "; ".join(PROBLEMS[name][1] for name in names),
        "content": {MEDIA_TYPE: {"schema": schema}},
    }
    if any(name in RETRY_AFTER_S or name in _WAITS for name in names):
        shown["headers"] = {"Retry-After": {"schema": {"type": "string"}}}
    return shown


def _problem_schema() -> Json:
    return {
        "title": "Problem",
        "description": "RFC 9457; more members by type: errors, variable, tokenStatus, ocppStatus, statusInfo, reservation.",
        "type": "object",
        "required": ["type", "title", "status", "detail"],
        "properties": {
            "type": {"type": "string"},
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string"},
            "errors": {
                "type": "array",
                "items": {
                    "type": "object",
                    "required": ["field", "message"],
                    "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
                },
            },
        },
    }
