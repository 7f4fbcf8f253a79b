"""Every adapter of a port, each as a fixture value."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.storage import SqlStorage, open_storage


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


@pytest.fixture(params=["file", "memory"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path, clock: HandClock) -> AsyncIterator[SqlStorage]:
    """A new, empty storage of every kind."""
    opened = open_storage(
        f"sqlite:///{tmp_path / 'evhold.db'}" if request.param == "file" else "sqlite://", clock=clock
    )
    yield opened
    await opened.close()
