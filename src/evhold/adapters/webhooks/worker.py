"""Follows the committed events, puts them down for delivery, and sends what is due; beside other nodes, or alone.

House rules
- No target waits for another: each has so many attempts at a time of its own, and nothing else is shared but the database.
- Outcomes are stored, and new work is claimed, in one transaction at a time; sending holds none.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Final, Protocol, TypeVar

import structlog

from evhold.domain.events import RegistryChanged, ReservationChanged
from evhold.domain.webhooks import DRIVERS, Delivery, Outcome, Webhook
from evhold.usecases.deliveries import Scribe, Turn, is_wanted, put_down, turn
from evhold.usecases.ports import Clock, Ids, Storage, StorageAway, Told
from evhold.usecases.stores import Tx
from evhold.usecases.webhooks import Send

#: Attempts at a time to one target.
SLOTS: Final = 8
BATCH: Final = 500
#: How far the stored position may lie behind while nobody wants to be told anything.
BEHIND: Final = 500
POLL_S: Final = 5.0
RETRY_S: Final = 0.5
#: How long the node that gave events their numbers has to put them down before the others look whether it did.
ELSEWHERE_S: Final = 0.5
STOP_S: Final = 5.0
KEPT: Final = timedelta(days=7)
PRUNE_EVERY: Final = timedelta(hours=1)

T = TypeVar("T")
log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.webhooks")


class Followed(Protocol):
    """The committed events, in order; None where some are gone."""

    async def batch(self, *, limit: int) -> list[Told | None]:
        """The next ones, at least one. Raises StopAsyncIteration at the end, StorageAway."""
        ...


Follow = Callable[[int | None], Followed]
SendToDriver = Callable[[Delivery], Awaitable[Outcome]]


class Worker:
    """One a node.

    Args:
        storage: Waits while the database is away.
        follow: The committed events after a number.
        scribe: Writes what is sent.
        send: One attempt at a webhook.
        send_to_driver: One attempt at a driver's addresses; None where the extra is not there.
        clock: Ours.
        ids: For jitter.
        is_alone: No other node puts events down.
    """

    def __init__(
        self,
        *,
        storage: Storage,
        follow: Follow,
        scribe: Scribe,
        send: Send,
        send_to_driver: SendToDriver | None,
        clock: Clock,
        ids: Ids,
        is_alone: bool = True,
    ) -> None:
        self._storage = storage
        self._follow = follow
        self._scribe = scribe
        self._send = send
        self._send_to_driver = send_to_driver
        self._clock = clock
        self._ids = ids
        self._hooks: dict[int, Webhook] = {}
        self._told: asyncio.Queue[list[Told | None]] = asyncio.Queue(maxsize=1)
        #: Whether a token may have addresses of its driver; what changed of tokens and webhooks since that was read.
        self._tokens_notify = True
        self._changed_tokens: set[str] | None = None
        self._is_stale = False
        self._stored = 0
        #: Events up to this number are for this node to put down, as far as nobody has.
        self._ours = float("inf") if is_alone else 0
        self._given = asyncio.Event()
        self._woken = asyncio.Event()
        self._busy: Counter[int] = Counter()
        self._sending: set[asyncio.Task[None]] = set()
        self._ended: list[tuple[Delivery, Outcome]] = []
        self._pruned_at = clock.now()
        self._running: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """It works from where it, or another node, had come. Raises StorageAway."""
        self._stored = await self._storage.transact(_position)
        await self._reload()
        self._running = asyncio.create_task(self._run(self._follow(self._stored)), name="webhooks")

    async def stop(self) -> None:
        """What was being sent has ended, or is left to the next start."""
        if self._running is None:
            return
        self._running.cancel()
        await asyncio.wait([self._running])
        if self._sending:
            await asyncio.wait(set(self._sending), timeout=STOP_S)
        for task in set(self._sending):
            task.cancel()
        try:
            await self._turn(free={})
        except StorageAway as error:
            log.warning("webhooks.storage-away", error=str(error))

    def wake(self) -> None:
        """There may be something due."""
        self._woken.set()

    def gave(self, seq: int) -> None:
        """This node gave events up to this number their numbers, and puts them down."""
        self._ours = max(self._ours, seq)
        self._given.set()

    async def _run(self, told: Followed) -> None:
        async with asyncio.TaskGroup() as group:
            group.create_task(self._always(partial(self._listen, told), name="listen"))
            group.create_task(self._always(self._put_down_next, name="put-down"))
            group.create_task(self._always(self._deliver_due, name="deliver"))

    async def _always(self, step: Callable[[], Awaitable[None]], *, name: str) -> None:
        """One step after the other, for ever; trouble is waited out."""
        while True:
            try:
                await step()
            except StorageAway as error:
                log.warning("webhooks.storage-away", step=name, error=str(error))
                await asyncio.sleep(RETRY_S)
            except Exception:  # the top of a task: others wait to be told
                log.exception("webhooks.failed", step=name)
                await asyncio.sleep(RETRY_S)

    # Events become deliveries

    async def _listen(self, told: Followed) -> None:
        try:
            batch = await told.batch(limit=BATCH)
        except StopAsyncIteration:
            await asyncio.Event().wait()
            return
        await self._told.put(batch)

    async def _put_down_next(self) -> None:
        batch = await self._told.get()
        if batch[0] is not None and batch[0].seq > self._ours:
            await self._leave_to_others()
        part: list[Told] = []
        for one in batch:
            if one is None:
                log.error("webhooks.gap", after=self._stored)
                self._changed_tokens = None
                self._is_stale = True
            elif isinstance(one.event, RegistryChanged):
                part.append(one)
                self._notice(one.event)
            else:
                # Whoever came or went is told, or not, of the very next event.
                if self._is_stale:
                    await self._put_down(part)
                    part = []
                    await self._patiently(self._reload)
                part.append(one)
        await self._put_down(part)
        if self._is_stale:
            await self._patiently(self._reload)

    def _notice(self, event: RegistryChanged) -> None:
        """Who is to be told may be others from now on."""
        if event.kind == "webhook":
            self._is_stale = True
        elif event.kind == "token" and not self._tokens_notify and self._changed_tokens is not None:
            self._changed_tokens.add(event.key)
            self._is_stale = True

    async def _put_down(self, part: Sequence[Told]) -> None:
        if not part:
            return
        if not any(self._is_wanted(one) for one in part) and part[-1].seq - self._stored < BEHIND:
            return
        if part[-1].seq > self._ours:
            self._stored = max(self._stored, await self._patiently(self._reached))
            if self._stored >= part[-1].seq:
                return
        made = await self._patiently(lambda: self._storage.transact(lambda tx: put_down(tx, part, scribe=self._scribe)))
        self._stored = part[-1].seq
        if made:
            self.wake()

    async def _leave_to_others(self) -> None:
        """Another node is about to put this down; unless there is something of ours to do first."""
        self._given.clear()
        with suppress(TimeoutError):
            async with asyncio.timeout(ELSEWHERE_S):
                await self._given.wait()

    async def _reached(self) -> int:
        return await self._storage.read(lambda tx: tx.webhooks.reached())

    def _is_wanted(self, told: Told) -> bool:
        if self._hooks and is_wanted(told, tuple(self._hooks.values())):
            return True
        if self._scribe.to_driver is None or not isinstance(told.event, ReservationChanged):
            return False
        # What the driver already knows is left out when it is put down.
        return bool(told.event.reservation.notify) or self._tokens_notify

    async def _reload(self) -> None:
        """Who is told: webhooks, and whether there are tokens with addresses of their drivers, as far as anything changed."""
        changed = self._changed_tokens

        def look(tx: Tx) -> tuple[list[Webhook], bool]:
            return tx.webhooks.all(), changed != set() and tx.tokens.are_notified(changed)

        hooks, notified = await self._storage.read(look)
        self._hooks = {one.id: one for one in hooks}
        self._tokens_notify = notified or (changed is not None and self._tokens_notify)
        self._changed_tokens, self._is_stale = set(), False
        self.wake()

    async def _patiently(self, work: Callable[[], Awaitable[T]]) -> T:
        """Until it is done: what was taken from the queue must not be lost."""
        while True:
            try:
                return await work()
            except StorageAway as error:
                log.warning("webhooks.storage-away", error=str(error))
                await asyncio.sleep(RETRY_S)

    # Deliveries are sent

    async def _deliver_due(self) -> None:
        self._woken.clear()
        free = {one: SLOTS - self._busy[one] for one in self._targets() if self._busy[one] < SLOTS}
        next_at = None
        if self._ended or free:
            done = await self._turn(free=free)
            next_at = done.next_at
            for delivery in done.claimed:
                self._begin(delivery)
        await self._prune()
        wait_s = POLL_S if next_at is None else (next_at - self._clock.now()).total_seconds()
        until = self._clock.monotonic() + min(max(wait_s, 0.0), POLL_S)
        timer = self._clock.call_at(until, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            timer.cancel()

    def _targets(self) -> list[int]:
        hooks = [one.id for one in self._hooks.values() if one.disabled_at is None]
        return hooks if self._send_to_driver is None else [*hooks, DRIVERS]

    async def _turn(self, *, free: dict[int, int]) -> Turn:
        ended, self._ended = self._ended, []
        at = self._clock.now()
        try:
            return await self._storage.transact(lambda tx: turn(tx, ended, free=free, at=at, jitter=self._ids.jitter))
        except BaseException:
            self._ended = ended + self._ended
            raise

    def _begin(self, delivery: Delivery) -> None:
        self._busy[delivery.webhook_id] += 1
        task = asyncio.create_task(self._attempt(delivery), name=f"webhook {delivery.webhook_id}")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def _attempt(self, delivery: Delivery) -> None:
        try:
            outcome = await self._sent(delivery)
        except Exception:  # the top of a task: the others go on
            log.exception("webhook.failed", webhook=delivery.webhook_id, delivery=delivery.number)
            outcome = Outcome(error="a fault of ours")
        finally:
            self._busy[delivery.webhook_id] -= 1
        if outcome.error is not None:
            log.warning(
                "webhook.not-delivered",
                webhook=delivery.webhook_id,
                delivery=delivery.number,
                attempt=delivery.attempts,
                error=outcome.error,
            )
        self._ended.append((delivery, outcome))
        self.wake()

    async def _sent(self, delivery: Delivery) -> Outcome:
        if delivery.webhook_id == DRIVERS and self._send_to_driver is not None:
            return await self._send_to_driver(delivery)
        webhook = self._hooks.get(delivery.webhook_id)
        if webhook is None:
            return Outcome(error="the webhook was removed")
        return await self._send(webhook, message_id=delivery.message_id, body=delivery.body.encode())

    async def _prune(self) -> None:
        now = self._clock.now()
        if now - self._pruned_at >= PRUNE_EVERY:
            self._pruned_at = now
            while await self._storage.transact(lambda tx: tx.webhooks.prune(before=now - KEPT)):
                pass


def _position(tx: Tx) -> int:
    """The stored position; the first time the number of the newest event."""
    known = tx.webhooks.position()
    if known is None:
        known = tx.webhooks.last_event()
        tx.webhooks.move(to=known)
    return known
