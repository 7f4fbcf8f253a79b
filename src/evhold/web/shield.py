"""The outermost layer: what every answer carries, who else's pages may read it, and how long a request may take to arrive."""

import asyncio
from collections.abc import Iterable
from typing import Final

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, ReceiveMessage, Scope, Send

from evhold.web.problems import Problem

#: Of the address in the request line.
MAX_TARGET: Final = 8 * 1024
ARRIVAL_S: Final = 20.0
EVERYWHERE: Final = "*"

_Headers = list[tuple[bytes, bytes]]
_POWERS: Final = (
    "accelerometer",
    "camera",
    "display-capture",
    "geolocation",
    "gyroscope",
    "magnetometer",
    "microphone",
)
#: What a browser may do with whatever we send it; a page of ours says more in its own policy.
GUARD: Final[_Headers] = [
    (b"content-security-policy", b"default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", ", ".join(f"{one}=()" for one in (*_POWERS, "midi", "payment", "usb")).encode()),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE: Final = (b"cache-control", b"no-store")
#: What another origin's page may send, and read of an answer.
_ALLOWED: Final = b"Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, Last-Event-ID, Prefer"
_EXPOSED: Final = b"ETag, Link, Location, Retry-After, WWW-Authenticate"
_METHODS: Final = b"GET, POST, PUT, PATCH, DELETE"
_KEPT: Final = b"600"


class Shield:
    """An ASGI application around the whole one.

    Args:
        app: What it stands around.
        origins: Those of other pages that may call the API with a key; never with a cookie. ``*``: all.
        arrival_s: Seconds that a body may take to arrive whole.
    """

    def __init__(self, app: ASGIApp, *, origins: Iterable[str] = (), arrival_s: float = ARRIVAL_S) -> None:
        self._app = app
        self._origins = frozenset(one.encode() for one in origins)
        self._is_open = EVERYWHERE.encode() in self._origins
        self._arrival_s = arrival_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer what can be answered without looking further, or hand on."""
        if scope["type"] != ScopeType.HTTP:
            await self._app(scope, receive, send)
            return
        origin, asks = _asked(scope)
        answer = _Answer(send, [*_always(scope), *self._for(origin)])
        if asks and origin is not None:
            await answer.preflight(is_allowed=self._allows(origin))
        elif len(scope["raw_path"]) + len(scope["query_string"]) > MAX_TARGET:
            await answer.refuse(Problem("address-too-long", f"at most {MAX_TARGET} bytes"))
        else:
            arrival = _Arrival(receive, answer, limit_s=self._arrival_s)
            await self._app(scope, arrival, answer)

    def _allows(self, origin: bytes) -> bool:
        return self._is_open or origin in self._origins

    def _for(self, origin: bytes | None) -> _Headers:
        if not self._origins:
            return []
        if origin is None or not self._allows(origin):
            return [(b"vary", b"Origin")]
        return [
            (b"access-control-allow-origin", origin),
            (b"access-control-expose-headers", _EXPOSED),
            (b"vary", b"Origin"),
        ]


def _asked(scope: HTTPScope) -> tuple[bytes | None, bool]:
    """The page's origin, where the request has one, and whether it only asks what it may (a preflight)."""
    origin, asks = None, False
    for name, value in scope["headers"]:
        if name == b"origin":
            origin = value
        elif name == b"access-control-request-method":
            asks = scope["method"] == "OPTIONS"
    return origin, asks


def _always(scope: HTTPScope) -> _Headers:
    headers = list(GUARD)
    if scope["scheme"] == "https":
        headers.append(_HSTS)
    if scope["path"].startswith(("/api/", "/session")):
        headers.append(_NO_STORE)
    return headers


class _Answer:
    """An answer on its way (Send): it gets the headers that it does not bring."""

    def __init__(self, send: Send, headers: _Headers) -> None:
        self._send = send
        self._headers = headers
        self.has_begun = False

    async def __call__(self, message: Message) -> None:
        """Send it on."""
        if message["type"] == "http.response.start":
            self.has_begun = True
            given = list(message["headers"])
            brought = {name.lower() for name, _ in given}
            # Vary may stand there more than once, and means all of them.
            given += [one for one in self._headers if one[0] not in brought or one[0] == b"vary"]
            message["headers"] = given
        await self._send(message)

    async def refuse(self, problem: Problem, *, closes: bool = False) -> None:
        """The whole answer is this problem."""
        headers = problem.raw_headers()
        if closes:
            headers.append((b"connection", b"close"))
        await self({"type": "http.response.start", "status": problem.status, "headers": headers})
        await self({"type": "http.response.body", "body": problem.body(), "more_body": False})

    async def preflight(self, *, is_allowed: bool) -> None:
        """A browser asks for another origin's page."""
        if not is_allowed:
            await self.refuse(Problem("foreign-origin", "pages of this origin may not call the API (--cors-origin)"))
            return
        headers = [
            (b"access-control-allow-methods", _METHODS),
            (b"access-control-allow-headers", _ALLOWED),
            (b"access-control-max-age", _KEPT),
        ]
        await self({"type": "http.response.start", "status": 204, "headers": headers})
        await self({"type": "http.response.body", "body": b"", "more_body": False})


class _Arrival:
    """A body on its way (Receive): it is whole in time, or there is no more of it."""

    def __init__(self, receive: Receive, answer: _Answer, *, limit_s: float) -> None:
        self._receive = receive
        self._answer = answer
        self._limit_s = limit_s
        self._by: float | None = None
        self._is_whole = False

    async def __call__(self) -> ReceiveMessage:
        """The next part; a Problem where it does not come in time."""
        if self._is_whole:
            return await self._receive()
        if self._by is None:
            self._by = asyncio.get_running_loop().time() + self._limit_s
        try:
            async with asyncio.timeout_at(self._by):
                message = await self._receive()
        except TimeoutError:
            if self._answer.has_begun:
                return {"type": "http.disconnect"}
            raise Problem("request-timeout", f"it has to arrive within {self._limit_s:g} s") from None
        self._is_whole = not message.get("more_body", False)
        return message
