"""Pre and post on PostgreSQL: what is added may come early, what is taken away waits for the last old node."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest
from sql_examples import MovedClock
from sqlalchemy import Connection, make_url, text

from evhold.adapters.sql import migrate as migrating
from evhold.adapters.sql import pg_engine
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.migrate import migrate
from evhold.adapters.sql.pg_engine import prepare
from evhold.adapters.sql.schema import NONE, POST, PRE, History, stored
from evhold.adapters.sql.storage import open_storage
from evhold.usecases import nodes
from evhold.usecases.ports import OlderNodes, SchemaTooNew
from postgres import Postgres

REVISION = '''
"""A table that nobody needs any more is gone."""

from alembic import op

revision = "{revision}"
down_revision = None


def upgrade():
    op.drop_table("secrets")
'''
LATER = f"{int(POST.head) + 1:04}"


@pytest.fixture
def url(postgres: Postgres) -> str:
    """A new database with the newest schema."""
    return postgres.create()


@pytest.fixture
def later(tmp_path: Path, monkeypatch) -> Callable[[], None]:
    """From its call on, the program that migrates is a version ahead, and takes a table away."""
    (tmp_path / f"{LATER}_less.py").write_text(REVISION.format(revision=LATER))

    def begin() -> None:
        # A path that is whole stands for itself.
        monkeypatch.setattr(migrating, "POST", History(name=str(tmp_path), table=POST.table, head=LATER))

    return begin


def of(url: str, history: History = POST) -> str:
    """How far the database has come."""
    found: list[str] = []
    prepare(make_url(url), lambda connection: found.append(stored(connection, history)))
    return found[0]


def run(url: str, *statements: str) -> None:
    """They are committed."""
    prepare(make_url(url), lambda connection: [connection.execute(text(one)) for one in statements])


async def open_node(url: str, clock: MovedClock, *, lease: timedelta = nodes.LEASE) -> Database:
    """A storage at which a node of this version has a lease."""
    opened = open_storage(url, clock=clock)
    await opened.transact(lambda tx: tx.nodes.enter("abcd1234", lease=lease))
    return opened


async def test_post_waits_for_the_last_old_node(url: str, clock: MovedClock, later: Callable[[], None]) -> None:
    """It names who is still there, and takes nothing away; when that one has left, it does."""
    node = await open_node(url, clock)
    later()
    with pytest.raises(OlderNodes, match="abcd1234"):
        await asyncio.to_thread(migrate, url, post=True)
    assert await asyncio.to_thread(migrate, url) is True
    assert of(url) == NONE
    await nodes.leave("abcd1234", storage=node)
    assert await asyncio.to_thread(migrate, url, post=True) is False
    assert of(url) == LATER
    await node.close()


async def test_a_node_that_is_silent_is_not_waited_for(url: str, clock: MovedClock, later: Callable[[], None]) -> None:
    """One whose lease just ended may come back; one that has long been silent can't, and finds itself buried."""
    node = await open_node(url, clock, lease=timedelta(seconds=-1))
    later()
    with pytest.raises(OlderNodes):
        await asyncio.to_thread(migrate, url, post=True)
    await node.transact(lambda tx: tx.nodes.renew("abcd1234", lease=timedelta(seconds=-60)))
    await asyncio.to_thread(migrate, url, post=True)
    assert not (await nodes.renew("abcd1234", storage=node)).lives
    with pytest.raises(SchemaTooNew):
        await nodes.enter("abcd5678", storage=node)
    assert (await node.read(lambda tx: tx.nodes.roll())).living == frozenset()
    await node.close()


async def test_a_node_that_enters_while_post_is_at_work_is_refused(
    url: str, clock: MovedClock, later: Callable[[], None]
) -> None:
    """It waits for the end of it, and looks again once it is among the living."""
    node = open_storage(url, clock=clock)
    begun, entering, go = asyncio.Event(), asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    later()

    def hold(connection: Connection) -> None:
        migrating.migrate_postgresql(connection, post=True)
        loop.call_soon_threadsafe(begun.set)
        asyncio.run_coroutine_threadsafe(go.wait(), loop).result()

    holding = asyncio.create_task(asyncio.to_thread(prepare, make_url(url), hold))
    await begun.wait()

    async def enter() -> None:
        entering.set()
        await nodes.enter("abcd1234", storage=node)

    entered = asyncio.create_task(enter())
    waiting = "SELECT EXISTS (SELECT FROM pg_locks WHERE locktype = 'advisory' AND NOT granted)"
    while not await node.look(lambda tx: tx.connection.execute(text(waiting)).scalar()):
        await asyncio.sleep(0)
    go.set()
    await holding
    with pytest.raises(SchemaTooNew):
        await entered
    await node.close()


def test_what_a_later_version_added_keeps_nobody_from_starting(url: str, clock: MovedClock) -> None:
    """A rolling rollback: an older version starts, and migrates nothing; but only the later one takes away."""
    run(url, "ALTER TABLE tokens ADD COLUMN more text", f"UPDATE {PRE.table} SET version_num = '9999'")
    asyncio.run(open_storage(url, clock=clock).close())
    assert migrate(url) is False
    assert of(url, PRE) == "9999"
    with pytest.raises(SchemaTooNew, match="pre revision 9999"):
        migrate(url, post=True)


def test_what_a_later_version_took_away_is_said_in_a_line(url: str, clock: MovedClock) -> None:
    """Of every command that opens the database."""
    run(url, f"CREATE TABLE {POST.table} (version_num text)", f"INSERT INTO {POST.table} VALUES ('9999')")
    for use in (migrate, lambda url: open_storage(url, clock=clock)):
        with pytest.raises(SchemaTooNew, match="post revision 9999") as caught:
            use(url)
        assert "\n" not in str(caught.value)


def test_a_new_database_gets_both(postgres: Postgres, later: Callable[[], None]) -> None:
    """There is nobody who could need what is not there."""
    later()
    url = postgres.create_empty()
    assert migrate(url) is False
    assert (of(url, PRE), of(url)) == (PRE.head, LATER)


async def test_a_change_of_the_schema_lets_those_pass_who_wait_behind_it(
    url: str, monkeypatch, clock: MovedClock, later: Callable[[], None]
) -> None:
    """It gives way when it does not get its lock, and tries again."""
    monkeypatch.setattr(migrating, "_LOCK_TIMEOUT", "50ms")
    monkeypatch.setattr(pg_engine, "LOCK_PAUSE_S", 0.01)
    later()
    reader = await pg_engine.connect(make_url(url), limits=False)
    await reader.execute("BEGIN; SELECT FROM secrets")
    tries: list[int] = []

    def work(connection: Connection) -> None:
        tries.append(1)
        migrating.migrate_postgresql(connection, post=True)

    changing = asyncio.create_task(asyncio.to_thread(prepare, make_url(url), work))
    while len(tries) < 3:
        await asyncio.sleep(0)
    await reader.execute("COMMIT")
    await changing
    assert of(url) == LATER
    await reader.close()
