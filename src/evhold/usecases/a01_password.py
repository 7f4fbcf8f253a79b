"""A01: a station gets a new password over its connection, and the old one is valid until it has taken it.

House rules
- The new one is valid before it is sent: a station that takes it and is cut off gets in.
- Only the station's Accepted takes the old one away, or a connection made by the new one.
- Silence, a lost connection and RebootRequired leave both. That the old one still opens the door says nothing: only a
  station that restarts, and then still comes by it, has not taken the new one.
- Until that is settled no third one is offered: it could lock out a station that took the second.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from hmac import compare_digest
from typing import Final

from evhold.domain.access import Actor
from evhold.domain.credentials import LONGEST_OCPP_PASSWORD, SHORTEST_PASSWORD, hash_password, is_ocpp_password
from evhold.domain.errors import InvalidOrder, PasswordChangePending, StationOffline
from evhold.domain.events import RegistryChanged
from evhold.domain.security import Incidents, Origin, SecurityEvent
from evhold.domain.station import Credentials, Registration, Station
from evhold.domain.values import StationId
from evhold.domain.variables import ACCEPTED, Variable
from evhold.usecases.ports import (
    CallFailed,
    Clock,
    Connected,
    Ids,
    NeverSent,
    NoAnswer,
    StationCommands,
    Storage,
    Variables,
)
from evhold.usecases.stores import Tx

COMPONENT: Final = "SecurityCtrlr"
VARIABLE: Final = "BasicAuthPassword"
#: Security profile 3: a certificate, and no password.
BY_CERTIFICATE: Final = 3
STATION: Final = Actor("station")


class Taken(StrEnum):
    """Whether the station has the new password. ``RebootRequired``: it will have it after its next boot."""

    ACCEPTED = "Accepted"
    REBOOT_REQUIRED = "RebootRequired"
    UNCONFIRMED = "Unconfirmed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Changed:
    """How it went; ``password`` is one that was made just now, shown this once."""

    station_id: StationId
    taken: Taken
    password: str | None = None


@dataclass(frozen=True, slots=True)
class NotTaken:
    """The station refused, and what was valid before stays valid. ``status`` is its AttributeStatus."""

    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """A change; ``password`` None: one is made. ``who`` is named in the audit."""

    station_id: str
    who: Actor
    password: str | None = None


@dataclass(frozen=True, slots=True)
class _Offer:
    station_id: StationId
    password: str
    salt: bytes
    again: bool = False


async def change(
    order: Order,
    *,
    storage: Storage,
    enduring: Storage,
    variables: Variables,
    stations: StationCommands,
    clock: Clock,
    ids: Ids,
) -> Changed | NotTaken | CallFailed | NeverSent:
    """The station was asked to take a new password; one that is offered already is offered again.

    Args:
        order: To whom, by whom.
        storage: Stores the offer, before anything is sent.
        enduring: Stores the outcome; waits while it has to.
        variables: Sets them at the station.
        stations: Knows which are there.
        clock: Dates the audit.
        ids: Makes passwords and salts.

    Raises:
        InvalidOrder: ``password`` is none of OCPP's, or the station proves itself by a certificate.
        StationUnknown: It is not provisioned.
        StationOffline: It is not connected, or its last boot was Rejected; nothing was changed.
        PasswordChangePending: It is not known yet which of two it has.

    Requirements: A01.FR.02, A01.FR.03, A01.FR.04, A01.FR.06, A01.FR.07, A01.FR.08
    """
    given = order.password
    if given is not None and not is_ocpp_password(given):
        raise InvalidOrder(
            "password", f"{SHORTEST_PASSWORD} to {LONGEST_OCPP_PASSWORD} letters, digits or any of * - _ = : + | @ ."
        )
    # A01.FR.06, A01.FR.07: made of chance, for this station alone. A01.FR.08: salted, and hashed.
    made, salt = ids.secret(), ids.secret().encode()[:64]

    def work(tx: Tx) -> _Offer:
        station, known = _known(tx, order.station_id)
        _check(station, known, is_online=stations.presence(station.id).online)
        offered = _offer(known, given=given, made=made, salt=salt)
        if not offered.again:
            hashed = hash_password(offered.salt, offered.password)
            _store(tx, station, replace(known, next_salt=offered.salt, next_hash=hashed), at=clock.now())
        detail = "offered again" if offered.again else "offered"
        tx.audit.add(at=clock.now(), who=order.who, what="change password", station_id=station.id, detail=detail)
        return offered

    offer = await storage.transact(work)
    # A01.FR.02: by SetVariables of BasicAuthPassword.
    wanted = Variable(component=COMPONENT, variable=VARIABLE, value=offer.password)
    outcome = await variables.set(offer.station_id, [wanted])
    shown = offer.password if given is None else None
    taken = _taken(outcome)
    if taken in (Taken.UNCONFIRMED, Taken.REBOOT_REQUIRED):
        return Changed(station_id=offer.station_id, taken=taken, password=shown)
    # A01.FR.03: it has it. A01.FR.04: it has not, and gets in by the old one; it may have it since it was asked before.
    if taken or not offer.again:
        new, at = taken is Taken.ACCEPTED, clock.now()
        await enduring.transact(lambda tx: _settle(tx, offer.station_id, new=new, salt=offer.salt, at=at))
    if isinstance(outcome, CallFailed):
        # Some stations repeat what they were sent.
        return replace(outcome, description=outcome.description.replace(offer.password, "****"))
    if isinstance(outcome, NeverSent):
        return outcome
    return Changed(station_id=offer.station_id, taken=taken, password=shown) if taken else NotTaken(_status(outcome))


async def connected(connected: Connected, *, storage: Storage, clock: Clock) -> None:
    """A station that came by the new password has it: the old one is valid no more."""
    if connected.password == "new":
        await _shown(connected, new=True, storage=storage, clock=clock)


async def restarted(connected: Connected, *, storage: Storage, clock: Clock) -> None:
    """A station that restarted and came by the old password has not taken the new one: that one is valid no more."""
    if connected.password == "old":
        await _shown(connected, new=False, storage=storage, clock=clock)


async def _shown(connected: Connected, *, new: bool, storage: Storage, clock: Clock) -> None:
    station_id, salt, at = connected.station_id, connected.offer, clock.now()

    def work(tx: Tx) -> None:
        if _settle(tx, station_id, new=new, salt=salt, at=at):
            detail = "the new one is valid" if new else "the old one stays"
            tx.audit.add(at=at, who=STATION, what="change password", station_id=station_id, detail=detail)

    await storage.transact(work)
    connected.password = connected.offer = None


def _known(tx: Tx, station_id: str) -> tuple[Station, Credentials]:
    station = tx.stations.get(station_id)
    (known,) = tx.stations.credentials([station.id])
    return station, known


def _check(station: Station, known: Credentials, *, is_online: bool) -> None:
    if station.boot_status is Registration.REJECTED or not is_online:
        raise StationOffline(station.id)
    if (known.security_profile or 0) >= BY_CERTIFICATE:
        raise InvalidOrder("password", f"Charging Station {station.id} proves itself by a certificate")


def _offer(known: Credentials, *, given: str | None, made: str, salt: bytes) -> _Offer:
    """Raises PasswordChangePending: another one is offered, and may be in force at the station."""
    station_id = known.station_id
    if known.next_hash is None:
        return _Offer(station_id, given or made, salt)
    offered = known.next_salt or b""
    if given is None or not compare_digest(hash_password(offered, given), known.next_hash):
        raise PasswordChangePending(station_id)
    return _Offer(station_id, given, offered, again=True)


def _status(outcome: object) -> str:
    """The station's AttributeStatus; empty where there is none."""
    return str(outcome[0].status) if isinstance(outcome, list) and outcome else ""


def _taken(outcome: list[Variable] | CallFailed | NoAnswer | NeverSent) -> Taken | None:
    """Whether the station has it; None: it has not."""
    if isinstance(outcome, CallFailed | NeverSent):
        return None
    match _status(outcome):
        case "":  # silence, or an answer about nothing
            return Taken.UNCONFIRMED
        case "RebootRequired":
            return Taken.REBOOT_REQUIRED
        case status:
            return Taken.ACCEPTED if status == ACCEPTED else None


def _settle(tx: Tx, station_id: StationId, *, new: bool, salt: bytes | None, at: datetime) -> bool:
    """One of the two is the only one, if ``salt`` is still that of the offer; of another one nothing is known."""
    if tx.stations.find(station_id) is None:
        return False
    station, known = _known(tx, station_id)
    if known.next_hash is None or known.next_salt != salt:
        return False
    kept = replace(known, next_salt=None, next_hash=None)
    if new:
        kept = replace(kept, password_salt=known.next_salt, password_hash=known.next_hash)
        event = SecurityEvent(
            station_id=station.id, type=Incidents.RECONFIGURED, origin=Origin.CSMS, at=at, tech_info="password changed"
        )
        tx.security_events.add(event)
    _store(tx, station, kept, at=at)
    return True


def _store(tx: Tx, station: Station, credentials: Credentials, *, at: datetime) -> None:
    tx.stations.put(station, credentials=credentials)
    tx.outbox.add(RegistryChanged(at=at, kind="station", key=station.id))
