"""Reservation ids: each given once, from a number on that was drawn when the database was new (docs/adr/0009)."""

from typing import Final

from sqlalchemy import Connection, Integer, case, column, func, select, table, update
from sqlalchemy import Sequence as Counter
from sqlalchemy.exc import DBAPIError

from evhold.adapters.sql.pg_driver import state_of
from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import sequences
from evhold.adapters.sql.types import POSTGRESQL
from evhold.adapters.sql.upsert import insert_of
from evhold.domain.values import MAX_RESERVATION_ID, ReservationId

SEQUENCE: Final = "reservation_id"
#: So many a connection takes at a time on PostgreSQL; near the end, where another's block might not fit, each by itself.
BLOCK: Final = 20
_BLOCKS_END: Final = MAX_RESERVATION_ID - 100_000
#: Where a connection keeps what it took and has not given yet.
_TAKEN: Final = "evhold.reservation_ids"
_EXHAUSTED: Final = "2200H"

_NEXT_ID: Final = Prepared(
    update(sequences)
    .where(sequences.c.name == SEQUENCE, sequences.c.value < MAX_RESERVATION_ID)
    .values(value=sequences.c.value + 1)
    .returning(sequences.c.value)
)
#: PostgreSQL's own: no transaction waits for another's numbers. Those that are not used leave a gap.
_NUMBERS: Final = Counter("reservation_ids")
_LAST: Final = table("reservation_ids", column("last_value", Integer))
_SO_MANY: Final = func.generate_series(1, case((_LAST.c.last_value < _BLOCKS_END, BLOCK), else_=1))
_NEXT_NUMBERS: Final = Prepared(select(_NUMBERS.next_value()).select_from(_LAST, _SO_MANY.table_valued("number")))


class SequenceExhausted(RuntimeError):
    """All 2^31-1 reservation ids were given."""


def start_sequence(connection: Connection, *, first: int) -> None:
    """A new database gives ``first`` as its first reservation id; an old one goes on where it was."""
    statement = insert_of(sequences, dialect=connection.dialect).on_conflict_do_nothing()
    begun = connection.execute(statement, {"name": SEQUENCE, "value": first - 1}).rowcount
    if begun and connection.dialect.name == POSTGRESQL:
        connection.execute(select(func.setval(_NUMBERS.name, first, False)))


def next_id(connection: Connection) -> ReservationId:
    """One never used before. A deleted database must not give again what stations still hold: the start is random.

    Raises:
        SequenceExhausted: There is none any more.
    """
    if connection.dialect.name == POSTGRESQL:
        return _from_block(connection)
    value = _NEXT_ID.scalar(connection)
    if value is None:
        raise SequenceExhausted
    return ReservationId(value)


def _from_block(connection: Connection) -> ReservationId:
    # What a sequence has given it does not take back, whatever becomes of the transaction: the rest serves the next one.
    taken: list[int] = connection.info.setdefault(_TAKEN, [])
    if not taken:
        try:
            taken += sorted((row[0] for row in _NEXT_NUMBERS.rows(connection)), reverse=True)
        except DBAPIError as error:
            if state_of(error) != _EXHAUSTED:
                raise
            raise SequenceExhausted from error
    return ReservationId(taken.pop())
