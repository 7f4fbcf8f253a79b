"""Orders to stations by message id, so that an answer finds its question however late it comes."""

from typing import Final

from sqlalchemy import Connection, bindparam, func, insert, select, update

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.reservation_rows import terms_of, text_of
from evhold.adapters.sql.tables import asks
from evhold.domain.reservation import Reservation
from evhold.domain.transitions import Step
from evhold.domain.values import Ask, AskKind, MessageId, ReservationId, StationId

ANSWERED: Final = "answered"
CLOSED: Final = "closed"

_OPEN: Final = Prepared(insert(asks), ("message_id", "reservation_id", "station_id", "kind", "terms", "sent_at"))
_FIND: Final = Prepared(select(asks).where(asks.c.message_id == bindparam("wanted")))
_CLOSE: Final = Prepared(
    update(asks)
    .where(asks.c.message_id == bindparam("wanted"))
    .values(
        outcome=bindparam("end"),
        closed_at=func.coalesce(asks.c.closed_at, bindparam("at", type_=asks.c.closed_at.type)),
    )
)


class AskStore:
    """One row an ask, for good."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def open(self, reservation: Reservation, ask: Ask) -> None:
        """Stored before it is sent."""
        row = {
            "message_id": ask.message_id,
            "kind": ask.kind.value,
            "sent_at": ask.sent_at,
            "terms": text_of(ask.terms),
        }
        _OPEN.later(self._connection, row | {"reservation_id": reservation.id, "station_id": reservation.station_id})

    def follow(self, step: Step, *, before: Reservation) -> None:
        """What the step opened is open, what it ended is closed, and what the station answered, also late, is answered."""
        was, is_now = before.ask, step.reservation.ask
        if was is not None and (is_now is None or is_now.message_id != was.message_id):
            fact = step.transition.fact if step.transition is not None else CLOSED
            self._close(step, was.message_id, outcome=ANSWERED if step.answered == was.message_id else fact)
        elif step.answered is not None:
            self._close(step, step.answered, outcome=ANSWERED)
        if is_now is not None and (was is None or was.message_id != is_now.message_id):
            self.open(step.reservation, is_now)

    def find(self, message_id: str) -> tuple[ReservationId, StationId, Ask, bool] | None:
        """The ask, whose it is, and whether the station answered it already."""
        row = _FIND.first(self._connection, {"wanted": message_id})
        if row is None:
            return None
        ask = Ask(
            message_id=MessageId(row.message_id),
            kind=AskKind(row.kind),
            terms=terms_of(row.terms),
            sent_at=row.sent_at,
        )
        return ReservationId(row.reservation_id), StationId(row.station_id), ask, row.outcome == ANSWERED

    def _close(self, step: Step, message_id: MessageId, *, outcome: str) -> None:
        at = step.transition.at if step.transition is not None else step.reservation.updated_at
        _CLOSE.later(self._connection, {"wanted": message_id, "end": outcome, "at": at})
