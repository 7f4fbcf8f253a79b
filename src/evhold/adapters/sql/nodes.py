"""The nodes of a cluster, and which of them has which station's socket (ports.Nodes)."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from importlib.metadata import version
from typing import Any, Final

from sqlalchemy import Connection, bindparam, delete, exists, func, insert, select, text, update

from evhold.adapters.sql.migrate import LOCK
from evhold.adapters.sql.schema import POST, check_not_too_new
from evhold.adapters.sql.tables import nodes, owners, stations
from evhold.adapters.sql.types import POSTGRESQL
from evhold.adapters.sql.upsert import upsert
from evhold.domain.station import Registration
from evhold.domain.values import StationId
from evhold.usecases.ports import Overtaken
from evhold.usecases.stores import Owned, Roll

n, o, s = nodes.c, owners.c, stations.c
_ENTER: Final = insert(nodes)
_BEHIND_MIGRATION: Final = text(f"SELECT pg_advisory_xact_lock_shared({LOCK})")
_RENEW: Final = update(nodes).where(n.id == bindparam("wanted"), n.buried.is_(False))
_LEAVE: Final = _RENEW.values(buried=True)
_FORGET: Final = delete(nodes).where(n.id == bindparam("wanted"))
_BURY: Final = _RENEW.where(n.lease_until <= bindparam("at")).values(buried=True)
_ROLL: Final = select(n.id, n.lease_until, n.buried)
_LIVES: Final = select(n.id).where(
    n.id == bindparam("wanted"), n.buried.is_(False), n.lease_until > bindparam("at", type_=n.lease_until.type)
)
_DISOWN: Final = delete(owners).where(o.station_id == bindparam("station"), o.epoch == bindparam("connection"))
_HOLDS: Final = (
    select(o.station_id, o.epoch)
    .where(o.station_id.in_(bindparam("stations", expanding=True)))
    .order_by(o.station_id)
    .with_for_update(read=True)
)
_OWNED: Final = select(o.station_id, o.node, o.epoch, s.boot_status, s.clock_offset).join(
    stations, s.id == o.station_id
)
_ORPHANS: Final = (
    _OWNED.where(~exists().where(n.id == o.node, n.buried.is_(False)))
    .order_by(o.station_id)
    .limit(bindparam("most"))
    .with_for_update(of=owners, skip_locked=True)
)
_CLEAR: Final = delete(owners).where(o.station_id.in_(bindparam("stations", expanding=True)))


class NodeStore:
    """ports.Nodes. Only on PostgreSQL is there more than one node, and there its clock is the one that counts."""

    def __init__(self, connection: Connection, *, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now
        self._asked: datetime | None = None

    def enter(self, node: str, *, lease: timedelta) -> None:
        """A new node, with a lease, behind whoever is at work on the schema."""
        if self._connection.dialect.name == POSTGRESQL:
            self._connection.execute(_BEHIND_MIGRATION)
        at = self._at()
        row = {"id": node, "started_at": at, "lease_until": at + lease, "buried": False}
        self._connection.execute(_ENTER, row | {"version": version("evhold"), "post": POST.head})

    def check_schema(self) -> None:
        """Raises SchemaTooNew."""
        if self._connection.dialect.name == POSTGRESQL:
            check_not_too_new(self._connection)

    def renew(self, node: str, *, lease: timedelta) -> bool:
        """False: it is buried, or unknown. A lease that has ended may be renewed until somebody buries the node."""
        renewed = _RENEW.values(lease_until=self._at() + lease)
        return self._connection.execute(renewed, {"wanted": node}).rowcount == 1

    def leave(self, node: str) -> None:
        """It is buried by its own will."""
        self._connection.execute(_LEAVE, {"wanted": node})

    def forget(self, node: str) -> None:
        """Its row is gone."""
        self._connection.execute(_FORGET, {"wanted": node})

    def roll(self) -> Roll:
        """All nodes."""
        at = self._at()
        rows = self._connection.execute(_ROLL).all()
        buried = frozenset(row.id for row in rows if row.buried)
        living = frozenset(row.id for row in rows if not row.buried and row.lease_until > at)
        return Roll(living=living, lapsed=frozenset(row.id for row in rows) - living, buried=buried)

    def bury(self, node: str) -> bool:
        """It can't renew any more. False: it just did, or somebody else buried it."""
        return self._connection.execute(_BURY, {"wanted": node, "at": self._at()}).rowcount == 1

    def own(self, station_id: StationId, *, node: str, epoch: int) -> None:
        """This connection counts; raises Overtaken if the node has no lease."""
        if self._connection.execute(_LIVES, {"wanted": node, "at": self._at()}).first() is None:
            raise Overtaken(f"node {node} has no lease")
        row = {"station_id": station_id, "node": node, "epoch": epoch}
        self._connection.execute(upsert(owners, dialect=self._connection.dialect), row)

    def disown(self, station_id: StationId, *, epoch: int) -> bool:
        """The connection counts no more; False: it did not."""
        return self._connection.execute(_DISOWN, {"station": station_id, "connection": epoch}).rowcount == 1

    def holds(self, connections: dict[StationId, int]) -> set[StationId]:
        """Those whose connection counts. Their rows are locked: who overtakes waits for this transaction's end."""
        rows = self._connection.execute(_HOLDS, {"stations": sorted(connections)})
        return {StationId(row.station_id) for row in rows if connections[StationId(row.station_id)] == row.epoch}

    def orphans(self, *, limit: int) -> list[Owned]:
        """Stations of nodes that are buried or gone; they are nobody's now. What another node has taken up is left out."""
        found = [_owned(row) for row in self._connection.execute(_ORPHANS, {"most": limit})]
        if found:
            self._connection.execute(_CLEAR, {"stations": [one.station_id for one in found]})
        return found

    def owned(self, *, among: Collection[StationId] | None = None) -> list[Owned]:
        """Every station with a socket, or those among these."""
        query = _OWNED if among is None else _OWNED.where(o.station_id.in_(list(among)))
        return [_owned(row) for row in self._connection.execute(query)]

    def _at(self) -> datetime:
        """By the database's clock; asked once in a transaction, which is short."""
        if self._connection.dialect.name != POSTGRESQL:
            return self._now()
        if self._asked is None:
            self._asked = self._connection.execute(select(func.clock_timestamp())).scalar_one()
        return self._asked


def _owned(row: Any) -> Owned:
    return Owned(
        station_id=StationId(row.station_id),
        node=row.node,
        epoch=row.epoch,
        registered=row.boot_status == Registration.ACCEPTED,
        clock_offset=row.clock_offset,
    )
