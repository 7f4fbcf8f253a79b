"""The node runs on uvloop in production, so these tests do."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import uvloop
from secured import Secured


def pytest_asyncio_loop_factories(config: Any, item: Any) -> dict[str, Any]:
    """Run these tests on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Secured]:
    """A node by TLS that takes stations' certificates."""
    async with Secured(tmp_path) as node:
        yield node
