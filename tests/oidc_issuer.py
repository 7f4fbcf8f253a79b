"""An OpenID Connect issuer on a real socket of loopback, which behaves as badly as a test wants."""

from __future__ import annotations

import asyncio
import json
import time
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from joserfc import jwt
from joserfc.errors import SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey

from evhold.adapters.clock import SystemClock

Key = RSAKey | ECKey | OKPKey
AUDIENCE = "evhold"
ALGORITHMS = {"RSA": "RS256", "EC": "ES256", "OKP": "Ed25519"}


@dataclass
class Moved(SystemClock):
    """The real clock, ``seconds`` ahead."""

    seconds: float = field(default=0.0)

    def now(self) -> datetime:
        """Aware UTC."""
        return super().now() + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds that only grow."""
        return super().monotonic() + self.seconds


@cache
def rsa(name: str) -> RSAKey:
    """A key of 2048 bits for each name; they take long to make."""
    return RSAKey.generate_key(2048, {"kid": name, "use": "sig"})


@dataclass
class Issuer:
    """Who gives out tokens. What the next requests are answered is the test's to change."""

    port: int = 0
    keys: list[Key] = field(default_factory=lambda: [rsa("first")])
    #: Beside the keys.
    more_keys: list[object] = field(default_factory=list)
    #: The paths that were asked for.
    asked: list[str] = field(default_factory=list)
    #: Of the discovery document; None: the issuer's own.
    calls_itself: str | None = None
    jwks_uri: str | None = None
    #: A raw answer in place of the usual one, by path; None: it is never given.
    instead: dict[str, bytes | None] = field(default_factory=dict)
    _server: asyncio.Server | None = None
    _news: asyncio.Condition = field(default_factory=asyncio.Condition)
    _hung: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def url(self) -> str:
        """Its identifier."""
        return f"http://127.0.0.1:{self.port}/realms/cpo"

    @property
    def jwks_path(self) -> str:
        """Where its keys are."""
        return "/realms/cpo/keys"

    @property
    def discovery_path(self) -> str:
        """Where it describes itself."""
        return "/realms/cpo/.well-known/openid-configuration"

    async def start(self) -> None:
        """It listens, at the port that it had before if it had one."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Nobody is there."""
        self._hung.set()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def until_asked(self, times: int) -> None:
        """It was asked for so many documents."""
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(lambda: len(self.asked) >= times)

    def token(self, *, key: Key | None = None, header: dict[str, Any] | None = None, **claims: Any) -> str:
        """A good access token of an operator, but for what is said; a claim that is None is left out."""
        key = key or self.keys[0]
        now = int(time.time())
        whole = {"iss": self.url, "aud": AUDIENCE, "sub": "u-1", "iat": now, "exp": now + 300, "roles": ["operator"]}
        whole = {name: value for name, value in (whole | claims).items() if value is not None}
        alg = (header or {}).get("alg") or ALGORITHMS[key.key_type]
        shown = {"kid": key.kid, "typ": "at+jwt", **(header or {}), "alg": alg}
        with warnings.catch_warnings():
            # Of EdDSA's second name.
            warnings.simplefilter("ignore", SecurityWarning)
            header = {name: one for name, one in shown.items() if one is not None}
            return jwt.encode(header, whole, key, algorithms=[alg], default_type=None)

    def _body(self, path: str) -> bytes | None:
        if path == self.discovery_path:
            uri = self.jwks_uri or f"http://127.0.0.1:{self.port}{self.jwks_path}"
            return json.dumps({"issuer": self.calls_itself or self.url, "jwks_uri": uri}).encode()
        if path == self.jwks_path:
            return json.dumps({"keys": [*self.more_keys, *(one.as_dict() for one in self.keys)]}).encode()
        return None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        path = head.split()[1].decode()
        async with self._news:
            self.asked.append(path)
            self._news.notify_all()
        body = self._body(path)
        answer: bytes | None = ok(body) if body is not None else answered("404 Not Found")
        answer = self.instead.get(path, answer)
        if answer is None:
            await self._hung.wait()
        try:
            writer.write(answer or b"")
            await writer.drain()
        except ConnectionError:
            pass
        writer.close()


def ok(body: bytes) -> bytes:
    """The answer with this body."""
    return answered("200 OK", body=body, more="Content-Type: application/json\r\n")


def answered(status: str, *, body: bytes = b"", more: str = "") -> bytes:
    """An answer."""
    return f"HTTP/1.1 {status}\r\n{more}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


@asynccontextmanager
async def issuing(**more: Any) -> AsyncIterator[Issuer]:
    """An issuer that is there."""
    issuer = Issuer(**more)
    await issuer.start()
    try:
        yield issuer
    finally:
        await issuer.stop()
