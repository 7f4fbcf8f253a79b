"""The timeline, of what stations really did."""

from datetime import timedelta

import pytest
from station_script import AWAY
from usecase_fakes import START, TAG_A, seconds

from evhold.domain.connector import Connector
from evhold.domain.errors import InvalidOrder, StationUnknown
from evhold.domain.reservation import State
from evhold.domain.timeline import Kind
from evhold.usecases import b01_boot, timeline

HOUR = timedelta(hours=1)


@pytest.fixture
async def station(stage):
    """CS1 with two EVSEs, connected."""
    for number in (1, 2):
        one = Connector(station_id="CS1", evse_id=number, connector_id=1, type="cCCS2", status="Available", since=START)
        await stage.storage.transact(lambda tx, one=one: tx.connectors.put(one))
    return await stage.connect()


async def drawn(stage, start=None, end=None, *, station=None):
    """The timeline of a window."""
    window = timeline.window_of(start, end, now=stage.clock.now(), station_id=station)
    return await timeline.timeline(window, storage=stage.storage, stations=stage.stations, clock=stage.clock)


async def bars(stage, *given, **named):
    """The bars of CS1, as (EVSE, kind, start and end in seconds since START, reservation)."""
    found = await drawn(stage, *given, **named)
    ((_, rows),) = found.stations
    return [
        (row.id, bar.kind, since(bar.start), since(bar.end), bar.reservation_id) for row in rows for bar in row.bars
    ]


def since(at):
    """Seconds since START."""
    return None if at is None else (at - START).total_seconds()


async def test_a_reservation_and_its_use_are_drawn(stage, station):
    """Held from the answer to the use; in use from then on."""
    known = await stage.reserve(expiry=600)
    await stage.move(60)
    await stage.transaction(station, reservation_id=known.id, id_token=TAG_A, evse_id=1)
    await stage.move(60)
    expected = [(1, Kind.HELD, 0, 60, known.id), (1, Kind.USE, 60, None, known.id)]
    assert await bars(stage) == expected
    await stage.transaction(station, "Ended", seq_no=1, evse_id=1)
    assert (await bars(stage))[1] == (1, Kind.USE, 60, 120, known.id)


async def test_a_reservation_of_any_evse_has_a_row_of_its_own(stage, station):
    """Before those of the EVSEs."""
    known = await stage.reserve(evse_id=None)
    assert await bars(stage) == [(None, Kind.HELD, 0, None, known.id)]


async def test_only_what_meets_the_window_is_drawn(stage, station):
    """One that ended before, one that is live, and one that was made after."""
    early = await stage.reserve(evse_id=1, expiry=7200)
    await stage.cancel(early)
    stage.clock.move(600)
    live = await stage.reserve(evse_id=2, expiry=7200)
    stage.clock.move(600)
    await stage.reserve(evse_id=1, expiry=7200)
    assert await bars(stage, START + seconds(300), START + seconds(900)) == [(2, Kind.HELD, 600, None, live.id)]


async def test_an_ended_one_is_told_as_it_ended(stage, station):
    """The state of now, the times of then."""
    known = await stage.reserve()
    stage.clock.move(30)
    await stage.cancel(known)
    ((_, rows),) = (await drawn(stage)).stations
    (bar,) = rows[0].bars
    assert (bar.state, since(bar.start), since(bar.end), bar.doubt) == (State.CANCELED, 0, 30, False)


async def test_faults_are_drawn_from_what_was_told(stage, station):
    """One that came and went, one that lasts."""
    await stage.status(station, "Faulted")
    stage.clock.move(60)
    await stage.status(station, "Available")
    await stage.status(station, "Unavailable", evse_id=2)
    assert await bars(stage) == [(1, Kind.FAULT, 0, 60, None), (2, Kind.UNAVAILABLE, 60, None, None)]


async def test_what_had_begun_before_the_window_is_looked_for(stage, station):
    """A fault that ended in it; one that no event of it speaks of, long over."""
    await stage.status(station, "Faulted", evse_id=1)
    await stage.status(station, "Faulted", evse_id=2)
    stage.clock.move(4 * 3600)
    await stage.status(station, "Available", evse_id=1)
    await stage.status(station, "Available", evse_id=2)
    start = START + 3 * HOUR
    faults = [(number, Kind.FAULT, 0, 4 * 3600, None) for number in (1, 2)]
    assert await bars(stage, start, start + 2 * HOUR) == faults
    # A window that was over before: nothing in it, and it was a fault all the time.
    stage.clock.move(6 * 3600)
    past = [(number, Kind.FAULT, 0, 3.5 * 3600, None) for number in (1, 2)]
    assert await bars(stage, start, start + HOUR / 2) == past


async def test_an_absence_is_drawn_on_every_evse(stage, station):
    """From the end of the connection to the next."""
    stage.clock.move(60)
    await stage.disconnect(station)
    await b01_boot.close_connection(
        station, last_heard=stage.clock.now(), replaced=False, storage=stage.storage, clock=stage.clock
    )
    assert stage.stations.presences["CS1"] == AWAY
    assert await bars(stage) == [(number, Kind.OFFLINE, 60, None, None) for number in (1, 2)]
    stage.clock.move(60)
    await stage.connect()
    assert await bars(stage) == [(number, Kind.OFFLINE, 60, 120, None) for number in (1, 2)]


async def test_stations_come_by_id_and_one_alone_where_it_is_asked_for(stage, station):
    """Found without case."""
    await stage.add_station("CS0")
    found = await drawn(stage)
    assert [one.id for one, _ in found.stations] == ["CS0", "CS1"]
    assert found.online == {"CS0", "CS1"}
    await stage.reserve()
    alone = await drawn(stage, station="cs1")
    assert [(one.id, len(rows[0].bars)) for one, rows in alone.stations] == [("CS1", 1)]
    with pytest.raises(StationUnknown):
        await drawn(stage, station="NOBODY")


@pytest.mark.parametrize(("name", "what"), [("MOST_RESERVATIONS", "reservations"), ("MOST_EVENTS", "events")])
async def test_too_much_is_refused(stage, station, monkeypatch, name, what):
    """With a word what to do."""
    monkeypatch.setattr(timeline, name, 0)
    await stage.reserve()
    await stage.status(station, "Faulted")
    with pytest.raises(InvalidOrder, match=what):
        await drawn(stage)


async def test_many_are_read_in_parts(stage, station, monkeypatch):
    """The same is drawn, however small the parts are."""
    for number in (1, 2, 1):
        await stage.cancel(await stage.reserve(evse_id=number))
        await stage.status(station, "Faulted", evse_id=number)
        stage.clock.move(1)
    whole = await bars(stage)
    for name in ("_PART", "_MANY", "_FEW"):
        monkeypatch.setattr(timeline, name, 1)
    assert len(whole) == 5
    assert await bars(stage) == whole


def test_the_window_is_from_six_hours_ago_to_in_two_unless_said() -> None:
    """Eight hours where one end is given."""
    for start, end, expected in (
        (None, None, (-6, 2)),
        (START, None, (0, 8)),
        (None, START, (-8, 0)),
        (START, START + HOUR, (0, 1)),
    ):
        window = timeline.window_of(start, end, now=START, station_id=None)
        assert ((window.start - START) / HOUR, (window.end - START) / HOUR) == expected


@pytest.mark.parametrize(("hours", "field"), [(0, "to"), (-1, "to"), (49, "from")])
def test_a_window_that_can_t_be_is_refused(hours, field) -> None:
    """Empty ones, and those of more than two days."""
    with pytest.raises(InvalidOrder) as refusal:
        timeline.window_of(START, START + hours * HOUR, now=START, station_id=None)
    assert refusal.value.field == field
