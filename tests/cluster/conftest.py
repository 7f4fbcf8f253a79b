"""One cluster for the whole suite: three nodes, a database and a NATS of its own, and stations that are online."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

# What callers and stations were told is remembered, and checked, as in the suite that kills one server.
sys.path.append(str(Path(__file__).resolve().parent.parent / "kills"))

from cluster_site import Site


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Site]:
    """Three nodes with their stations."""
    made = Site(tmp_path_factory.mktemp("cluster"))
    try:
        await made.start()
        yield made
    finally:
        await made.close()
