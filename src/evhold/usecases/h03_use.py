"""H03: a reserved EVSE is used. The station matches tokens; we learn of it by a TransactionEvent, of any eventType."""

from collections.abc import Sequence

from evhold.domain.facts import UNKNOWN_CONNECTION_TIMEOUT, Fact, Match, TokenSeen, TransactionEnded, TransactionNamed
from evhold.domain.reservation import Reservation
from evhold.domain.station import Station
from evhold.domain.transaction import Event, Transaction
from evhold.domain.transitions import Step
from evhold.domain.values import Heard, IdToken, ReservationId, StationId, Terms
from evhold.usecases.settle import settle
from evhold.usecases.stores import Tx

NO_AUTHORIZATION = "NoAuthorization"
ENDED = "Ended"


def consume(tx: Tx, event: Event, *, transaction: Transaction, station: Station, heard: Heard) -> list[Step]:
    """What this event means for reservations is stored, in the transaction that stores the event itself.

    Args:
        tx: That transaction.
        event: A TransactionEvent that was not seen before.
        transaction: The transaction with this event folded in.
        station: The sender: only its own reservations are touched.
        heard: When, and the frame.

    Returns:
        One step for each fact, in order; empty where no reservation is concerned.

    Requirements: H01.FR.15, H03.FR.09, E01.FR.13, E02.FR.03, E03.FR.03, F02.FR.06
    """
    steps: list[Step] = []
    named = _of_station(tx, event.reservation_id, station.id)
    if named is not None:
        steps.append(settle(tx, named.id, _named(tx, named, event, transaction=transaction, station=station), heard))
    bound = tx.reservations.bound_to(station.id, event.transaction_id)
    if bound is None:
        return steps
    is_named = named is not None and named.id == bound.id
    facts = _of_bound(tx, bound, event, transaction=transaction, station=station, is_named=is_named)
    steps.extend(settle(tx, bound.id, fact, heard) for fact in facts)
    return steps


def _of_station(tx: Tx, reservation_id: ReservationId | None, station_id: StationId) -> Reservation | None:
    """Row 42: 0, negative, unknown and other stations' ids mean nothing."""
    if reservation_id is None or reservation_id <= 0:
        return None
    return tx.reservations.find(reservation_id, station_id)


def _named(
    tx: Tx, reservation: Reservation, event: Event, *, transaction: Transaction, station: Station
) -> TransactionNamed:
    match, id_token = _match(tx, reservation, event, transaction=transaction)
    timeout = station.capabilities.ev_connection_timeout
    return TransactionNamed(
        transaction_id=event.transaction_id,
        stamp=event.stamp,
        match=match,
        evse_id=transaction.evse_id,
        id_token=id_token,
        connection_timeout=UNKNOWN_CONNECTION_TIMEOUT if timeout is None else timeout,
        clock_offset=station.clock_offset,
    )


def _match(tx: Tx, reservation: Reservation, event: Event, *, transaction: Transaction) -> tuple[Match, IdToken | None]:
    """T+ by the whole transaction's tokens, T- by this event's alone, else T0."""
    terms = [reservation.terms, *([reservation.replacement] if reservation.replacement else [])]
    for id_token in (event.id_token, transaction.id_token):
        if id_token is not None and is_reserved_for(tx, id_token, terms):
            return Match.RESERVED, id_token
    if event.id_token is not None and event.id_token.type != NO_AUTHORIZATION:
        return Match.FOREIGN, event.id_token
    return Match.NONE, None


def is_reserved_for(tx: Tx, id_token: IdToken, terms: Sequence[Terms]) -> bool:
    """Whether the token is the reserved one, or shares the reservation's groupIdToken.

    Requirements: H03.FR.01, H03.FR.02, H03.FR.03, H03.FR.04, H03.FR.05, H03.FR.06
    """
    if any(id_token == one.id_token for one in terms):
        return True
    groups = {one.group_id_token for one in terms if one.group_id_token is not None}
    token = tx.tokens.find(id_token) if groups else None
    return token is not None and token.group in groups


def _of_bound(
    tx: Tx, bound: Reservation, event: Event, *, transaction: Transaction, station: Station, is_named: bool
) -> list[Fact]:
    """Later events of a bound transaction carry no reservationId: they may show the token, and they end it."""
    facts: list[Fact] = []
    if event.id_token is not None and not is_named:
        match, id_token = _match(tx, bound, event, transaction=transaction)
        if id_token is not None:
            seen = TokenSeen(transaction_id=event.transaction_id, match=match, id_token=id_token, stamp=event.stamp)
            facts.append(seen)
    # An event that names the reservation may come behind the end of its transaction: that end has happened all the same.
    if event.type == ENDED or (is_named and transaction.state == ENDED):
        clean, offset = transaction.ended_clean, station.clock_offset
        facts.append(TransactionEnded(transaction_id=event.transaction_id, clean=clean, clock_offset=offset))
    return facts
