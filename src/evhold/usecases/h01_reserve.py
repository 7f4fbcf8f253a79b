"""H01: reserve an EVSE, a connector type or any EVSE at a station, and replace the terms of a reservation.

Both go in two halves: the row is committed first (``place``, ``propose``), then the station is asked (``ask``,
``ask_replacement``). Between them no transaction is open; a crash there leaves a row that says what was asked.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Final, TypeVar

from evhold.domain.access import Actor
from evhold.domain.authorization import UNKNOWN, TokenStatus
from evhold.domain.errors import (
    InvalidOrder,
    OrderInProgress,
    RequestInProgress,
    ReservationEnded,
    ReservationsNotSupported,
    StationOffline,
    TokenNotAccepted,
    UnspecifiedEvseNotSupported,
)
from evhold.domain.facts import ReplaceOrdered
from evhold.domain.reservation import LIVE, Phase, Reservation, State
from evhold.domain.station import Capabilities, Presence
from evhold.domain.transitions import created
from evhold.domain.values import Ask, AskKind, By, EvseId, Heard, IdToken, StationId, Terms
from evhold.usecases.ports import Clock, Ids, ReserveAnswer, Rules, StationCommands, Storage
from evhold.usecases.settle import check_version, heard_answer, settle
from evhold.usecases.stores import IdempotentRequest, Remembered, Tx

T = TypeVar("T")


class _Unchanged(Enum):
    UNCHANGED = "unchanged"


UNCHANGED: Final = _Unchanged.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReserveOrder:
    """A wish for a reservation. ``force`` overrides what the station's variables and the token's status say.

    ``notify``: where its driver is told; ``link_base``: what a link to the driver's page begins with.
    """

    station_id: str
    terms: Terms
    by: By
    force: bool = False
    request: IdempotentRequest | None = None
    notify: tuple[str, ...] = ()
    link_base: str | None = None
    who: Actor | None = None


@dataclass(frozen=True, slots=True)
class Placed:
    """A Pending reservation, committed, its ask open."""

    reservation: Reservation


@dataclass(frozen=True, slots=True, kw_only=True)
class TermsPatch:
    """New terms; what is UNCHANGED stays. An EVSE puts out a connector type, and the other way round."""

    expiry: datetime | _Unchanged = UNCHANGED
    evse_id: EvseId | _Unchanged | None = UNCHANGED
    connector_type: str | _Unchanged | None = UNCHANGED
    id_token: IdToken | _Unchanged = UNCHANGED
    group_id_token: IdToken | _Unchanged | None = UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplaceOrder:
    """A wish for other terms under the same id (H01.FR.02). ``if_match``: refuse unless this is the version."""

    reservation_id: int
    changes: TermsPatch
    by: By
    if_match: int | None = None
    who: Actor | None = None


@dataclass(frozen=True, slots=True)
class Proposed:
    """An Active reservation with a replacement, committed, its ask open."""

    reservation: Reservation


@dataclass(frozen=True, slots=True)
class Replaced:
    """What the station said to the replacement, and the reservation then."""

    reservation: Reservation
    answer: ReserveAnswer


async def place(
    order: ReserveOrder, *, storage: Storage, stations: StationCommands, clock: Clock, ids: Ids, rules: Rules
) -> Placed | Remembered:
    """A Pending reservation is committed, or this very request was made before (H01 S1-S3).

    Raises:
        StationUnknown, StationOffline: Nothing was written.
        ReservationsNotSupported, UnspecifiedEvseNotSupported, TokenNotAccepted: Known to fail; ``force`` asks all the same.
        EvseAlreadyReserved: Another live reservation holds the EVSE.
        InvalidOrder, IdempotencyKeyReused, RequestInProgress: As they say.

    Requirements: H01.FR.18, H01.FR.19
    """
    message_id = ids.message_id()

    def work(tx: Tx) -> Placed | Remembered:
        if order.request is not None and (earlier := tx.idempotency.begin(order.request, at=clock.now())) is not None:
            return _repeat(tx, earlier)
        now = clock.now()
        station = tx.stations.get(order.station_id)
        _check_terms(order.terms, now=now)
        # Design decision 1: presence first, and no row.
        _check_presence(station.id, stations.presence(station.id))
        if not order.force:
            _check_capabilities(station.capabilities, order.terms)
            _check_token(tx, order.terms.id_token, accept_unknown=rules.accept_unknown_tokens)
        ask = Ask(message_id=message_id, kind=AskKind.RESERVE, terms=order.terms, sent_at=now)
        reservation = Reservation(
            id=tx.reservations.next_id(),
            station_id=station.id,
            terms=order.terms,
            state=State.PENDING,
            created_at=now,
            updated_at=now,
            ask=ask,
            reserves_sent=1,
            notify=order.notify,
            link_base=order.link_base,
        )
        tx.reservations.insert(created(reservation, Heard(at=now, by=order.by)))
        if order.request is not None:
            tx.idempotency.bind(order.request, reservation.id)
        tx.audit.add(at=now, who=order.who, what="reserve", station_id=station.id, detail=str(reservation.id))
        return Placed(reservation)

    return await storage.transact(work)


async def ask(placed: Placed, *, storage: Storage, stations: StationCommands, clock: Clock) -> Reservation:
    """The station was asked, and its answer, or its silence, is stored; the reservation as it is then.

    Requirements: H01.FR.01, H01.FR.03, H01.FR.04, H01.FR.06, H01.FR.11, H01.FR.12, H01.FR.14
    """
    answered = await _ask(placed.reservation, storage=storage, stations=stations, clock=clock)
    return answered.reservation


async def remember(request: IdempotentRequest, *, status: int, body: bytes, storage: Storage) -> None:
    """A repeat of this request gets this answer."""
    await storage.transact(lambda tx: tx.idempotency.finish(request, status=status, body=body))


async def forget(request: IdempotentRequest, *, storage: Storage) -> None:
    """The request made nothing: a repeat runs anew."""
    await storage.transact(lambda tx: tx.idempotency.forget(request))


async def propose(
    order: ReplaceOrder, *, storage: Storage, stations: StationCommands, clock: Clock, ids: Ids
) -> Proposed:
    """Old and new terms are committed side by side, the ask open (row 47).

    Raises:
        ReservationUnknown, ReservationEnded, VersionConflict, InvalidOrder: As they say.
        OrderInProgress: Another ask or a wish to cancel is open, or its outcome is unknown (row 48).
        StationOffline: A replacement is never queued.
        UnspecifiedEvseNotSupported, EvseAlreadyReserved: The new place can't be had.

    Requirements: H01.FR.02
    """
    message_id = ids.message_id()

    def work(tx: Tx) -> Proposed:
        now = clock.now()
        known = tx.reservations.get(order.reservation_id)
        check_version(known, order.if_match)
        if known.state not in LIVE:
            raise ReservationEnded(known.id, known.state)
        if known.phase is not Phase.ACTIVE:
            raise OrderInProgress(known.id)
        terms = _patched(known.terms, order.changes)
        _check_terms(terms, now=now)
        _check_presence(known.station_id, stations.presence(known.station_id))
        if known.terms.evse_id is not None and terms.evse_id is None:
            _check_capabilities(tx.stations.get(known.station_id).capabilities, terms)
        fact = ReplaceOrdered(ask=Ask(message_id=message_id, kind=AskKind.REPLACE, terms=terms, sent_at=now))
        step = settle(tx, known.id, fact, Heard(at=now, by=order.by))
        if step.reservation.ask is None or step.reservation.ask.message_id != message_id:
            raise OrderInProgress(known.id)
        tx.audit.add(at=now, who=order.who, what="replace", station_id=known.station_id, detail=str(known.id))
        return Proposed(step.reservation)

    return await storage.transact(work)


async def ask_replacement(proposed: Proposed, *, storage: Storage, stations: StationCommands, clock: Clock) -> Replaced:
    """The station was asked for the new terms, and its answer, or its silence, is stored (rows 49-52)."""
    return await _ask(proposed.reservation, storage=storage, stations=stations, clock=clock)


async def _ask(asked: Reservation, *, storage: Storage, stations: StationCommands, clock: Clock) -> Replaced:
    """The open ReserveNow was sent, and how it ended is stored."""
    assert asked.ask is not None
    answer, frames = await stations.reserve_now(asked.station_id, asked.id, asked.ask)
    heard = heard_answer(answer, frames, at=clock.now())
    step = await storage.transact(lambda tx: settle(tx, asked.id, answer, heard))
    return Replaced(step.reservation, answer)


def _repeat(tx: Tx, earlier: Remembered) -> Remembered:
    """The first request's outcome; while its reservation is Pending it is still running (design decision 4)."""
    made = earlier.reservation_id
    if earlier.status == 0 and made is not None and tx.reservations.get(made).state is State.PENDING:
        raise RequestInProgress
    return earlier


def _check_terms(terms: Terms, *, now: datetime) -> None:
    if terms.evse_id is not None and terms.connector_type is not None:
        # beyond-the-guide 2.15: the schema lets both pass, what they mean together is not said.
        raise InvalidOrder("connectorType", "give evseId or connectorType, not both")
    if terms.expiry <= now:
        raise InvalidOrder("expiryDateTime", "lies in the past")


def _check_presence(station_id: StationId, presence: Presence) -> None:
    if not (presence.online and presence.registered):
        raise StationOffline(station_id)


def _check_capabilities(known: Capabilities, terms: Terms) -> None:
    # A variable that is not known is no No: then the station decides (beyond-the-guide 2.8).
    if known.available is False:
        raise ReservationsNotSupported("ReservationCtrlr.Available")
    if known.enabled is False:
        raise ReservationsNotSupported("ReservationCtrlr.Enabled")
    # H01.FR.18, H01.FR.19: without an EVSE only where NonEvseSpecific is true; known to be false, it is not even asked.
    if terms.evse_id is None and known.non_evse_specific is False:
        raise UnspecifiedEvseNotSupported("ReservationCtrlr.NonEvseSpecific")


def _check_token(tx: Tx, id_token: IdToken, *, accept_unknown: bool) -> None:
    token = tx.tokens.find(id_token)
    status = token.status if token is not None else TokenStatus.ACCEPTED if accept_unknown else UNKNOWN
    if status != TokenStatus.ACCEPTED:
        raise TokenNotAccepted(status)


def _patched(terms: Terms, changes: TermsPatch) -> Terms:
    patched = replace(
        terms,
        expiry=_or(changes.expiry, terms.expiry),
        id_token=_or(changes.id_token, terms.id_token),
        group_id_token=_or(changes.group_id_token, terms.group_id_token),
        evse_id=_or(changes.evse_id, terms.evse_id),
        connector_type=_or(changes.connector_type, terms.connector_type),
    )
    if isinstance(changes.evse_id, int) and changes.connector_type is UNCHANGED:
        return replace(patched, connector_type=None)
    if isinstance(changes.connector_type, str) and changes.evse_id is UNCHANGED:
        return replace(patched, evse_id=None)
    return patched


def _or(value: T | _Unchanged, old: T) -> T:
    return old if isinstance(value, _Unchanged) else value
