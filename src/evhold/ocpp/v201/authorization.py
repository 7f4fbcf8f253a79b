"""Block C: a station asks whether a token may charge, and which group it belongs to."""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

from msgspec import UNSET

from evhold.domain.authorization import TokenInfo
from evhold.domain.values import IdToken
from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import AuthorizeRequest, AuthorizeResponse

#: `c01_authorize.authorize`, bound.
Authorize: TypeAlias = Callable[[IdToken], TokenInfo | Awaitable[TokenInfo]]


def routes(*, authorize: Authorize) -> dict[str, Route[Any, Any]]:
    """Return the routes of block C."""

    def handle(request: AuthorizeRequest, context: Context) -> AuthorizeResponse | Awaitable[AuthorizeResponse]:
        info = authorize(convert.id_token(request.id_token))
        return _answer(request, info) if isinstance(info, TokenInfo) else _await_answer(request, info)

    return {"Authorize": convert.route("Authorize", handle)}


async def _await_answer(request: AuthorizeRequest, info: Awaitable[TokenInfo]) -> AuthorizeResponse:
    return _answer(request, await info)


def _answer(request: AuthorizeRequest, info: TokenInfo) -> AuthorizeResponse:
    # H03.FR.08, H03.FR.04: the token's groupIdToken is in the answer; the station matches it with the reservation's.
    asks_for_certificate = request.certificate is not UNSET or request.iso15118_certificate_hash_data is not UNSET
    return AuthorizeResponse(
        id_token_info=convert.id_token_info(info),
        # No contract certificate can be checked here, and none is said to be good.
        certificate_status="NoCertificateAvailable" if asks_for_certificate else UNSET,
    )
