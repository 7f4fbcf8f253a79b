"""The real clock and the real ids: the one file that asks the machine for time and randomness."""

import asyncio
import random
import secrets
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial

from evhold.domain.values import MessageId

SECRET_BYTES = 24


class SystemTimer:
    """One call in the future; it may be cancelled until it ran."""

    __slots__ = ("_at", "_call", "_handle")

    def __init__(self, call: Callable[[], None], *, at: float) -> None:
        self._call = call
        self._at = at
        self._arm()

    def _arm(self) -> None:
        wait = max(self._at - time.monotonic(), 0.0)
        self._handle = asyncio.get_running_loop().call_later(wait, self._fire)

    def _fire(self) -> None:
        # Loops round to milliseconds and may wake early; the promise is "not before".
        if time.monotonic() < self._at:
            self._arm()
        else:
            self._call()

    def cancel(self) -> None:
        """The call is not made, unless it was made already."""
        self._handle.cancel()


class SystemClock:
    """The machine's clock. ``call_at`` needs a running loop."""

    # Every message asks a few times: without a frame of Python's in between.
    #: Aware UTC.
    now = staticmethod(partial(datetime.now, UTC))
    #: Seconds that only grow.
    monotonic = staticmethod(time.monotonic)

    def call_at(self, at: float, call: Callable[[], None], /) -> SystemTimer:
        """``call`` runs on this loop once ``monotonic()`` has reached ``at``."""
        return SystemTimer(call, at=at)


class SystemIds:
    """Random ids: UUIDs for messages, 192 bits for secrets."""

    def message_id(self) -> MessageId:
        """36 characters, never used before."""
        return MessageId(str(uuid.uuid4()))

    def secret(self) -> str:
        """URL-safe, no colon."""
        return secrets.token_urlsafe(SECRET_BYTES)

    def jitter(self) -> float:
        """In [0, 1)."""
        return random.random()
