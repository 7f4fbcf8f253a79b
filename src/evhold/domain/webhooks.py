"""Webhooks: who wants to be told what, how a message is signed, and when it is tried again (Standard Webhooks 1.0)."""

import hmac
from base64 import b64decode, b64encode
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from hashlib import sha256
from typing import Final

from evhold.domain.events import TOLD, Event, ReservationChanged, name_of, station_of
from evhold.domain.values import IdToken

SECRET_PREFIX: Final = "whsec_"
#: How long the secret before the last one signs too.
ROTATION: Final = timedelta(hours=24)
FIRST_WAIT: Final = timedelta(seconds=5)
LAST_WAIT: Final = timedelta(hours=2)
GIVE_UP_AFTER: Final = timedelta(hours=24)
#: Drivers' messages are worth nothing after so long.
GIVE_UP_MESSAGES_AFTER: Final = timedelta(hours=1)
_FACTOR: Final = 3
_JITTER: Final = 0.25
#: The target that stands for drivers' own addresses in the table of deliveries.
DRIVERS: Final = 0


def secret_of(random: str) -> str:
    """A webhook's secret, made of this random text: 256 bits in the form of Standard Webhooks."""
    return SECRET_PREFIX + b64encode(sha256(random.encode()).digest()).decode()


def signature(secret: str, *, message_id: str, stamp: int, body: bytes) -> str:
    """``v1,...`` over the id, the seconds since 1970, and the body."""
    key = b64decode(secret.removeprefix(SECRET_PREFIX))
    mac = hmac.digest(key, f"{message_id}.{stamp}.".encode() + body, "sha256")
    return "v1," + b64encode(mac).decode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook:
    """An address that is told events, from the one behind ``after_seq`` on.

    Args:
        id: Ours.
        url: http or https.
        events: Globs of event names.
        station_id: Only what happens at this station.
        id_token: Only the reservations of this token.
        secret: What messages are signed with.
        created_at: When it was made.
        old_secret: The one before, which signs too until ``old_secret_until``.
        old_secret_until: See there.
        after_seq: The number of the last event before it was made.
        disabled_at: When its target said that it is gone (410); it is told nothing since.
    """

    id: int
    url: str
    events: tuple[str, ...]
    station_id: str | None = None
    id_token: IdToken | None = None
    secret: str
    created_at: datetime
    old_secret: str | None = None
    old_secret_until: datetime | None = None
    after_seq: int = 0
    disabled_at: datetime | None = None

    def wants(self, event: Event) -> bool:
        """Whether it is to be told of this."""
        name = name_of(event)
        if self.disabled_at is not None or name not in TOLD or not any(fnmatchcase(name, one) for one in self.events):
            return False
        if self.station_id is not None and self.station_id.casefold() != (station_of(event) or "").casefold():
            return False
        if self.id_token is None:
            return True
        return isinstance(event, ReservationChanged) and event.reservation.terms.id_token == self.id_token

    def signatures(self, *, message_id: str, at: datetime, body: bytes) -> str:
        """The header webhook-signature: one for each secret that is valid now."""
        secrets = [self.secret]
        if self.old_secret is not None and self.old_secret_until is not None and at < self.old_secret_until:
            secrets.append(self.old_secret)
        stamp = int(at.timestamp())
        return " ".join(signature(one, message_id=message_id, stamp=stamp, body=body) for one in secrets)


class DeliveryState(StrEnum):
    """``dead``: given up; it can be sent once more by hand."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One message to one target.

    Args:
        number: Ours; grows in the order of the events.
        webhook_id: Its target, or ``DRIVERS``.
        message_id: The event's, the same for every target and every attempt.
        name: The event's name.
        subject: What it is about; the messages of a subject go to a target one after the other.
        body: The JSON that is sent.
        created_at: When it was put down.
        state: What has become of it.
        attempts: How often it was sent, or about to be.
        next_at: When it is sent next; None while an earlier one of its subject is not through, and when it has ended.
        ended_at: When it was delivered, or given up.
        last_status: The HTTP status of the last attempt.
        last_error: Why the last attempt failed.
    """

    number: int = 0
    webhook_id: int
    message_id: str
    name: str
    subject: str
    body: str
    created_at: datetime
    state: DeliveryState = DeliveryState.PENDING
    attempts: int = 0
    next_at: datetime | None = None
    ended_at: datetime | None = None
    last_status: int | None = None
    last_error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one attempt: no error, no more to do. ``wait``: the target asks not to be tried again before."""

    status: int | None = None
    error: str | None = None
    wait: timedelta = timedelta()

    @property
    def is_gone(self) -> bool:
        """The target says that it wants nothing any more."""
        return self.status == 410


def retry_at(delivery: Delivery, outcome: Outcome, *, at: datetime, jitter: float) -> datetime | None:
    """When to try again after a failed attempt; None: it is given up.

    The waits grow from 5 s by a factor of three to two hours, each up to a quarter longer by ``jitter`` (0 to 1), so that
    the targets of an outage do not all come at once.
    """
    longest = GIVE_UP_MESSAGES_AFTER if delivery.webhook_id == DRIVERS else GIVE_UP_AFTER
    wait = min(FIRST_WAIT * _FACTOR ** min(delivery.attempts - 1, 10), LAST_WAIT) * (1 + _JITTER * jitter)
    again = at + max(wait, min(outcome.wait, LAST_WAIT))
    return again if again <= delivery.created_at + longest else None
