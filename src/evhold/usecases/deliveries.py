"""Committed events become deliveries, and these are sent until they are through or given up.

House rules
- The deliveries of an event and the position behind it are one commit: a crash loses none and makes none twice.
- What was claimed is ours for a while; whoever dies with it leaves it to the next. So a target may be told twice, with the
  same id, and never not at all.
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from evhold.domain.errors import WebhookUnknown
from evhold.domain.events import RegistryChanged, name_of, subject_of
from evhold.domain.webhooks import DRIVERS, Delivery, DeliveryState, Outcome, Webhook, retry_at
from evhold.usecases.ports import Told
from evhold.usecases.stores import Tx

#: How long a claim lasts: longer than any attempt.
LEASE: Final = timedelta(seconds=20)
GONE: Final = "the target is gone (410)"
LONGEST_ERROR: Final = 300


@dataclass(frozen=True, slots=True, kw_only=True)
class Scribe:
    """Writes what is sent.

    Args:
        message_id: Of an event; the same wherever and whenever it is asked for.
        body: The message of an event under this id.
        to_driver: The messages to the driver, one an address.
    """

    message_id: Callable[[int], str]
    body: Callable[[Told, str], str]
    to_driver: Callable[[Tx, Told], Sequence[str]] | None = None


def put_down(tx: Tx, told: Sequence[Told], *, scribe: Scribe) -> int:
    """These events are put down for all who want them, and will not be again; how many deliveries that made."""
    position = tx.webhooks.position()
    new = [one for one in told if position is None or one.seq > position]
    if not new:
        return 0
    hooks = tx.webhooks.all()
    fresh = [delivery for one in new for delivery in _deliveries(tx, one, hooks, scribe=scribe)]
    tx.webhooks.queue(fresh)
    tx.webhooks.move(to=new[-1].seq)
    return len(fresh)


def is_wanted(told: Told, hooks: Sequence[Webhook]) -> bool:
    """Whether any of them is to be told of this."""
    return any(told.seq > hook.after_seq and hook.wants(told.event) for hook in hooks)


def _deliveries(tx: Tx, told: Told, hooks: Sequence[Webhook], *, scribe: Scribe) -> list[Delivery]:
    wanting = [hook.id for hook in hooks if is_wanted(told, (hook,))]
    to_driver = scribe.to_driver(tx, told) if scribe.to_driver is not None else ()
    if not wanting and not to_driver:
        return []
    message_id, subject = scribe.message_id(told.seq), subject_of(told.event)
    made = Delivery(
        webhook_id=DRIVERS,
        message_id=message_id,
        name=name_of(told.event),
        subject=subject,
        body=scribe.body(told, message_id) if wanting else "",
        created_at=told.event.at,
    )
    # Of a driver's addresses none waits for another.
    own = [
        replace(made, message_id=f"{message_id}.{number}", subject=f"{subject}#{number}", body=body)
        for number, body in enumerate(to_driver)
    ]
    return [*(replace(made, webhook_id=one) for one in wanting), *own]


@dataclass(frozen=True, slots=True)
class Turn:
    """What is to be sent now, and when there is something again, as far as that is known."""

    claimed: tuple[Delivery, ...]
    next_at: datetime | None


def turn(
    tx: Tx,
    ended: Sequence[tuple[Delivery, Outcome]],
    *,
    free: Mapping[int, int],
    at: datetime,
    jitter: Callable[[], float],
) -> Turn:
    """What became of attempts is stored, and what is due is claimed.

    Args:
        tx: One transaction for all of it.
        ended: Attempts with their outcomes.
        free: How many more may be sent to each target at a time.
        at: Now.
        jitter: 0 to 1.
    """
    for delivery, outcome in ended:
        _end(tx, delivery, outcome, at=at, jitter=jitter())
    claimed: list[Delivery] = []
    later: list[datetime] = []
    for webhook_id, slots in free.items():
        due, next_at = tx.webhooks.take(webhook_id, at=at, until=at + LEASE, limit=slots)
        claimed += due
        later += [] if next_at is None else [next_at]
    return Turn(tuple(claimed), min(later, default=None))


def _end(tx: Tx, delivery: Delivery, outcome: Outcome, *, at: datetime, jitter: float) -> None:
    error = None if outcome.error is None else outcome.error[:LONGEST_ERROR]
    heard = replace(delivery, last_status=outcome.status, last_error=error, next_at=None)
    if outcome.error is None:
        tx.webhooks.end(replace(heard, state=DeliveryState.DELIVERED, ended_at=at))
        return
    again = None if outcome.is_gone else retry_at(delivery, outcome, at=at, jitter=jitter)
    if again is not None:
        tx.webhooks.end(replace(heard, next_at=again))
        return
    is_ours = tx.webhooks.end(replace(heard, state=DeliveryState.DEAD, ended_at=at))
    if outcome.is_gone and is_ours and delivery.webhook_id != DRIVERS:
        _disable(tx, delivery.webhook_id, at=at)


def _disable(tx: Tx, webhook_id: int, *, at: datetime) -> None:
    with suppress(WebhookUnknown):
        tx.webhooks.save(replace(tx.webhooks.get(webhook_id), disabled_at=at))
        tx.outbox.add(RegistryChanged(at=at, kind="webhook", key=str(webhook_id)))
    tx.webhooks.bury(webhook_id, at=at, why=GONE)
