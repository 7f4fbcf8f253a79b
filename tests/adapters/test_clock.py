"""The real clock and the real ids."""

from __future__ import annotations

import asyncio
import re
from datetime import UTC, timedelta

from evhold.adapters.clock import SystemClock, SystemIds


def test_now_is_aware_utc() -> None:
    """Nothing else is ever stored."""
    assert SystemClock().now().tzinfo is UTC
    assert SystemClock().now() - SystemClock().now() <= timedelta()


async def test_a_call_is_made_at_its_time_and_not_before() -> None:
    """Seconds of ``monotonic``."""
    clock = SystemClock()
    made: asyncio.Future[float] = asyncio.get_running_loop().create_future()
    at = clock.monotonic() + 0.01
    clock.call_at(at, lambda: made.set_result(clock.monotonic()))
    assert await made >= at


async def test_a_cancelled_call_is_not_made() -> None:
    """Of two at the same time, the other one is."""
    clock = SystemClock()
    made: list[str] = []
    done = asyncio.Event()
    at = clock.monotonic() + 0.01
    clock.call_at(at, lambda: made.append("cancelled")).cancel()
    clock.call_at(at, done.set)
    await done.wait()
    assert made == []


def test_message_ids_fit_and_differ() -> None:
    """At most 36 characters."""
    made = {SystemIds().message_id() for _ in range(1_000)}
    assert len(made) == 1_000
    assert {len(one) for one in made} == {36}


def test_secrets_are_long_and_fit_basic_auth() -> None:
    """At least 128 bits, URL-safe, no colon."""
    secret = SystemIds().secret()
    assert re.fullmatch(r"[A-Za-z0-9_-]{22,}", secret)
    assert secret != SystemIds().secret()


def test_jitter_lies_in_its_interval() -> None:
    """[0, 1)."""
    assert all(0 <= SystemIds().jitter() < 1 for _ in range(100))
