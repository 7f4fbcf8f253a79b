"""What is written to a connection of the API in one turn of the loop leaves in one go."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from evhold.web.connection import Gathered


class Written:
    """A transport that notes what it is told."""

    def __init__(self) -> None:
        self.told: list[bytes | str] = []

    def write(self, data: bytes) -> None:
        self.told.append(data)

    def close(self) -> None:
        self.told.append("close")

    def is_closing(self) -> bool:
        return "close" in self.told


@pytest.fixture
async def transport() -> Written:
    """Open."""
    return Written()


def gathered(transport: Any) -> Any:
    """On the test's loop."""
    return Gathered(transport, loop=asyncio.get_running_loop())


async def test_head_and_body_leave_together(transport: Written) -> None:
    """At the end of the turn, in their order; what is written later leaves by itself."""
    writing = gathered(transport)
    writing.write(b"head")
    writing.write(b"body")
    assert transport.told == []
    await asyncio.sleep(0)
    writing.write(b"more")
    await asyncio.sleep(0)
    assert transport.told == [b"headbody", b"more"]


async def test_what_was_written_goes_before_the_end(transport: Written) -> None:
    """And is sent once."""
    writing = gathered(transport)
    writing.write(b"last words")
    writing.close()
    await asyncio.sleep(0)
    assert transport.told == [b"last words", "close"]
    assert writing.is_closing()
