"""Transactions of several nodes side by side on PostgreSQL: none lost, none doubled, and nobody held up for long."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import asyncpg
import pytest
from sql_examples import (
    HOUR,
    NOON,
    STATION,
    MovedClock,
    activate,
    bumped,
    changed,
    connector,
    pending,
    place,
    provision,
    terms,
)
from sqlalchemy import make_url, text
from sqlalchemy.util import await_only

from evhold.adapters.clock import SystemIds
from evhold.adapters.sql import engine, pg_driver, pg_engine
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.engine import DatabaseNotSupported
from evhold.adapters.sql.pg_storage import open_postgresql
from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import open_storage
from evhold.config import ConfigError, load
from evhold.domain.authorization import Token
from evhold.domain.errors import EvseAlreadyReserved, InvalidOrder, RequestInProgress, StationUnknown, VersionConflict
from evhold.domain.events import name_of
from evhold.domain.facts import Accepted, CancelOrdered
from evhold.domain.reservation import State
from evhold.domain.station import Presence
from evhold.domain.transaction import Transaction
from evhold.domain.transitions import Step, advance
from evhold.domain.values import By, EvseId, Heard, IdToken, StationId, TransactionId
from evhold.usecases import h04_end
from evhold.usecases.h02_cancel import CancelOrder, wish
from evhold.usecases.ports import Rules, StorageAway
from evhold.usecases.settle import settle
from evhold.usecases.stores import IdempotentRequest, Tx
from postgres import Postgres


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A new database."""
    return postgres.create()


@pytest.fixture
async def nodes(url: str, clock: MovedClock) -> AsyncIterator[list[Database]]:
    """Three nodes on one database, whose station is known."""
    opened = [open_storage(url, clock=clock) for _ in range(3)]
    await provision(opened[0])
    yield opened
    for one in opened:
        await one.close()


class Held:
    """A transaction that has done its work, and commits when it is let go."""

    def __init__(self, storage: Database, work: Callable[[Tx], object]) -> None:
        self._done, self._go = asyncio.Event(), asyncio.Event()

        def held(tx: Tx) -> object:
            result = work(tx)
            # What it put off is done too, or it would hold no lock yet.
            pg_driver.catch_up(tx.connection)  # type: ignore[attr-defined]  # SQL's own
            self._done.set()
            await_only(self._go.wait())
            return result

        self.ended = asyncio.ensure_future(storage.transact(held))

    async def done(self) -> Held:
        """It has done its work."""
        await self._done.wait()
        return self

    async def commit(self) -> None:
        """It is committed, also if it had to run again."""
        self._go.set()
        await self.ended


async def somebody_waits(storage: Database) -> None:
    """A transaction waits for another one's lock."""
    waiting = (
        "SELECT EXISTS (SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database())"
    )
    while not await storage.look(lambda tx: tx.connection.execute(text(waiting)).scalar()):
        await asyncio.sleep(0)


async def counts(storage: Database) -> dict[State, int]:
    """The states that any reservation is in."""
    found = await storage.read(lambda tx: tx.reservations.count_by_state())
    return {state: count for state, count in found.items() if count}


async def test_of_many_nodes_one_gets_the_evse(nodes: list[Database]) -> None:
    """Sixty want it at once, of three nodes; the others are refused, and leave nothing."""
    outcomes = await asyncio.gather(*(one.transact(place) for one in nodes * 20), return_exceptions=True)
    assert [type(one) for one in outcomes if isinstance(one, Exception)] == [EvseAlreadyReserved] * 59
    assert await counts(nodes[0]) == {State.PENDING: 1}


async def test_a_repeated_request_at_another_node_makes_nothing(nodes: list[Database]) -> None:
    """Both see no earlier one; the second to come is run again, and sees the first."""
    request = IdempotentRequest(api_key_id=1, key="k", body_hash=b"a")
    first = await Held(nodes[0], lambda tx: tx.idempotency.begin(request, at=NOON)).done()
    second = asyncio.ensure_future(nodes[1].transact(lambda tx: tx.idempotency.begin(request, at=NOON)))
    await somebody_waits(nodes[2])
    await first.commit()
    with pytest.raises(RequestInProgress):
        await second


@pytest.mark.parametrize("clock_first", [False, True])
async def test_a_clock_that_moves_meanwhile_moves_the_sweep(nodes: list[Database], clock_first: bool) -> None:
    """Whoever commits first, the reservation is swept by the station's new clock."""
    station = await nodes[0].read(lambda tx: tx.stations.get(STATION))
    moved = replace(station, clock_offset=timedelta(minutes=5))
    works = (
        [lambda tx: tx.stations.put(moved), activate] if clock_first else [activate, lambda tx: tx.stations.put(moved)]
    )
    first = await Held(nodes[0], works[0]).done()
    second = asyncio.ensure_future(nodes[1].transact(works[1]))
    await somebody_waits(nodes[2])
    await first.commit()
    await second
    sweep_at = await nodes[2].read(lambda tx: tx.reservations.next_sweep(grace=timedelta()))
    assert sweep_at == NOON + HOUR - timedelta(minutes=5)


async def test_a_clock_that_the_recorder_learns_meanwhile_moves_the_sweep(
    nodes: list[Database], clock: MovedClock
) -> None:
    """A boot's row, on another node."""
    station = await nodes[0].read(lambda tx: tx.stations.get(STATION))
    first = await Held(nodes[0], activate).done()
    recorder = SqlRecorder(nodes[1], now=clock.now)
    second = recorder.station(replace(station, clock_offset=timedelta(minutes=5)), ())
    await somebody_waits(nodes[2])
    await first.commit()
    await second
    sweep_at = await nodes[2].read(lambda tx: tx.reservations.next_sweep(grace=timedelta()))
    assert sweep_at == NOON + HOUR - timedelta(minutes=5)


async def test_every_node_helps_to_sweep_and_none_repeats(nodes: list[Database], clock: MovedClock) -> None:
    """What one has taken up, the others leave to it, without waiting; each reservation expires once."""

    def fill(tx: Tx) -> None:
        for evse_id in range(1, 61):
            activate(tx, terms(evse_id=evse_id))

    await nodes[0].transact(fill)
    clock.at = NOON + 2 * HOUR
    rules = Rules(expiry_grace=timedelta())
    taken: list[int] = []

    def take(tx: Tx) -> None:
        taken[:] = [one.id for one in tx.reservations.to_sweep(at=clock.at, grace=timedelta(), limit=20)]

    held = await Held(nodes[0], take).done()
    await h04_end.sweep(storage=nodes[1], clock=clock, rules=rules)
    assert await counts(nodes[1]) == {State.ACTIVE: 20, State.EXPIRED: 40}
    await held.commit()
    left = await nodes[1].read(lambda tx: tx.reservations.at_station(STATION, states=[State.ACTIVE]))
    assert {one.id for one in left} == set(taken)
    await asyncio.gather(*(h04_end.sweep(storage=one, clock=clock, rules=rules) for one in nodes))
    expired = "SELECT count(*), count(DISTINCT reservation_id) FROM history WHERE to_state = 'Expired'"
    found = await nodes[2].look(lambda tx: tx.connection.execute(text(expired)).one())
    assert tuple(found) == (60, 60)


async def test_recorders_of_two_nodes_do_not_get_stuck(nodes: list[Database], clock: MovedClock) -> None:
    """They write the same connectors, in opposite orders, at the same time."""
    recorders = [SqlRecorder(one, now=clock.now) for one in nodes[:2]]
    numbers = [list(range(1, 101)), list(range(100, 0, -1))]
    for _ in range(5):
        await asyncio.gather(
            *(
                recorder.connector(connector(number), changed(connector(number)))
                for recorder, order in zip(recorders, numbers, strict=True)
                for number in order
            )
        )
    await nodes[0].number()
    assert await nodes[0].look(lambda tx: tx.outbox.last()) == 1_000
    assert len(await nodes[0].read(lambda tx: tx.connectors.of(STATION))) == 100


async def test_a_node_that_was_stopped_holds_nobody_up_for_long(url: str, monkeypatch, clock: MovedClock) -> None:
    """The server ends its transaction, and those that waited for its lock are run again."""
    monkeypatch.setitem(pg_engine.LIMITS, "idle_in_transaction_session_timeout", "400ms")
    monkeypatch.setitem(pg_engine.LIMITS, "lock_timeout", "300ms")
    storage = open_storage(url, clock=clock)
    await storage.transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("a", "Central"))))
    stopped = await pg_engine.connect(make_url(url))
    await stopped.execute("BEGIN; UPDATE tokens SET status = 'Blocked'")
    await storage.transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("a", "Central"), personal_message="mine")))
    known = await storage.read(lambda tx: tx.tokens.page())
    assert [one.personal_message for one in known] == ["mine"]
    stopped.terminate()
    await storage.close()


async def test_a_statement_that_takes_too_long_is_storage_away(url: str, monkeypatch, clock: MovedClock) -> None:
    """The server ends it, and goes on with the next one."""
    monkeypatch.setitem(pg_engine.LIMITS, "statement_timeout", "100ms")
    storage = open_storage(url, clock=clock)
    with pytest.raises(StorageAway):
        await storage.write(lambda tx: tx.connection.exec_driver_sql("SELECT pg_sleep(20)") and None)
    await storage.transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("a", "Central"))))
    await storage.close()


async def test_what_has_no_place_in_a_column_is_refused(nodes: list[Database]) -> None:
    """NUL in a text is the sender's fault, and not the storage's."""
    with pytest.raises(InvalidOrder):
        await nodes[0].transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("a\x00b", "Central"))))
    await nodes[0].transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("ab", "Central"))))


async def test_numbers_of_stations_may_be_large(nodes: list[Database]) -> None:
    """The schema bounds no integer: 64 bits are kept, as in SQLite."""
    large = Transaction(
        station_id=STATION, transaction_id=TransactionId("t"), evse_id=EvseId(2**40), remote_start_id=2**40
    )
    await nodes[0].transact(lambda tx: tx.transactions.put(large))
    assert await nodes[0].read(lambda tx: tx.transactions.find(STATION, TransactionId("t"))) == large


async def test_a_caller_that_goes_away_leaves_the_transaction_to_its_end(nodes: list[Database]) -> None:
    """As everywhere: what was begun is stored."""
    held = await Held(nodes[0], lambda tx: tx.tokens.put(Token(id_token=IdToken("a", "Central")))).done()
    held.ended.cancel()
    with pytest.raises(asyncio.CancelledError):
        await held.ended
    held._go.set()
    await nodes[0].close()
    assert len(await nodes[1].read(lambda tx: tx.tokens.page())) == 1


async def test_a_failure_that_nobody_waits_for_is_no_complaint(nodes: list[Database]) -> None:
    """The caller went away before it; asyncio has nothing to say of it."""
    complaints: list[dict[str, object]] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))

    def fail(tx: Tx) -> None:
        raise StorageAway("too late")

    held = await Held(nodes[0], lambda tx: None).done()
    failing = asyncio.ensure_future(nodes[1].transact(fail))
    await asyncio.sleep(0)
    failing.cancel()
    await held.commit()
    await nodes[1].close()
    await asyncio.sleep(0)
    gc.collect()
    assert complaints == []


async def test_nodes_that_start_together_make_one_schema(postgres: Postgres) -> None:
    """On an empty database: one migrates, the others find it done; the ids begin once."""
    where = make_url(postgres.create_empty())
    made = await asyncio.gather(
        *(
            asyncio.to_thread(open_postgresql, where, clock=MovedClock(), draw=lambda below, n=n: 100 * n)
            for n in range(3)
        )
    )
    given = [await one.transact(lambda tx: tx.reservations.next_id()) for one in made]
    # Each connection takes a block.
    assert given in ([1, 21, 41], [101, 121, 141], [201, 221, 241])
    for one in made:
        await one.close()


def test_a_database_that_is_not_there_is_storage_away(postgres: Postgres, clock: MovedClock) -> None:
    """Neither the database on a server, nor the server; one line says so."""
    for url in (postgres.url("nowhere"), "postgresql://postgres@127.0.0.1:1/evhold"):
        with pytest.raises(StorageAway) as caught:
            open_storage(url, clock=clock)
        assert "\n" not in str(caught.value)


def test_an_absent_driver_is_named_in_one_line(monkeypatch, clock: MovedClock) -> None:
    """At the start already, as a setting that can't be used."""
    monkeypatch.setattr("evhold.options.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"--database: .*evhold\[cluster\]"):
        load({"database": "postgresql://user:secret@host/evhold"}, environment={}, file=None)
    monkeypatch.setattr(engine, "find_spec", lambda name: None)
    with pytest.raises(DatabaseNotSupported, match=r"evhold\[cluster\]") as caught:
        open_storage("postgresql://user:secret@host/evhold", clock=clock)
    assert "secret" not in str(caught.value)


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The statements that go to the server, BEGIN and COMMIT left out."""
    going: list[str] = []
    fetch = pg_driver._fetch

    def listed(driver: object, info: object, statement: str, parameters: object) -> object:
        going.append(statement)
        return fetch(driver, info, statement, parameters)  # type: ignore[arg-type]  # as it came

    monkeypatch.setattr(pg_driver, "_fetch", listed)
    return going


async def test_what_a_step_writes_goes_in_one_statement(nodes: list[Database], sent: list[str]) -> None:
    """A new one's claim, row, ask and history; a later one's row by its station's clock, and its event. It is read before."""
    await nodes[0].transact(lambda tx: tx.reservations.next_id() and None)
    sent.clear()
    made = await nodes[0].transact(place)
    assert [one.split()[0] for one in sent] == ["WITH"]
    assert all(part in sent[-1] for part in ("INTO claims", "INTO reservations", "INTO asks", "INTO history"))
    sent.clear()
    await nodes[0].transact(lambda tx: settle(tx, made.id, Accepted(ask=made.ask), Heard(at=NOON, by=By.STATION)))
    assert [one.split()[0] for one in sent] == ["SELECT", "WITH"]
    assert all(
        part in sent[-1]
        for part in ("UPDATE stations", "UPDATE reservations", "UPDATE asks", "INTO history", "INTO outbox")
    )


async def test_a_wish_and_its_ask_go_in_one_statement(
    nodes: list[Database], sent: list[str], clock: MovedClock
) -> None:
    """The row is read, and then written once. The station's is left alone: others may be at it, and no time is new."""
    made = await nodes[0].transact(activate)
    sent.clear()
    order = CancelOrder(reservation_id=made.id, by=By.DRIVER)
    there: Any = SimpleNamespace(presence=lambda station_id: Presence(online=True, registered=True))
    wished = await wish(order, storage=nodes[0], stations=there, clock=clock, ids=SystemIds())
    assert wished.ask is not None
    assert [one.split()[0] for one in sent] == ["SELECT", "WITH"]
    assert all(part in sent[-1] for part in ("UPDATE reservations", "INTO asks", "INTO history", "INTO outbox"))
    assert "UPDATE stations" not in sent[-1]


async def test_a_refused_claim_leaves_nothing_whoever_looks_first(nodes: list[Database]) -> None:
    """The row, which went in the same statement, is undone with it; also where the transaction looks before its end."""
    held = await nodes[0].transact(place)
    seen: list[object] = []

    def looks(tx: Tx) -> None:
        made = place(tx)
        seen.append(tx.reservations.history(made.id))

    for work in (place, looks):
        with pytest.raises(EvseAlreadyReserved):
            await nodes[1].transact(work)
    assert seen == []
    found = await nodes[0].read(lambda tx: tx.reservations.at_station(STATION, states=list(State)))
    assert [one.id for one in found] == [held.id]


async def test_a_second_claim_of_a_transaction_sees_the_first(nodes: list[Database]) -> None:
    """Of one table one statement waits: the EVSE is held by the reservation before, of the same transaction."""

    def twice(tx: Tx) -> None:
        place(tx)
        place(tx)

    with pytest.raises(EvseAlreadyReserved):
        await nodes[0].transact(twice)
    assert await counts(nodes[0]) == {}


async def test_a_held_evse_is_said_before_an_old_version(nodes: list[Database]) -> None:
    """A replacement that could fail by both fails by its claim, as it is looked at first."""
    made = await nodes[0].transact(activate)
    await nodes[0].transact(lambda tx: place(tx, terms(evse_id=2)))

    def replaces(tx: Tx) -> None:
        known = tx.reservations.get(made.id)
        tx.connection.execute(text("UPDATE reservations SET version = version + 7"))  # type: ignore[attr-defined]  # SQL's own
        tx.reservations.save(bumped(known, replacement=terms(evse_id=2)))

    with pytest.raises(EvseAlreadyReserved):
        await nodes[0].transact(replaces)


async def test_an_id_is_taken_from_the_connections_block(nodes: list[Database], sent: list[str]) -> None:
    """The server is asked once for twenty; what a transaction that was rolled back did not use, the next one does."""

    def fail(tx: Tx) -> None:
        tx.reservations.next_id()
        raise StorageAway("no")

    first = await nodes[0].transact(lambda tx: tx.reservations.next_id())
    with pytest.raises(StorageAway):
        await nodes[0].transact(fail)
    later = [await nodes[0].transact(lambda tx: tx.reservations.next_id()) for _ in range(18)]
    assert later == list(range(first + 2, first + 20))
    assert len([one for one in sent if "nextval" in one]) == 1
    assert await nodes[1].transact(lambda tx: tx.reservations.next_id()) == first + 20
    assert await nodes[0].transact(lambda tx: tx.reservations.next_id()) == first + 40


async def test_what_was_refused_stays_prepared(nodes: list[Database], monkeypatch: pytest.MonkeyPatch) -> None:
    """The server plans a statement anew while it is new to a connection; a key, a collision or a lock is no fault of its."""
    prepared: list[str] = []
    prepare = asyncpg.Connection.prepare

    async def counted(self: Any, query: str) -> Any:
        prepared.append(query)
        return await prepare(self, query)

    monkeypatch.setattr(asyncpg.Connection, "prepare", counted)
    nowhere = pending(7, station_id=StationId("CS-0"))
    for _ in range(3):
        with pytest.raises(StationUnknown):
            await nodes[0].transact(lambda tx: tx.reservations.insert(Step(reservation=nowhere)))
    assert len([one for one in prepared if "INTO reservations" in one]) == 1


async def test_what_was_put_off_is_seen_and_in_order(nodes: list[Database]) -> None:
    """By what the transaction reads next, by SQLAlchemy's own statements too; of two events the first is told first."""

    def work(tx: Tx) -> tuple[int, list[str]]:
        made = place(tx)
        step = settle(tx, made.id, Accepted(ask=made.ask), Heard(at=NOON, by=By.STATION))
        settle(tx, made.id, CancelOrdered(), Heard(at=NOON, by=By.DRIVER))
        assert [row.state for row in tx.reservations.at_station(STATION, states=[State.ACTIVE])] == [
            step.reservation.state
        ]
        return made.id, [row.fact for row in tx.reservations.history(made.id)]

    number, facts = await nodes[0].transact(work)
    assert facts == ["ReserveOrdered", "Accepted", "CancelOrdered"]
    assert [row.fact for row in await nodes[1].read(lambda tx: tx.reservations.history(number))] == facts
    await nodes[0].number()
    told = [one.event for one in await nodes[0].news(0, limit=10)]
    assert [name_of(one) for one in told][:2] == ["reservation.accepted", "order.due"]


async def test_a_write_that_finds_no_row_undoes_its_transaction(nodes: list[Database]) -> None:
    """Though it was put off, it is said, and nothing of the rest is stored."""
    made = await nodes[0].transact(place)

    def work(tx: Tx) -> None:
        step = advance(tx.reservations.get(made.id), Accepted(ask=made.ask), Heard(at=NOON, by=By.STATION))
        tx.connection.execute(text("UPDATE reservations SET version = version + 7"))  # type: ignore[attr-defined]  # SQL's own
        tx.reservations.save(step)

    with pytest.raises(VersionConflict):
        await nodes[0].transact(work)
    assert await counts(nodes[0]) == {State.PENDING: 1}
    assert len(await nodes[0].read(lambda tx: tx.reservations.history(made.id))) == 1
