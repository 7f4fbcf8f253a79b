"""Webhooks are provisioned: made, listed, removed, given another secret, tested; what they did not take is sent again."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Final, Protocol
from urllib.parse import urlsplit

from evhold.domain.access import Actor
from evhold.domain.errors import InvalidOrder
from evhold.domain.events import TOLD, RegistryChanged
from evhold.domain.networks import Network, is_allowed, literal
from evhold.domain.values import IdToken
from evhold.domain.webhooks import ROTATION, Delivery, DeliveryState, Outcome, Webhook, secret_of
from evhold.usecases.ports import Clock, Ids, Storage
from evhold.usecases.stores import Tx

LONGEST_URL: Final = 2_000
MOST_GLOBS: Final = 50
KIND: Final = "webhook"
TEST: Final = "webhook.test"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOrder:
    """A new webhook; without ``events`` it is told all."""

    url: str
    events: tuple[str, ...] = ("*",)
    station_id: str | None = None
    id_token: IdToken | None = None


@dataclass(frozen=True, slots=True)
class WebhookCount:
    """A webhook, and how many of its deliveries wait, or were given up."""

    webhook: Webhook
    pending: int = 0
    dead: int = 0


class Send(Protocol):
    """One attempt; whatever happens is an Outcome."""

    def __call__(self, webhook: Webhook, *, message_id: str, body: bytes) -> Awaitable[Outcome]: ...


class Ping(Protocol):
    """The body of a test message."""

    def __call__(self, message_id: str, *, webhook: Webhook, at: datetime) -> bytes: ...


async def add(
    order: WebhookOrder,
    *,
    who: Actor,
    storage: Storage,
    clock: Clock,
    ids: Ids,
    place: Callable[[], None],
    opened: Sequence[Network] = (),
) -> Webhook:
    """It is told every event that is committed from now on; its secret is in the answer.

    Raises:
        InvalidOrder: ``url`` or ``events`` can't be.
        LimitReached: It would be one more than there may be.
    """
    _check(order, opened=opened)
    random = ids.secret()

    def work(tx: Tx) -> Webhook:
        place()
        at = clock.now()
        made = Webhook(
            id=0,
            url=order.url,
            events=order.events,
            station_id=order.station_id,
            id_token=order.id_token,
            secret=secret_of(random),
            created_at=at,
        )
        made = tx.webhooks.insert(made)
        _changed(tx, made, at=at, who=who, what="add webhook")
        return made

    return await storage.transact(work)


async def listed(*, storage: Storage) -> list[WebhookCount]:
    """All webhooks, oldest first."""

    def work(tx: Tx) -> list[WebhookCount]:
        counts = tx.webhooks.counts()
        return [
            WebhookCount(
                one,
                counts.get((one.id, DeliveryState.PENDING), 0),
                counts.get((one.id, DeliveryState.DEAD), 0),
            )
            for one in tx.webhooks.all()
        ]

    return await storage.read(work)


async def remove(webhook_id: int, *, who: Actor, storage: Storage, clock: Clock) -> None:
    """It is told nothing more, and what waited for it is gone.

    Raises:
        WebhookUnknown: There is none.
    """

    def work(tx: Tx) -> None:
        known = tx.webhooks.get(webhook_id)
        tx.webhooks.remove(webhook_id)
        _changed(tx, known, at=clock.now(), who=who, what="remove webhook")

    await storage.transact(work)


async def rotate(webhook_id: int, *, who: Actor, storage: Storage, clock: Clock, ids: Ids) -> Webhook:
    """It has a new secret; the one before signs too for 24 h.

    Raises:
        WebhookUnknown: There is none.
    """
    random = ids.secret()

    def work(tx: Tx) -> Webhook:
        known, at = tx.webhooks.get(webhook_id), clock.now()
        changed = replace(known, secret=secret_of(random), old_secret=known.secret, old_secret_until=at + ROTATION)
        tx.webhooks.save(changed)
        _changed(tx, changed, at=at, who=who, what="rotate webhook secret")
        return changed

    return await storage.transact(work)


async def test(
    webhook_id: int, *, who: Actor, storage: Storage, clock: Clock, ids: Ids, send: Send, ping: Ping
) -> Outcome:
    """What its target answered to a test message; one that answers well is told events again, should it have been off.

    Raises:
        WebhookUnknown: There is none.
    """
    known = await storage.read(lambda tx: tx.webhooks.get(webhook_id))
    message_id = f"msg_test_{ids.message_id()}"
    outcome = await send(known, message_id=message_id, body=ping(message_id, webhook=known, at=clock.now()))
    if outcome.error is None and known.disabled_at is not None:
        await storage.transact(lambda tx: _enable(tx, webhook_id, at=clock.now(), who=who))
    return outcome


def _enable(tx: Tx, webhook_id: int, *, at: datetime, who: Actor) -> None:
    enabled = replace(tx.webhooks.get(webhook_id), disabled_at=None)
    tx.webhooks.save(enabled)
    _changed(tx, enabled, at=at, who=who, what="enable webhook")


async def deliveries(
    webhook_id: int,
    *,
    state: DeliveryState | None = None,
    limit: int = 100,
    before: int | None = None,
    storage: Storage,
) -> list[Delivery]:
    """Its deliveries, newest first, those with a lower number than ``before``. They are kept for 7 days after their end.

    Raises:
        WebhookUnknown: There is none.
    """

    def work(tx: Tx) -> list[Delivery]:
        tx.webhooks.get(webhook_id)
        return tx.webhooks.page(webhook_id, state=state, limit=limit, before=before)

    return await storage.read(work)


async def redeliver(webhook_id: int, number: int, *, who: Actor, storage: Storage, clock: Clock) -> Delivery:
    """A delivery that was given up is sent once more.

    Raises:
        WebhookUnknown: There is no such webhook.
        DeliveryUnknown: It has no dead delivery of this number.
    """

    def work(tx: Tx) -> Delivery:
        known, at = tx.webhooks.get(webhook_id), clock.now()
        revived = tx.webhooks.revive(webhook_id, number, at=at)
        _changed(tx, known, at=at, who=who, what="redeliver", detail=str(number))
        return revived

    return await storage.transact(work)


def _changed(tx: Tx, webhook: Webhook, *, at: datetime, who: Actor, what: str, detail: str = "") -> None:
    # Without the address: its path may be a secret.
    tx.audit.add(at=at, who=who, what=what, station_id=None, detail=f"{webhook.id} {detail}".strip())
    tx.outbox.add(RegistryChanged(at=at, kind=KIND, key=str(webhook.id)))


def _check(order: WebhookOrder, *, opened: Sequence[Network]) -> None:
    _check_url(order.url, opened=opened)
    if not 1 <= len(order.events) <= MOST_GLOBS:
        raise InvalidOrder("events", f"1 to {MOST_GLOBS} names or globs")
    for glob in order.events:
        if not any(fnmatchcase(name, glob) for name in TOLD):
            raise InvalidOrder("events", f"no event is called {glob}")


def _check_url(url: str, *, opened: Sequence[Network]) -> None:
    if len(url) > LONGEST_URL:
        raise InvalidOrder("url", f"at most {LONGEST_URL} characters")
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise InvalidOrder("url", "is not readable") from None
    is_plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not host or not is_plain:
        raise InvalidOrder("url", "is http://HOST/... or https://HOST/...")
    if parts.username is not None or parts.password is not None or parts.fragment:
        raise InvalidOrder("url", "has neither a user nor a fragment")
    address = literal(host)
    if address is not None and not is_allowed(address, opened):
        raise InvalidOrder("url", f"{host} is no public address; --webhook-allow opens private networks")
