"""One node after the other is replaced by the next version, under load, on one database: nobody notices."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest
import pytest_asyncio
from cluster_next import make_next, run_command
from cluster_site import PAUSE_S, Node, Site

from nats_server import NatsServer
from postgres import Postgres

STATIONS = 6
ENOUGH = 3

pytestmark = pytest.mark.process


@pytest_asyncio.fixture
async def pair(tmp_path: Path, postgres: Postgres, nats: NatsServer) -> AsyncIterator[Site]:
    """Two nodes of this version with a few stations."""
    made = Site(tmp_path, nodes=2, stations=STATIONS, callers=1, pause_s=0.5, servers=(postgres, nats))
    try:
        await made.start()
        yield made
    finally:
        await made.close()


async def test_old_and_new_nodes_work_side_by_side(pair: Site, tmp_path: Path) -> None:
    """Before the old ones are gone nothing is taken away that they need; then it is, and they can't come back."""
    newer = await asyncio.to_thread(make_next, tmp_path / "next")
    first, second = pair.nodes

    async def migrate(*options: str) -> tuple[int, str]:
        return await run_command("migrate", "--database", pair.url, *options, source=newer, folder=tmp_path)

    async with pair.load():
        await more_reservations(pair)
        code, said = await migrate()
        assert (code, "evhold migrate --post" in said) == (0, True), said
        await more_reservations(pair)

        await replace(pair, first, source=newer)
        await more_reservations(pair)
        code, said = await migrate("--post")
        assert (code, said.count("\n"), "older version" in said) == (1, 1, True), said

        # A rolling rollback: the old version starts on what the new one has added.
        await replace(pair, second, source=None)
        await more_reservations(pair)
        await replace(pair, second, source=newer)
        code, said = await migrate("--post")
        assert code == 0, said
        await more_reservations(pair)
    ways = await ways_of(pair)
    assert ways.keys() == {"old", "next"}
    print(
        f"cluster: upgrade: {ways['old']} reservations last written by the old version, {ways['next']} by the new one"
    )

    serve = ("serve", "--api", "127.0.0.1:0", "--stations", "127.0.0.1:0", "--database", pair.url)
    code, said = await run_command(*serve, source=None, folder=tmp_path)
    assert (code, said.count("\n"), "later version" in said) == (1, 1, True), said
    await pair.check(title="a rolling upgrade")


async def replace(site: Site, node: Node, *, source: Path | None) -> None:
    """It is drained, and the other version is started at its place."""
    node.healthy = False
    assert await node.stop() == 0
    node.source = source
    await site.restart(node)


async def more_reservations(site: Site) -> None:
    """So many more were made, and some canceled."""
    made, canceled = (site.counts[name] for name in ("reservations", "cancels"))
    async with asyncio.timeout(60):
        while site.counts["reservations"] < made + ENOUGH or site.counts["cancels"] <= canceled:
            await asyncio.sleep(PAUSE_S)


async def ways_of(site: Site) -> dict[str, int]:
    """How many reservations were last written in which way."""
    connection = await asyncpg.connect(site.url)
    try:
        rows = await connection.fetch("SELECT way, count(*) AS count FROM reservations GROUP BY way")
    finally:
        await connection.close()
    return {row["way"]: row["count"] for row in rows}
