"""Webhooks and what is to be delivered to them (ports.Webhooks).

House rules
- The messages of one subject go to a target one after the other: only the first that is not through has a ``next_at``.
- A claim moves ``next_at`` ahead and counts an attempt: who dies with it loses nothing, and who comes too late with an
  outcome changes nothing.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, Final

import msgspec
from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from evhold.adapters.sql.outbox import PRUNED
from evhold.adapters.sql.tables import cursors, deliveries, outbox, webhooks
from evhold.adapters.sql.upsert import insert_of, upsert
from evhold.domain.errors import DeliveryUnknown, WebhookUnknown
from evhold.domain.values import IdToken
from evhold.domain.webhooks import Delivery, DeliveryState, Webhook

CURSOR: Final = "webhooks"
_PRUNE_AT_ONCE: Final = 1_000
_events: Final = msgspec.json.Decoder(tuple[str, ...])
_encode: Final = msgspec.json.Encoder().encode

w, d = webhooks.c, deliveries.c
_ALL: Final = select(webhooks).order_by(w.id)
_GET: Final = select(webhooks).where(w.id == bindparam("wanted"))
_INSERT: Final = insert(webhooks).returning(w.id)
_UPDATE: Final = update(webhooks).where(w.id == bindparam("wanted"))
_REMOVE: Final = delete(webhooks).where(w.id == bindparam("wanted"))
_REMOVE_DELIVERIES: Final = delete(deliveries).where(d.webhook_id == bindparam("wanted"))
_LAST_EVENT: Final = select(func.max(outbox.c.seq)).where(outbox.c.seq > 0)
_CURSOR: Final = select(cursors.c.seq).where(cursors.c.name == bindparam("wanted"))
_CURSOR_FOR_CHANGE: Final = _CURSOR.with_for_update()

_OF: Final = select(deliveries).where(d.webhook_id == bindparam("wanted")).order_by(d.number.desc())
#: Whoever ends one of these meanwhile collides with this, and is run again.
_FOLLOW: Final = (
    update(deliveries)
    .where(d.state == "pending", d.subject.in_(bindparam("subjects", expanding=True)))
    .values(is_followed=True)
    .returning(d.webhook_id, d.subject)
)
_NEXT: Final = (
    select(deliveries)
    .where(d.webhook_id == bindparam("wanted"), d.next_at.is_not(None))
    .order_by(d.next_at, d.number)
    .limit(bindparam("most"))
    .with_for_update(skip_locked=True)
)
_CLAIM: Final = (
    update(deliveries)
    .where(d.number == bindparam("wanted"))
    .values(next_at=bindparam("until"), attempts=d.attempts + 1)
)
_END: Final = (
    update(deliveries)
    .where(d.number == bindparam("wanted"), d.attempts == bindparam("attempt"), d.state == "pending")
    .values(
        state=bindparam("new_state"),
        next_at=bindparam("new_next"),
        ended_at=bindparam("new_end"),
        last_status=bindparam("new_status"),
        last_error=bindparam("new_error"),
    )
    .returning(d.is_followed)
)
_HEAD: Final = (
    select(func.min(d.number))
    .where(d.webhook_id == bindparam("of"), d.subject == bindparam("about"), d.state == "pending")
    .scalar_subquery()
)
_RELEASE: Final = update(deliveries).where(d.number == _HEAD, d.next_at.is_(None)).values(next_at=bindparam("at"))
_BURY: Final = (
    update(deliveries)
    .where(d.webhook_id == bindparam("wanted"), d.state == "pending")
    .values(state="dead", next_at=None, ended_at=bindparam("at"), last_error=bindparam("why"))
)
_REVIVE: Final = (
    update(deliveries)
    .where(d.number == bindparam("wanted"), d.webhook_id == bindparam("of"), d.state == "dead")
    .values(state="pending", next_at=bindparam("at"), ended_at=None)
    .returning(d.number)
)
_COUNT: Final = (
    select(d.webhook_id, d.state, func.count()).where(d.state.in_(("pending", "dead"))).group_by(d.webhook_id, d.state)
)
_OLD: Final = (
    select(d.number)
    .where(d.ended_at < bindparam("before"))
    .order_by(d.ended_at)
    .limit(_PRUNE_AT_ONCE)
    .scalar_subquery()
)
_PRUNE: Final = delete(deliveries).where(d.number.in_(_OLD))


class WebhookStore:
    """ports.Webhooks."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    # Webhooks

    def insert(self, webhook: Webhook) -> Webhook:
        """Stored with a fresh id, told from the next event on."""
        stored = replace(webhook, after_seq=self.last_event())
        number: int = self._connection.execute(_INSERT, _row(stored)).scalar_one()
        return replace(stored, id=number)

    def all(self) -> list[Webhook]:
        """Oldest first."""
        return [_webhook(row) for row in self._connection.execute(_ALL)]

    def get(self, webhook_id: int) -> Webhook:
        """Raises WebhookUnknown."""
        row = self._connection.execute(_GET, {"wanted": webhook_id}).first()
        if row is None:
            raise WebhookUnknown(webhook_id)
        return _webhook(row)

    def save(self, webhook: Webhook) -> None:
        """Raises WebhookUnknown."""
        if self._connection.execute(_UPDATE, _row(webhook) | {"wanted": webhook.id}).rowcount == 0:
            raise WebhookUnknown(webhook.id)

    def remove(self, webhook_id: int) -> None:
        """With its deliveries. Raises WebhookUnknown."""
        if self._connection.execute(_REMOVE, {"wanted": webhook_id}).rowcount == 0:
            raise WebhookUnknown(webhook_id)
        self._connection.execute(_REMOVE_DELIVERIES, {"wanted": webhook_id})

    # How far events were put down for delivery

    def position(self) -> int | None:
        """For change: no other node puts any down meanwhile."""
        return self._connection.scalar(_CURSOR_FOR_CHANGE, {"wanted": CURSOR})

    def reached(self) -> int:
        """As ``position``, only to be looked at; 0: nowhere yet."""
        return self._connection.scalar(_CURSOR, {"wanted": CURSOR}) or 0

    def last_event(self) -> int:
        """The highest number that an event has, or had."""
        pruned: int | None = self._connection.scalar(_CURSOR, {"wanted": PRUNED})
        return max(self._connection.scalar(_LAST_EVENT) or 0, pruned or 0)

    def move(self, *, to: int) -> None:
        """All events up to this number were put down."""
        self._connection.execute(upsert(cursors, dialect=self._connection.dialect), {"name": CURSOR, "seq": to})

    # Deliveries

    def queue(self, fresh: Sequence[Delivery]) -> None:
        """Put down in this order, each behind those of its subject that are not through."""
        if not fresh:
            return
        subjects = sorted({one.subject for one in fresh})
        held = {(row[0], row[1]) for row in self._connection.execute(_FOLLOW, {"subjects": subjects})}
        rows = []
        for one in fresh:
            lane = (one.webhook_id, one.subject)
            rows.append(_delivery_row(one, waits=lane in held))
            held.add(lane)
        _mark_followed(rows)
        statement = insert_of(deliveries, dialect=self._connection.dialect).on_conflict_do_nothing()
        self._connection.execute(statement, rows)

    def take(
        self, webhook_id: int, *, at: datetime, until: datetime, limit: int
    ) -> tuple[list[Delivery], datetime | None]:
        """Those that are due, claimed until then; and when the next one will be, as far as that is known."""
        found = self._connection.execute(_NEXT, {"wanted": webhook_id, "most": limit}).all()
        due = [row for row in found if row.next_at <= at]
        if due:
            self._connection.execute(_CLAIM, [{"wanted": row.number, "until": until} for row in due])
        later = found[len(due)].next_at if len(due) < len(found) else None
        return [replace(_delivery(row), attempts=row.attempts + 1, next_at=until) for row in due], later

    def end(self, delivery: Delivery) -> bool:
        """What became of the attempt is stored, and the next of its subject may go; False: somebody else took it over."""
        row = self._connection.execute(
            _END,
            {
                "wanted": delivery.number,
                "attempt": delivery.attempts,
                "new_state": delivery.state.value,
                "new_next": delivery.next_at,
                "new_end": delivery.ended_at,
                "new_status": delivery.last_status,
                "new_error": delivery.last_error,
            },
        ).first()
        if row is None:
            return False
        if row.is_followed and delivery.ended_at is not None:
            lane = {"of": delivery.webhook_id, "about": delivery.subject}
            self._connection.execute(_RELEASE, lane | {"at": delivery.ended_at})
        return True

    def bury(self, webhook_id: int, *, at: datetime, why: str) -> int:
        """Everything that waits for this target is dead; how many."""
        return self._connection.execute(_BURY, {"wanted": webhook_id, "at": at, "why": why}).rowcount

    def revive(self, webhook_id: int, number: int, *, at: datetime) -> Delivery:
        """It is sent once more, at once. Raises DeliveryUnknown."""
        given = {"wanted": number, "of": webhook_id, "at": at}
        if self._connection.execute(_REVIVE, given).first() is None:
            raise DeliveryUnknown(number)
        row = self._connection.execute(select(deliveries).where(d.number == number)).one()
        return _delivery(row)

    def page(self, webhook_id: int, *, state: DeliveryState | None, limit: int, before: int | None) -> list[Delivery]:
        """Newest first."""
        query = _OF if state is None else _OF.where(d.state == state.value)
        query = query if before is None else query.where(d.number < before)
        return [_delivery(row) for row in self._connection.execute(query.limit(limit), {"wanted": webhook_id})]

    def counts(self) -> dict[tuple[int, DeliveryState], int]:
        """By target and state; delivered ones are not counted."""
        return {(row[0], DeliveryState(row[1])): row[2] for row in self._connection.execute(_COUNT)}

    def prune(self, *, before: datetime) -> int:
        """Those that ended before are gone, a thousand at most; how many."""
        return self._connection.execute(_PRUNE, {"before": before}).rowcount


def _mark_followed(rows: list[dict[str, Any]]) -> None:
    """Within one batch, whatever has another of its lane behind it."""
    seen: set[tuple[int, str]] = set()
    for row in reversed(rows):
        lane = (row["webhook_id"], row["subject"])
        row["is_followed"] = lane in seen
        seen.add(lane)


def _delivery_row(one: Delivery, *, waits: bool) -> dict[str, Any]:
    return {
        "webhook_id": one.webhook_id,
        "message_id": one.message_id,
        "name": one.name,
        "subject": one.subject,
        "state": one.state.value,
        "attempts": 0,
        "created_at": one.created_at,
        "next_at": None if waits else one.created_at,
        "ended_at": None,
        "last_status": None,
        "last_error": None,
        "is_followed": False,
        "body": one.body,
    }


def _delivery(row: Row[Any]) -> Delivery:
    return Delivery(
        number=row.number,
        webhook_id=row.webhook_id,
        message_id=row.message_id,
        name=row.name,
        subject=row.subject,
        state=DeliveryState(row.state),
        attempts=row.attempts,
        created_at=row.created_at,
        next_at=row.next_at,
        ended_at=row.ended_at,
        last_status=row.last_status,
        last_error=row.last_error,
        body=row.body,
    )


def _row(webhook: Webhook) -> dict[str, Any]:
    token = webhook.id_token
    return {
        "url": webhook.url,
        "events": _encode(webhook.events).decode(),
        "station_id": webhook.station_id,
        "id_token": None if token is None else token.id_token,
        "id_token_type": None if token is None else token.type,
        "secret": webhook.secret,
        "old_secret": webhook.old_secret,
        "old_secret_until": webhook.old_secret_until,
        "created_at": webhook.created_at,
        "after_seq": webhook.after_seq,
        "disabled_at": webhook.disabled_at,
    }


def _webhook(row: Row[Any]) -> Webhook:
    return Webhook(
        id=row.id,
        url=row.url,
        events=_events.decode(row.events),
        station_id=row.station_id,
        id_token=None if row.id_token is None else IdToken(row.id_token, row.id_token_type),
        secret=row.secret,
        created_at=row.created_at,
        old_secret=row.old_secret,
        old_secret_until=row.old_secret_until,
        after_seq=row.after_seq,
        disabled_at=row.disabled_at,
    )
