"""Write docs/events.md: every event, when it is told, and its body, from the types that are run.

Usage: python tools/events.py [--check]
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from evhold.domain.events import TOLD
from evhold.web.dto import ConnectorEventDto, ReservationEventDto, StationEventDto
from evhold.web.webhook_dto import EventMessage
from generated import ROOT, settle

PAGE = ROOT / "docs" / "events.md"
BODIES: dict[str, type] = {
    "reservation.": ReservationEventDto,
    "station.": StationEventDto,
    "connector.": ConnectorEventDto,
}
HEADER = """# Events

Made by `make docs` from `src/evhold/domain/events.py` and the structs of `src/evhold/web`. Do not edit.

Events are told once they are committed: on `GET /api/v1/events` (server-sent events) in the order of their numbers, and to
[webhooks](webhooks.md) in that order for each subject. Times are RFC 3339 UTC with `Z`.

| event | when | data |
|---|---|---|
"""
ONLY_STREAM = """
On the stream alone: `gap` (data `{}`, no id) where events that were asked for by `Last-Event-ID` are gone, as they are kept for
7 days; and `order.due`, for those who ask for it by name: an order of ours waits to be sent to a station. To webhooks alone:
`webhook.test`.

The data that a driver's link gives on its own stream is less: no token, nothing of other reservations.

## The message that a webhook is sent

The names are those of CloudEvents 1.0, the headers those of Standard Webhooks.

"""


def main() -> int:
    """Write the page, or say that it is stale."""
    return settle(PAGE, page())


def page() -> str:
    """The whole page."""
    bodies = sorted(set(BODIES.values()), key=lambda one: one.__name__)
    _, schemas = msgspec.json.schema_components([*bodies, EventMessage], ref_template="#{name}")
    rows = [f"| `{name}` | {when} | [{body_of(name)}](#{body_of(name).lower()}) |" for name, when in TOLD.items()]
    parts = [HEADER + "\n".join(rows), ONLY_STREAM.lstrip() + "\n".join(table(schemas["EventMessage"]))]
    parts.append("## The data")
    wanted = [one.__name__ for one in dict.fromkeys(BODIES.values())]
    wanted += [name for name in schemas if name not in wanted and name != "EventMessage"]
    for name in wanted:
        parts.append("\n".join([f"### {name}", "", *described(schemas[name])]))
    return "\n\n".join(parts) + "\n"


def body_of(event: str) -> str:
    """The name of the struct that is this event's data."""
    return next(body.__name__ for prefix, body in BODIES.items() if event.startswith(prefix))


def described(schema: dict[str, Any]) -> Iterator[str]:
    """Its docstring, and its fields or values."""
    if text := schema.get("description"):
        yield " ".join(text.replace("``", "`").split())
        yield ""
    if "enum" in schema:
        yield ", ".join(f"`{one}`" for one in schema["enum"])
    else:
        yield from table(schema)


def table(schema: dict[str, Any]) -> Iterator[str]:
    """A line a field."""
    yield "| field | type |"
    yield "|---|---|"
    for name, kind in schema["properties"].items():
        yield f"| `{name}` | {said(kind)} |"


def said(kind: dict[str, Any]) -> str:
    """A type in words."""
    if "$ref" in kind:
        name = kind["$ref"].removeprefix("#")
        return f"[{name}](#{name.lower()})"
    if "anyOf" in kind:
        return " or ".join(said(one) for one in kind["anyOf"])
    if kind.get("type") == "array":
        return f"list of {said(kind['items'])}"
    if "enum" in kind:
        return ", ".join(f"`{one}`" for one in kind["enum"])
    if kind.get("format") == "date-time":
        return "time"
    return str(kind.get("type", "JSON"))


if __name__ == "__main__":
    raise SystemExit(main())
