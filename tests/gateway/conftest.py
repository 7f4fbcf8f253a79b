"""The gateway runs on uvloop in production, so its tests do."""

import pytest
import uvloop
from gateway_harness import Gateway


def pytest_asyncio_loop_factories(config, item):
    """Run these tests on uvloop."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture
async def gateway():
    """A running server with its settings as they are."""
    async with Gateway() as gateway:
        yield gateway
