"""The issuer's public keys: found by discovery when they are first needed, kept, and read anew now and then."""

import asyncio
import warnings
from collections.abc import Sequence
from typing import Any, Final, TypeGuard

import msgspec
import structlog
from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey, import_key
from joserfc.jws import JWSRegistry

from evhold.adapters.oidc.fetch import Fetch, FetchFailed
from evhold.domain.networks import is_safe
from evhold.usecases.identities import IssuerAway
from evhold.usecases.ports import Clock

DISCOVERY: Final = "/.well-known/openid-configuration"
#: Keys older than this are read anew, while they go on being used.
FRESH_S: Final = 600.0
#: Keys older than this are used no more.
STALE_S: Final = 3_600.0
#: The issuer is asked once in so long, whatever comes.
AGAIN_S: Final = 10.0
MOST_KEYS: Final = 100
_SMALLEST_RSA: Final = 2048

Key = RSAKey | ECKey | OKPKey
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.oidc")


class Discovery(msgspec.Struct, frozen=True):
    """What is read of the issuer's own description."""

    issuer: str
    jwks_uri: str


class KeySet(msgspec.Struct, frozen=True):
    """A JSON Web Key Set, its keys not looked at yet."""

    keys: list[Any]


class IssuerKeys:
    """The keys of one issuer.

    Args:
        issuer: As tokens and its description name it.
        clock: Says how old keys are.
        fetch: Reads a document.
    """

    def __init__(self, issuer: str, *, clock: Clock, fetch: Fetch) -> None:
        self._issuer = issuer
        self._clock = clock
        self._fetch = fetch
        self._keys: Sequence[Key] = ()
        self._read_at: float | None = None
        self._asked_at: float | None = None
        self._has_failed = False
        self._reading: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, *, alg: str) -> Key | None:
        """The issuer's key of this id for this algorithm; without an id the only one there is; None: there is none.

        Raises:
            IssuerAway: The keys can't be had, so nobody knows.
        """
        age = self._age()
        if age is None or age >= STALE_S:
            await self._read_anew()
            if self._has_failed:
                raise IssuerAway(self._wait_s())
        elif age >= FRESH_S and self._may_ask():
            # Nobody waits for it.
            self._begin()
        key = self._pick(kid, alg=alg)
        if key is None and kid is not None:
            # It may be newer than what we know.
            await self._read_anew()
            if self._has_failed:
                raise IssuerAway(self._wait_s())
            key = self._pick(kid, alg=alg)
        return key

    async def close(self) -> None:
        """The issuer is not asked any more."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    def _age(self) -> float | None:
        return None if self._read_at is None else self._clock.monotonic() - self._read_at

    def _wait_s(self) -> float:
        since = 0.0 if self._asked_at is None else self._clock.monotonic() - self._asked_at
        return max(AGAIN_S - since, 1.0)

    def _may_ask(self) -> bool:
        return self._asked_at is None or self._clock.monotonic() - self._asked_at >= AGAIN_S

    async def _read_anew(self) -> None:
        """The keys were read, or it was tried, or that was not long ago."""
        if self._reading is None and self._may_ask():
            self._begin()
        if self._reading is not None:
            # Whoever goes away leaves it to the others.
            await asyncio.wait({self._reading})

    def _begin(self) -> None:
        self._asked_at = self._clock.monotonic()
        self._reading = asyncio.create_task(self._read(), name="issuer keys")

    async def _read(self) -> None:
        # Until it is known better: what is not known lets nobody in.
        self._has_failed = True
        try:
            described = await self._fetch(self._issuer.rstrip("/") + DISCOVERY, Discovery)
            self._check(described)
            found = await self._fetch(described.jwks_uri, KeySet)
            keys = [key for one in found.keys[:MOST_KEYS] if (key := _usable(one)) is not None]
            if not keys:
                raise FetchFailed(f"{described.jwks_uri}: no key that can be used")
        except FetchFailed as error:
            log.warning("issuer.away", reason=str(error))
        else:
            self._keys, self._has_failed, self._read_at = keys, False, self._clock.monotonic()
            log.info("issuer.keys", ids=[one.kid for one in keys])
        finally:
            self._reading = None

    def _check(self, described: Discovery) -> None:
        if described.issuer != self._issuer:
            raise FetchFailed(f"it calls itself {described.issuer}, not {self._issuer}")
        if not is_safe(described.jwks_uri):
            raise FetchFailed(f"its keys are at {described.jwks_uri}, which is not https")

    def _pick(self, kid: str | None, *, alg: str) -> Key | None:
        fitting = [one for one in self._keys if kid in (None, one.kid) and _fits(one, alg)]
        return fitting[0] if fitting and (kid is not None or len(fitting) == 1) else None


def _fits(key: Key, alg: str) -> bool:
    try:
        JWSRegistry.algorithms[alg].check_key(key)
        key.check_key_op("verify")
    except (JoseError, KeyError):
        return False
    return True


def _usable(value: object) -> Key | None:
    """The public key of a set's member; None for what is of another kind, broken, or too short."""
    if not isinstance(value, dict):
        return None
    try:
        with warnings.catch_warnings():
            # It warns of short keys, which are passed over.
            warnings.simplefilter("ignore")
            key = import_key(value)
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError):
        return None
    if not _is_key(key) or (isinstance(key, RSAKey) and key.public_key.key_size < _SMALLEST_RSA):
        return None
    return key


def _is_key(key: object) -> TypeGuard[Key]:
    return isinstance(key, RSAKey | ECKey | OKPKey)
