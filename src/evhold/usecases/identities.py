"""Bearer tokens of an identity provider: whom they speak for is checked once, and known for a while."""

from collections import OrderedDict
from dataclasses import dataclass
from datetime import timedelta
from hashlib import blake2b
from typing import Final, Protocol

from evhold.domain.identity import Identity, Stranger
from evhold.usecases.ports import Clock

#: What was found of a token counts so long; then its signature is checked again, by the issuer's keys of then.
FRESH: Final = timedelta(seconds=60)
#: So many tokens are known; the longest unused are checked again when they come.
MOST: Final = 10_000


@dataclass(eq=False)
class BearerInvalid(Exception):
    """The token proves nothing.

    Args:
        reason: In words, without anything of the token.
        is_guess: Whoever sent it may be guessing; not so with one that was good, and has ended.
    """

    reason: str
    is_guess: bool = True

    def __str__(self) -> str:
        return self.reason


@dataclass(eq=False)
class IssuerAway(Exception):
    """The issuer's keys can't be had, so nothing can be said of the token; ask again after ``wait_s`` seconds."""

    wait_s: float

    def __str__(self) -> str:
        return "the issuer's keys can't be had"


class Check(Protocol):
    """Whom this token speaks for, by its signature and claims; raises BearerInvalid, IssuerAway."""

    async def __call__(self, bearer: str) -> Identity | Stranger: ...


@dataclass(slots=True)
class _Held:
    """What was found, and until when (``Clock.monotonic``) that is good."""

    found: Identity | Stranger
    until: float


class Identities:
    """The tokens that were used of late, by their hashes.

    Args:
        check: Looks at a token that is not known.
        clock: Says what has ended.
        most: How many are known.
    """

    def __init__(self, check: Check, *, clock: Clock, most: int = MOST) -> None:
        self._check = check
        self._clock = clock
        self._most = most
        self._held: OrderedDict[bytes, _Held] = OrderedDict()

    def __len__(self) -> int:
        """How many are known."""
        return len(self._held)

    async def __call__(self, bearer: str) -> Identity | Stranger:
        """Whom the token speaks for now; raises BearerInvalid, IssuerAway."""
        digest = blake2b(bearer.encode(), digest_size=32, person=b"evhold-bearer").digest()
        held = self._held.get(digest)
        if held is None or held.until <= self._clock.monotonic():
            # Nothing is kept of what proves nothing: it would drive out what does.
            until = self._clock.monotonic() + FRESH.total_seconds()
            held = _Held(await self._check(bearer), until)
            self._hold(digest, held)
        self._held.move_to_end(digest)
        if self._clock.now() >= held.found.expires_at:
            raise BearerInvalid("the token has expired", is_guess=False)
        return held.found

    def _hold(self, digest: bytes, held: _Held) -> None:
        self._held[digest] = held
        if len(self._held) > self._most:
            self._held.popitem(last=False)
