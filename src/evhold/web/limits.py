"""How often callers may call, and what becomes of wrong credentials."""

from math import ceil
from typing import Final

import structlog

from evhold.domain.limits import Allowance, Failures
from evhold.usecases.ports import Clock
from evhold.web.problems import Problem

RATE: Final = 2_000
FAILED_LOGINS: Final = 20

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.web")


class Limits:
    """The limits of this node.

    Args:
        clock: Ours.
        failures: Failed tries by address; the stations' passwords may share it.
        a_second: Requests of one key, or of one driver link; 0: no limit.
    """

    def __init__(self, clock: Clock, *, failures: Failures, a_second: float = RATE) -> None:
        self._clock = clock
        self._allowance = Allowance(a_second) if a_second else None
        self.failures = failures
        #: How many requests were refused for their caller's rate.
        self.throttled = 0

    def check_rate(self, caller: object) -> None:
        """Return where this caller may have one more answer now; a Problem 429 where it has had too many."""
        if self._allowance is None:
            return
        wait = self._allowance.take(caller, now=self._clock.monotonic())
        if wait:
            self.throttled += 1
            raise too_often("rate-limited", wait)

    def failed(self, what: str, address: str, *, why: str | None = None) -> None:
        """A credential was wrong: return where that is to be said, a Problem 429 where its address has had too many tries.

        Args:
            what: ``key``, ``bearer``, ``session`` or ``link``.
            address: Where it came from.
            why: For the log: what is wrong with it, and nothing of it.
        """
        wait = self.failures.note(what, address, now=self._clock.monotonic())
        if wait:
            raise too_often("too-many-failures", wait)
        log.warning("login.failed", what=what, address=address, **({} if why is None else {"why": why}))


def too_often(name: str, wait_s: float) -> Problem:
    """The problem that says when to come again."""
    seconds = max(1, ceil(wait_s))
    return Problem(name, f"try again in {seconds} s", headers={"Retry-After": str(seconds)})
