"""What every Storage finds of a period: reservations counted, and what happened at stations."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.domain.events import ConnectorChanged, Event, StationPresence
from evhold.domain.facts import Accepted, CancelAccepted, CancelOrdered, Fact, Refused, Silent
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Station
from evhold.domain.timeline import Change
from evhold.domain.transaction import Transaction
from evhold.domain.transitions import advance, created
from evhold.domain.values import (
    Ask,
    AskKind,
    By,
    ConnectorId,
    EvseId,
    Heard,
    IdToken,
    MessageId,
    ReservationId,
    StationId,
    Terms,
    TransactionId,
)
from evhold.usecases.periods import Period
from evhold.usecases.stores import Tx

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE, THERE = StationId("CS-1"), StationId("CS-2")
ALL = Period(start=NOON, end=NOON + timedelta(days=1))
TOKEN = IdToken("AABBCCDD", "ISO14443")


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


@pytest.fixture
async def site(storage: Database) -> Database:
    """Two stations."""
    for name in (HERE, THERE):
        await storage.transact(lambda tx, name=name: tx.stations.put(Station(id=name)))  # type: ignore[misc]  # a default argument
    return storage


def made(number: int, minutes: float, *, station_id: StationId = HERE) -> Reservation:
    """A new reservation of any EVSE, for an hour, its ask open."""
    terms = Terms(id_token=TOKEN, expiry=at(minutes + 60))
    ask = Ask(message_id=MessageId(f"m{number}"), kind=AskKind.RESERVE, terms=terms, sent_at=at(minutes))
    return Reservation(
        id=ReservationId(number),
        station_id=station_id,
        terms=terms,
        state=State.PENDING,
        created_at=at(minutes),
        updated_at=at(minutes),
        ask=ask,
        reserves_sent=1,
    )


async def place(site: Database, number: int, minutes: float, *, station_id: StationId = HERE) -> Reservation:
    """It is stored."""
    known = made(number, minutes, station_id=station_id)
    await site.transact(lambda tx: tx.reservations.insert(created(known, Heard(at=at(minutes), by=By.DRIVER))))
    return known


async def tell(site: Database, known: Reservation, fact: Fact, minutes: float) -> Reservation:
    """The fact's step is stored."""

    def work(tx: Tx) -> Reservation:
        step = advance(tx.reservations.get(known.id), fact, Heard(at=at(minutes)))
        tx.reservations.save(step)
        return step.reservation

    return await site.transact(work)


async def active(site: Database, number: int, minutes: float, *, answer: float = 1, **given: StationId) -> Reservation:
    """An Active reservation; ``answer`` is how many minutes the station thought."""
    known = await place(site, number, minutes, **given)
    assert known.ask is not None
    return await tell(site, known, Accepted(ask=known.ask), minutes + answer)


async def canceled(site: Database, known: Reservation, minutes: float) -> Reservation:
    """It was canceled at the station."""
    wished = await tell(site, known, CancelOrdered(), minutes)
    ask = Ask(message_id=MessageId(f"c{known.id}"), kind=AskKind.CANCEL, terms=None, sent_at=at(minutes))
    assert wished.due is not None
    return await tell(site, wished, CancelAccepted(ask=ask), minutes)


# Figures


async def test_reservations_are_counted_by_state(site: Database) -> None:
    """With how long they were held, and how many were answered."""
    await active(site, 1, 0)
    await canceled(site, await active(site, 2, 0, answer=3), 13)
    refused = await place(site, 3, 0)
    assert refused.ask is not None
    await tell(site, refused, Refused(ask=refused.ask, status="Occupied"), 2)
    doubted = await place(site, 4, 0)
    assert doubted.ask is not None
    await tell(site, doubted, Silent(ask=doubted.ask, reason="timeout"), 1)

    tally = await site.read(lambda tx: tx.figures.count(ALL, now=at(31)))

    counts = {State.ACTIVE: 1, State.CANCELED: 1, State.REFUSED: 1, State.UNCONFIRMED: 1}
    assert (tally.states, tally.accepted, tally.answers) == (counts, 2, 3)
    assert (tally.held, tally.unused) == (timedelta(minutes=30 + 10), timedelta(minutes=10))
    assert await site.read(lambda tx: tx.figures.live(None)) == (1, 1)
    assert await site.read(lambda tx: tx.figures.live(THERE)) == (0, 0)


async def test_the_median_lies_in_the_middle(site: Database) -> None:
    """Between two where they are even; None where there is none."""
    assert await site.read(lambda tx: tx.figures.median_answer(ALL, answers=0)) is None
    for number, minutes in enumerate((1, 9, 2), 1):
        await active(site, number, 0, answer=minutes)
    assert await site.read(lambda tx: tx.figures.median_answer(ALL, answers=3)) == timedelta(minutes=2)
    await active(site, 4, 0, answer=4)
    assert await site.read(lambda tx: tx.figures.median_answer(ALL, answers=4)) == timedelta(minutes=3)


async def test_only_what_was_made_in_the_period_at_the_station_counts(site: Database) -> None:
    """The start is in it, the end is not."""
    for number, minutes in enumerate((-1, 0, 10, 20), 1):
        await active(site, number, minutes)
    await active(site, 9, 5, station_id=THERE)
    period = Period(start=NOON, end=at(20), station_id=HERE)
    tally = await site.read(lambda tx: tx.figures.count(period, now=at(60)))
    assert (tally.made, tally.answers) == (2, 2)
    nobody = replace(period, station_id=StationId("NOBODY"))
    assert (await site.read(lambda tx: tx.figures.count(nobody, now=at(60)))).made == 0


# The timeline


async def test_live_and_ended_reservations_of_a_period_are_found(site: Database) -> None:
    """Those that ended before are not; parts go on where the last one ended."""
    await canceled(site, await active(site, 1, 0), 5)
    for number in (2, 3):
        await canceled(site, await active(site, number, 6), 20)
    await active(site, 4, 7)
    await active(site, 5, 50)
    await active(site, 6, 7, station_id=THERE)
    period = Period(start=at(10), end=at(40), station_id=HERE)
    live = await site.read(lambda tx: tx.timeline.live(period, limit=9))
    assert [one.id for one in live] == [4]
    found, after = [], None
    while True:
        part, after = await site.read(lambda tx, after=after: tx.timeline.ended(period, after=after, limit=1))  # type: ignore[misc]  # a default argument
        found += [one.id for one in part]
        if after is None:
            break
    assert found == [2, 3]


async def test_the_states_of_reservations_are_found(site: Database) -> None:
    """Oldest first, with the times."""
    await active(site, 1, 0)
    await active(site, 2, 2)
    found = await site.read(lambda tx: tx.timeline.changes([ReservationId(1), ReservationId(9)]))
    assert found == {1: [Change(at(0), State.PENDING), Change(at(1), State.ACTIVE)]}


async def test_running_and_stored_transactions_are_found(site: Database) -> None:
    """By station."""
    running = Transaction(station_id=HERE, transaction_id=TransactionId("T1"), started_at=NOON)
    ended = replace(running, transaction_id=TransactionId("T2"), ended_at=at(1))
    for one in (running, ended, replace(running, station_id=THERE)):
        await site.transact(lambda tx, one=one: tx.transactions.put(one))  # type: ignore[misc]  # a default argument
    assert await site.read(lambda tx: tx.timeline.running(HERE)) == [running]
    assert len(await site.read(lambda tx: tx.timeline.running(None))) == 2
    # All were stored at noon.
    assert len(await site.read(lambda tx: tx.timeline.stored([HERE], since=NOON))) == 2
    assert await site.read(lambda tx: tx.timeline.stored([HERE, THERE], since=at(1))) == []


def status(minutes: float, *, station_id: StationId = HERE) -> ConnectorChanged:
    """A connector is Faulted."""
    return ConnectorChanged(
        at=at(minutes),
        station_id=station_id,
        evse_id=EvseId(1),
        connector_id=ConnectorId(1),
        status="Faulted",
        since=at(minutes),
    )


async def test_events_are_found_by_their_time(site: Database) -> None:
    """In order and backwards, in parts, of all stations or of one."""
    gone = StationPresence(at=at(3), station_id=THERE, online=False)
    told: list[Event] = [status(0), status(1, station_id=THERE), status(2), gone, status(4)]
    assert await site.read(lambda tx: tx.timeline.first_event(NOON)) == 1
    for event in told:
        await site.transact(lambda tx, event=event: tx.outbox.add(event))  # type: ignore[misc]  # a default argument
    await EventLog(site).number()
    start, end = [await site.read(lambda tx, minutes=m: tx.timeline.first_event(at(minutes))) for m in (1, 4)]  # type: ignore[misc]  # likewise
    assert end - start == 3
    assert await site.read(lambda tx: tx.timeline.first_event(at(9))) == end + 1
    seen, on = await site.read(lambda tx: tx.timeline.events(None, start=start, end=end, limit=2))
    assert (seen, on) == (told[1:3], start + 2)
    rest, on = await site.read(lambda tx: tx.timeline.events(None, start=start + 2, end=end, limit=2))
    assert (rest, on) == ([gone], None)
    there, _ = await site.read(lambda tx: tx.timeline.events(THERE, start=start, end=end + 1, limit=9))
    assert there == [told[1], gone]
    before = await site.read(lambda tx: tx.timeline.events_before(None, start=start, end=end))
    assert before == [gone, told[2], told[1]]
