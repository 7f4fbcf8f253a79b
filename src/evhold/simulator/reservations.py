"""Reservations as the station sees them (H01-H04). Pure: functions of the state.

House rule: a reservation without evseId holds no EVSE of its own. It is kept by arithmetic: there must always be a way to give
every such reservation a different free EVSE that suits it. An EVSE that no such way can spare is Reserved. With n free EVSEs and n
reservations that is all of them, which is what H01.FR.20 and H01.FR.24 ask for, and H02.FR.06 when one is freed.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from evhold.ocpp.v201.datatypes import ConnectorStatusEnumType, IdTokenType, ReserveNowStatusEnumType
from evhold.simulator.state import Evse, Reservation, StationState, same_token


class Verdict(NamedTuple):
    """The status of a ReserveNowResponse, and for Rejected the reason in words."""

    status: ReserveNowStatusEnumType
    reason: str = ""


ACCEPTED = Verdict("Accepted")


def suits(reservation: Reservation, evse: Evse) -> bool:
    """Whether the reservation may be used at this EVSE (H03.FR.01-03)."""
    if reservation.evse_id is not None:
        return reservation.evse_id == evse.id
    wanted = reservation.connector_type
    return wanted is None or any(c.type == wanted and c.operative for c in evse.connectors)


def is_free(state: StationState, evse: Evse) -> bool:
    """In service, with no car or driver that is let in, and not reserved by its id."""
    if not evse.in_service or evse.taken:
        return False
    return not any(r.evse_id == evse.id for r in state.reservations.values())


def _can_seat(reservations: Iterable[Reservation], evses: list[Evse]) -> bool:
    """Whether every reservation can have a different one of the EVSEs (augmenting paths)."""
    seat: dict[int, Reservation] = {}

    def place(reservation: Reservation, seen: set[int]) -> bool:
        for evse in evses:
            if evse.id in seen or not suits(reservation, evse):
                continue
            seen.add(evse.id)
            if evse.id not in seat or place(seat[evse.id], seen):
                seat[evse.id] = reservation
                return True
        return False

    return all(place(reservation, set()) for reservation in reservations)


def feasible(state: StationState, *, without: int | None = None, extra: Reservation | None = None) -> bool:
    """Whether every reservation without evseId, and `extra`, can be served when EVSE `without` is not counted (H01.FR.07, H01.FR.09)."""
    open_ones = [r for r in state.reservations.values() if r.evse_id is None]
    if extra is not None:
        open_ones.append(extra)
    return _can_seat(open_ones, [e for e in state.evses.values() if e.id != without and is_free(state, e)])


def is_reserved(state: StationState, evse: Evse) -> bool:
    """Whether only a matching token may charge here, so that the connectors are Reserved."""
    if not evse.in_service or evse.taken:
        return False
    if any(r.evse_id == evse.id for r in state.reservations.values()):
        return True  # H01.FR.23: reserved by its id
    if not any(r.evse_id is None for r in state.reservations.values()):
        return False
    return not feasible(state, without=evse.id)  # H01.FR.20, H01.FR.24


def evse_status(state: StationState, evse: Evse) -> ConnectorStatusEnumType:
    """The availability of the EVSE, as its connectors report it."""
    if evse.faulted:
        return "Faulted"
    if evse.unavailable:
        return "Unavailable"
    if is_reserved(state, evse):
        return "Reserved"  # G01.FR.06/09: also with a foreign cable in it
    return "Available" if evse.plugged is None else "Occupied"


def _obstacle(evse: Evse) -> ReserveNowStatusEnumType:
    if evse.faulted:
        return "Faulted"
    return "Unavailable" if evse.unavailable else "Occupied"


def _refusal(targets: list[Evse]) -> Verdict:
    obstacles = {_obstacle(evse) for evse in targets}
    # H01.FR.12, H01.FR.14: all targets are in that state; H01.FR.11: else Occupied wins where they differ.
    if len(obstacles) == 1:
        return Verdict(obstacles.pop())
    return Verdict("Occupied" if "Occupied" in obstacles else "Faulted")


def _judge_evse(state: StationState, wanted: Reservation, evse: Evse) -> Verdict:
    if wanted.connector_type is not None and all(c.type != wanted.connector_type for c in evse.connectors):
        return Verdict("Rejected", "the EVSE has no such connector")
    if evse.plugged is not None or not is_free(state, evse) or not feasible(state, without=evse.id):
        return _refusal([evse])
    return ACCEPTED


def judge(state: StationState, wanted: Reservation, *, now: datetime, non_evse_specific: bool) -> Verdict:
    """What ReserveNow is answered in this state; nothing is changed (H01).

    Args:
        wanted: Its id is not among the state's reservations; a replacement is judged with the old one taken out.
        now: By the station's clock.
        non_evse_specific: ReservationCtrlr.NonEvseSpecific.

    Requirements: H01.FR.03, H01.FR.04, H01.FR.06, H01.FR.11, H01.FR.12, H01.FR.14, H01.FR.18, H01.FR.19
    """
    if wanted.expires <= now:
        return Verdict("Rejected", "expiryDateTime is in the past")
    if wanted.evse_id is not None:
        evse = state.evses.get(wanted.evse_id)
        return Verdict("Rejected", "no such EVSE") if evse is None else _judge_evse(state, wanted, evse)
    if not non_evse_specific:
        return Verdict("Rejected", "NonEvseSpecific is false")  # H01.FR.19
    targets = [e for e in state.evses.values() if _has_type(e, wanted.connector_type)]
    if not targets:
        return Verdict("Rejected", "no such connector")
    # H01.FR.04, H01.FR.06: one of them must be Available, and stay so for this token.
    if feasible(state, extra=wanted):
        return ACCEPTED
    return _refusal(targets)


def _has_type(evse: Evse, connector_type: str | None) -> bool:
    return connector_type is None or any(c.type == connector_type for c in evse.connectors)


def matching(
    state: StationState, evse: Evse, *, token: IdTokenType, group: IdTokenType | None = None
) -> Reservation | None:
    """The reservation that this token may use at this EVSE, the most specific one first.

    Args:
        token: As presented.
        group: The groupIdToken that belongs to it, as far as known.

    Requirements: H03.FR.01, H03.FR.02, H03.FR.03, H03.FR.04, H03.FR.05, H03.FR.06
    """
    if not evse.in_service or evse.token is not None:
        return None
    found = [
        r
        for r in state.reservations.values()
        if suits(r, evse) and (same_token(r.token, token) or same_token(r.group, group))
    ]
    if any(r.evse_id == evse.id for r in state.reservations.values()):
        # H01.FR.23: what is reserved by its id is not for whoever reserved any EVSE.
        found = [r for r in found if r.evse_id is not None]
    return min(found, key=lambda r: (r.evse_id is None, r.connector_type is None), default=None)


def asks_for_group(state: StationState, evse: Evse) -> bool:
    """Whether the group of a presented token could open this EVSE (H03.FR.08)."""
    return any(suits(r, evse) and r.group is not None for r in state.reservations.values())


def settle(state: StationState) -> None:
    """Make every car that no reservation keeps out count as a car that occupies its EVSE."""
    for evse in state.evses.values():
        if evse.plugged is not None and not evse.taken and not is_reserved(state, evse):
            evse.taken = True


def remove_unservable(state: StationState) -> list[Reservation]:
    """Take out what can no longer be served because EVSEs went out of service, youngest first (H01.FR.16, H01.FR.17)."""
    kept: dict[int, Reservation] = {}
    removed = []
    everything, state.reservations = state.reservations, kept
    for reservation in everything.values():
        if reservation.evse_id is not None and state.evses[reservation.evse_id].in_service:
            kept[reservation.id] = reservation
    for reservation in everything.values():
        if reservation.id not in kept:
            if reservation.evse_id is None and feasible(state, extra=reservation):
                kept[reservation.id] = reservation
            else:
                removed.append(reservation)
    state.reservations = {id_: r for id_, r in everything.items() if id_ in kept}
    return removed


def remove_expired(state: StationState, *, now: datetime) -> list[Reservation]:
    """Take out what has reached its expiryDateTime (H04)."""
    expired = [r for r in state.reservations.values() if r.expires <= now]
    for reservation in expired:
        del state.reservations[reservation.id]
    return expired
