"""The terminal's own reading of the API."""

import json

import httpx
import pytest

from evhold.client.api import Evhold
from evhold.client.requests import EventLines, Refused
from evhold.client.watch import Board


def test_events_are_read_line_by_line() -> None:
    """Comments and half events are passed over; data may have several lines."""
    lines = [
        "retry: 1",
        ": hello",
        "",
        "id: 7",
        "event: a",
        'data: {"x":',
        "data: 2}",
        "",
        "event: b",
        "",
        "data: {}",
        "",
    ]
    reader = EventLines()
    found = [one for line in lines if (one := reader.take(line)) is not None]
    assert [(one.id, one.name, one.data) for one in found] == [(7, "a", {"x": 2}), (None, "message", {})]


def test_a_problem_is_told_by_its_detail() -> None:
    """The status says whether the input was bad."""
    problem = {"type": "/problems/invalid-request", "title": "t", "status": 400, "detail": "evseId: no"}
    transport = httpx.MockTransport(lambda _: httpx.Response(400, json=problem))
    with Evhold("http://h", "k", transport=transport) as api, pytest.raises(Refused, match="evseId: no") as caught:
        api.call("GET", "/x")
    assert caught.value.is_bad_input


def test_the_board_follows_events() -> None:
    """A connector, a station and a reservation are kept up; an older version changes nothing."""
    board = Board()
    board.fill([{"id": "CS1", "online": True, "evses": []}], [])
    status = {"stationId": "CS1", "evseId": 1, "connectorId": 1, "status": "Reserved", "type": "cCCS2", "since": "s"}
    board.tell("connector.status", status)
    held = {"id": 5, "stationId": "CS1", "evseId": 1, "connectorType": None, "status": "Active", "version": 2}
    held["expiryDateTime"] = "2030-01-01T00:00:00Z"
    board.tell("reservation.accepted", {"reservation": held})
    board.tell("reservation.failed", {"reservation": held | {"status": "Failed", "version": 1}})
    cells = [list(column.cells) for column in board.table().columns]
    assert [column[0] for column in cells] == ["CS1", "1", "1", "cCCS2", "Reserved", "5 Active", "2030-01-01T00:00:00Z"]
    board.tell("station.offline", {"stationId": "CS1", "online": False})
    assert "offline" in json.dumps([list(column.cells) for column in board.table().columns])
