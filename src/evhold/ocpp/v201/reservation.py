"""Block H: ReserveNow and CancelReservation to the station, ReservationStatusUpdate from it."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, Literal, Protocol

import msgspec

from evhold.domain.facts import Accepted, CancelAccepted, CancelRejected, Errored, Fact, NeverLeft, Refused, Silent
from evhold.domain.station import Presence
from evhold.domain.values import Ask, Frame, Heard, MessageId, ReservationId, StationId
from evhold.ocpp.calls import RawCalls
from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import (
    CancelReservationRequest,
    CancelReservationResponse,
    ReservationStatusUpdateRequest,
    ReserveNowResponse,
    encode,
)
from evhold.usecases.ports import (
    CallAnswer,
    CallFailed,
    CallResult,
    CancelAnswer,
    Clock,
    Connected,
    Ids,
    NeverSent,
    NoAnswer,
    ReserveAnswer,
)


class Report(Protocol):
    """`h04_end.report`, bound. Its result says whether the reservation is known; the station is answered alike."""

    def __call__(
        self, connected: Connected, reservation_id: int, status: Literal["Expired", "Removed"], /, *, heard: Heard
    ) -> Awaitable[object]: ...


def routes(*, report: Report) -> dict[str, Route[Any, Any]]:
    """Return the routes of block H."""

    async def reservation_status_update(request: ReservationStatusUpdateRequest, context: Context) -> None:
        reservation_id = convert.reservation_id(request.reservation_id)
        if reservation_id is None:
            # Row 42: no reservation of ours has such an id; it is answered normally.
            return
        heard = convert.heard(context)()
        # H04.FR.01, H01.FR.16, H01.FR.17: Expired or Removed ends it; the answer waits for the commit.
        await report(context, reservation_id, request.reservation_update_status, heard=heard)

    return {"ReservationStatusUpdate": convert.route("ReservationStatusUpdate", reservation_status_update)}


class Commands:
    """`StationCommands` in OCPP 2.0.1.

    Args:
        calls: Where the frames go.
        clock: Stamps what comes back.
        ids: Message ids of raw calls; those of reservation orders are in their asks.
        clock_offset: A station's clock minus ours, as learned; zero where it is not known.
    """

    def __init__(
        self, calls: RawCalls, *, clock: Clock, ids: Ids, clock_offset: Callable[[StationId], timedelta]
    ) -> None:
        self._calls = calls
        self._clock = clock
        self._ids = ids
        self._clock_offset = clock_offset

    def presence(self, station_id: StationId) -> Presence:
        """Return whether the station can be asked; only an accepted boot counts as registered (B02, B03)."""
        return self._calls.presence(station_id)

    async def withdraw(self, station_id: StationId, message_id: MessageId) -> bool:
        """Take back an order that waits for its turn: True, and it ends as NeverLeft("withdrawn")."""
        return await self._calls.withdraw(station_id, message_id)

    async def reserve_now(
        self, station_id: StationId, reservation_id: ReservationId, ask: Ask
    ) -> tuple[ReserveAnswer, tuple[Frame, ...]]:
        """Return the end of this ask and its frames, masked; it is not sent after its terms' expiry, by either clock.

        The answer's ask says when the frame left, where it did.
        """
        if ask.terms is None:
            raise ValueError("a ReserveNow without terms")
        payload = encode(convert.reserve_now(ask.terms, reservation_id=reservation_id))
        order = _Order(ask, action="ReserveNow", payload=payload)
        # A station whose clock is slow holds it until its own expiry: the sweep waits for that too.
        behind = max(-self._clock_offset(station_id), timedelta())
        answer = await self._send(station_id, order, not_after=ask.terms.expiry + behind)
        return reserve_fact(order.ask, answer), self._frames(order, answer)

    async def cancel_reservation(
        self, station_id: StationId, reservation_id: ReservationId, ask: Ask
    ) -> tuple[CancelAnswer, tuple[Frame, ...]]:
        """Return the end of this ask and its frames, masked; it goes before all that waits."""
        payload = encode(CancelReservationRequest(reservation_id=reservation_id))
        order = _Order(ask, action="CancelReservation", payload=payload)
        answer = await self._send(station_id, order, urgent=True)
        fact = cancel_fact(order.ask, answer, at=self._clock.now(), clock_offset=self._clock_offset(station_id))
        return fact, self._frames(order, answer)

    async def call(self, station_id: StationId, action: str, payload: bytes) -> CallAnswer:
        """Return how a raw call ended; its payload was checked before, and goes out compact, as every frame."""
        compact = msgspec.json.format(payload, indent=-1)
        return await self._calls.call(station_id, action, compact, message_id=self._ids.message_id())

    async def _send(
        self, station_id: StationId, order: "_Order", *, urgent: bool = False, not_after: datetime | None = None
    ) -> CallAnswer:
        return await self._calls.call(
            station_id,
            order.action,
            order.payload,
            message_id=order.ask.message_id,
            urgent=urgent,
            not_after=not_after,
            on_sent=order.sent,
        )

    def _frames(self, order: "_Order", answer: CallAnswer) -> tuple[Frame, ...]:
        if isinstance(answer, NeverSent):
            return ()
        ask = order.ask
        frame = convert.call_frame(ask.message_id, order.action, order.payload, sender=convert.CSMS, at=ask.sent_at)
        if isinstance(answer, NoAnswer):
            return (frame,)
        return frame, convert.answer_frame(ask.message_id, answer, at=self._clock.now())


class _Order:
    """One order on its way; its ask learns when the frame left."""

    def __init__(self, ask: Ask, *, action: str, payload: bytes) -> None:
        self.ask = ask
        self.action = action
        self.payload = payload

    def sent(self, at: datetime) -> None:
        self.ask = replace(self.ask, sent_at=at)


def late_answer(
    message_id: str, answer: CallResult | CallFailed, *, at: datetime, clock_offset: timedelta
) -> tuple[Callable[[Ask], Fact | None], tuple[Frame, ...]]:
    """Return what reads an answer that nobody waited for any more, late or on another socket, and its frame.

    Args:
        message_id: Of the ask, which is looked up by it.
        answer: The station's.
        at: When it came, our clock.
        clock_offset: The station's clock minus ours.

    Returns:
        A function of the stored ask, whose kind tells which order was answered; it returns None for an answer that
        can't be read (beyond-the-guide 2.3).
    """

    def fact_of(ask: Ask) -> Fact | None:
        if ask.kind.is_cancel:
            return _spoken(cancel_fact(ask, answer, at=at, clock_offset=clock_offset))
        return _spoken(reserve_fact(ask, answer))

    return fact_of, (convert.answer_frame(message_id, answer, at=at),)


def reserve_fact(ask: Ask, answer: CallAnswer) -> ReserveAnswer:
    """Return what the end of a ReserveNow means. H01.FR.11, .12, .14: every status is kept, with the station's words."""
    outcome = convert.answer_of(answer, ReserveNowResponse)
    if not isinstance(outcome, ReserveNowResponse):
        return _unanswered(ask, outcome)
    info = convert.status_info(outcome.status_info)
    if outcome.status == "Accepted":
        return Accepted(ask=ask, status_info=info)
    return Refused(ask=ask, status=outcome.status, status_info=info)


def cancel_fact(ask: Ask, answer: CallAnswer, *, at: datetime, clock_offset: timedelta) -> CancelAnswer:
    """Return what the end of a CancelReservation means (H02.FR.01, H02.FR.02); ``at`` is when it came, our clock."""
    outcome = convert.answer_of(answer, CancelReservationResponse)
    if not isinstance(outcome, CancelReservationResponse):
        return _unanswered(ask, outcome)
    info = convert.status_info(outcome.status_info)
    if outcome.status == "Accepted":
        return CancelAccepted(ask=ask, status_info=info, clock_offset=clock_offset)
    return CancelRejected(ask=ask, station_now=at + clock_offset, status_info=info)


def _spoken(fact: Fact) -> Fact | None:
    return None if isinstance(fact, Silent) else fact


def _unanswered(ask: Ask, outcome: CallFailed | NoAnswer | NeverSent) -> Errored | Silent | NeverLeft:
    if isinstance(outcome, CallFailed):
        return Errored(ask=ask, code=outcome.code, description=outcome.description)
    if isinstance(outcome, NoAnswer):
        return Silent(ask=ask, reason=outcome.reason)
    return NeverLeft(ask=ask, reason=outcome.reason)
