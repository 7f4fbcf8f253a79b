"""The gate before ``/api/v1``: no key, no token and no session, no answer, not even 404."""

from typing import Final, cast

from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Receive, Scope, Send

from evhold.domain.access import ApiKey
from evhold.domain.identity import Identity
from evhold.usecases.ports import StorageAway
from evhold.web import bearers, cookies
from evhold.web.calls import Calls
from evhold.web.operations import BASE
from evhold.web.problems import Problem
from evhold.web.request import Caller, client_of
from evhold.web.session import signed_in

#: Below this no key is asked for: the link in the address is the permission.
BY_LINK: Final = BASE + "/driver/"
_HARMLESS: Final = frozenset({"GET", "HEAD", "OPTIONS"})


class Gate:
    """An ASGI application in front of another one: below ``/api/v1`` it lets valid API keys, an issuer's
    tokens and sessions pass.

    Whoever passed is ``scope["state"]["caller"]``. It stands before the routing, so that 401 comes before 404 and 405.
    """

    def __init__(self, app: ASGIApp, calls: Calls) -> None:
        self._app = app
        self._calls = calls

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer 401 or 403, or hand on."""
        if scope["type"] != ScopeType.HTTP:
            pass
        elif (scope["path"] == BASE or scope["path"].startswith(BASE + "/")) and not scope["path"].startswith(BY_LINK):
            try:
                caller = await self._caller(scope)
                self._calls.limits.check_rate(caller.counted_as)
            except StorageAway:
                await _answer(send, Problem("storage-unavailable"))
                return
            except Problem as problem:
                await _answer(send, problem)
                return
            state = cast("dict[str, object]", scope.setdefault("state", {}))
            state["caller"] = caller
        elif scope["method"] == "HEAD" and not scope["path"].startswith(BY_LINK):
            # Monitors ask so; the server in front sends no body to them.
            scope = cast("Scope", {**scope, "method": "GET"})
        await self._app(scope, receive, send)

    async def _caller(self, scope: HTTPScope) -> Caller:
        """Whose key or token is given, or, where none is, whose signed in."""
        given = _header(scope, b"authorization")
        if given:
            return Caller(await self._holder(_bearer(given), client_of(scope)), address=client_of(scope))
        found = await signed_in(_header(scope, b"cookie"), calls=self._calls, address=client_of(scope))
        if found is None:
            raise Problem("unauthorized", "give a valid key as Authorization: Bearer KEY, or sign in")
        key, session = found
        if scope["method"] not in _HARMLESS and not any(
            cookies.is_same(token, session.csrf) for token in _header(scope, b"x-csrf-token")
        ):
            # A browser sends the cookie along whoever wrote the page; only ours knows the token.
            raise Problem("csrf-token-missing", f"send the csrf of /session as {cookies.CSRF_HEADER}")
        return Caller(key, session.ends, client_of(scope), session.id)

    async def _holder(self, secret: str | None, address: str) -> ApiKey | Identity:
        """Who holds this key, or whom an issuer's token speaks for."""
        if secret and self._calls.bearers is not None and bearers.is_token(secret):
            return await bearers.identity(secret, calls=self._calls, address=address)
        key = await self._calls.keys.authenticate(secret) if secret else None
        if key is None:
            self._calls.limits.failed("key", address)
            raise Problem("unauthorized", "give a valid key as Authorization: Bearer KEY")
        return key


def _header(scope: HTTPScope, wanted: bytes) -> list[str]:
    return [value.decode("latin-1") for name, value in scope["headers"] if name.lower() == wanted]


def _bearer(given: list[str]) -> str | None:
    if len(given) != 1:
        return None
    scheme, _, secret = given[0].strip().partition(" ")
    return secret.strip() if scheme.lower() == "bearer" else None


async def _answer(send: Send, problem: Problem) -> None:
    await send({"type": "http.response.start", "status": problem.status, "headers": problem.raw_headers()})
    await send({"type": "http.response.body", "body": problem.body(), "more_body": False})
