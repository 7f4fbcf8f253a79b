"""Charging Stations, their credentials and their connection numbers (ports.Stations)."""

from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, bindparam, insert, select, update

from evhold.adapters.sql.connectors import ConnectorStore
from evhold.adapters.sql.driver import run_many
from evhold.adapters.sql.outbox import OutboxStore
from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.reservations import ReservationStore
from evhold.adapters.sql.station_rows import SECRETS, row_of, station_of
from evhold.adapters.sql.tables import names_of, stations
from evhold.adapters.sql.types import POSTGRESQL, aware
from evhold.domain.errors import StationUnknown
from evhold.domain.station import Credentials, Station
from evhold.domain.values import StationId

s = stations.c
_LIVE: Final = select(stations).where(s.removed_at.is_(None))
_FIND: Final = Prepared(_LIVE.where(s.folded_id == bindparam("wanted")))
_KNOWN: Final = Prepared(select(s.id, s.removed_at, s.clock_offset).where(s.folded_id == bindparam("wanted")))
#: A station's row and its credentials; what an update leaves alone is left out there.
_GIVEN: Final = names_of(stations, leave_out="removed_at")
_INSERT: Final = Prepared(insert(stations), _GIVEN)
_UPDATE: Final = update(stations).where(s.folded_id == bindparam("wanted"))
_KEPT: Final = frozenset({"id", "folded_id", "epoch"})
_UPDATE_KNOWN: Final = Prepared(_UPDATE, [name for name in _GIVEN if name not in _KEPT.union(SECRETS)])
_CREDENTIALS: Final = select(
    *(s.id, s.password_salt, s.password_hash, s.security_profile, s.serial_number, s.next_salt, s.next_hash)
).where(s.removed_at.is_(None))
_EPOCH: Final = Prepared(
    update(stations).where(s.folded_id == bindparam("wanted")).values(epoch=s.epoch + 1).returning(s.epoch)
)
_SEEN: Final = update(stations).where(s.id == bindparam("wanted")).values(last_seen=bindparam("heard"))
_SEEN_MANY: Final = (
    "UPDATE stations SET last_seen = seen.heard FROM unnest(CAST($1 AS text[]), CAST($2 AS timestamptz[]))"
    " AS seen (station, heard) WHERE id = seen.station"
)
_NO_CREDENTIALS: Final[dict[str, bytes | None]] = dict.fromkeys(SECRETS)


class StationStore:
    """ports.Stations. A removed station stays as a row that nobody finds: reservations refer to it, its epoch goes on."""

    def __init__(self, connection: Connection, *, now: Callable[[], datetime]) -> None:
        self._connection = connection
        self._now = now

    def find(self, station_id: str) -> Station | None:
        """Without regard to case."""
        row = _FIND.first(self._connection, {"wanted": station_id.casefold()})
        return None if row is None else station_of(row)

    def get(self, station_id: str) -> Station:
        """Raises StationUnknown."""
        found = self.find(station_id)
        if found is None:
            raise StationUnknown(station_id)
        return found

    def put(self, station: Station, *, credentials: Credentials | None = None) -> bool:
        """Insert or update; True if it is new. An update leaves the epoch, and the spelling of the id, as they are."""
        known = _KNOWN.first(self._connection, {"wanted": station.id.casefold()})
        row = row_of(station)
        if credentials is not None:
            row |= {name: getattr(credentials, name) for name in _NO_CREDENTIALS}
        if known is None:
            _INSERT.run(self._connection, _NO_CREDENTIALS | row)
            return True
        row["wanted"] = station.id.casefold()
        if known.removed_at is None and credentials is None:
            _UPDATE_KNOWN.run(self._connection, row)
        else:
            if known.removed_at is not None:
                row = _NO_CREDENTIALS | row
            changes = {name: value for name, value in row.items() if name not in _KEPT}
            self._connection.execute(_UPDATE, changes | {"removed_at": None})
        if known.clock_offset != station.clock_offset:
            self._clock_moved(StationId(known.id), clock_offset=station.clock_offset)
        return known.removed_at is not None

    def remove(self, station_id: StationId) -> None:
        """Its connectors go, its reservations and history stay.

        Raises:
            StationUnknown: It is not there.
        """
        found = self.get(station_id)
        gone = _NO_CREDENTIALS | {"wanted": found.id.casefold(), "removed_at": self._now()}
        self._connection.execute(_UPDATE, gone)
        ConnectorStore(self._connection).remove_of(found.id)

    def page(self, *, limit: int | None = None, after: str | None = None) -> list[Station]:
        """By id without case, from the one after ``after``."""
        query = _LIVE if after is None else _LIVE.where(s.folded_id > after.casefold())
        rows = self._connection.execute(query.order_by(s.folded_id).limit(limit))
        return [station_of(row) for row in rows]

    def credentials(self, station_ids: Collection[str] | None = None) -> list[Credentials]:
        """Of every station, or of those of these that are there; their ids without regard to case."""
        wanted = _CREDENTIALS
        if station_ids is not None:
            wanted = wanted.where(s.folded_id.in_([one.casefold() for one in station_ids]))
        return [
            Credentials(
                station_id=StationId(row.id),
                password_salt=row.password_salt,
                password_hash=row.password_hash,
                security_profile=row.security_profile,
                serial_number=row.serial_number,
                next_salt=row.next_salt,
                next_hash=row.next_hash,
            )
            for row in self._connection.execute(wanted)
        ]

    def open_epoch(self, station_id: StationId) -> int:
        """The next connection number.

        Raises:
            StationUnknown: There never was such a station.
        """
        epoch = _EPOCH.scalar(self._connection, {"wanted": station_id.casefold()})
        if epoch is None:
            raise StationUnknown(station_id)
        return int(epoch)

    def seen(self, at: dict[StationId, datetime]) -> None:
        """``last_seen`` of many."""
        if at and self._connection.dialect.name == POSTGRESQL:
            # One statement: a boot or an order that touches one of these rows meanwhile collides with all of it.
            rows = sorted((station_id, aware(heard)) for station_id, heard in at.items())
            run_many(self._connection, _SEEN_MANY, rows)
        elif at:
            each = [{"wanted": station_id, "heard": heard} for station_id, heard in at.items()]
            self._connection.execute(_SEEN, each)

    def _clock_moved(self, station_id: StationId, *, clock_offset: timedelta) -> None:
        store = ReservationStore(self._connection, outbox=OutboxStore(self._connection))
        store.clock_moved(station_id, clock_offset=clock_offset)
