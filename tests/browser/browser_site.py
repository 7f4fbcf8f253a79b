"""A site with a bit of everything: what the pages have to show well, and what the screenshots show."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from browser_stage import located, online, registered, reserved

from csms import Csms
from evhold.simulator.client import SimulatedStation

NORTHGATE, QUAY = "Northgate Park & Ride", "Quay Street Garage"
HC300 = {"vendor": "Kestrel", "model": "HC300", "firmware": "4.2.1"}
DUO = {"vendor": "Ambra", "model": "Duo 22", "firmware": "2.0.9", "connector_types": ("cType2",)}
#: Takes orders, carries them out and says nothing.
MUTE = {"never_answer": frozenset({"ReserveNow", "CancelReservation"})}
STATIONS: dict[str, tuple[str, dict[str, Any]]] = {
    "NG-01": (NORTHGATE, {**HC300, "connectors": (("cCCS2",), ("cCCS2", "cG105"))}),
    "NG-02": (NORTHGATE, HC300),
    "NG-03": (NORTHGATE, HC300),
    "NG-04": (NORTHGATE, DUO),
    "NG-05": (NORTHGATE, DUO),
    "NG-06": (NORTHGATE, DUO),
    "NG-07": (NORTHGATE, DUO),
    "QS-01": (QUAY, HC300),
    "QS-02": (QUAY, {**HC300, "model": "HC150"}),
    "QS-03": (QUAY, {**DUO, "evses": 4, "model": "Quad 22"}),
    "QS-04": (QUAY, DUO),
    "QS-05": (QUAY, {**DUO, "enabled": False}),
}


@dataclass
class Site:
    """The stations by id, and reservations by what became of them."""

    stations: dict[str, SimulatedStation] = field(default_factory=dict)
    reservations: dict[str, int] = field(default_factory=dict)


def token(last: str) -> dict[str, str]:
    """A token that ends so."""
    return {"idToken": f"04A219BF{last}", "type": "ISO14443"}


@asynccontextmanager
async def lively_site(csms: Csms) -> AsyncIterator[Site]:
    """Two locations, twelve stations, every state that a connector and a reservation can be in."""
    site = Site()
    async with AsyncExitStack() as stack:
        for station_id, (place, options) in STATIONS.items():
            site.stations[station_id] = await stack.enter_async_context(online(csms, station_id, **options))
            await located(csms, station_id, place)
        await _tokens(csms)
        await _ended(csms, site)
        await _connectors(site)
        await _held(csms, site)
        await _doubtful(csms, site, stack)
        await _webhooks(csms)
        yield site


async def _tokens(csms: Csms) -> None:
    fleet = {"idToken": "FLEET-7", "type": "Central"}
    await registered(csms, "04A219BFCCDD", groupIdToken=fleet)
    await registered(csms, "04A219BF7F02", groupIdToken=fleet, personalMessage="Welcome back")
    await registered(csms, "04A219BF55E1")
    await registered(csms, "04A219BF0BAD", status="Blocked", personalMessage="Please call us")


async def _webhooks(csms: Csms) -> None:
    """Nothing that happens from now on is for them: nothing is sent."""
    for terms in (
        {"url": "https://app.example/hooks/drivers", "events": ["reservation.*"], "stationId": "SPARE-1"},
        {"url": "https://fleet.example/evhold", "events": ["reservation.used"], "idToken": token("FFFF")},
        {"url": "https://watch.example/in", "events": ["station.*", "connector.status"], "stationId": "SPARE-2"},
    ):
        answer = await csms.request("POST", "/webhooks", json=terms)
        assert answer.status_code == 201, answer.text


async def _ended(csms: Csms, site: Site) -> None:
    """One reservation for each way to end, so that lists and figures have something to show."""
    station = site.stations["NG-01"]
    made = await reserved(csms, "NG-01", evseId=1, idToken=token("55E1"), seconds=1800)
    await station.present(1, token("55E1")["idToken"])
    await station.plug_in(1)
    site.reservations["Used"] = (await csms.until(made["id"], "Used"))["id"]
    refused = await csms.reserve("NG-01", evseId=1, idToken=token("3C10"), seconds=900)
    site.reservations["Refused"] = refused.json()["reservation"]["id"]
    made = await reserved(csms, "NG-04", evseId=1, idToken=token("9A77"), seconds=1.2)
    site.reservations["Expired"] = made["id"]
    other = await reserved(csms, "NG-04", evseId=2, idToken=token("41B8"), seconds=900)
    await csms.request("DELETE", f"/reservations/{other['id']}")
    site.reservations["Canceled"] = other["id"]
    broken = await reserved(csms, "NG-05", evseId=1, idToken=token("6E21"), seconds=900)
    await site.stations["NG-05"].fault(1)
    site.reservations["Removed"] = (await csms.until(broken["id"], "Removed"))["id"]
    await csms.until(made["id"], "Expired")


async def _connectors(site: Site) -> None:
    """Cars stand where no reservation is; one EVSE is out of order by the operator's word."""
    for station_id, evse_id in (("NG-02", 2), ("NG-05", 2), ("NG-07", 2), ("QS-01", 2), ("QS-03", 3)):
        await site.stations[station_id].plug_in(evse_id)
    await site.stations["QS-04"].set_operative(1, False)


async def _held(csms: Csms, site: Site) -> None:
    """Holds with different times left."""
    group = {"idToken": "FLEET-7", "type": "Central"}
    holds: list[tuple[str, str, dict[str, Any]]] = [
        ("Active", "NG-02", {"evseId": 1, "idToken": token("CCDD"), "seconds": 1700, "groupIdToken": group}),
        ("Long", "NG-03", {"evseId": 2, "idToken": token("7F02"), "seconds": 3400}),
        ("Short", "NG-07", {"evseId": 1, "idToken": token("55E1"), "seconds": 158}),
        ("Any", "QS-03", {"idToken": token("D400"), "seconds": 2500}),
        ("Type", "QS-01", {"connectorType": "cCCS2", "idToken": token("8E19"), "seconds": 2100}),
        ("Wish", "NG-06", {"evseId": 1, "idToken": token("1A90"), "seconds": 1400}),
    ]
    for name, station_id, terms in holds:
        site.reservations[name] = (await reserved(csms, station_id, **terms))["id"]


async def _doubtful(csms: Csms, site: Site, stack: AsyncExitStack) -> None:
    """A station is away with a hold that shall end; another took an order and said nothing."""
    await site.stations["NG-06"].go_offline()
    await csms.until_online("NG-06", online=False)
    answer = await csms.request("DELETE", f"/reservations/{site.reservations['Wish']}")
    assert answer.status_code == 202, answer.text
    site.stations["QS-06"] = await stack.enter_async_context(
        online(csms, "QS-06", **{**HC300, "model": "HC150"}, faulty=MUTE)
    )
    await located(csms, "QS-06", QUAY)
    answer = await csms.reserve("QS-06", evseId=1, idToken=token("0B3C"), seconds=1500)
    assert answer.status_code == 202, answer.text
    site.reservations["Unconfirmed"] = answer.json()["id"]
