"""The reference page: the OpenAPI document as plain HTML, nothing loaded from elsewhere."""

from collections.abc import Sequence
from html import escape
from typing import Any, Final

import msgspec

_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>evhold API</title>'
    '<meta name="viewport" content="width=device-width"><link rel="stylesheet" href="/static/docs.css"></head><body><main>'
)


def page_of(document: bytes) -> str:
    """The page of an OpenAPI document."""
    api = msgspec.json.decode(document)
    parts = [_HEAD, f"<h1>evhold API {escape(api['info']['version'])}</h1>"]
    parts.append(
        "<p>All calls but those that say so want <code>Authorization: Bearer KEY</code>, or the cookie of a session, and with"
        " it <code>X-CSRF-Token</code> wherever something is changed."
        ' <a href="/openapi.json">OpenAPI 3.1</a></p>'
    )
    for path, methods in api["paths"].items():
        for method, operation in methods.items():
            parts.append(_operation(path, method, operation))
    parts.append("<h2>Objects</h2>")
    for name, schema in sorted(api["components"]["schemas"].items()):
        parts.append(_schema(name, schema))
    return "".join(parts) + "</main></body></html>"


def _operation(path: str, method: str, operation: dict[str, Any]) -> str:
    parts = [f'<section id="{escape(operation["operationId"])}"><h2><code>{method.upper()} {escape(path)}</code></h2>']
    parts.append(f"<p>{escape(operation['summary'])}. {escape(operation['description'])}</p>")
    if operation["parameters"]:
        rows = [
            (one["name"], one["in"], one.get("description", "") or _type(one["schema"]))
            for one in operation["parameters"]
        ]
        parts.append(_table(("parameter", "in", ""), rows))
    if "requestBody" in operation:
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        parts.append(f"<p>Body: {_link(schema)}</p>")
    answers = [(status, *_answer(answer)) for status, answer in sorted(operation["responses"].items())]
    parts.append(_table(("status", "answer", ""), answers, raw=True))
    return "".join(parts) + "</section>"


def _answer(answer: dict[str, Any]) -> tuple[str, str]:
    shown = escape(answer["description"])
    for content in answer.get("content", {}).values():
        kinds = content["schema"].get("properties", {}).get("type", {}).get("enum")
        if kinds:
            return shown, " ".join(f'<a href="{escape(kind)}">{escape(kind.rsplit("/", 1)[1])}</a>' for kind in kinds)
        return shown, _link(content["schema"])
    return shown, ""


def _schema(name: str, schema: dict[str, Any]) -> str:
    parts = [f'<section id="{escape(name)}"><h3>{escape(name)}</h3><p>{escape(schema.get("description", ""))}</p>']
    if "properties" in schema:
        needed = set(schema.get("required", ()))
        rows = [(key, "needed" if key in needed else "", _type(value)) for key, value in schema["properties"].items()]
        parts.append(_table(("field", "", "type"), rows))
    elif "enum" in schema:
        parts.append(f"<p>{escape(', '.join(map(str, schema['enum'])))}</p>")
    for example in schema.get("examples", []):
        parts.append(f"<pre>{escape(msgspec.json.format(msgspec.json.encode(example), indent=2).decode())}</pre>")
    return "".join(parts) + "</section>"


def _table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, raw: bool = False) -> str:
    cells = "".join(f"<th>{escape(one)}</th>" for one in head)
    lines = "".join(
        "<tr>" + "".join(f"<td>{one if raw else escape(one)}</td>" for one in row) + "</tr>" for row in rows
    )
    return f"<table><tr>{cells}</tr>{lines}</table>"


def _link(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        name = escape(schema["$ref"].rsplit("/", 1)[1])
        return f'<a href="#{name}">{name}</a>'
    if schema.get("type") == "array":
        return "list of " + _link(schema["items"])
    if "anyOf" in schema:
        return " or ".join(_link(one) for one in schema["anyOf"])
    return escape(_type(schema))


def _type(schema: dict[str, Any]) -> str:
    if "$ref" in schema:
        return str(schema["$ref"].rsplit("/", 1)[1])
    if "anyOf" in schema:
        return " or ".join(_type(one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(one) for one in schema["enum"])
    if schema.get("type") == "array":
        return "list of " + _type(schema["items"])
    return str(schema.get("format") or schema.get("type") or "any JSON")
