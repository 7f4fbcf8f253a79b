"""A receiver, and a node that tells."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from webhook_stage import Receiver, Stage, open_stage, receiving


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
