"""The demo's people and incidents against a real server: each story is told by the reservations it leaves behind."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest
from e2e_stage import problem, told, world
from msgspec import UNSET

from csms import Csms
from evhold.simulator import incidents, visits
from evhold.simulator.blueprint import FLAKY, KEPT, SLOW, Driver, card, everybody, people, plan
from evhold.simulator.booking import Booking
from evhold.simulator.client import SimulatedStation
from evhold.simulator.guests import Guests
from evhold.simulator.pace import Pace
from evhold.simulator.site import Reach, run_site
from evhold.simulator.state import token_key
from evhold.simulator.town import Town
from evhold.simulator.visits import Trip

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]

QUICKLY = 0.01


async def keys(csms: Csms) -> dict[str, str]:
    """A driver's key for each app, for the cards of its people."""
    made = {}
    for app in sorted({one.app for one in everybody(plan(12))}):
        tokens = [
            {"idToken": one.token.id_token, "type": one.token.type} for one in everybody(plan(12)) if one.app == app
        ]
        answer = await csms.request("POST", "/keys", json={"role": "driver", "name": app, "idTokens": tokens})
        assert answer.status_code == 201, answer.text
        made[app] = answer.json()["key"]
    return made


@asynccontextmanager
async def town_of(csms: Csms, *station_ids: str) -> AsyncIterator[Town]:
    """These stations of the site are online, with nobody there yet."""
    chosen = [one.options for one in plan(24) if one.options.station_id in station_ids]
    async with Booking(csms.api, await keys(csms)) as booking, AsyncExitStack() as stack:
        stations: dict[str, SimulatedStation] = {}
        for options in chosen:
            station = SimulatedStation(csms.stations, options, world=world())
            stations[options.station_id] = await stack.enter_async_context(station)
            await station.online()
            await station.wait_for("GetVariables")
            await csms.until_online(station.id)
        drivers, real = tuple(people(plan(12))), world()
        yield Town(stations, drivers, booking, Pace(real.rng, scale=QUICKLY), real)


def trip(town: Town) -> Trip:
    """One of the people on an errand."""
    return Trip(town, town.people[0], QUICKLY)


async def left(csms: Csms, station_id: str) -> list[dict[str, Any]]:
    """The reservations of the station, newest first."""
    found: list[dict[str, Any]] = (await csms.request("GET", f"/reservations?stationId={station_id}")).json()
    return found


@pytest.mark.parametrize(
    ("station_id", "story", "end"),
    [
        ("NG-02", visits.comes_in_time, "Used"),
        ("NG-03", visits.comes_late, "Expired"),
        ("NG-04", visits.thinks_better_of_it, "Canceled"),
        ("NG-05", visits.needs_longer, "Used"),
    ],
)
async def test_a_driver_who_reserves(csms: Csms, station_id: str, story: Any, end: str) -> None:
    """Each story ends its reservation in its own way, and the EVSEs are free again."""
    async with town_of(csms, station_id) as town:
        await story(trip(town))
        (known,) = await left(csms, station_id)
        await csms.until(known["id"], end)
        await csms.until_connectors(station_id, {(1, 1): "Available", (2, 1): "Available"})


async def test_a_driver_who_is_refused(csms: Csms) -> None:
    """The station says Occupied to who trusts an old list."""
    async with town_of(csms, "NG-07") as town:
        for evse_id in (1, 2):
            await town.stations["NG-07"].plug_in(evse_id)
        await visits.is_refused(trip(town))
        (known,) = await left(csms, "NG-07")
        assert (known["status"], known["ocppStatus"]) == ("Refused", "Occupied")


async def test_a_driver_may_charge_where_nobody_may_reserve(csms: Csms) -> None:
    """Reservations are switched off at that station; the place is free, so the driver comes without one."""
    async with town_of(csms, "QS-05") as town:
        station = town.stations["QS-05"]
        problem(await csms.reserve("QS-05", evseId=1), status=409, name="reservations-not-supported")
        assert await visits.reserve(trip(town), hold_s=60) is None
        started = await station.wait_for("TransactionEvent")
        assert started.request.reservation_id is UNSET
        assert await left(csms, "QS-05") == []
        await csms.until_connectors("QS-05", {(1, 1): "Available", (2, 1): "Available"})


async def test_strangers_leave_again(csms: Csms) -> None:
    """Parked without being let in: no transaction, and free again."""
    await csms.request("PUT", f"/tokens/ISO14443/{visits.FOREIGN.id_token}", json={"status": "Invalid"})
    async with town_of(csms, "NG-08") as town:
        await visits.is_a_stranger(trip(town))
        await town.stations["NG-08"].wait_for("Authorize")
        with pytest.raises(TimeoutError):
            await town.stations["NG-08"].wait_for("TransactionEvent", timeout_s=0)
        assert town.any_free() is not None


async def test_a_fault_takes_the_reservation_back(csms: Csms) -> None:
    """The station says Removed; the EVSE is repaired."""
    async with town_of(csms, "QS-01") as town:
        held = [await visits.reserve(trip(town), hold_s=60_000) for _ in range(2)]
        assert None not in held
        await incidents.one_fault(town)
        ends = [one["status"] for one in await left(csms, "QS-01")]
        assert sorted(ends) == ["Active", "Removed"]
        assert all(spot.evse.in_service for spot in town.spots())


async def test_a_wish_to_cancel_waits_for_the_station(csms: Csms, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is wished for while the station is offline, and carried out when it is back."""
    # Time is played far faster, but what follows a reconnect without a boot takes its 5 s.
    monkeypatch.setattr(incidents, "HOLD_S", 60_000.0)
    async with town_of(csms, FLAKY) as town:
        await incidents.wish_waits(town)
        (known,) = await left(csms, FLAKY)
        ended = await csms.until(known["id"], "Canceled")
        assert ended["cancelRequestedAt"] is not None
        await csms.until_online(FLAKY)


async def test_an_order_is_lost_with_the_line(csms: Csms) -> None:
    """Nobody knows whether the slow station holds; when it is back it is asked, and the place is free."""
    async with town_of(csms, SLOW) as town:
        await incidents.order_is_lost(town)
        (known,) = await left(csms, SLOW)
        assert "Unconfirmed" in [row["to"] for row in await csms.history(known["id"])]
        await csms.until(known["id"], "Canceled")


async def test_guests_come_before_their_reservations_expire(csms: Csms) -> None:
    """What somebody reserved at the page is used; at the EVSE that is kept free it is not."""
    async with town_of(csms, KEPT.station_id) as town:
        for evse_id in (1, 2):
            assert (await csms.reserve(KEPT.station_id, seconds=4, evseId=evse_id)).status_code == 201
        ours = frozenset(token_key(one.token) for one in town.people)
        coming = asyncio.create_task(Guests(town, ours).come())
        ends = {}
        for one in await left(csms, KEPT.station_id):
            ends[one["evseId"]] = (await csms.until(one["id"], "Used", "Expired"))["status"]
        coming.cancel()
        assert ends == {1: "Expired", 2: "Used"}


async def test_the_app_takes_every_trouble_for_a_no(csms: Csms) -> None:
    """A server that is not there, and a key that is not known."""
    driver = Driver(card(1), "app")
    for url in ("http://127.0.0.1:9", csms.api):
        async with Booking(url, {"app": "no key"}) as booking:
            assert not await booking.cancel(driver, 1)


async def test_the_site_lives_until_it_is_stopped(csms: Csms) -> None:
    """All is online before people come; reservations end in every way; the kept EVSE is left alone; then all are gone."""
    stop, online = asyncio.Event(), asyncio.Event()
    reach = Reach(stations=csms.stations, api=csms.api, passwords={}, keys=await keys(csms))
    site = asyncio.create_task(
        run_site(reach, size=12, stop=stop, on_online=online.set, world=world(), scale=2 * QUICKLY)
    )
    try:
        await asyncio.wait_for(online.wait(), 20)
        begun = (await told(csms, "station.online", stationId="QS-03"))[-1]
        for end in ("used", "expired", "canceled", "removed", "refused"):
            await told(csms, f"reservation.{end}", after=begun.id or 0)
    finally:
        stop.set()
        await asyncio.wait_for(site, 10)
    assert (await csms.connectors(KEPT.station_id))[KEPT.evse_id, 1] == "Available"
    for one in plan(12):
        await csms.until_online(one.options.station_id, online=False)
