"""One server process for each test module, on SQLite; in a soak also on PostgreSQL."""

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from csms import QUICK, Csms

KINDS = os.environ.get("E2E_DATABASES", "sqlite postgresql" if os.environ.get("EVHOLD_SOAK") else "sqlite").split()


@pytest.fixture(scope="module", params=KINDS)
def url(request: pytest.FixtureRequest) -> str | None:
    """Of a new database; None: a file in the server's folder."""
    if request.param == "sqlite":
        return None
    made: str = request.getfixturevalue("postgres").create()
    return made


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory, url: str | None) -> AsyncIterator[Csms]:
    """A running server that takes unknown stations and tokens, with quick settings."""
    folder: Path = tmp_path_factory.mktemp("csms")
    server = Csms(folder, url=url)
    await server.start()
    yield server
    await server.close()


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def strict_csms(tmp_path_factory: pytest.TempPathFactory, url: str | None) -> AsyncIterator[Csms]:
    """A running server that takes provisioned stations and registered tokens only."""
    server = Csms(tmp_path_factory.mktemp("strict"), options=QUICK, url=url)
    await server.start()
    yield server
    await server.close()
