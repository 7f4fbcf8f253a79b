"""Events beside the rows that they tell of, in one commit; numbered so that a reader of ``seq > last`` loses none.

On PostgreSQL a row's first number is provisional, below zero, and no reader sees it; after the commit it gets its true one
from ``pg_outbox``.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Final, get_args

import msgspec
import structlog
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import cursors, names_of, outbox
from evhold.adapters.sql.types import POSTGRESQL
from evhold.adapters.sql.upsert import upsert
from evhold.domain.events import Event, ReservationChanged, name_of
from evhold.usecases.ports import Told

PRUNED: Final = "pruned"
_PRUNE_AT_ONCE: Final = 1_000
_DECODERS: Final[dict[str, msgspec.json.Decoder[Any]]] = {
    kind.__name__: msgspec.json.Decoder(kind) for kind in get_args(Event)
}
#: Kinds that were complained of.
_unread: Final[set[str]] = set()
_encode: Final = msgspec.json.Encoder().encode
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.outbox")

#: All columns but the number.
GIVEN: Final = ("name", "kind", "station_id", "reservation_id", "at", "body")
_ADD: Final = Prepared(insert(outbox), GIVEN)
_AFTER: Final = Prepared(
    select(outbox.c.seq, outbox.c.kind, outbox.c.body)
    .where(outbox.c.seq > bindparam("last"))
    .order_by(outbox.c.seq)
    .limit(bindparam("most"))
)
_LAST: Final = select(func.max(outbox.c.seq)).where(outbox.c.seq > 0)
_OLDEST: Final = select(outbox.c.seq, outbox.c.at).where(outbox.c.seq > 0).order_by(outbox.c.seq).limit(_PRUNE_AT_ONCE)
_DELETE: Final = delete(outbox).where(outbox.c.seq > 0, outbox.c.seq <= bindparam("last"))
_MOVE: Final = Prepared(lambda dialect: upsert(cursors, dialect=dialect), names_of(cursors))
_CURSOR: Final = Prepared(select(cursors.c.seq).where(cursors.c.name == bindparam("wanted")))


def row_of(event: Event) -> dict[str, Any]:
    """The event as a row without its number."""
    told_of = event.reservation if isinstance(event, ReservationChanged) else None
    return {
        "name": name_of(event),
        "kind": type(event).__name__,
        "station_id": told_of.station_id if told_of else getattr(event, "station_id", None),
        "reservation_id": told_of.id if told_of else getattr(event, "reservation_id", None),
        "at": event.at,
        "body": _encode(event).decode(),
    }


def read_rows(rows: Iterable[Sequence[Any]]) -> list[Told]:
    """The events of rows of number, kind and body; without those of a later version that mean nothing to this one."""
    told = []
    for number, kind, body in rows:
        try:
            told.append(Told(number, _DECODERS[kind].decode(body)))
        except (KeyError, msgspec.ValidationError) as error:
            if kind not in _unread:
                _unread.add(kind)
                log.warning("event.unread", seq=number, kind=kind, error=str(error))
    return told


class OutboxStore:
    """ports.Outbox, and the reading of it. ``told``: something was added in this transaction."""

    __slots__ = ("_connection", "_numbers_at_once", "fresh", "told")

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._numbers_at_once = connection.dialect.name != POSTGRESQL
        self.told = False
        #: What was added, with its numbers, in order; empty where numbers are given later.
        self.fresh: list[Told] = []

    def add(self, event: Event) -> None:
        """Told once this transaction is committed."""
        self.told = True
        if self._numbers_at_once:
            self.fresh.append(Told(_ADD.insert(self._connection, row_of(event)), event))
        else:
            _ADD.later(self._connection, row_of(event))

    def added(self, events: Sequence[Event]) -> None:
        """These were just inserted by one call of the driver, in this order."""
        self.told = True
        if self._numbers_at_once:
            # One writer, and AUTOINCREMENT: the rows of one call have numbers in a row.
            driver: Any = self._connection.connection.driver_connection
            last = driver.execute("SELECT last_insert_rowid()").fetchone()[0]
            self.fresh += [Told(seq, event) for seq, event in enumerate(events, start=last - len(events) + 1)]

    def after(self, seq: int, *, limit: int) -> list[Told]:
        """The events behind this number, in order, as far as this version can read them."""
        while rows := list(_AFTER.rows(self._connection, {"last": seq, "most": limit})):
            if (told := read_rows(rows)) or len(rows) < limit:
                return told
            seq = rows[-1][0]
        return []

    def last(self) -> int:
        """The highest number ever given, 0 before the first."""
        return self._connection.scalar(_LAST) or self.cursor(PRUNED) or 0

    def cursor(self, name: str) -> int | None:
        """How far this reader has come; None: it never said."""
        seq: int | None = _CURSOR.scalar(self._connection, {"wanted": name})
        return seq

    def move_cursor(self, name: str, *, to: int) -> None:
        """The reader has handled all up to this number."""
        _MOVE.later(self._connection, {"name": name, "seq": to})

    def prune(self, *, before: datetime) -> int:
        """The oldest events are gone, a thousand at most; how many. The first one that is not old stops it."""
        old = _leading(self._connection.execute(_OLDEST).all(), before=before)
        if old:
            self._connection.execute(_DELETE, {"last": old[-1]})
            self.move_cursor(PRUNED, to=old[-1])
        return len(old)


def _leading(rows: Sequence[Any], *, before: datetime) -> list[int]:
    numbers: list[int] = []
    for seq, at in rows:
        if at >= before:
            break
        numbers.append(seq)
    return numbers
