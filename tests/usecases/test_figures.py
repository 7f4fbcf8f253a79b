"""The figures of a period, of reservations as they really went."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from station_script import accepted, cancel_accepted, refused, silent
from usecase_fakes import START, TAG_A, seconds

from evhold.domain.errors import InvalidOrder
from evhold.domain.reservation import State
from evhold.usecases import figures, h04_end

BERLIN = ZoneInfo("Europe/Berlin")
HOUR = timedelta(hours=1)


async def counted(stage, start=START - HOUR, end=None, *, station=None, zone=UTC):
    """The figures of a period, by default of everything."""
    now = stage.clock.now() + seconds(1)
    period = figures.period_of(start, end or now, zone=zone, now=now, station_id=station)
    return await figures.figures(period, zone=zone, storage=stage.storage, clock=stage.clock)


async def answered_after(stage, number, answer=accepted, **given):
    """A reservation whose station thought about it for so many seconds."""
    known = await stage.reserving(**given)
    await stage.move(number)
    stage.stations.answer(answer)
    await stage.settle()
    return known


async def sweep(stage):
    """What is past its expiry expires."""
    await h04_end.sweep(storage=stage.storage, clock=stage.clock, rules=stage.rules)


async def test_every_reservation_is_counted_once_by_what_became_of_it(stage):
    """The percentages are of those answered, or of those accepted."""
    station = await stage.connect()
    used, _, canceled, _ = [await stage.reserve(evse_id=number, expiry=60 * number) for number in (1, 2, 3, 30)]
    await stage.transaction(station, reservation_id=used.id, id_token=TAG_A, evse_id=1)
    await stage.cancel(canceled)
    stage.stations.answers("reserve", refused())
    await stage.reserve(evse_id=5)
    stage.clock.move(600)
    await sweep(stage)

    found = await counted(stage)

    told = found.total
    states = (State.USED, State.EXPIRED, State.CANCELED, State.REFUSED, State.FAILED, State.REMOVED)
    assert [told.of(state) for state in states] == [1, 1, 1, 1, 0, 0]
    assert (told.made, told.accepted, told.live) == (5, 4, 1)
    assert (told.accepted_percent, told.used_percent, told.expired_unused_percent) == (80.0, 25.0, 25.0)
    assert (found.active_now, found.unconfirmed_now) == (1, 0)


async def test_nothing_at_all_has_no_percentages(stage):
    """Null, not zero."""
    told = (await counted(stage)).total
    assert (told.made, told.accepted_percent, told.used_percent, told.expired_unused_percent) == (0, None, None, None)
    assert told.median_answer is None


async def test_minutes_are_held_from_the_answer_to_the_end(stage):
    """Unused are those of what ended without a use; a live one counts as held up to now."""
    station = await stage.connect()
    used = await answered_after(stage, 10, evse_id=1, expiry=3600)
    canceled = await answered_after(stage, 10, evse_id=2, expiry=3600)
    await answered_after(stage, 10, evse_id=3, expiry=3600)
    await stage.move(290)
    await stage.transaction(station, reservation_id=used.id, id_token=TAG_A, evse_id=1)
    await stage.cancel(canceled)
    await stage.move(60)

    told = (await counted(stage)).total

    assert told.held == seconds(310) + seconds(300) + seconds(350)
    assert told.unused == seconds(300)


async def test_nothing_is_held_beyond_its_expiry(stage):
    """Though the sweep comes later."""
    known = await stage.reserve(expiry=120)
    stage.clock.move(1000)
    assert (await counted(stage)).total.held == seconds(120)
    await sweep(stage)
    assert (await stage.get(known)).state is State.EXPIRED
    told = (await counted(stage)).total
    assert (told.held, told.unused) == (seconds(120), seconds(120))


async def test_a_use_ends_the_hold_at_its_own_time(stage):
    """A station that was offline tells of it afterwards."""
    station = await stage.connect()
    known = await stage.reserve(expiry=600)
    at = stage.after(100)
    stage.clock.move(400)
    await stage.transaction(station, reservation_id=known.id, id_token=TAG_A, evse_id=1, at=at, offline=True)
    assert (await counted(stage)).total.held == seconds(100)


async def test_what_was_refused_held_nothing(stage):
    """And it was answered all the same."""
    await answered_after(stage, 5, refused())
    told = (await counted(stage)).total
    assert (told.held, told.answers, told.median_answer) == (timedelta(), 1, seconds(5))


async def test_silence_is_no_answer(stage):
    """Neither accepted nor refused; in doubt until it was retracted."""
    stage.stations.answers("cancel", silent)
    stage.stations.answers("reserve", silent)
    await stage.reserve()
    found = await counted(stage)
    assert (found.total.accepted_percent, found.total.answers, found.unconfirmed_now) == (None, 0, 1)
    assert (found.total.live, found.total.held) == (1, timedelta())


async def test_accepted_while_a_cancel_was_in_doubt_is_accepted(stage):
    """Row 4: the answer was kept, and the cancel decided."""
    stage.stations.answers("cancel", silent, cancel_accepted)
    stage.stations.answers("reserve", silent)
    known = await stage.reserve()
    ask = next(one.ask for one in stage.stations.sent if not one.ask.kind.is_cancel)
    await stage.late(ask, lambda asked: accepted(asked))
    assert (await stage.get(known)).accepted_kept
    assert (await counted(stage)).total.accepted == 1


@pytest.mark.parametrize(("thought", "median"), [((3,), 3.0), ((1, 9, 2), 2.0), ((1, 9, 2, 4), 3.0)])
async def test_the_median_is_that_of_all_answers(stage, thought, median):
    """Between the two in the middle where they are even."""
    for number, duration in enumerate(thought, 1):
        await answered_after(stage, duration, evse_id=number)
    found = await counted(stage)
    assert found.total.median_answer == seconds(median)
    assert found.days[-1][1].median_answer == seconds(median)


async def test_a_day_is_one_of_the_askers_time_zone(stage):
    """One made at noon of the first of June, in UTC, and one eleven hours later: another day in Berlin."""
    await stage.reserve(evse_id=1)
    stage.clock.move(11 * 3600)
    await stage.reserve(evse_id=2)
    start, end = START - 24 * HOUR, START + 24 * HOUR
    in_utc, there = [await counted(stage, start, end, zone=zone) for zone in (UTC, BERLIN)]
    assert [(day, tally.made) for day, tally in in_utc.days] == [
        (date(2026, 5, 31), 0),
        (date(2026, 6, 1), 2),
        (date(2026, 6, 2), 0),
    ]
    assert [tally.made for _, tally in there.days] == [0, 1, 1]


async def test_one_station_is_counted_alone(stage):
    """Those of another are not there, nor live now."""
    await stage.add_station("CS2")
    await stage.reserve()
    await stage.reserve(station="CS2")
    found = await counted(stage, station="CS2")
    assert (found.total.made, found.active_now, (await counted(stage)).active_now) == (1, 1, 2)


async def test_the_end_is_not_in_the_period(stage):
    """Its start is."""
    await stage.reserve()
    for start, end, made in ((START - HOUR, START, 0), (START, START + HOUR, 1)):
        assert (await counted(stage, start, end)).total.made == made


async def test_too_many_to_count_are_refused(stage, monkeypatch):
    """With a word what to do."""
    monkeypatch.setattr(figures, "MOST", 1)
    for number in (1, 2):
        await stage.reserve(evse_id=number)
    with pytest.raises(InvalidOrder, match="shorter period"):
        await counted(stage)


def test_the_period_is_today_and_six_days_before_unless_said() -> None:
    """From the start of a day in the asker's time zone, over a change of the clocks too."""
    now = datetime(2026, 3, 30, 22, 30, tzinfo=UTC)  # half past midnight in Berlin
    period = figures.period_of(None, None, zone=BERLIN, now=now, station_id=None)
    assert (period.start, period.end) == (datetime(2026, 3, 24, 23, tzinfo=UTC), now)
    midnight = datetime(2026, 3, 30, 22, tzinfo=UTC)
    assert figures.period_of(None, midnight, zone=BERLIN, now=now, station_id=None).start == period.start - 24 * HOUR


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [(START, START, "to"), (START, START - HOUR, "to"), (START - timedelta(days=366, seconds=1), START, "from")],
)
def test_a_period_that_can_t_be_is_refused(start, end, field) -> None:
    """Empty ones, and those longer than a year."""
    with pytest.raises(InvalidOrder) as refusal:
        figures.period_of(start, end, zone=UTC, now=START, station_id=None)
    assert refusal.value.field == field
