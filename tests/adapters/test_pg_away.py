"""The server goes and comes, and the line to it is cut at the worst moment: nothing is lost, nothing is done twice."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import partial

import pytest
from sql_examples import MovedClock, connector
from sqlalchemy import make_url, text

from evhold.adapters.clock import SystemClock
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.patience import PatientStorage, StorageHealth
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.pg_engine import prepare
from evhold.adapters.sql.pg_storage import PgStorage
from evhold.adapters.sql.reservation_ids import start_sequence
from evhold.adapters.sql.storage import open_storage
from evhold.domain.authorization import Token
from evhold.domain.events import RegistryChanged
from evhold.domain.values import IdToken
from evhold.usecases.ports import StorageAway, Told
from evhold.usecases.stores import Tx
from postgres import Postgres, running_postgres

pytestmark = pytest.mark.process


def token(name: str) -> Token:
    """A token to store."""
    return Token(id_token=IdToken(name, "Central"))


async def names(storage: Database) -> list[str]:
    """The stored tokens."""
    return [one.id_token.id_token for one in await storage.read(lambda tx: tx.tokens.page())]


@pytest.fixture(scope="module")
def mortal() -> Iterator[Postgres]:
    """A server of this module's own, to be killed."""
    with running_postgres() as server:
        yield server


@pytest.fixture
async def storage(mortal: Postgres, clock: MovedClock) -> AsyncIterator[Database]:
    """On a new database of it."""
    opened = open_storage(mortal.create(), clock=clock)
    yield opened
    await opened.close()


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
async def test_a_restarted_server_is_found_again(storage: Database, mortal: Postgres, how: signal.Signals) -> None:
    """Nobody notices, though every pooled connection is dead; meanwhile it is StorageAway, for readers as well."""
    await asyncio.gather(*(storage.transact(lambda tx, n=str(n): tx.tokens.put(token(n))) for n in range(20)))  # type: ignore[misc]  # a default argument
    await asyncio.to_thread(mortal.stop, how)
    for use in (storage.transact, storage.read):
        with pytest.raises(StorageAway):
            await use(lambda tx: tx.tokens.page())
    with pytest.raises(StorageAway):
        await storage.number()
    await asyncio.to_thread(mortal.start)
    await asyncio.gather(*(storage.transact(lambda tx, n=str(n): tx.tokens.put(token(n))) for n in range(20, 40)))  # type: ignore[misc]  # a default argument
    await asyncio.to_thread(mortal.stop, how)
    await asyncio.to_thread(mortal.start)
    assert len(await names(storage)) == 40
    await storage.number()


async def test_who_is_patient_waits_the_restart_out(storage: Database, mortal: Postgres) -> None:
    """The probe finds the server again, and what waited is stored."""
    clock = SystemClock()
    log = EventLog(storage)
    health = StorageHealth(
        lambda: log.move_cursor("probe", to=0), clock=clock, on_long=lambda: None, on_back=lambda: None
    )
    patient = PatientStorage(storage, health=health, clock=clock, limit_s=None)
    await asyncio.to_thread(mortal.stop, signal.SIGQUIT)
    waiting = asyncio.create_task(patient.transact(lambda tx: tx.tokens.put(token("patient"))))
    while health.trouble is None:
        await asyncio.sleep(0)
    assert "\n" not in health.trouble
    await asyncio.to_thread(mortal.start)
    assert await waiting is True
    assert await names(storage) == ["patient"]
    await health.close()


async def test_the_reader_of_events_goes_on_after_a_restart(storage: Database, mortal: Postgres) -> None:
    """What was committed before is told once, what comes after it too."""
    told: list[Told] = []
    both = asyncio.Event()

    def tell_on(events: Sequence[Told]) -> None:
        told.extend(events)
        if len(told) == 2:
            both.set()

    reader = OutboxReader(EventLog(storage), position=0, tell=tell_on, poll_s=0.02)
    running = asyncio.create_task(reader.run())

    async def tell(key: str) -> None:
        event = RegistryChanged(at=SystemClock().now(), kind="token", key=key)
        await storage.transact(lambda tx: tx.outbox.add(event))

    await tell("before")
    await asyncio.to_thread(mortal.stop, signal.SIGQUIT)
    await asyncio.to_thread(mortal.start)
    await tell("after")
    await both.wait()
    assert [(one.seq > 0, getattr(one.event, "key", None)) for one in told] == [(True, "before"), (True, "after")]
    running.cancel()
    await asyncio.wait([running])


class Line:
    """A line to the server that can be cut when a COMMIT passes."""

    def __init__(self, server: Postgres) -> None:
        self._port = server.port
        self._url = make_url(server.create())
        #: None: it stays; "before": the COMMIT is not handed on; "after": its answer is not.
        self.cut: str | None = None
        self.port = 0
        self._open: set[asyncio.Task[object]] = set()

    def storage(self, clock: MovedClock) -> Database:
        """At the other end of it, on a new database."""
        prepare(self._url, partial(start_sequence, first=101))
        return PgStorage(self._url.set(port=self.port), now=clock.now)

    async def __aenter__(self) -> Line:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        theirs, ours = await asyncio.open_connection("127.0.0.1", self._port)
        back = asyncio.create_task(self._back(theirs, writer))
        try:
            while data := await reader.read(65_536):
                if self.cut is not None and b"COMMIT" in data:
                    how, self.cut = self.cut, None
                    back.cancel()
                    await asyncio.wait([back])
                    if how == "after":
                        ours.write(data)
                        await theirs.read(1)
                    break
                ours.write(data)
        except ConnectionError:
            pass
        finally:
            back.cancel()
            for one in (ours, writer):
                one.transport.abort()
            await asyncio.wait([back])

    async def _back(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65_536):
            writer.write(data)
        writer.close()


@pytest.fixture
async def line(mortal: Postgres) -> AsyncIterator[Line]:
    """To the server."""
    async with Line(mortal) as made:
        yield made


@pytest.mark.parametrize("cut", ["before", "after"])
async def test_a_commit_whose_answer_is_lost_is_looked_up(line: Line, clock: MovedClock, cut: str) -> None:
    """Committed: the caller gets its result, once. Not committed: StorageAway, and nothing is stored."""
    storage = line.storage(clock)
    runs: list[int] = []

    def work(tx: Tx) -> int:
        runs.append(1)
        tx.tokens.put(token("one"))
        return tx.reservations.next_id()

    line.cut = cut
    if cut == "after":
        assert await storage.transact(work) > 0
        assert await names(storage) == ["one"]
    else:
        with pytest.raises(StorageAway):
            await storage.transact(work)
        assert await names(storage) == []
    assert runs == [1]
    await storage.close()


async def test_what_the_server_has_forgotten_with_its_fall_was_not_committed(storage: Database) -> None:
    """It gave a transaction's number, fell before that reached its disk, and takes the number for one of the future."""
    assert isinstance(storage, PgStorage)
    assert await storage._was_committed(1_000_000_000) is False


async def test_a_line_that_is_cut_costs_one_attempt(line: Line, clock: MovedClock) -> None:
    """A reader's as well: it changes nothing, and is run again."""
    storage = line.storage(clock)
    await storage.transact(lambda tx: tx.connectors.put(connector(1)))
    line.cut = "after"
    assert await storage.read(lambda tx: len(tx.connectors.of_all())) == 1
    assert await storage.look(lambda tx: tx.connection.execute(text("SELECT 1")).scalar()) == 1
    await storage.close()


async def test_a_connection_that_was_given_up_half_way_is_not_used_again(
    mortal: Postgres, monkeypatch, clock: MovedClock
) -> None:
    """A reader that was not answered in time leaves its BEGIN behind: what came to that connection next was never committed."""
    where = make_url(mortal.create())
    storage = open_storage(where.render_as_string(hide_password=False), clock=clock)
    backend = await storage.look(lambda tx: tx.connection.execute(text("SELECT pg_backend_pid()")).scalar())
    assert isinstance(backend, int)
    monkeypatch.setattr("evhold.adapters.sql.pg_storage.ATTEMPT_S", 0.1)
    os.kill(backend, signal.SIGSTOP)
    try:
        with pytest.raises(StorageAway):
            await storage.look(lambda tx: tx.outbox.after(0, limit=1))
    finally:
        os.kill(backend, signal.SIGCONT)
    monkeypatch.undo()
    await storage.transact(lambda tx: tx.tokens.put(token("stored")))
    elsewhere = open_storage(where.render_as_string(hide_password=False), clock=clock)
    assert await names(elsewhere) == ["stored"]
    await storage.close()
    await elsewhere.close()
