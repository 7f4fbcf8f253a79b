"""Many nodes over one database: leases, whose station is whose, and what becomes of a node that is gone.

House rules
- A node lives by a lease that it renews. One that ended may still be renewed, until somebody buries the node: from then on
  its name is never valid again, and what it wrote in a station's name is refused.
- Whatever a station says is stored only while its connection is the one that counts: the row is held until the commit, so
  that a newer connection begins behind it.
- An ask's message id begins with the name of the node that asked: silence is told only of nodes that are gone.
"""

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, TypeVar

from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, Event, RegistryChanged, StationPresence
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import MessageId
from evhold.usecases import late
from evhold.usecases.ports import Clock, Connected, Ids, Overtaken, Recorder, SchemaTooNew, Storage, Stored
from evhold.usecases.stores import Roll, Tx

LEASE: Final = timedelta(seconds=6)
RENEW_EVERY: Final = timedelta(seconds=2)
#: Stations of a node that is gone, told offline in one transaction.
PART: Final = 500
#: Between a node's name and the rest of a message id.
MARK: Final = "."

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Renewed:
    """``lives``: the lease is ours. ``roll``: all nodes."""

    lives: bool
    roll: Roll


async def enter(node: str, *, storage: Storage) -> Roll:
    """The node is among the living; all of them.

    Raises:
        SchemaTooNew: Its version can't work on this database any more; it is not among them.
    """

    def work(tx: Tx) -> Roll:
        tx.nodes.enter(node, lease=LEASE)
        return tx.nodes.roll()

    roll = await storage.transact(work)
    # Not before the row stands: from then on nothing is taken away that this node needs.
    try:
        await storage.read(lambda tx: tx.nodes.check_schema())
    except SchemaTooNew:
        await leave(node, storage=storage)
        raise
    return roll


async def renew(node: str, *, storage: Storage) -> Renewed:
    """The lease is longer, unless the node is buried."""

    def work(tx: Tx) -> Renewed:
        lives = tx.nodes.renew(node, lease=LEASE)
        return Renewed(lives, tx.nodes.roll())

    return await storage.transact(work)


async def leave(node: str, *, storage: Storage) -> None:
    """The node is gone; what it left open is settled by the others."""
    await storage.transact(lambda tx: tx.nodes.leave(node))


async def bury(lapsed: Iterable[str], *, storage: Storage, clock: Clock) -> tuple[int, int]:
    """These nodes, where they are really gone, can't come back by their names; all that is nobody's is settled.

    Their stations are told offline, and their open asks ended in silence (rows 7, 17, 52). Any node may do it, several at a time,
    and finish what another one began.

    Returns:
        How many stations, how many asks.
    """
    gone = []
    for node in sorted(lapsed):
        if await storage.transact(lambda tx, node=node: tx.nodes.bury(node)):  # type: ignore[misc]  # a default argument
            gone.append(node)
    return await settle_orphans(storage=storage, clock=clock)


async def settle_orphans(*, storage: Storage, clock: Clock) -> tuple[int, int]:
    """As ``bury``, for the nodes that are buried already, or left."""

    def part(tx: Tx) -> int:
        lost = tx.nodes.orphans(limit=PART)
        for one in lost:
            if one.registered:
                tx.outbox.add(StationPresence(at=clock.now(), station_id=one.station_id, online=False))
        return len(lost)

    stations = 0
    while lost := await storage.transact(part):
        stations += lost
    roll = await storage.read(lambda tx: tx.nodes.roll())
    asks = await late.recover(storage=storage, clock=clock, is_lost=_asked_by_none_of(roll))
    for node in sorted(roll.buried):
        await storage.transact(lambda tx, node=node: tx.nodes.forget(node))  # type: ignore[misc]  # a default argument
    return stations, asks


def _asked_by_none_of(roll: Roll) -> Callable[[MessageId], bool]:
    # A node that lapsed and was not buried may come back, and get its answer.
    spared = roll.living | (roll.lapsed - roll.buried)
    return lambda message_id: message_id.partition(MARK)[0] not in spared


@dataclass(frozen=True, slots=True)
class NodeIds:
    """Ids whose message ids begin with the node's name (ports.Ids). ``node``: its name now, 8 characters."""

    ids: Ids
    node: Callable[[], str]

    def message_id(self) -> MessageId:
        """36 characters at most."""
        rest = self.ids.message_id().replace("-", "")
        return MessageId(f"{self.node()}{MARK}{rest}"[:36])

    def secret(self) -> str:
        """As theirs."""
        return self.ids.secret()

    def jitter(self) -> float:
        """As theirs."""
        return self.ids.jitter()


# --- connections


async def claim(connected: Connected, *, node: str, storage: Storage, clock: Clock) -> None:
    """This connection is its station's: it has its number, and what older ones still have to say is refused.

    Older ones that were storing something have stored it: what is read from now on has it.

    Raises:
        Overtaken: The node has no lease.
    """

    def work(tx: Tx) -> int:
        station = tx.stations.find(connected.station_id)
        if station is None:
            station = Station(id=connected.station_id, created_at=clock.now())
            tx.stations.put(station)
            tx.outbox.add(RegistryChanged(at=clock.now(), kind="station", key=station.id))
        epoch = tx.stations.open_epoch(station.id)
        tx.nodes.own(station.id, node=node, epoch=epoch)
        connected.station_id = station.id
        return epoch

    connected.epoch = await storage.transact(work)


@dataclass(frozen=True, slots=True)
class Fenced:
    """Storage for what one connection's station says (ports.Storage): every transaction finds first that it still counts."""

    storage: Storage
    connected: Connected

    def transact(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As the storage's; raises Overtaken."""
        return self.storage.transact(lambda tx: work(_checked(tx, self.connected)))

    def read(self, work: Callable[[Tx], T]) -> Awaitable[T]:
        """As the storage's."""
        return self.storage.read(work)


def _checked(tx: Tx, connected: Connected) -> Tx:
    station_id, epoch = connected.station_id, connected.epoch
    if not tx.nodes.holds({station_id: epoch}):
        raise Overtaken(f"connection {epoch} of {station_id} does not count any more")
    return tx


@dataclass(frozen=True, slots=True)
class FencedRecorder:
    """The recorder for one connection's station (ports.Recorder); a batch asks for all its connections at once."""

    recorder: Recorder
    connected: Connected

    def connector(self, connector: Connector, event: ConnectorChanged, *, epoch: int | None = None) -> Stored:
        """As the recorder's; raises Overtaken."""
        return self.recorder.connector(connector, event, epoch=self.connected.epoch)

    def transaction(self, transaction: Transaction, *, epoch: int | None = None) -> Stored:
        """As the recorder's; raises Overtaken."""
        return self.recorder.transaction(transaction, epoch=self.connected.epoch)

    def station(self, station: Station, events: Iterable[Event]) -> Awaitable[None]:
        """As the recorder's."""
        return self.recorder.station(station, events)
