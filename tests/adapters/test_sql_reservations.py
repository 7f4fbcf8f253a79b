"""Reservations in the database: exact, claimed, numbered once, found again by what they wait for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import MISSING, fields, is_dataclass, replace
from datetime import UTC, datetime, timedelta
from types import NoneType
from typing import Any, NewType, get_args, get_origin, get_type_hints

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from sql_examples import (
    HOUR,
    NOON,
    ONLY_POSTGRESQL,
    ONLY_SQLITE,
    STATION,
    MovedClock,
    activate,
    bumped,
    message_id,
    pending,
    place,
    provision,
    settle,
    terms,
)
from sqlalchemy import text

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.pg_engine import POOL
from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.reservation_ids import BLOCK
from evhold.adapters.sql.reservations import _DUE, _NEXT_SWEEP, _SWEEP
from evhold.adapters.sql.storage import open_storage
from evhold.adapters.sql.tables import metadata
from evhold.adapters.sql.tx import SqlTx
from evhold.domain.errors import EvseAlreadyReserved, ReservationUnknown, StationUnknown, VersionConflict
from evhold.domain.facts import Accepted, CancelOrdered, Match, Refused, Silent, SweepDue, TransactionNamed
from evhold.domain.reservation import Reservation, State, Transition, with_ask
from evhold.domain.station import Station
from evhold.domain.transitions import Step, advance, asked
from evhold.domain.values import (
    MAX_RESERVATION_ID,
    Ask,
    AskKind,
    By,
    EvseId,
    Frame,
    Heard,
    IdToken,
    ReservationId,
    StationId,
    StatusInfo,
    TransactionId,
)
from evhold.usecases.stores import ReservationFilter, Tx

GRACE = timedelta(seconds=30)

moments = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1)).map(lambda one: one.replace(tzinfo=UTC, fold=0))  # noqa: DTZ001  # bounds are naive by hypothesis' rule
PLAIN = {datetime: moments, str: st.text(max_size=20), int: st.integers(0, 2**31 - 1), bool: st.booleans()}


def any_of(hint: Any) -> st.SearchStrategy[Any]:
    """Values of a type, made of whatever its fields allow."""
    if hint in PLAIN:
        return PLAIN[hint]
    if isinstance(hint, NewType):
        return any_of(hint.__supertype__)
    if NoneType in get_args(hint):
        return st.none() | any_of(next(one for one in get_args(hint) if one is not NoneType))
    if get_origin(hint) is tuple:
        return st.lists(any_of(get_args(hint)[0]), max_size=3).map(tuple)
    if is_dataclass(hint):
        return st.builds(hint, **{name: any_of(one) for name, one in get_type_hints(hint).items()})
    return st.sampled_from(list(hint))


def reservations() -> st.SearchStrategy[Reservation]:
    """Any value of every field, also those that no row of the table would make."""
    fixed = {"id": st.just(ReservationId(7)), "station_id": st.just(STATION), "version": st.just(1)}
    drawn = {name: any_of(hint) for name, hint in get_type_hints(Reservation).items() if name not in fixed}
    return st.builds(Reservation, **fixed, **drawn)  # type: ignore[arg-type]  # by name


def exactly(reservation: Reservation) -> str:
    """All of it, also the case of tokens, which equality does not see."""
    return repr(reservation)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(first=reservations(), second=reservations())
async def test_a_reservation_comes_back_exactly(
    storage: Database, kind: str, first: Reservation, second: Reservation
) -> None:
    """Whatever is inserted, and whatever is saved over it, is what is read; the claims are its claims."""
    # PostgreSQL has no text with NUL in it, and refuses it (test_pg_storage).
    assume(kind == "sqlite" or "\\x00" not in repr((first, second)))
    second = replace(second, version=2)

    def work(tx: SqlTx) -> None:
        tx.stations.put(Station(id=STATION))
        for table in ("reservations", "claims", "asks"):
            tx.connection.exec_driver_sql(f"DELETE FROM {table}")
        tx.reservations.insert(Step(reservation=first))
        assert exactly(tx.reservations.get(7)) == exactly(first)
        clash = first.ask and second.ask and first.ask.message_id == second.ask.message_id
        tx.reservations.save(Step(reservation=replace(second, ask=first.ask) if clash else second))
        stored = tx.reservations.get(7)
        assert exactly(stored) == exactly(replace(second, ask=stored.ask) if clash else second)
        assert set(tx.connection.execute(text("SELECT evse_id FROM claims")).scalars()) == second.claims

    await storage.write(work)


def test_every_field_that_is_no_column_has_a_default() -> None:
    """So that rows of an earlier version are still read when the domain gets a new field."""
    without = {one.name for one in fields(Reservation) if one.default is MISSING}
    assert without == {"id", "station_id", "terms", "state", "created_at", "updated_at"}


def test_the_guides_table_is_there() -> None:
    """Every column and index of the guide's 5.1, by its name or by ours."""
    table = metadata.tables["reservations"]
    assert {
        "id",
        "reservation_id",
        "station_id",
        "evse_id",
        "connector_type",
        "id_token",
        "id_token_type",
        "group_id_token",
        "group_id_token_type",
        "expiry_date_time",
        "status",
        "created_at",
        "updated_at",
    } <= set(table.columns.keys())
    assert {
        "idx_reservations_station",
        "idx_reservations_status",
        "idx_reservations_id_token",
        "idx_reservations_expiry",
    } <= {index.name for index in table.indexes}


# Numbers


async def test_ids_start_at_random_and_go_on(url: str, kind: str, clock: MovedClock) -> None:
    """A deleted database starts elsewhere; an opened one goes on where it was, on PostgreSQL behind the block that was begun."""
    drawn: list[int] = []

    def draw(below: int) -> int:
        drawn.append(below)
        return 4_711

    first = open_storage(url, clock=clock, draw=draw)
    assert await first.transact(lambda tx: tx.reservations.next_id()) == 4_712
    await first.close()
    again = open_storage(url, clock=clock, draw=lambda below: 5)
    assert await again.transact(lambda tx: tx.reservations.next_id()) == (4_713 if kind == "sqlite" else 4_732)
    await again.close()
    assert drawn == [2**30 - 1]


async def test_ids_are_never_given_twice(storage: Database, kind: str) -> None:
    """Not among many at once either; on PostgreSQL each connection has a block of its own."""
    ids = await asyncio.gather(*(storage.transact(lambda tx: tx.reservations.next_id()) for _ in range(100)))
    assert len(set(ids)) == 100
    assert min(ids) == 101
    assert max(ids) <= (200 if kind == "sqlite" else 100 + (POOL + 5) * BLOCK)


async def test_ids_end_at_the_last_one(storage: Database, kind: str) -> None:
    """2^31-1 is given; after it there is none, and none is given again."""
    given = "UPDATE sequences SET value = :last" if kind == "sqlite" else "SELECT setval('reservation_ids', :last)"
    await storage.write(lambda tx: tx.connection.execute(text(given), {"last": MAX_RESERVATION_ID - 1}) and None)
    assert await storage.transact(lambda tx: tx.reservations.next_id()) == MAX_RESERVATION_ID
    with pytest.raises(RuntimeError):
        await storage.transact(lambda tx: tx.reservations.next_id())


@ONLY_POSTGRESQL
async def test_ids_near_the_end_are_taken_one_by_one(storage: Database) -> None:
    """So that no connection holds the last ones while another finds none."""
    given = "SELECT setval('reservation_ids', :last)"
    await storage.write(lambda tx: tx.connection.execute(text(given), {"last": MAX_RESERVATION_ID - 100_000}) and None)
    ids = await asyncio.gather(*(storage.transact(lambda tx: tx.reservations.next_id()) for _ in range(20)))
    assert sorted(ids) == list(range(MAX_RESERVATION_ID - 99_999, MAX_RESERVATION_ID - 99_979))


async def test_a_reservation_of_no_station_is_refused(storage: Database) -> None:
    """By the key of its station; also where the transaction looks at something else before its end."""
    with pytest.raises(StationUnknown, match=STATION):
        await storage.transact(place)

    def looks(tx: Tx) -> None:
        place(tx, terms(evse_id=None))
        tx.tokens.page()

    with pytest.raises(StationUnknown, match=STATION):
        await storage.transact(looks)
    with pytest.raises(StationUnknown, match=STATION):
        await storage.transact(lambda tx: tx.reservations.insert(Step(reservation=_timed())))


def _timed() -> Reservation:
    """One that goes by its station's clock at once."""
    return replace(pending(7), state=State.ACTIVE, ask=None)


async def test_a_new_one_is_timed_by_its_stations_clock(storage: Database) -> None:
    """As a step later is: its expiry less what the station's clock is ahead."""
    await provision(storage, station=Station(id=STATION, clock_offset=timedelta(minutes=1)))
    await storage.transact(lambda tx: tx.reservations.insert(Step(reservation=_timed())))
    swept = await storage.read(lambda tx: tx.reservations.next_sweep(grace=timedelta()))
    reminded = await storage.read(lambda tx: tx.reservations.next_remind(before=timedelta()))
    assert swept == reminded == NOON + HOUR - timedelta(minutes=1)


@pytest.mark.parametrize("number", [0, -1, 5, 2**31, 2**70])
async def test_unknown_ids_are_unknown(storage: Database, number: int) -> None:
    """Also numbers that no station should send."""
    with pytest.raises(ReservationUnknown):
        await storage.read(lambda tx: tx.reservations.get(number))
    assert await storage.read(lambda tx: tx.reservations.find(number, STATION)) is None


async def test_a_reservation_of_another_station_is_not_found(storage: Database) -> None:
    """``find`` goes by both."""
    await provision(storage)
    made = await storage.transact(place)
    assert await storage.read(lambda tx: tx.reservations.find(made.id, STATION)) == made
    assert await storage.read(lambda tx: tx.reservations.find(made.id, StationId("CS-2"))) is None


# Claims


async def test_claims_follow_the_reservation(storage: Database) -> None:
    """A replacement claims both EVSEs, its end frees both, and the next one may have them."""
    await provision(storage)
    made = await storage.transact(activate)
    both = bumped(made, replacement=terms(evse_id=2))
    await storage.transact(lambda tx: tx.reservations.save(both))
    for number in (1, 2):
        with pytest.raises(EvseAlreadyReserved):
            await storage.transact(lambda tx, evse=number: place(tx, terms(evse_id=evse)))  # type: ignore[misc]  # a default argument
    ended = bumped(both.reservation, state=State.CANCELED, replacement=None)
    await storage.transact(lambda tx: tx.reservations.save(ended))
    for number in (1, 2):
        await storage.transact(lambda tx, evse=number: place(tx, terms(evse_id=evse)))  # type: ignore[misc]  # a default argument


async def test_a_replacement_cannot_take_a_held_evse(storage: Database) -> None:
    """The refusal leaves the first reservation as it was."""
    await provision(storage)
    made = await storage.transact(activate)
    await storage.transact(lambda tx: activate(tx, terms(evse_id=2)))
    with pytest.raises(EvseAlreadyReserved):
        await storage.transact(lambda tx: tx.reservations.save(bumped(made, replacement=terms(evse_id=2))))
    assert await storage.read(lambda tx: tx.reservations.get(made.id)) == made


async def test_reservations_without_an_evse_claim_nothing(storage: Database) -> None:
    """Any number of them fits the database; the station decides."""
    await provision(storage)
    for _ in range(3):
        await storage.transact(lambda tx: activate(tx, terms(evse_id=None)))
    assert len(await storage.read(lambda tx: tx.reservations.at_station(STATION, states=[State.ACTIVE]))) == 3


# Steps


async def test_a_step_made_from_an_old_version_is_refused(storage: Database) -> None:
    """And nothing of it is stored."""
    await provision(storage)
    made = await storage.transact(activate)
    await storage.transact(lambda tx: tx.reservations.save(bumped(made, cause="first")))
    await storage.transact(lambda tx: tx.reservations.save(bumped(replace(made, version=made.version + 1), cause="2")))
    with pytest.raises(VersionConflict):
        await storage.transact(lambda tx: tx.reservations.save(bumped(made, cause="late")))
    assert (await storage.read(lambda tx: tx.reservations.get(made.id))).cause == "2"


async def test_the_history_keeps_every_transition(storage: Database) -> None:
    """In order, with frames and the station's words."""
    await provision(storage)
    made = await storage.transact(place)
    assert made.ask is not None
    frames = (Frame("CS", NOON, '[3,"x",{}]'),)
    fact = Refused(ask=made.ask, status="Occupied", status_info=StatusInfo("InUse", "by another"))
    heard = Heard(at=NOON + HOUR, frames=frames)
    await storage.transact(lambda tx: tx.reservations.save(advance(tx.reservations.get(made.id), fact, heard)))
    history = await storage.read(lambda tx: tx.reservations.history(made.id))
    assert [(one.from_state, one.to_state, one.row) for one in history] == [
        (None, State.PENDING, 1),
        (State.PENDING, State.REFUSED, 5),
    ]
    assert history[1] == Transition(
        from_state=State.PENDING,
        to_state=State.REFUSED,
        fact="Refused",
        row=5,
        cause="Occupied",
        by=By.STATION,
        at=NOON + HOUR,
        frames=frames,
        status_info=StatusInfo("InUse", "by another"),
    )


async def test_an_answered_ask_says_so(storage: Database) -> None:
    """Silence leaves it unanswered; the late answer answers it."""
    await provision(storage)
    made = await storage.transact(place)
    ask = made.ask
    assert ask is not None
    find: Callable[[Tx], object] = lambda tx: tx.reservations.find_ask(ask.message_id)  # noqa: E731  # used four times
    assert await storage.read(find) == (made.id, STATION, ask, False)
    await storage.transact(lambda tx: settle(tx, made.id, Silent(ask=ask, reason="timeout")))
    assert await storage.read(find) == (made.id, STATION, ask, False)
    await storage.transact(lambda tx: settle(tx, made.id, Accepted(ask=ask)))
    assert await storage.read(find) == (made.id, STATION, ask, True)
    assert await storage.read(lambda tx: tx.reservations.find_ask("never-sent")) is None


async def test_open_asks_are_found_after_a_restart(storage: Database) -> None:
    """Of one station, or of all."""
    await provision(storage)
    await provision(storage, station=Station(id=StationId("CS-2")))
    waiting = await storage.transact(place)
    await storage.transact(lambda tx: activate(tx, terms(evse_id=2)))
    assert await storage.read(lambda tx: tx.reservations.with_open_ask()) == [waiting]
    assert await storage.read(lambda tx: tx.reservations.with_open_ask(station_id=STATION)) == [waiting]
    assert await storage.read(lambda tx: tx.reservations.with_open_ask(station_id=StationId("CS-2"))) == []


async def test_an_opened_ask_is_stored_without_a_new_version(storage: Database) -> None:
    """Nobody outside sees it."""
    await provision(storage)
    made = await storage.transact(activate)
    opened = with_ask(made, Ask(message_id=message_id(), kind=AskKind.CANCEL, terms=None, sent_at=NOON))
    await storage.transact(lambda tx: tx.reservations.save(asked(opened)))
    assert await storage.read(lambda tx: tx.reservations.get(made.id)) == opened
    assert opened.ask is not None
    assert await storage.read(lambda tx: tx.reservations.find_ask(opened.ask.message_id)) == (  # type: ignore[union-attr]  # asserted above
        made.id,
        STATION,
        opened.ask,
        False,
    )


# What waits


async def test_the_sweep_goes_by_the_stations_clock(storage: Database) -> None:
    """A station whose clock is ahead by a minute expires a minute earlier by ours; a moved clock moves the sweep."""
    station = await provision(storage, station=Station(id=STATION, clock_offset=timedelta(minutes=1)))
    made = await storage.transact(activate)
    due = NOON + HOUR - timedelta(minutes=1)
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) == due + GRACE
    await provision(storage, station=replace(station, clock_offset=timedelta(minutes=-2)))
    due = NOON + HOUR + timedelta(minutes=2)
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) == due + GRACE
    early = due + GRACE - timedelta(microseconds=1)
    assert await storage.read(lambda tx: tx.reservations.to_sweep(at=early, grace=GRACE, limit=10)) == []
    assert await storage.read(lambda tx: tx.reservations.to_sweep(at=due + GRACE, grace=GRACE, limit=10)) == [made]
    await storage.transact(lambda tx: settle(tx, made.id, SweepDue(station_now=due + GRACE)))
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) is None


async def test_a_step_leaves_times_that_are_not_new(storage: Database) -> None:
    """They stay by our clock as the station's clock has moved them; new ones go by that too, and what is over is none."""
    station = await provision(storage)
    made = await storage.transact(activate)
    await provision(storage, station=replace(station, clock_offset=timedelta(minutes=1)))
    ask = Ask(message_id=message_id(), kind=AskKind.CANCEL, terms=None, sent_at=NOON)
    longer = replace(made.terms, expiry=NOON + 2 * HOUR)
    expiry, later = NOON + HOUR - timedelta(minutes=1), NOON + 2 * HOUR - timedelta(minutes=1)
    for changes, swept, reminded in (
        ({"cause": "any"}, expiry, expiry),
        ({"ask": ask}, None, expiry),
        ({"ask": None}, expiry, expiry),
        ({"reminded_of": made.terms.expiry}, expiry, None),
        ({"terms": longer}, later, later),
        ({"state": State.REMOVED}, None, None),
    ):
        step = await storage.transact(lambda tx, to=changes: _saved(tx, bumped(tx.reservations.get(made.id), **to)))  # type: ignore[misc]  # a default argument
        assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=timedelta())) == swept, step
        assert await storage.read(lambda tx: tx.reservations.next_remind(before=timedelta())) == reminded, step


def _saved(tx: Tx, step: Step) -> Step:
    tx.reservations.save(step)
    return step


async def test_the_sweep_leaves_open_asks(storage: Database) -> None:
    """The call time-out comes first; closing the ask arms the sweep again (row 44)."""
    await provision(storage)
    made = await storage.transact(place)
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) is None
    assert made.ask is not None
    await storage.transact(lambda tx: settle(tx, made.id, Silent(ask=made.ask, reason="timeout")))  # type: ignore[arg-type]  # asserted above
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=GRACE)) == NOON + HOUR + GRACE


async def test_an_unproven_use_is_swept_for_its_claim(storage: Database) -> None:
    """Row 43: past expiry and grace the EVSE is free again."""
    await provision(storage)
    made = await storage.transact(activate)
    named = TransactionNamed(transaction_id=TransactionId("t-1"), stamp=NOON, match=Match.NONE, evse_id=EvseId(1))
    used = (await storage.transact(lambda tx: settle(tx, made.id, named))).reservation
    assert await storage.read(lambda tx: tx.reservations.bound_to(STATION, TransactionId("t-1"))) == used
    assert await storage.read(lambda tx: tx.reservations.to_sweep(at=NOON + 2 * HOUR, grace=GRACE, limit=1)) == [used]
    await storage.transact(lambda tx: settle(tx, made.id, SweepDue(station_now=NOON + 2 * HOUR)))
    assert await storage.read(lambda tx: tx.reservations.to_sweep(at=NOON + 2 * HOUR, grace=GRACE, limit=1)) == []
    await storage.transact(place)


async def test_due_orders_are_found_by_station(storage: Database) -> None:
    """Also those that wait for a later moment, soonest first."""
    await provision(storage)
    first = await storage.transact(activate)
    second = await storage.transact(lambda tx: activate(tx, terms(evse_id=2)))
    assert await storage.read(lambda tx: tx.reservations.due_at(STATION)) == []
    await storage.transact(lambda tx: settle(tx, first.id, CancelOrdered()))
    await storage.transact(lambda tx: settle(tx, second.id, CancelOrdered()))
    later = bumped(await storage.read(lambda tx: tx.reservations.get(first.id)), retry_at=NOON + HOUR)
    await storage.transact(lambda tx: tx.reservations.save(later))
    assert [one.id for one in await storage.read(lambda tx: tx.reservations.due_at(STATION))] == [second.id, first.id]


@ONLY_POSTGRESQL
async def test_the_sweep_and_due_orders_use_their_indexes_on_postgresql(storage: Database) -> None:
    """As in SQLite, where a table is large enough for an index to matter."""

    def plan(tx: SqlTx, query: Any) -> str:
        # Reading the whole of an empty table costs nothing: it is made to cost.
        tx.connection.exec_driver_sql("SET LOCAL enable_seqscan = off")
        tx.connection.exec_driver_sql("SET LOCAL plan_cache_mode = force_generic_plan")
        given = {"before": NOON, "most": 1, "station": STATION}
        sql = query.statement(tx.connection.dialect).compile(dialect=tx.connection.dialect)
        values = tuple(given.get(name, 1) for name in sql.positiontup)
        return " ".join(row[0] for row in tx.connection.exec_driver_sql(f"EXPLAIN {sql}", values))

    for query, index in (
        (_SWEEP, "Index Scan using idx_reservations_sweep"),
        (_NEXT_SWEEP, "using idx_reservations_sweep"),
        (_DUE, "idx_reservations_due"),
    ):
        told = await storage.look(lambda tx, asked_for=query: plan(tx, asked_for))  # type: ignore[misc]  # a default argument
        assert index in told


@ONLY_SQLITE
async def test_the_sweep_and_due_orders_use_their_indexes(storage: Database) -> None:
    """The plans name them, so that old reservations cost nothing."""

    def plan(tx: SqlTx, query: Prepared) -> str:
        sql = query.text(tx.connection.dialect).text
        rows = tx.connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {sql}", (1,) * sql.count("?"))
        return " ".join(row[3] for row in rows)

    for query, index in (
        (_SWEEP, "idx_reservations_sweep (sweep_at<?)"),
        (_NEXT_SWEEP, "idx_reservations_sweep"),
        (_DUE, "idx_reservations_due (station_id=?)"),
    ):
        told = await storage.write(lambda tx, asked_for=query: plan(tx, asked_for))  # type: ignore[misc]  # a default argument
        assert index in told
        assert "SCAN" not in told or "idx_reservations_sweep" in told


# Pages


async def test_pages_are_newest_first_and_join_up(storage: Database) -> None:
    """Every reservation once, whatever the size of the pages."""
    await provision(storage)
    made = [(await storage.transact(lambda tx, n=n: place(tx, terms(evse_id=n)))).id for n in range(1, 8)]  # type: ignore[misc]  # a default argument
    found: list[int] = []
    cursor: int | None = None
    while True:
        wanted = ReservationFilter(limit=3, cursor=cursor)
        page, cursor = await storage.read(lambda tx, wanted=wanted: tx.reservations.page(wanted))  # type: ignore[misc]  # a default argument
        found += [one.id for one in page]
        if cursor is None:
            break
    assert found == made[::-1]


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (ReservationFilter(), [3, 2, 1]),
        (ReservationFilter(station_id=STATION), [3, 2, 1]),
        (ReservationFilter(station_id=StationId("CS-2")), []),
        (ReservationFilter(evse_id=EvseId(2)), [2]),
        (ReservationFilter(states=(State.ACTIVE,)), [2]),
        (ReservationFilter(states=(State.ACTIVE, State.PENDING)), [3, 2, 1]),
        (ReservationFilter(id_tokens=(IdToken("aabbccdd", "ISO14443"),)), [2, 1]),
        (ReservationFilter(id_tokens=(IdToken("aabbccdd", "Central"),)), []),
        (ReservationFilter(id_token_text="straße"), [3]),
        (ReservationFilter(id_token_text="STRASSE"), [3]),
        (ReservationFilter(start=NOON, end=NOON), [3, 2, 1]),
        (ReservationFilter(start=NOON + HOUR), []),
        (ReservationFilter(end=NOON - HOUR), []),
    ],
)
async def test_filters_narrow_the_page(storage: Database, wanted: ReservationFilter, expected: list[int]) -> None:
    """Tokens are found without regard to case; bounds are inclusive."""
    await provision(storage)

    def fill(tx: Tx) -> None:
        place(tx, terms(evse_id=1))
        activate(tx, terms(evse_id=2))
        place(tx, replace(terms(evse_id=3), id_token=IdToken("STRASSE", "Local")))

    await storage.transact(fill)
    page, _ = await storage.read(lambda tx: tx.reservations.page(wanted))
    assert [one.id - 100 for one in page] == expected


async def test_counts_name_every_state(storage: Database) -> None:
    """Zero is a count too."""
    await provision(storage)
    await storage.transact(activate)
    counts = await storage.read(lambda tx: tx.reservations.count_by_state())
    assert counts == {state: int(state is State.ACTIVE) for state in State}


async def test_removing_a_station_keeps_its_reservations(storage: Database) -> None:
    """And the station may come back to them, its connection number going on."""
    await provision(storage)
    made = await storage.transact(activate)
    assert await storage.transact(lambda tx: tx.stations.open_epoch(STATION)) == 1
    await storage.transact(lambda tx: tx.stations.remove(STATION))
    assert await storage.read(lambda tx: tx.stations.find(STATION)) is None
    assert await storage.read(lambda tx: tx.reservations.get(made.id)) == made
    assert await storage.transact(lambda tx: tx.stations.put(Station(id=STATION)))
    assert await storage.transact(lambda tx: tx.stations.open_epoch(STATION)) == 2
