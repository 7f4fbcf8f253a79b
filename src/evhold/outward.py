"""What is told outside of its own accord: webhooks and drivers' messages, built from their adapters."""

import tomllib
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Final

from evhold import adapters
from evhold.adapters.bus_local import LocalBus
from evhold.adapters.clock import SystemClock, SystemIds
from evhold.adapters.notify import Notifier, is_installed
from evhold.adapters.sql.storage import open_storage
from evhold.adapters.webhooks.sender import HttpSender, resolve
from evhold.adapters.webhooks.worker import Worker
from evhold.domain.access import Actor
from evhold.domain.networks import Network, networks_of
from evhold.domain.webhooks import Webhook
from evhold.settings import Settings
from evhold.usecases import webhooks
from evhold.usecases.deliveries import Scribe
from evhold.usecases.driver_messages import DriverMessages, Text
from evhold.usecases.kept import Kept
from evhold.usecases.ports import Clock, Ids, Storage
from evhold.usecases.signing import Signer
from evhold.usecases.traces import Kind
from evhold.web import calls as web
from evhold.web import links
from evhold.web import webhooks as messages

TEXTS: Final = Path(adapters.__path__[0]) / "texts" / "en.toml"


class Outward:
    """The part of a node that tells.

    Args:
        storage: For callers: raises StorageAway at once.
        enduring: For the worker: waits.
        settings: Which private networks may be called.
        clock: Ours.
        ids: For secrets, ids of test messages, jitter.
        kept: How many webhooks there may be.
    """

    def __init__(
        self, settings: Settings, *, storage: Storage, enduring: Storage, clock: Clock, ids: Ids, kept: Kept
    ) -> None:
        opened = networks_of(settings.webhook_allow)
        self._enduring = enduring
        self._clock = clock
        self._ids = ids
        self._sender = HttpSender(clock=clock, opened=opened)
        self._worker: Worker | None = None
        self.notifier = notifier_of(settings)
        self.calls = webhook_calls(storage, send=self._sender, clock=clock, ids=ids, opened=opened, kept=kept)

    async def start(self, bus: LocalBus, signer: Signer, *, is_alone: bool) -> None:
        """Committed events are put down and sent, from where that had come. Raises StorageAway."""
        self._worker = Worker(
            storage=self._enduring,
            # Another node may have come further than this one's bus: then there is nothing to read back.
            follow=lambda after: bus.follow(after=None if after is None else min(after, bus.position)),
            scribe=Scribe(
                message_id=partial(messages.message_id_of, signer=signer),
                body=messages.message_of,
                to_driver=driver_messages(signer) if is_installed() else None,
            ),
            send=self._sender,
            send_to_driver=self.notifier if is_installed() else None,
            clock=self._clock,
            ids=self._ids,
            is_alone=is_alone,
        )
        await self._worker.start()

    def gave(self, seq: int) -> None:
        """This node gave events up to this number their numbers."""
        if self._worker is not None:
            self._worker.gave(seq)

    async def stop(self) -> None:
        """What was being sent has ended, or is left to the next start."""
        if self._worker is not None:
            await self._worker.stop()
        await self._sender.close()


def notifier_of(settings: Settings) -> Notifier:
    """What sends to drivers, and may call the networks of these settings."""
    return Notifier(opened=networks_of(settings.webhook_allow), resolve=resolve)


def driver_messages(signer: Signer) -> DriverMessages:
    """Writes to drivers, in English."""
    content = tomllib.loads(TEXTS.read_text(encoding="utf-8"))
    texts = {name: Text(one["title"], one["text"]) for name, one in content.items()}
    return DriverMessages(texts=texts, link_of=partial(links.link_of, signer=signer))


def webhook_calls(
    storage: Storage, *, send: webhooks.Send, clock: Clock, ids: Ids, opened: Sequence[Network], kept: Kept
) -> web.WebhookCalls:
    """Webhooks and what they are sent."""

    async def add(order: webhooks.WebhookOrder, *, who: Actor) -> Webhook:
        place = await kept.place(Kind.WEBHOOKS)
        return await webhooks.add(order, who=who, storage=storage, clock=clock, ids=ids, place=place, opened=opened)

    async def remove(webhook_id: int, *, who: Actor) -> None:
        await webhooks.remove(webhook_id, who=who, storage=storage, clock=clock)
        kept.leave(Kind.WEBHOOKS)

    return web.WebhookCalls(
        all=partial(webhooks.listed, storage=storage),
        add=add,
        remove=remove,
        rotate=partial(webhooks.rotate, storage=storage, clock=clock, ids=ids),
        test=partial(webhooks.test, storage=storage, clock=clock, ids=ids, send=send, ping=messages.ping_of),
        deliveries=partial(webhooks.deliveries, storage=storage),
        redeliver=partial(webhooks.redeliver, storage=storage, clock=clock),
    )


@asynccontextmanager
async def webhook_registry(settings: Settings) -> AsyncIterator[web.WebhookCalls]:
    """The calls of webhooks, straight on the database of these settings; they work with the server stopped."""
    clock, ids, opened = SystemClock(), SystemIds(), networks_of(settings.webhook_allow)
    storage = open_storage(settings.database, clock=clock)
    sender = HttpSender(clock=clock, opened=opened)
    try:
        kept = Kept(settings.most_kept, storage=storage, clock=clock)
        yield webhook_calls(storage, send=sender, clock=clock, ids=ids, opened=opened, kept=kept)
    finally:
        await sender.close()
        await storage.close()
