"""/keys: API keys, for admins."""

from litestar import Response
from msgspec import UnsetType

from evhold.usecases.provision import KeyOrder
from evhold.web.dto import KeyCreate
from evhold.web.problems import invalid
from evhold.web.request import Req, body_of, caller_of, calls_of, path_of, reply
from evhold.web.views import id_token, key_dto, time_of


async def listed(request: Req) -> Response[bytes]:
    """GET /keys."""
    return reply([key_dto(one) for one in await calls_of(request).keys.all()])


async def create(request: Req) -> Response[bytes]:
    """POST /keys."""
    body = await body_of(request, KeyCreate)
    try:
        expires_at = None if body.expires_at is None else time_of(body.expires_at)
    except OverflowError:
        raise invalid(("expiresAt", "is no date that can be told in UTC")) from None
    order = KeyOrder(
        name=str(body.role) if isinstance(body.name, UnsetType) else body.name,
        role=body.role,
        id_tokens=tuple(id_token(one) for one in body.id_tokens),
        expires_at=expires_at,
    )
    made = await calls_of(request).keys.create(order, who=caller_of(request).actor)
    return reply(key_dto(made.key, secret=made.secret), status=201)


async def revoke(request: Req) -> Response[bytes]:
    """DELETE /keys/{keyId}."""
    number = int(path_of(request, "keyId"))
    await calls_of(request).keys.revoke(number if 0 < number < 2**63 else 0, who=caller_of(request).actor)
    return Response(b"", status_code=204)
