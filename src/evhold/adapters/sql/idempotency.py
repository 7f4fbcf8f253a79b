"""Idempotency-Keys: what a POST made, for 24 hours (ports.Idempotency; design decision 4)."""

from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import ColumnElement, Connection, and_, bindparam, delete, insert, select, update

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import idempotency
from evhold.domain.errors import IdempotencyKeyReused, RequestInProgress
from evhold.domain.values import ReservationId
from evhold.usecases.stores import IdempotentRequest, Remembered

KEPT: Final = timedelta(hours=24)

i = idempotency.c


def _its_own() -> ColumnElement[bool]:
    return and_(i.api_key_id == bindparam("who"), i.key == bindparam("wanted"))


_FORGET_OLD: Final = Prepared(delete(idempotency).where(i.begun_at <= bindparam("before")))
_FORGET: Final = Prepared(delete(idempotency).where(_its_own()))
_FIND: Final = Prepared(select(idempotency).where(_its_own()))
_BEGIN: Final = Prepared(insert(idempotency), ("api_key_id", "key", "body_hash", "begun_at"))
_BIND: Final = Prepared(update(idempotency).where(_its_own()).values(reservation_id=bindparam("made")))
_FINISH: Final = Prepared(
    update(idempotency).where(_its_own()).values(status=bindparam("answer"), body=bindparam("text"))
)


class IdempotencyStore:
    """ports.Idempotency."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def begin(self, request: IdempotentRequest, *, at: datetime) -> Remembered | None:
        """None: it is the first. ``status`` 0: it made this reservation and has not been answered yet.

        Raises:
            IdempotencyKeyReused: The key came with another body.
            RequestInProgress: The first one still runs, and made nothing so far.
        """
        _FORGET_OLD.run(self._connection, {"before": at - KEPT})
        row = _FIND.first(self._connection, _named(request))
        if row is None:
            first = {"api_key_id": request.api_key_id, "key": request.key, "body_hash": request.body_hash}
            _BEGIN.run(self._connection, first | {"begun_at": at})
            return None
        if row.body_hash != request.body_hash:
            raise IdempotencyKeyReused
        if row.status is None and row.reservation_id is None:
            raise RequestInProgress
        made = None if row.reservation_id is None else ReservationId(row.reservation_id)
        return Remembered(reservation_id=made, status=row.status or 0, body=row.body or b"")

    def bind(self, request: IdempotentRequest, reservation_id: ReservationId) -> None:
        """The request made this reservation."""
        _BIND.later(self._connection, _named(request) | {"made": reservation_id})

    def finish(self, request: IdempotentRequest, *, status: int, body: bytes) -> None:
        """Its answer, for repeats."""
        _FINISH.later(self._connection, _named(request) | {"answer": status, "text": body})

    def forget(self, request: IdempotentRequest) -> None:
        """A repeat runs anew."""
        _FORGET.run(self._connection, _named(request))


def _named(request: IdempotentRequest) -> dict[str, Any]:
    return {"who": request.api_key_id, "wanted": request.key}
