"""The JSON of webhooks: what is asked for, what is told of them, and the message that they are sent."""

from typing import Annotated

from msgspec import UNSET, Meta, Raw, Struct, UnsetType, field

from evhold.domain.webhooks import DeliveryState
from evhold.web.dto import IdTokenDto, Limit, Stamp, StationName

Url = Annotated[
    str,
    Meta(
        pattern=r"^https?://[!-~]{1,1990}\Z",
        max_length=2000,
        examples=["https://app.example/hooks/evhold"],
        description="http or https; addresses that are not public are refused, also behind a name",
    ),
]
Glob = Annotated[str, Meta(pattern=r"^[a-z.*?]{1,50}\Z", examples=["reservation.*"])]


class WebhookCreate(Struct, rename="camel", kw_only=True, frozen=True, forbid_unknown_fields=True):
    """An address to be told events; with ``idToken`` only the reservations of that token, and nothing of stations."""

    url: Url
    events: Annotated[list[Glob], Meta(min_length=1, max_length=50)] = field(default_factory=lambda: ["*"])
    station_id: StationName | None = None
    id_token: IdTokenDto | None = None


class WebhookDto(Struct, rename="camel", kw_only=True, frozen=True):
    """A webhook. ``secret`` is there when it was made just now; ``disabledAt``: its target answered 410."""

    id: int
    url: str
    events: list[str]
    station_id: str | None
    id_token: IdTokenDto | None
    created_at: Stamp
    disabled_at: Stamp | None
    old_secret_until: Stamp | None
    pending: int = 0
    dead: int = 0
    secret: str | UnsetType = UNSET


class WebhookTestDto(Struct, rename="camel", kw_only=True, frozen=True):
    """What the target answered to a test message."""

    delivered: bool
    status: int | None
    error: str | None


class DeliveryDto(Struct, rename="camel", kw_only=True, frozen=True):
    """One message to one target. ``nextAt`` null while it is pending: an earlier one of its subject is not through."""

    number: int
    message_id: str
    event: str
    subject: str
    state: DeliveryState
    attempts: int
    created_at: Stamp
    next_at: Stamp | None
    ended_at: Stamp | None
    last_status: int | None
    last_error: str | None
    message: Raw


class DeliveryQuery(Struct, rename="camel", kw_only=True, frozen=True):
    """Those in this state, or all, newest first."""

    status: DeliveryState | None = None
    limit: Limit = 100
    cursor: str | None = None


class EventMessage(Struct, kw_only=True, frozen=True):
    """What a webhook is sent; the names are those of CloudEvents 1.0.

    ``id`` is that of the header webhook-id, ``time`` when it happened by our clock, ``subject`` what it is about, and ``data``
    the same as on /events.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    time: Stamp
    subject: str
    data: Raw


class PingDto(Struct, rename="camel", kw_only=True, frozen=True):
    """The data of ``webhook.test``."""

    webhook_id: int
    at: Stamp
