"""An operator's raw call: any action that a CSMS may send, but for those that go through reservations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from evhold.domain.access import Actor
from evhold.domain.connector import Connector
from evhold.domain.errors import GoesThroughPassword, GoesThroughReservations, ReservationsAffected, StationOffline
from evhold.domain.reservation import LIVE, Reservation
from evhold.domain.station import Registration, Station
from evhold.domain.values import EvseId, StationId
from evhold.usecases import capabilities
from evhold.usecases.ports import (
    AvailabilityChange,
    CallAnswer,
    CallResult,
    Clock,
    RawPayloads,
    StationCommands,
    Storage,
)
from evhold.usecases.stores import Tx

RESERVATION_ACTIONS: Final = frozenset({"ReserveNow", "CancelReservation"})
VARIABLE_ACTIONS: Final = frozenset({"GetVariables", "SetVariables"})
#: What may be sent to a station that is not accepted yet (B02): B05-B08, and TriggerMessage.
BEFORE_ACCEPTED: Final = VARIABLE_ACTIONS | {"GetBaseReport", "GetReport", "TriggerMessage"}


@dataclass(frozen=True, slots=True, kw_only=True)
class RawCall:
    """One call. ``payload`` is JSON text; ``who`` names the key for the audit, without any secret."""

    station_id: str
    action: str
    payload: bytes
    who: Actor
    force: bool = False


def _nothing(station_id: StationId, action: str, payload: bytes) -> None:
    """Nothing has to be expected."""


async def call(
    order: RawCall,
    *,
    storage: Storage,
    stations: StationCommands,
    check: Callable[[str, bytes], None],
    payloads: RawPayloads,
    clock: Clock,
    expect: Callable[[StationId, str, bytes], None] = _nothing,
) -> CallAnswer:
    """The call is audited, was sent, and what its answer says of capabilities is learned.

    Args:
        order: What to send.
        storage: Two short transactions, none open while the station answers.
        stations: Sends it.
        check: Raises InvalidOrder for an action or a payload that the station's version does not have.
        payloads: Reads the payloads that matter here.
        clock: Dates the audit.
        expect: Told of the call before it leaves: what it asks for may come back before its answer.

    Returns:
        How it ended.

    Raises:
        GoesThroughReservations: ReserveNow or CancelReservation.
        GoesThroughPassword: SetVariables of BasicAuthPassword.
        StationUnknown, InvalidOrder: As they say.
        StationOffline: Its last boot was not answered Accepted, and this may not be sent before it is.
        ReservationsAffected: It would end live reservations, and ``force`` is not set.

    Requirements: B02, B03.FR.03, F01.FR.22, F02.FR.24
    """
    if order.action in RESERVATION_ACTIONS:
        raise GoesThroughReservations(order.action)
    check(order.action, order.payload)
    if order.action == "SetVariables" and payloads.sets_password(order.payload):
        raise GoesThroughPassword

    def work(tx: Tx) -> tuple[StationId, bytes]:
        station = tx.stations.get(order.station_id)
        station_id = station.id
        if not _may_be_sent(order.action, station):
            raise StationOffline(station_id)
        payload = _prepared(tx, order, station_id=station_id, payloads=payloads)
        detail = "force" if order.force else ""
        tx.audit.add(at=clock.now(), who=order.who, what=f"call {order.action}", station_id=station_id, detail=detail)
        return station_id, payload

    station_id, payload = await storage.transact(work)
    expect(station_id, order.action, payload)
    answer = await stations.call(station_id, order.action, payload)
    if isinstance(answer, CallResult) and order.action in VARIABLE_ACTIONS:
        await _learn(station_id, order.action, payload, answer=answer, storage=storage, payloads=payloads)
    return answer


def _may_be_sent(action: str, station: Station) -> bool:
    # B03.FR.03: nothing goes to a Rejected station. B02: little to one that is Pending, or never booted.
    if station.boot_status is Registration.REJECTED:
        return False
    return station.is_registered or action in BEFORE_ACCEPTED


def _prepared(tx: Tx, order: RawCall, *, station_id: StationId, payloads: RawPayloads) -> bytes:
    if order.action == "ChangeAvailability" and not order.force:
        affected = _affected(tx, station_id, change=payloads.availability_change(order.payload))
        if affected:
            raise ReservationsAffected([one.id for one in affected])
    if order.action == "RequestStartTransaction":
        return _with_group(tx, order.payload, station_id=station_id, payloads=payloads)
    return order.payload


def _affected(tx: Tx, station_id: StationId, *, change: AvailabilityChange) -> list[Reservation]:
    """The live reservations that an Inoperative would end (beyond-the-guide 2.19)."""
    if change.operative:
        return []
    live = tx.reservations.at_station(station_id, states=tuple(LIVE))
    if change.evse_id is None:
        return live
    named = {evse_id for one in live for evse_id in one.claims}
    connectors = [one for one in tx.connectors.of(station_id) if one.evse_id not in named | {change.evse_id}]
    anywhere = [one for one in live if not one.claims]
    hit = [one for one in anywhere if _places(connectors, for_=one) < _rivals(anywhere, of=one)]
    return [one for one in live if change.evse_id in one.claims or one in hit]


def _places(connectors: list[Connector], *, for_: Reservation) -> int:
    """How many of the EVSEs could still serve it."""
    wanted = for_.terms.connector_type
    return len({one.evse_id for one in connectors if wanted is None or one.type in (None, wanted)})


def _rivals(anywhere: list[Reservation], *, of: Reservation) -> int:
    """How many reservations without an EVSE of their own, itself among them, want the same places."""
    wanted = of.terms.connector_type
    return sum(wanted is None or one.terms.connector_type in (None, wanted) for one in anywhere)


def _with_group(tx: Tx, payload: bytes, *, station_id: StationId, payloads: RawPayloads) -> bytes:
    start = payloads.remote_start(payload)
    token = tx.tokens.find(start.id_token) if start.group_id_token is None else None
    if token is None or token.group is None:
        return payload
    # F01.FR.22, F02.FR.24: the station lets it through when the groups match, so it has to be told the group. An EVSE that
    # shows Reserved may be held by a reservation that names none.
    live = tx.reservations.at_station(station_id, states=tuple(LIVE))
    if any(one.terms.group_id_token == token.group and _may_be_at(one, start.evse_id) for one in live):
        return payloads.with_group(payload, token.group)
    return payload


def _may_be_at(reservation: Reservation, evse_id: EvseId | None) -> bool:
    return evse_id is None or reservation.terms.evse_id in (None, evse_id)


async def _learn(
    station_id: StationId, action: str, request: bytes, *, answer: CallResult, storage: Storage, payloads: RawPayloads
) -> None:
    results = payloads.variables(action, request, answer.payload)

    def work(tx: Tx) -> None:
        if tx.stations.find(station_id) is not None:  # not removed meanwhile
            capabilities.learn(tx, station_id, results)

    await storage.transact(work)
