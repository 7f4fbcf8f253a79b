"""The gate before ``/api/v1``: no key, no answer, not even 404."""

from collections.abc import Awaitable, Callable
from typing import Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, Receive, Scope, Send

from evhold.domain.access import ApiKey
from evhold.usecases.ports import StorageAway
from evhold.web.problems import MEDIA_TYPE, RETRY_AFTER_S, Problem
from evhold.web.request import Caller

BASE: Final = "/api/v1"


class Gate:
    """An ASGI application in front of another one: below ``/api/v1`` it lets valid API keys pass, as ``scope["state"]["caller"]``.

    It stands before the routing, so that 401 comes before 404 and 405.
    """

    def __init__(self, app: ASGIApp, authenticate: Callable[[str], Awaitable[ApiKey | None]]) -> None:
        self._app = app
        self._authenticate = authenticate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401, or hand on."""
        if scope["type"] != ScopeType.HTTP:
            pass
        elif scope["path"] == BASE or scope["path"].startswith(BASE + "/"):
            try:
                key = await self._key(scope)
            except StorageAway:
                await _answer(send, Problem("storage-unavailable"))
                return
            if key is None:
                await _answer(send, Problem("unauthorized", "give a valid key as Authorization: Bearer KEY"))
                return
            state = cast("dict[str, object]", scope.setdefault("state", {}))
            state["caller"] = Caller(key)
        elif scope["method"] == "HEAD":
            # Monitors ask so; the server in front sends no body to them.
            scope = cast("Scope", {**scope, "method": "GET"})
        await self._app(scope, receive, send)

    async def _key(self, scope: Scope) -> ApiKey | None:
        given = [value for name, value in scope["headers"] if name.lower() == b"authorization"]
        if len(given) != 1:
            return None
        scheme, _, secret = given[0].decode("latin-1").strip().partition(" ")
        if scheme.lower() != "bearer" or not secret.strip():
            return None
        return await self._authenticate(secret.strip())


async def _answer(send: Send, problem: Problem) -> None:
    headers = [(b"content-type", MEDIA_TYPE.encode())]
    if problem.name == "unauthorized":
        headers.append((b"www-authenticate", b'Bearer realm="evhold"'))
    else:
        headers.append((b"retry-after", RETRY_AFTER_S[problem.name].encode()))
    body = problem.body()
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": problem.status, "headers": headers})
    await send({"type": "http.response.body", "body": body, "more_body": False})
