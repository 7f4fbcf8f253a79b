"""One server process for each test module, with the tokens of the recordings registered."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from replay_player import register_tokens

from csms import Csms


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A running server that takes unknown stations and tokens, with quick settings."""
    folder: Path = tmp_path_factory.mktemp("csms")
    server = Csms(folder)
    await server.start()
    await register_tokens(server)
    yield server
    await server.close()
