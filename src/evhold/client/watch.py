"""A live table of stations, connectors and reservations in a terminal."""

import json
from collections.abc import Callable
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table

from evhold.client.api import Evhold
from evhold.client.types import Event

LIVE = ("Pending", "Unconfirmed", "Active")
Json = dict[str, Any]


class Board:
    """What the table shows: filled once from the API, then kept up by events."""

    def __init__(self) -> None:
        self._stations: dict[str, Json] = {}
        self._reservations: dict[int, Json] = {}

    def fill(self, stations: list[Json], reservations: list[Json]) -> None:
        """All that is known now."""
        self._stations = {one["id"]: one for one in stations}
        self._reservations = {one["id"]: one for one in reservations}

    def tell(self, name: str, data: Json) -> None:
        """One event has come."""
        if "reservation" in data:
            told = data["reservation"]
            if self._reservations.get(told["id"], {"version": 0})["version"] <= told["version"]:
                self._reservations[told["id"]] = told
        elif name == "connector.status":
            self._connector(data)
        elif name.startswith("station."):
            self._station(data["stationId"])["online"] = data["online"]

    def _station(self, station_id: str) -> Json:
        return self._stations.setdefault(station_id, {"id": station_id, "online": True, "evses": []})

    def _connector(self, data: Json) -> None:
        evses: list[Json] = self._station(data["stationId"])["evses"]
        evse = _named(evses, data["evseId"], {"id": data["evseId"], "connectors": []})
        connector = _named(evse["connectors"], data["connectorId"], {"id": data["connectorId"], "type": data["type"]})
        connector |= {"status": data["status"], "since": data["since"]}

    def table(self) -> Table:
        """One row a connector, with the reservation that holds its EVSE."""
        table = Table(title="evhold", expand=True)
        for head in ("station", "EVSE", "connector", "type", "status", "reservation", "until"):
            table.add_column(head)
        for station_id, station in sorted(self._stations.items()):
            self._rows(table, station_id, station)
        for one in self._live():
            if one["evseId"] is None:
                kind = one["connectorType"] or "any"
                table.add_row(one["stationId"], "", "", kind, "", f"{one['id']} {one['status']}", one["expiryDateTime"])
        return table

    def _rows(self, table: Table, station_id: str, station: Json) -> None:
        style = None if station["online"] else "dim"
        for evse in station["evses"] or [{"id": "", "connectors": []}]:
            held = [one for one in self._live() if (one["stationId"], one["evseId"]) == (station_id, evse["id"])]
            holder = f"{held[0]['id']} {held[0]['status']}" if held else ""
            until = held[0]["expiryDateTime"] if held else ""
            for one in evse["connectors"] or [{"id": "", "type": None, "status": None}]:
                status = one["status"] if station["online"] else "offline"
                cells = (station_id, str(evse["id"]), str(one["id"]), one["type"] or "", status or "", holder, until)
                table.add_row(*cells, style=style)

    def _live(self) -> list[Json]:
        return [one for one in self._reservations.values() if one["status"] in LIVE]


def _named(listed: list[Json], number: int, new: Json) -> Json:
    for one in listed:
        if one["id"] == number:
            return one
    listed.append(new)
    return new


def watch(api: Evhold, *, as_json: bool, say: Callable[[str], None]) -> None:
    """The table is kept up until the stream ends; without a terminal, or as JSON, each event is a line instead."""
    console = Console()
    if as_json or not console.is_terminal:
        for event in api.watch():
            if event.name != "open":
                say(json.dumps({"event": event.name, "data": event.data}) if as_json else line_of(event))
        return
    board = Board()
    with Live(board.table(), console=console, auto_refresh=False, screen=True) as live:
        for event in api.watch():
            if event.name in ("open", "gap"):
                # Only what came after the stream began is told: all else is asked for.
                board.fill(api.call("GET", "/stations"), api.call("GET", "/reservations?limit=500"))
            else:
                board.tell(event.name, event.data)
            live.update(board.table(), refresh=True)


def line_of(event: Event) -> str:
    """One event as a line of text."""
    data = event.data
    if "reservation" in data:
        one = data["reservation"]
        return (
            f"{data['at']} {event.name} {one['id']} {one['stationId']} {one['status']} {data['cause'] or ''}".rstrip()
        )
    if event.name == "connector.status":
        place = f"{data['stationId']} {data['evseId']}/{data['connectorId']}"
        return f"{data['at']} {event.name} {place} {data['status']}"
    return f"{data.get('at', '')} {event.name} {data.get('stationId', '')}".strip()
