"""A receiver, and a node that tells."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from webhook_stage import Receiver, Stage, open_stage, receiving

from postgres import Postgres


@pytest.fixture(params=["sqlite", "postgresql"])
def kind(request: pytest.FixtureRequest) -> str:
    """Every database that we speak."""
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
async def receiver() -> AsyncIterator[Receiver]:
    """Takes everything, until it is told otherwise."""
    async with receiving() as made:
        yield made


@pytest.fixture
async def stage(url: str) -> AsyncIterator[Stage]:
    """One node."""
    made = await open_stage(url)
    yield made
    await made.close()
