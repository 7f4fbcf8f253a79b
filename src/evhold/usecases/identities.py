"""Bearer tokens of an identity provider: whom they speak for is checked once, and known for a while."""

from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, Protocol

from evhold.domain.identity import Identity, Stranger
from evhold.usecases.fresh import Fresh
from evhold.usecases.ports import Clock

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
        self._held = Fresh[bytes, Identity | Stranger](clock=clock, most=most)

    def __len__(self) -> int:
        """How many are known."""
        return len(self._held)

    async def __call__(self, bearer: str) -> Identity | Stranger:
        """Whom the token speaks for now; raises BearerInvalid, IssuerAway."""
        digest = blake2b(bearer.encode(), digest_size=32, person=b"evhold-bearer").digest()
        # Nothing is kept of what proves nothing: it would drive out what does.
        found = self._held.find(digest) or await self._held.read(digest, lambda: self._check(bearer))
        if self._clock.now() >= found.expires_at:
            raise BearerInvalid("the token has expired", is_guess=False)
        return found
