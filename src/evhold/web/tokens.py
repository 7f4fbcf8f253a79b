"""/tokens: the IdTokens that Authorize knows, and their groups."""

from typing import get_args

from litestar import Response
from msgspec import Struct, UnsetType, ValidationError, convert

from evhold.domain.errors import TokenUnknown
from evhold.domain.values import IdToken
from evhold.usecases.provision import KEEP, TokenOrder
from evhold.web.dto import IdTokenKind, ListQuery, TokenPut, TokenText
from evhold.web.problems import invalid
from evhold.web.request import Req, body_of, caller_of, calls_of, from_cursor, next_link, path_of, query_of, reply
from evhold.web.views import maybe_id_token, registered_token_dto, time_of


class ForgottenDto(Struct, rename="camel", frozen=True):
    """What bears a pseudonym in place of an IdToken."""

    pseudonym: str
    reservations: int
    transactions: int


async def listed(request: Req) -> Response[bytes]:
    """GET /tokens."""
    asked = query_of(request, ListQuery)
    found = await calls_of(request).tokens.page(limit=asked.limit, after=from_cursor(asked.cursor))
    after = found[-1].id_token.key if found and len(found) == asked.limit else None
    return reply([registered_token_dto(one) for one in found], headers=next_link(request, after))


async def show(request: Req) -> Response[bytes]:
    """GET /tokens/{type}/{idToken}."""
    named = _named(request)
    if named.type not in get_args(IdTokenKind):
        raise TokenUnknown(named)
    return reply(registered_token_dto(await calls_of(request).tokens.get(named)))


async def put(request: Req) -> Response[bytes]:
    """PUT /tokens/{type}/{idToken}."""
    named = _named(request)
    if named.type not in get_args(IdTokenKind):
        raise invalid(("type", f"is one of {', '.join(get_args(IdTokenKind))}"))
    body = await body_of(request, TokenPut)
    if not isinstance(body.notify, UnsetType):
        calls_of(request).check_notify(body.notify)
    token, is_new = await calls_of(request).tokens.put(_order(named, body), who=caller_of(request).actor)
    return reply(registered_token_dto(token), status=201 if is_new else 200)


def _order(named: IdToken, body: TokenPut) -> TokenOrder:
    group, expiry = body.group_id_token, body.cache_expiry_date_time
    try:
        cache_expiry = KEEP if isinstance(expiry, UnsetType) else expiry and time_of(expiry)
    except OverflowError:
        raise invalid(("cacheExpiryDateTime", "is no date that can be told in UTC")) from None
    return TokenOrder(
        id_token=named,
        status=body.status,
        group=KEEP if isinstance(group, UnsetType) else maybe_id_token(group),
        cache_expiry=cache_expiry,
        personal_message=KEEP if isinstance(body.personal_message, UnsetType) else body.personal_message,
        notify=KEEP if isinstance(body.notify, UnsetType) else tuple(body.notify),
    )


async def remove(request: Req) -> Response[bytes]:
    """DELETE /tokens/{type}/{idToken}."""
    await calls_of(request).tokens.remove(_named(request), who=caller_of(request).actor)
    return Response(b"", status_code=204)


async def forget(request: Req) -> Response[bytes]:
    """DELETE /tokens/{type}/{idToken}/data."""
    named = _named(request)
    try:
        convert((named.id_token, named.type), tuple[TokenText, IdTokenKind])
    except ValidationError:
        raise TokenUnknown(named) from None  # No token is written so, or of such a type: nothing is kept of it.
    done = await calls_of(request).tokens.forget(named, who=caller_of(request).actor)
    return reply(ForgottenDto(done.pseudonym, done.reservations, done.transactions))


def _named(request: Req) -> IdToken:
    return IdToken(path_of(request, "idToken"), path_of(request, "type"))
