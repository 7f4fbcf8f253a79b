"""What the tests of the database store: stations, reservations, and a clock that a test moves."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from evhold.adapters.sql.database import Database
from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged
from evhold.domain.facts import Accepted, Fact
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Station
from evhold.domain.transitions import Step, advance, created
from evhold.domain.values import Ask, AskKind, By, ConnectorId, EvseId, Heard, IdToken, MessageId, StationId, Terms
from evhold.usecases.ports import Timer
from evhold.usecases.stores import Tx

#: For tests of what one kind of database alone has.
ONLY_SQLITE = pytest.mark.parametrize("kind", ["sqlite"], indirect=True)
ONLY_POSTGRESQL = pytest.mark.parametrize("kind", ["postgresql"], indirect=True)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATION = StationId("CS-1")
TOKEN = IdToken("AABBCCDD", "ISO14443")
_numbers = count(1)


class MovedClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at

    def monotonic(self) -> float:
        return self.at.timestamp()

    def call_at(self, at: float, call: Callable[[], None], /) -> Timer:
        raise NotImplementedError


def message_id() -> MessageId:
    """One that no other test uses."""
    return MessageId(f"message-{next(_numbers)}")


def terms(*, evse_id: int | None = 1, expiry: datetime = NOON + HOUR) -> Terms:
    """Plain terms."""
    return Terms(id_token=TOKEN, expiry=expiry, evse_id=None if evse_id is None else EvseId(evse_id))


def pending(number: int, *, wanted: Terms | None = None, station_id: StationId = STATION) -> Reservation:
    """A new reservation with its ask open."""
    wanted = wanted or terms()
    ask = Ask(message_id=message_id(), kind=AskKind.RESERVE, terms=wanted, sent_at=NOON)
    return Reservation(
        id=number,  # type: ignore[arg-type]  # a number is enough here
        station_id=station_id,
        terms=wanted,
        state=State.PENDING,
        created_at=NOON,
        updated_at=NOON,
        ask=ask,
        reserves_sent=1,
    )


def place(tx: Tx, wanted: Terms | None = None) -> Reservation:
    """A Pending reservation is stored."""
    made = pending(tx.reservations.next_id(), wanted=wanted)
    tx.reservations.insert(created(made, Heard(at=NOON, by=By.DRIVER)))
    return made


def settle(tx: Tx, reservation_id: int, fact: Fact) -> Step:
    """The fact's step is stored."""
    step = advance(tx.reservations.get(reservation_id), fact, Heard(at=NOON))
    tx.reservations.save(step)
    return step


def activate(tx: Tx, wanted: Terms | None = None) -> Reservation:
    """An Active reservation is stored."""
    made = place(tx, wanted)
    assert made.ask is not None
    return settle(tx, made.id, Accepted(ask=made.ask)).reservation


async def provision(storage: Database, *, station: Station | None = None) -> Station:
    """The station is stored."""
    made = station or Station(id=STATION, created_at=NOON)
    await storage.transact(lambda tx: tx.stations.put(made))
    return made


def connector(number: int, *, status: str = "Available", station_id: StationId = STATION) -> Connector:
    """The connector 1 of this EVSE."""
    return Connector(
        station_id=station_id, evse_id=EvseId(number), connector_id=ConnectorId(1), status=status, since=NOON
    )


def changed(told: Connector) -> ConnectorChanged:
    """Its event."""
    assert told.status is not None
    assert told.since is not None
    return ConnectorChanged(
        at=NOON,
        station_id=told.station_id,
        evse_id=told.evse_id,
        connector_id=told.connector_id,
        status=told.status,
        since=told.since,
    )


def bumped(reservation: Reservation, **changes: object) -> Step:
    """A step that makes these changes, without events."""
    return Step(reservation=replace(reservation, version=reservation.version + 1, **changes))  # type: ignore[arg-type]  # the test names fields of its own
