"""What every storage keeps of nodes: leases by its own clock, one owner a station, and no word of those that were overtaken."""

from __future__ import annotations

from collections.abc import Awaitable
from datetime import timedelta

import pytest

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, StationPresence
from evhold.domain.station import Registration, Station
from evhold.domain.values import ConnectorId, EvseId, StationId
from evhold.usecases import nodes
from evhold.usecases.ports import Connected, Overtaken

CS1 = StationId("CS-1")
NO_LEASE = timedelta(seconds=-1)


@pytest.fixture
async def station(storage: Database, clock: SystemClock) -> Connected:
    """A registered station with a connection at node a."""
    made = Station(id=CS1, created_at=clock.now(), boot_status=Registration.ACCEPTED)
    await storage.transact(lambda tx: tx.stations.put(made))
    await nodes.enter("a", storage=storage)
    connected = Connected(station_id=StationId("cs-1"), epoch=0)
    await nodes.claim(connected, node="a", storage=storage, clock=clock)
    return connected


async def lapse(storage: Database, node: str) -> None:
    """Its lease has ended."""
    await storage.transact(lambda tx: tx.nodes.renew(node, lease=NO_LEASE))


async def test_a_claim_counts_connections_under_the_provisioned_id(storage: Database, station: Connected) -> None:
    """And says whose the station is."""
    assert (station.station_id, station.epoch) == (CS1, 1)
    (owned,) = await storage.read(lambda tx: tx.nodes.owned())
    assert (owned.station_id, owned.node, owned.epoch, owned.registered) == (CS1, "a", 1, True)


async def test_a_newer_connection_overtakes(storage: Database, clock: SystemClock, station: Connected) -> None:
    """Nothing of the older one is stored any more, by transaction or by recorder; the newer one's is."""
    await nodes.enter("b", storage=storage)
    newer = Connected(station_id=CS1, epoch=0)
    await nodes.claim(newer, node="b", storage=storage, clock=clock)
    with pytest.raises(Overtaken):
        await nodes.Fenced(storage, station).transact(lambda tx: tx.stations.seen({CS1: clock.now()}))
    await nodes.Fenced(storage, newer).transact(lambda tx: tx.stations.seen({CS1: clock.now()}))

    recorder = SqlRecorder(storage, now=clock.now)
    stale = report(recorder, station, status="Faulted", number=1, clock=clock)
    fresh = report(recorder, newer, status="Occupied", number=2, clock=clock)
    with pytest.raises(Overtaken):
        await stale
    await fresh
    stored = await storage.read(lambda tx: tx.connectors.of(CS1))
    assert [(one.connector_id, one.status) for one in stored] == [(2, "Occupied")]


def report(
    recorder: SqlRecorder, connected: Connected, *, status: str, number: int, clock: SystemClock
) -> Awaitable[None]:
    """A connector's status, by the quick way."""
    connector = Connector(
        station_id=CS1, evse_id=EvseId(1), connector_id=ConnectorId(number), status=status, type=None, since=clock.now()
    )
    told = ConnectorChanged(
        at=clock.now(),
        station_id=CS1,
        evse_id=EvseId(1),
        connector_id=ConnectorId(number),
        status=status,
        since=clock.now(),
    )
    return nodes.FencedRecorder(recorder, connected).connector(connector, told)


async def test_a_node_without_a_lease_gets_no_station(
    storage: Database, clock: SystemClock, station: Connected
) -> None:
    """It may have been given up."""
    await lapse(storage, "a")
    with pytest.raises(Overtaken):
        await nodes.claim(Connected(station_id=CS1, epoch=0), node="a", storage=storage, clock=clock)


async def test_a_lapsed_lease_is_renewed_until_the_node_is_buried(storage: Database, station: Connected) -> None:
    """A database that was away for long kills nobody; a funeral is for good."""
    await lapse(storage, "a")
    assert (await nodes.renew("a", storage=storage)).lives
    assert not await storage.transact(lambda tx: tx.nodes.bury("a"))
    await lapse(storage, "a")
    assert await storage.transact(lambda tx: tx.nodes.bury("a"))
    assert not (await nodes.renew("a", storage=storage)).lives


async def test_a_buried_node_loses_its_stations(storage: Database, clock: SystemClock, station: Connected) -> None:
    """They are told offline once, whoever else buries it, and what it still has to say is refused."""
    await nodes.enter("b", storage=storage)
    await lapse(storage, "a")
    assert await nodes.bury({"a"}, storage=storage, clock=clock) == (1, 0)
    assert await nodes.bury({"a"}, storage=storage, clock=clock) == (0, 0)
    await storage.number()
    told = await storage.look(lambda tx: tx.outbox.after(0, limit=10))
    assert [one.event.online for one in told if isinstance(one.event, StationPresence)] == [False]
    with pytest.raises(Overtaken):
        await nodes.Fenced(storage, station).transact(lambda tx: None)
    roll = await storage.read(lambda tx: tx.nodes.roll())
    assert (roll.living, roll.lapsed) == ({"b"}, frozenset())


async def test_who_leaves_a_station_does_not_take_it_from_the_next(
    storage: Database, clock: SystemClock, station: Connected
) -> None:
    """Only the connection that counts can be given back."""
    newer = Connected(station_id=CS1, epoch=0)
    await nodes.claim(newer, node="a", storage=storage, clock=clock)
    assert not await storage.transact(lambda tx: tx.nodes.disown(CS1, epoch=station.epoch))
    assert await storage.transact(lambda tx: tx.nodes.disown(CS1, epoch=newer.epoch))
    assert await storage.read(lambda tx: tx.nodes.owned()) == []
