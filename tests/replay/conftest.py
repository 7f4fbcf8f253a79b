"""One server process for each test module, with the tokens of the recordings registered."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio
from replay_player import register_tokens

from csms import OPEN, Csms

# Recorded stations answer at once or die: no time-out is played, and a slow machine must not make one.
OPTIONS = ("--expiry-grace", "0", "--call-timeout", "20", "--restore-delay", "60", *OPEN)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def csms(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A running server that takes unknown stations and tokens; its own sweep comes right at the expiry."""
    folder: Path = tmp_path_factory.mktemp("csms")
    server = Csms(folder, OPTIONS)
    await server.start()
    await register_tokens(server)
    yield server
    await server.close()
