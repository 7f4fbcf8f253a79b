"""What stations tell of their security, and what is noted at the door: kept, bounded, shown."""

from __future__ import annotations

import asyncio
import json
import ssl
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any

import pytest
import websockets
from msgspec import structs
from secured import PASSWORD, Secured

from evhold.adapters.clock import SystemClock
from evhold.domain.security import Incident, Incidents
from evhold.domain.values import StationId
from evhold.security import MOST_WAITING, IncidentLog, prune_trails
from tls_stage import station_tls, stranger


class MovedClock(SystemClock):
    """So many days from now."""

    days = 0

    def now(self) -> datetime:
        return super().now() + timedelta(days=self.days)


def connecting(node: Secured, station_id: str, *, tls: ssl.SSLContext, headers: dict[str, str] | None = None) -> Any:
    """A station's connection, not open yet."""
    return websockets.connect(
        f"{node.url}/{station_id}",
        subprotocols=["ocpp2.0.1"],  # type: ignore[list-item]
        additional_headers=headers or {},
        ssl=tls,
        proxy=None,
    )


async def refused(attempt: Any) -> None:
    """It does not get in."""
    with suppress(Exception):
        async with attempt as one:
            await one.recv()
        raise AssertionError("it got in")


async def events(node: Secured, station_id: str | None = None) -> list[dict[str, Any]]:
    """What is shown, once something is."""
    path = "/security-events" if station_id is None else f"/stations/{station_id}/security-events"
    async with asyncio.timeout(10):
        while True:
            answer = await node.http.get(path)
            assert answer.status_code == 200, answer.text
            if answer.json():
                shown: list[dict[str, Any]] = answer.json()
                return shown
            await node.app.incidents.store(node.app.storage)


@pytest.mark.req("A04")
async def test_a_stations_event_is_kept_and_shown(node: Secured) -> None:
    """With its time by both clocks, and what it says beside."""
    await node.put("CS3", securityProfile=3)
    told = {
        "type": "TamperDetectionActivated",
        "timestamp": "2026-01-02T03:04:05Z",
        "techInfo": 'door 2\0 {"idToken": "AABBCCDD"}',
    }
    async with connecting(node, "CS3", tls=station_tls("CS3")) as one:
        await one.send(json.dumps([2, "m1", "SecurityEventNotification", told]))
        while json.loads(await one.recv())[0] != 3:
            pass
    (event,) = await events(node, "CS3")

    assert (event["type"], event["techInfo"], event["origin"]) == (
        "TamperDetectionActivated",
        'door 2\ufffd {"idToken": "****"}',
        "station",
    )
    assert (event["toldAt"], event["remote"], event["count"]) == ("2026-01-02T03:04:05Z", None, 1)


@pytest.mark.req("A00.FR.324")
async def test_failed_logins_are_kept_together(node: Secured) -> None:
    """Three of one kind and address in a row are one row that counts."""
    await node.put("CS1", password=PASSWORD)
    for _ in range(3):
        await refused(connecting(node, "CS1", tls=station_tls()))
    await node.app.incidents.store(node.app.storage)
    shown = await events(node, "cs1")

    assert {one["type"] for one in shown} == {"FailedToAuthenticateAtCsms"}
    assert sum(one["count"] for one in shown) == 3
    assert {(one["origin"], one["remote"], one["stationId"]) for one in shown} == {("csms", "127.0.0.1", "CS1")}


@pytest.mark.req("A00.FR.408")
async def test_a_certificate_that_does_not_verify_is_kept_of_nobody(node: Secured) -> None:
    """Which station it was is not known before its certificate is good; OpenSSL's reason is."""
    await refused(connecting(node, "CS1", tls=station_tls("CS1", by=stranger())))
    (event,) = await events(node)

    assert (event["stationId"], event["type"]) == (None, "InvalidChargingStationCertificate")
    assert "issuer" in event["techInfo"]


async def test_the_certificate_of_another_and_a_downgrade_are_kept(node: Secured) -> None:
    """Each under its own type."""
    await node.put("CS1", password=PASSWORD, securityProfile=3)
    await refused(connecting(node, "CS1", tls=station_tls("CS2")))
    (first,) = await events(node, "CS1")
    headers = {"Authorization": "Basic Q1MxOmEtbWFjaGluZS1tYWRlLXBhc3N3b3Jk"}
    await refused(connecting(node, "CS1", tls=station_tls(), headers=headers))
    await node.app.incidents.store(node.app.storage)
    second, _ = await events(node, "CS1")

    assert (first["type"], second["type"]) == ("InvalidChargingStationCertificate", "SecurityProfileTooLow")


async def test_an_unknown_station_has_no_events(node: Secured) -> None:
    """404, as for everything of it; and nobody's failures fill its place."""
    await refused(connecting(node, "CS9", tls=station_tls()))
    await node.app.incidents.store(node.app.storage)

    assert (await node.http.get("/stations/CS9/security-events")).status_code == 404
    assert (await node.http.get("/security-events")).json() == []


async def test_a_storm_of_incidents_is_bounded(node: Secured) -> None:
    """So many kinds wait at most, and what is more is counted."""
    log = IncidentLog(storage=node.app.storage, clock=SystemClock())
    for number in range(MOST_WAITING + 50):
        log.note(
            Incident(
                type=Incidents.WRONG_CREDENTIALS, station_id=StationId("CS1"), detail="x", remote=f"10.0.0.{number}"
            )
        )
    await log.store(node.app.storage)
    shown = (await node.http.get("/security-events", params={"limit": 500})).json()
    assert len(shown) == MOST_WAITING


async def test_old_events_are_gone(node: Secured) -> None:
    """Older than --keep-security-events, and the audit's older than --keep-audit."""
    await node.put("CS1", password=PASSWORD)
    await refused(connecting(node, "CS1", tls=station_tls()))
    clock = MovedClock()
    settings = structs.replace(node.app.settings, keep_audit=200, keep_security_events=100)
    await events(node, "CS1")
    for days, left in ((99, (1, 1)), (101, (0, 1)), (201, (0, 0))):
        clock.days = days
        await prune_trails(settings, storage=node.app.storage, clock=clock)
        shown = [(await node.http.get(path)).json() for path in ("/security-events", "/audit")]
        assert tuple(min(len(rows), 1) for rows in shown) == left


async def test_events_come_page_by_page(node: Secured) -> None:
    """Link names the next page, until there is none; a limit that is none is refused by its name."""
    await node.put("CS3", securityProfile=3)
    async with connecting(node, "CS3", tls=station_tls("CS3")) as one:
        for number in range(3):
            told = {"type": f"T{number}", "timestamp": "2026-01-02T03:04:05Z"}
            await one.send(json.dumps([2, f"m{number}", "SecurityEventNotification", told]))
            while json.loads(await one.recv())[:2] != [3, f"m{number}"]:
                pass
    first = await node.http.get("/stations/CS3/security-events", params={"limit": 2})
    rest = await node.http.get(first.links["next"]["url"].removeprefix("/api/v1"))
    bad = await node.http.get("/security-events", params={"limit": 0})

    assert [[row["type"] for row in page.json()] for page in (first, rest)] == [["T2", "T1"], ["T0"]]
    assert "next" not in rest.links
    assert (bad.status_code, bad.json()["errors"][0]["field"]) == (400, "limit")
