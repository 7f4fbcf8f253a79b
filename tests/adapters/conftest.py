"""A database file of its own for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from sql_examples import MovedClock

from evhold.adapters.sql.storage import SqlStorage, open_storage


@pytest.fixture
def clock() -> MovedClock:
    """Stands at noon."""
    return MovedClock()


@pytest.fixture
def url(tmp_path: Path) -> str:
    """Where the test's database is."""
    return f"sqlite:///{tmp_path / 'evhold.db'}"


@pytest.fixture
async def storage(url: str, clock: MovedClock) -> AsyncIterator[SqlStorage]:
    """A new database; its first reservation id is 101."""
    opened = open_storage(url, clock=clock, draw=lambda below: 100)
    yield opened
    await opened.close()
