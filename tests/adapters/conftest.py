"""A database file of its own for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sql_examples import MovedClock

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.storage import open_storage
from postgres import Postgres


@pytest.fixture
def clock() -> MovedClock:
    """Stands at noon."""
    return MovedClock()


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every database that we speak; a test of one alone says so (ONLY_SQLITE)."""
    chosen: str = request.param
    return chosen


@pytest.fixture
def url(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """Where the test's database is, new and empty."""
    if kind == "sqlite":
        return f"sqlite:///{tmp_path / 'evhold.db'}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.create()


@pytest.fixture
async def storage(url: str, clock: MovedClock) -> AsyncIterator[Database]:
    """A new database; its first reservation id is 101."""
    opened = open_storage(url, clock=clock, draw=lambda below: 100)
    yield opened
    await opened.close()
