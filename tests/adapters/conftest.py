"""A database file of its own for every test."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from sql_examples import MovedClock

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.storage import open_storage


@pytest.fixture
def clock() -> MovedClock:
    """Stands at noon."""
    return MovedClock()


@pytest.fixture
async def storage(url: str, clock: MovedClock) -> AsyncIterator[Database]:
    """A new database; its first reservation id is 101."""
    opened = open_storage(url, clock=clock, draw=lambda below: 100)
    yield opened
    await opened.close()
