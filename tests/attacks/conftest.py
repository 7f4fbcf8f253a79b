"""One server for all attacks: what one of them leaves behind, the next one meets."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from attack_stage import LIMITS, Attacked

from csms import OPEN, Csms


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server with small limits."""
    csms = Csms(tmp_path_factory.mktemp("attacked"), options=(*OPEN, *LIMITS))
    await csms.start()
    yield csms
    await csms.close()
    assert "Traceback" not in "\n".join(csms.output)


@pytest_asyncio.fixture(loop_scope="module")
async def attacked(site: Csms) -> AsyncIterator[Attacked]:
    """The server, its memory and its refusals noted; all peers are gone afterwards."""
    stage = Attacked(site)
    await stage.settle()
    yield stage
    await stage.leave()
