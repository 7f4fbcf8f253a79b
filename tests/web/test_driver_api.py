"""Driver links: one reservation for whoever has the address, and no key."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs
from web_bench import TOKEN, Bench, beside, never_left

from evhold.adapters.clock import SystemClock
from evhold.domain.access import Role
from evhold.domain.events import ConnectorChanged, StationPresence
from evhold.domain.facts import Refused, Silent
from evhold.domain.values import ConnectorId, EvseId, StationId
from evhold.usecases.signing import Signer
from evhold.web import links, live
from evhold.web.server import ServerSettings

SIGNER = Signer("one secret")


class Ahead(SystemClock):
    """The machine's clock, and a lead."""

    def __init__(self, lead: timedelta) -> None:
        self.lead = lead

    def now(self) -> datetime:
        """Later than it is."""
        return super().now() + self.lead


async def linked(bench: Bench, **terms: object) -> tuple[dict[str, object], str]:
    """A new reservation, and the path of its link below /api/v1."""
    made = await bench.reserve(driverLink=True, **terms)
    assert made.status_code == 201, made.text
    told = made.json()
    return told, "/api/v1/driver/" + told["driverLink"].rpartition("/")[2]


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


@asynccontextmanager
async def following(bench: Bench, path: str, **headers: str) -> AsyncIterator[AsyncIterator[tuple[str, str, object]]]:
    """The events of a link: (id, name, data)."""

    async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str, object]]:
        fields: dict[str, str] = {}
        async for line in lines:
            if not line and "data" in fields:
                yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
            name, _, value = line.partition(": ")
            fields = fields | {name: value} if line else {}

    async with asyncio.timeout(5), bench.client.stream("GET", f"{path}/events", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        lines = answer.aiter_lines()
        assert await anext(lines) == "retry: 2000"
        yield parsed(lines)


async def test_a_link_is_asked_for_with_the_reservation(bench: Bench) -> None:
    """The whole address, at the host that was asked; without asking there is no such field."""
    told, _ = await linked(bench)
    link = str(told["driverLink"])
    assert link.startswith(f"{bench.client.base_url}/d/")
    assert (await bench.client.get(link)).text.startswith("<!doctype html>")
    plain = await bench.reserve(evseId=2)
    assert "driverLink" not in plain.json()
    shown = await bench.client.get(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert "driverLink" not in shown.json()


async def test_the_address_is_the_one_that_the_caller_used(bench: Bench) -> None:
    """The name of the site, and https where a trusted proxy says so."""
    headers = {"Host": "charging.example:8443", "X-Forwarded-Proto": "https"}
    made = await bench.reserve(headers=headers, driverLink=True)
    assert made.json()["driverLink"].startswith("http://charging.example:8443/d/")
    async with beside(bench.calls, settings=ServerSettings(trusted_proxies=("127.0.0.0/8",))) as client:
        path = f"/api/v1/reservations/{made.json()['id']}/driver-link"
        again = await client.post(path, headers=headers | bench.auth())
    assert again.json()["driverLink"].startswith("https://charging.example:8443/d/")


async def test_a_repeat_gets_the_same_link(bench: Bench) -> None:
    """Under an Idempotency-Key, settled or not."""
    reserve = partial(bench.reserve, driverLink=True, expiryDateTime=bench.expiry())
    first, again = [await reserve(headers={"Idempotency-Key": "one"}) for _ in range(2)]
    assert first.content == again.content
    bench.stations.hold = asyncio.Event()
    headers = {"Idempotency-Key": "two", "Prefer": "wait=0"}
    pending = await reserve(evseId=2, headers=headers)
    assert pending.status_code == 202
    path = "/api/v1/driver/" + pending.json()["driverLink"].rpartition("/")[2]
    async with following(bench, path, **{"Last-Event-ID": "0"}) as events:
        bench.stations.hold.set()
        assert (await anext(events))[1] == "reservation.accepted"
    settled = await reserve(evseId=2, headers=headers)
    assert settled.status_code == 201
    assert settled.json()["driverLink"] == pending.json()["driverLink"]


async def test_operators_make_a_link_later(bench: Bench) -> None:
    """201 with the same link each time; drivers and readers may not; unknown reservations have none."""
    told, _ = await linked(bench)
    address = f"/api/v1/reservations/{told['id']}/driver-link"
    for _ in range(2):
        made = await bench.client.post(address, headers=bench.auth(Role.OPERATOR))
        assert (made.status_code, made.json()) == (201, {"driverLink": told["driverLink"]})
    for role in (Role.DRIVER, Role.READONLY):
        assert problem_of(await bench.client.post(address, headers=bench.auth(role))) == (403, "forbidden")
    missing = await bench.client.post("/api/v1/reservations/7/driver-link", headers=bench.auth())
    assert problem_of(missing) == (404, "reservation-unknown")


async def test_the_link_shows_the_reservation_and_its_place(bench: Bench) -> None:
    """Times, the one EVSE that is reserved, the station; of the token its end alone."""
    await bench.client.put(
        "/api/v1/stations/CS1",
        headers=bench.auth(),
        json={"location": {"name": "Yard", "latitude": 52.5, "longitude": 13}},
    )
    told, path = await linked(bench)
    answer = await bench.client.get(path)
    view = answer.json()
    assert answer.headers["Cache-Control"] == "no-store"
    assert view.keys() == {"reservation", "station", "serverTime", "diesAt"}
    same = ("id", "status", "cause", "evseId", "connectorType", "usedEvseId", "expiryDateTime", "version")
    assert {name: view["reservation"][name] for name in same} == {name: told[name] for name in same}
    assert view["reservation"]["idToken"] == "....CCDD"
    assert view["reservation"].keys() == {
        *same,
        *("cancelRequestedAt", "replacement", "idToken", "createdAt", "updatedAt", "proven", "tokenMismatch"),
    }
    assert (view["station"]["id"], view["station"]["online"]) == ("CS1", True)
    assert view["station"]["location"] == {"name": "Yard", "latitude": 52.5, "longitude": 13.0}
    assert [evse["id"] for evse in view["station"]["evses"]] == [1]
    assert view["diesAt"] is None
    assert abs(datetime.fromisoformat(view["serverTime"]) - bench.clock.now()) < timedelta(seconds=5)


async def test_without_an_evse_all_of_them_are_shown(bench: Bench) -> None:
    """Any EVSE will do, so the driver sees which are free; a short token is hidden wholly."""
    token = {"idToken": "ABCD", "type": "ISO14443"}
    await bench.client.put("/api/v1/tokens/ISO14443/ABCD", headers=bench.auth(), json={"status": "Accepted"})
    _, path = await linked(bench, evseId=None, idToken=token)
    view = (await bench.client.get(path)).json()
    assert [evse["id"] for evse in view["station"]["evses"]] == [1, 2]
    assert view["reservation"]["idToken"] == "...."


async def test_a_station_that_was_removed_is_nowhere(bench: Bench) -> None:
    """The driver still sees the reservation."""
    _, path = await linked(bench)
    await bench.client.delete("/api/v1/stations/CS1", headers=bench.auth())
    station = (await bench.client.get(path)).json()["station"]
    assert station == {"id": "CS1", "online": False, "lastSeen": None, "location": None, "evses": []}


@pytest.mark.req("H01.FR.02")
async def test_the_driver_extends(bench: Bench) -> None:
    """200 with the new time, and no token in it; the history names the driver."""
    told, path = await linked(bench)
    later = bench.expiry(90)
    answer = await bench.client.patch(path, json={"expiryDateTime": later})
    assert (answer.status_code, answer.json()["expiryDateTime"]) == (200, later)
    assert answer.json()["idToken"] == "....CCDD"
    assert answer.headers["ETag"] == f'"{answer.json()["version"]}"'
    history = await bench.client.get(f"/api/v1/reservations/{told['id']}/history", headers=bench.auth())
    assert history.json()[-2]["by"] == "driver"


async def test_the_driver_changes_nothing_else(bench: Bench) -> None:
    """Another EVSE, another token, another word: 400; a version that is no more: 412."""
    _, path = await linked(bench)
    for body in ({}, {"evseId": 2}, {"expiryDateTime": bench.expiry(), "idToken": {"idToken": "X", "type": "Central"}}):
        assert problem_of(await bench.client.patch(path, json=body)) == (400, "invalid-request")
    edge = await bench.client.patch(path, json={"expiryDateTime": "9999-12-31T23:59:59-12:00"})
    assert problem_of(edge) == (400, "invalid-request")
    past = await bench.client.patch(path, json={"expiryDateTime": bench.expiry(-5)})
    assert problem_of(past) == (400, "invalid-request")
    headers = {"If-Match": '"77"'}
    stale = await bench.client.patch(path, json={"expiryDateTime": bench.expiry(50)}, headers=headers)
    assert problem_of(stale) == (412, "version-conflict")
    assert problem_of(await bench.client.delete(path, headers=headers)) == (412, "version-conflict")


async def test_what_the_station_says_is_told_without_tokens(bench: Bench) -> None:
    """A refusal, an error, silence and absence, each as to an operator, with the reservation as its driver sees it."""
    _, path = await linked(bench)
    _, second = await linked(bench, evseId=2)
    _, third = await linked(bench, evseId=None)
    bench.stations.answer = partial(Refused, status="Occupied")
    refused = await bench.client.patch(path, json={"expiryDateTime": bench.expiry(60)})
    assert problem_of(refused) == (409, "reservation-refused")
    assert refused.json()["ocppStatus"] == "Occupied"
    assert refused.json()["reservation"]["idToken"] == "....CCDD"
    bench.stations.answer = never_left("station-offline")
    away = await bench.client.patch(second, json={"expiryDateTime": bench.expiry(60)})
    assert problem_of(away) == (503, "station-offline")
    bench.stations.answer = partial(Silent, reason="timeout")
    silent = await bench.client.patch(third, json={"expiryDateTime": bench.expiry(60)})
    assert (silent.status_code, silent.headers["Location"]) == (202, third)
    assert silent.json()["replacement"].keys() == {"expiryDateTime"}
    assert TOKEN.id_token not in refused.text + away.text + silent.text


async def test_the_driver_cancels(bench: Bench) -> None:
    """200 when it is done; then the reservation has ended, and the link lives a day more."""
    _, path = await linked(bench)
    done = await bench.client.delete(path)
    assert (done.status_code, done.json()["status"]) == (200, "Canceled")
    view = (await bench.client.get(path)).json()
    ended = datetime.fromisoformat(view["reservation"]["updatedAt"])
    assert datetime.fromisoformat(view["diesAt"]) == ended + timedelta(days=1)
    again = await bench.client.patch(path, json={"expiryDateTime": bench.expiry(60)})
    assert problem_of(again) == (409, "reservation-ended")


async def test_nobody_waits_for_a_slow_station(bench: Bench) -> None:
    """202 with the wish, and the order goes on."""
    _, path = await linked(bench)
    bench.stations.hold = asyncio.Event()
    wished = await bench.client.delete(path, headers={"Prefer": "wait=0"})
    assert wished.status_code == 202
    assert wished.json()["cancelRequestedAt"] is not None
    async with following(bench, path) as events:
        bench.stations.hold.set()
        assert (await anext(events))[1] == "reservation.canceled"


async def test_a_dead_link_says_so(bench: Bench) -> None:
    """410 a day after the end, for every call, and no new link is made; to the second a day it still shows."""
    told, path = await linked(bench)
    await bench.client.delete(path)
    for lead, status in ((timedelta(hours=23, minutes=59), 200), (timedelta(days=1), 410)):
        async with beside(replace(bench.calls, clock=Ahead(lead))) as client:
            assert (await client.get(path)).status_code == status
            if status == 410:
                answers = [
                    await client.get(path),
                    await client.patch(path, json={"expiryDateTime": bench.expiry(60)}),
                    await client.delete(path),
                    await client.get(f"{path}/events"),
                    await client.post(f"/api/v1/reservations/{told['id']}/driver-link", headers=bench.auth()),
                ]
                assert {problem_of(one) for one in answers} == {(410, "link-expired")}


async def test_a_link_that_was_not_made_here_leads_nowhere(bench: Bench) -> None:
    """404 for forged ones, foreign ones, and one of a reservation that is not there; the key does not help."""
    _, path = await linked(bench)
    link = path.rpartition("/")[2]
    number = 1
    forged = [
        "x",
        link[:-1],
        link + "A",
        *(link[:at] + ("A" if link[at] != "A" else "B") + link[at + 1 :] for at in (0, 5, 12, 26)),
        links.link_of(number, signer=SIGNER),
        links.link_of(number, signer=bench.calls.signer),
        "%C3%A9" * 27,
    ]
    assert link not in forged
    for one in forged:
        address = f"/api/v1/driver/{one}"
        answers = [
            await bench.client.get(address, headers=bench.auth()),
            await bench.client.delete(address),
            await bench.client.get(f"{address}/events"),
        ]
        assert {problem_of(answer) for answer in answers} == {(404, "link-unknown")}, one


async def test_the_link_opens_nothing_else(bench: Bench) -> None:
    """It is no key; beside its four calls there is nothing below it."""
    _, path = await linked(bench)
    link = path.rpartition("/")[2]
    assert (await bench.client.get("/api/v1/stations", headers={"Authorization": f"Bearer {link}"})).status_code == 401
    assert (await bench.client.get("/api/v1/driver")).status_code == 401
    assert problem_of(await bench.client.get(f"{path}/history")) == (404, "not-found")
    assert problem_of(await bench.client.post(path)) == (405, "method-not-allowed")
    assert (await bench.client.get(f"{path}/../../stations")).status_code == 401


async def test_the_driver_is_told_of_this_reservation_and_its_place_alone(bench: Bench) -> None:
    """Its own changes, its EVSE's connectors, its station's coming and going; no token, and none of another."""
    told, path = await linked(bench)
    now = bench.clock.now()

    def add(event: object) -> object:
        return bench.storage.transact(lambda tx: tx.outbox.add(event))  # type: ignore[arg-type]  # an Event

    def status(evse: int, station: str = "CS1") -> ConnectorChanged:
        place = {"station_id": StationId(station), "evse_id": EvseId(evse), "connector_id": ConnectorId(1)}
        return ConnectorChanged(at=now, **place, status="Reserved", since=now)  # type: ignore[arg-type]  # as typed above

    async with following(bench, path, **{"Last-Event-ID": "0"}) as events:
        await bench.reserve(evseId=2)
        for event in (
            status(2),
            status(1, "CS2"),
            StationPresence(at=now, station_id=StationId("CS2"), online=False),
            status(1),
            StationPresence(at=now, station_id=StationId("CS1"), online=False),
        ):
            await add(event)  # type: ignore[misc]  # it is awaitable
        await bench.client.patch(path, json={"expiryDateTime": bench.expiry(60)})
        found = [await anext(events) for _ in range(4)]
    assert [name for _, name, _ in found][:3] == ["reservation.accepted", "connector.status", "station.offline"]
    assert found[1][2]["evseId"] == 1  # type: ignore[index]
    assert found[3][1].startswith("reservation.")
    assert {found[at][2]["reservation"]["id"] for at in (0, 3)} == {told["id"]}  # type: ignore[index]
    assert TOKEN.id_token not in json.dumps(found)


async def test_the_drivers_stream_resumes(bench: Bench) -> None:
    """Last-Event-ID gives what came after; from another database, a gap first."""
    _, path = await linked(bench)
    await bench.client.delete(path)
    async with following(bench, path, **{"Last-Event-ID": "0"}) as events:
        names = [(await anext(events))[1] for _ in range(2)]
    assert names == ["reservation.accepted", "reservation.canceled"]
    async with following(bench, path, **{"Last-Event-ID": "99999"}) as events:
        assert (await anext(events))[1] == "gap"
    assert problem_of(await bench.client.get(f"{path}/events", headers={"Last-Event-ID": "x"})) == (
        400,
        "invalid-request",
    )


async def test_a_link_does_not_take_all_the_streams(bench: Bench) -> None:
    """Ten at a time, then 503; those of another link are not affected, and a closed one makes room."""
    _, path = await linked(bench)
    _, other = await linked(bench, evseId=2)
    async with asyncio.timeout(10):
        opened = [following(bench, path) for _ in range(live.MAX_OF_ONE)]
        for one in opened:
            await one.__aenter__()
        assert problem_of(await bench.client.get(f"{path}/events")) == (503, "too-many-streams")
        async with following(bench, other):
            pass
        for one in opened:
            await one.__aexit__(None, None, None)
        while bench.streams.open:
            await asyncio.sleep(0)
        async with following(bench, path):
            pass


async def test_a_drivers_stream_ends_with_its_link(bench: Bench) -> None:
    """At the next heartbeat after it died."""
    _, path = await linked(bench)
    await bench.client.delete(path)
    clock = Ahead(timedelta(hours=23))
    streams = live.Streams(heartbeat_s=0.01)
    async with (
        beside(replace(bench.calls, clock=clock), streams) as client,
        asyncio.timeout(5),
        client.stream("GET", f"{path}/events") as answer,
    ):
        lines = answer.aiter_lines()
        await anext(lines)
        clock.lead += timedelta(hours=2)
        async for _ in lines:
            pass
    assert streams.open == 0


async def test_a_fault_does_not_write_the_link_down(bench: Bench) -> None:
    """Logs are read by more than one."""
    _, path = await linked(bench)

    async def broken(_: object, **__: object) -> None:
        raise ZeroDivisionError

    reservations = replace(bench.calls.reservations, get=broken)
    with capture_logs() as logs:
        async with beside(replace(bench.calls, reservations=reservations)) as client:
            assert problem_of(await client.get(path)) == (500, "internal-error")
    assert [(one["event"], one["path"]) for one in logs] == [("web.fault", "/api/v1/driver/****")]


@given(st.integers(1, 2**31 - 1))
def test_a_link_names_its_reservation(number: int) -> None:
    """It is short, fits an address as it is, and leads back."""
    link = links.link_of(number, signer=SIGNER)
    assert len(link) == 27
    assert link.replace("-", "").replace("_", "").isalnum()
    assert links.reservation_id_of(link, signer=SIGNER) == number
    assert links.reservation_id_of(link, signer=Signer("another")) is None


@given(st.text())
def test_no_text_is_a_link_that_we_did_not_make(text: str) -> None:
    """Reading never raises."""
    assert links.reservation_id_of(text, signer=SIGNER) is None
