"""One node for each test; SQLite waits for a lock a tenth of a second."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from faults_stage import BUSY_MS, Node, online, station_of

from evhold.adapters.sql import engine
from evhold.simulator.client import SimulatedStation

Online = Callable[..., Coroutine[Any, Any, SimulatedStation]]


@pytest.fixture(autouse=True)
def _short_busy_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "BUSY_TIMEOUT_MS", BUSY_MS)


@pytest.fixture
async def node(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Node]:
    """A running node; ``indirect`` parameters are fields of Node."""
    made = Node(tmp_path, **getattr(request, "param", {}))
    await made.start()
    yield made
    await made.close()


@pytest.fixture
async def station(node: Node) -> AsyncIterator[Online]:
    """Makes stations of the node that are online until the test ends."""
    async with AsyncExitStack() as stack:

        async def make(station_id: str, **options: Any) -> SimulatedStation:
            entered = await stack.enter_async_context(station_of(node, station_id, **options))
            await online(node, entered)
            return entered

        yield make
