"""Any node may die, freeze or be cut off under load: nothing acknowledged is lost, nothing booked twice, all is settled."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import time
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
import websockets
from cluster_site import PAUSE_S, Site
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from csms import Csms

SOAK = bool(os.environ.get("EVHOLD_SOAK"))
MOVER = "MOVER1"
LOAD_S = 15.0 if SOAK else 2.0
FROZEN_S = 20.0 if SOAK else 8.0

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def busy(seconds: float = LOAD_S) -> None:
    """Callers and drivers go on meanwhile."""
    await asyncio.sleep(seconds)


async def test_reservations_go_through_all_nodes(site: Site) -> None:
    """Made at one node, canceled at another, used and expired at the station of a third."""
    async with site.load():
        await busy(2 * LOAD_S)
    await site.check(title="no fault")


async def test_stations_move_between_nodes(site: Site) -> None:
    """Their orders follow them."""
    async with site.load():
        for station in site.rng.sample(site.stations, len(site.stations) // 3):
            await station.go_offline()
            await asyncio.sleep(PAUSE_S)
            station._reconnect()
        await busy()
    await site.check(title="stations moved")


async def test_a_node_is_killed(site: Site) -> None:
    """Its stations go to the others, and what it had asked is settled by them."""
    async with site.load():
        await busy()
        node = site.nodes[2]
        node.healthy = False
        await node.kill()
        await busy(2 * LOAD_S)
        await site.restart(node)
        await busy()
    await site.check(title="a node killed")


async def test_a_node_is_frozen_and_goes_on(site: Site) -> None:
    """It was given up: what it still says in its stations' names is refused, and these come back."""
    async with site.load():
        node = site.nodes[1]
        node.healthy = False
        site.signal(node, signal.SIGSTOP)
        await busy(FROZEN_S)
        site.signal(node, signal.SIGCONT)
        node.healthy = True
        await busy()
    await site.check(title=f"a node frozen for {FROZEN_S:.0f} s")


async def test_nats_is_killed_and_comes_back(site: Site) -> None:
    """Meanwhile every node serves its own stations."""
    async with site.load():
        await busy()
        site.nats.stop()
        await busy()
        await asyncio.to_thread(site.nats.start)
        await busy()
    await site.check(title="NATS killed")


async def test_postgresql_is_killed_and_comes_back(site: Site) -> None:
    """What was acknowledged was stored."""
    async with site.load():
        await busy()
        await asyncio.to_thread(site.postgres.stop, signal.SIGQUIT)
        await busy()
        await asyncio.to_thread(site.postgres.start)
        await busy()
    await site.check(title="PostgreSQL killed")


async def test_a_node_is_cut_from_the_database(site: Site) -> None:
    """It is given up by the others, gives up its stations, and begins anew."""
    async with site.load():
        node = site.nodes[0]
        node.healthy = False
        node.database_wire.cut()
        await busy(FROZEN_S + LOAD_S)
        node.database_wire.mend()
        node.healthy = True
        await busy()
    await site.check(title="a node cut from PostgreSQL")


async def test_a_node_is_cut_from_nats(site: Site) -> None:
    """Its stations are served through it, and the others' through the others."""
    async with site.load():
        node = site.nodes[1]
        node.nats_wire.cut()
        await busy(2 * LOAD_S)
        node.nats_wire.mend()
        await busy()
    await site.check(title="a node cut from NATS")


async def test_the_newer_connection_counts(site: Site) -> None:
    """The old socket is closed at once; one whose node does not hear of it stores nothing, and gets no answer."""
    first, second = site.nodes[0], site.nodes[1]
    async with connect(first) as old:
        await boot(old)
        async with connect(second) as newer:
            began = time.monotonic()
            await boot(newer)
            await until_closed(old)
            print(
                f"cluster: the old socket closed {(time.monotonic() - began) * 1000:.0f} ms after the new one's boot began"
            )
    first.nats_wire.cut()
    try:
        async with connect(first) as old:
            await boot(old)
            async with connect(second) as newer:
                await boot(newer)
                await say(old, "StatusNotification", status("Faulted"))
                answered = await until_closed(old)
                assert "StatusNotification" not in answered
                await say(newer, "StatusNotification", status("Available"))
                await answer_to(newer, "StatusNotification")
                shown = await second.connectors(MOVER)
                assert shown[1, 1] == "Available"
    finally:
        first.nats_wire.mend()
        await second.request("DELETE", f"/stations/{MOVER}")


def connect(node: Csms) -> Any:
    """A socket of the station that moves."""
    return websockets.connect(f"{node.stations}/{MOVER}", subprotocols=[Subprotocol("ocpp2.0.1")], proxy=None)


async def say(socket: Any, action: str, payload: dict[str, Any]) -> None:
    """A CALL whose message id is its action."""
    await socket.send(json.dumps([2, action, action, payload]))


async def answer_to(socket: Any, action: str) -> None:
    """It was answered."""
    async with asyncio.timeout(10):
        while json.loads(await socket.recv())[:2] != [3, action]:
            pass


async def until_closed(socket: Any) -> list[str]:
    """The message ids that came before it was."""
    seen: list[str] = []
    async with asyncio.timeout(10):
        with suppress(ConnectionClosed):
            while True:
                seen.append(json.loads(await socket.recv())[1])
    return seen


async def boot(socket: Any) -> None:
    """Accepted."""
    station = {"model": "M", "vendorName": "V"}
    await say(socket, "BootNotification", {"reason": "PowerUp", "chargingStation": station})
    await answer_to(socket, "BootNotification")


def status(text: str) -> dict[str, Any]:
    """Of the one connector."""
    stamp = datetime.now(UTC).isoformat()
    return {"timestamp": stamp, "connectorStatus": text, "evseId": 1, "connectorId": 1}


async def test_a_node_is_drained(site: Site) -> None:
    """Told to stop, it sends its stations away in good order; they are online elsewhere at once."""
    async with site.load():
        node = site.nodes[0]
        node.healthy = False
        assert await node.stop() == 0
        await busy()
        await site.restart(node)
        await busy()
    await site.check(title="a node drained")
