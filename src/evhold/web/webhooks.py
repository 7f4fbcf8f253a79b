"""/webhooks: who is told events by HTTP; and the text of the messages."""

from base64 import urlsafe_b64encode
from datetime import datetime
from typing import Final

from litestar import Response
from msgspec import UNSET, Raw, UnsetType, json

from evhold.domain.errors import DeliveryUnknown, WebhookUnknown
from evhold.domain.events import name_of, subject_of
from evhold.domain.webhooks import Delivery, Webhook
from evhold.usecases.ports import Told
from evhold.usecases.signing import Signer
from evhold.usecases.webhooks import TEST, WebhookCount, WebhookOrder
from evhold.web.request import (
    Req,
    body_of,
    caller_of,
    calls_of,
    next_link,
    number_from_cursor,
    path_of,
    query_of,
    reply,
)
from evhold.web.views import event_dto, maybe_id_token, maybe_stamp, stamp, token_dto
from evhold.web.webhook_dto import (
    DeliveryDto,
    DeliveryQuery,
    EventMessage,
    PingDto,
    WebhookCreate,
    WebhookDto,
    WebhookTestDto,
)

SOURCE: Final = "/evhold"
_PURPOSE: Final = "message id 1"
_TAG_BYTES: Final = 6
_MOST: Final = 2**31 - 1
_LARGEST: Final = 2**63 - 1


async def listed(request: Req) -> Response[bytes]:
    """GET /webhooks."""
    return reply([_dto(one) for one in await calls_of(request).webhooks.all()])


async def create(request: Req) -> Response[bytes]:
    """POST /webhooks."""
    body = await body_of(request, WebhookCreate)
    order = WebhookOrder(
        url=body.url,
        events=tuple(body.events),
        station_id=body.station_id,
        id_token=maybe_id_token(body.id_token),
    )
    made = await calls_of(request).webhooks.add(order, who=caller_of(request).actor)
    headers = {"Location": f"/api/v1/webhooks/{made.id}"}
    return reply(_dto(WebhookCount(made), secret=made.secret), status=201, headers=headers)


async def show(request: Req) -> Response[bytes]:
    """GET /webhooks/{webhookId}."""
    number = _number(request)
    found = [one for one in await calls_of(request).webhooks.all() if one.webhook.id == number]
    if not found:
        raise WebhookUnknown(number)
    return reply(_dto(found[0]))


async def remove(request: Req) -> Response[bytes]:
    """DELETE /webhooks/{webhookId}."""
    await calls_of(request).webhooks.remove(_number(request), who=caller_of(request).actor)
    return Response(b"", status_code=204)


async def rotate(request: Req) -> Response[bytes]:
    """POST /webhooks/{webhookId}/secret."""
    changed = await calls_of(request).webhooks.rotate(_number(request), who=caller_of(request).actor)
    return reply(_dto(WebhookCount(changed), secret=changed.secret))


async def test(request: Req) -> Response[bytes]:
    """POST /webhooks/{webhookId}/test."""
    await calls_of(request).audit.note("test webhook", who=caller_of(request).actor, detail=str(_number(request)))
    outcome = await calls_of(request).webhooks.test(_number(request), who=caller_of(request).actor)
    return reply(WebhookTestDto(delivered=outcome.error is None, status=outcome.status, error=outcome.error))


async def deliveries(request: Req) -> Response[bytes]:
    """GET /webhooks/{webhookId}/deliveries."""
    asked = query_of(request, DeliveryQuery)
    found = await calls_of(request).webhooks.deliveries(
        _number(request), state=asked.status, limit=asked.limit, before=number_from_cursor(asked.cursor)
    )
    after = str(found[-1].number) if len(found) == asked.limit else None
    return reply([_delivery_dto(one) for one in found], headers=next_link(request, after))


async def redeliver(request: Req) -> Response[bytes]:
    """POST /webhooks/{webhookId}/deliveries/{number}/redeliver."""
    number = int(path_of(request, "number"))
    if number > _LARGEST:
        raise DeliveryUnknown(number)
    revived = await calls_of(request).webhooks.redeliver(_number(request), number, who=caller_of(request).actor)
    return reply(_delivery_dto(revived), status=202)


def _number(request: Req) -> int:
    number = int(path_of(request, "webhookId"))
    if not 0 < number <= _MOST:
        raise WebhookUnknown(number)
    return number


def _dto(told: WebhookCount, *, secret: str | UnsetType = UNSET) -> WebhookDto:
    known = told.webhook
    return WebhookDto(
        id=known.id,
        url=known.url,
        events=list(known.events),
        station_id=known.station_id,
        id_token=None if known.id_token is None else token_dto(known.id_token),
        created_at=stamp(known.created_at),
        disabled_at=maybe_stamp(known.disabled_at),
        old_secret_until=maybe_stamp(known.old_secret_until),
        pending=told.pending,
        dead=told.dead,
        secret=secret,
    )


def _delivery_dto(one: Delivery) -> DeliveryDto:
    return DeliveryDto(
        number=one.number,
        message_id=one.message_id,
        event=one.name,
        subject=one.subject,
        state=one.state,
        attempts=one.attempts,
        created_at=stamp(one.created_at),
        next_at=maybe_stamp(one.next_at),
        ended_at=maybe_stamp(one.ended_at),
        last_status=one.last_status,
        last_error=one.last_error,
        message=Raw(one.body.encode()),
    )


def message_id_of(seq: int, *, signer: Signer) -> str:
    """The id of an event's message: the same on every node and after every start, and no other database's."""
    tag = signer.sign(str(seq).encode(), purpose=_PURPOSE)[:_TAG_BYTES]
    return f"msg_{seq}_{urlsafe_b64encode(tag).decode()}"


def message_of(told: Told, message_id: str) -> str:
    """The message of an event, as JSON."""
    event = told.event
    message = EventMessage(
        id=message_id,
        source=SOURCE,
        type=name_of(event),
        time=stamp(event.at),
        subject=subject_of(event),
        data=Raw(json.encode(event_dto(event))),
    )
    return json.encode(message).decode()


def ping_of(message_id: str, *, webhook: Webhook, at: datetime) -> bytes:
    """A test message, as JSON."""
    data = Raw(json.encode(PingDto(webhook_id=webhook.id, at=stamp(at))))
    subject = f"webhooks/{webhook.id}"
    return json.encode(
        EventMessage(id=message_id, source=SOURCE, type=TEST, time=stamp(at), subject=subject, data=data)
    )
