"""Every adapter of a port, each as a fixture value."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.storage import open_storage
from postgres import Postgres


class HandClock(SystemClock):
    """Its ``now`` is set by hand."""

    def __init__(self) -> None:
        self.at = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        """As set."""
        return self.at


@pytest.fixture
def clock() -> HandClock:
    """Stands at noon."""
    return HandClock()


@pytest.fixture(params=["file", "memory", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a new, empty database of every kind is."""
    match request.param:
        case "postgresql":
            server: Postgres = request.getfixturevalue("postgres")
            return server.create()
        case "memory":
            return "sqlite://"
        case _:
            return f"sqlite:///{tmp_path / 'evhold.db'}"


@pytest.fixture
async def storage(url: str, clock: HandClock) -> AsyncIterator[Database]:
    """A new, empty storage of every kind."""
    opened = open_storage(url, clock=clock)
    yield opened
    await opened.close()
