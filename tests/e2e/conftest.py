"""One server process for each test module."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from csms import QUICK, Csms


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A running server that takes unknown stations and tokens, with quick settings."""
    folder: Path = tmp_path_factory.mktemp("csms")
    server = Csms(folder)
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strict_csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A running server that takes provisioned stations and registered tokens only."""
    server = Csms(tmp_path_factory.mktemp("strict"), options=QUICK)
    await server.start()
    yield server
    await server.close()
