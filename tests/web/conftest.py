"""The fixture of the web tests."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from web_bench import Bench, running


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    """A running API."""
    async with running(tmp_path) as made:
        yield made
