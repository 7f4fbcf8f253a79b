"""/events: what was committed, as it comes (server-sent events)."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import suppress
from fnmatch import fnmatchcase
from typing import Final, Protocol

import msgspec
from litestar.response import Stream

from evhold.domain.access import ApiKey
from evhold.domain.events import (
    ConnectorChanged,
    Event,
    OrderDue,
    RegistryChanged,
    ReservationChanged,
    StationPresence,
    name_of,
)
from evhold.usecases.ports import StorageAway, Told
from evhold.web.calls import Calls
from evhold.web.dto import EventQuery
from evhold.web.problems import Problem, invalid
from evhold.web.request import Caller, Req, caller_of, calls_of, query_of
from evhold.web.views import event_dto

HEARTBEAT_S: Final = 15.0
MAX_STREAMS: Final = 500
#: Of one driver link, which nobody needs a key for.
MAX_OF_ONE: Final = 10
GAP: Final = b"event: gap\ndata: {}\n\n"
HELLO: Final = b"retry: 2000\n: evhold\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"


class Audience(Protocol):
    """Whom a stream is for."""

    def text_of(self, told: Told | None) -> bytes | None:
        """The event's text, or None where it is not for them."""
        ...

    async def is_over(self) -> bool:
        """They may see nothing any more: the stream ends."""
        ...


class Streams:
    """The open event streams; ``end`` finishes all of them, so that the server can stop."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S, limit: int = MAX_STREAMS) -> None:
        self._heartbeat_s = heartbeat_s
        self._limit = limit
        self._ending: asyncio.Event | None = None
        self.open = 0
        self._of: Counter[int] = Counter()

    def end(self) -> None:
        """Every open stream ends, and new ones end at once."""
        self._end_event().set()

    def _end_event(self) -> asyncio.Event:
        if self._ending is None:
            self._ending = asyncio.Event()
        return self._ending

    def check(self, *, of: int | None = None) -> None:
        """A Problem when there are too many, of this reservation or at all."""
        if self.open >= self._limit:
            raise Problem("too-many-streams", f"at most {self._limit} at a time")
        if of is not None and self._of[of] >= MAX_OF_ONE:
            raise Problem("too-many-streams", f"at most {MAX_OF_ONE} of a link at a time")

    async def tell(
        self, follow: AsyncIterator[Told | None], audience: Audience, *, of: int | None = None
    ) -> AsyncIterator[bytes]:
        """The text of the stream, a comment now and then, until the caller goes, may see no more, or the server stops.

        ``of`` is the reservation that it is of alone.
        """
        self.open += 1
        self._of.update(() if of is None else (of,))
        ending = asyncio.ensure_future(self._end_event().wait())
        coming = asyncio.ensure_future(anext(follow))
        try:
            # The first step of `follow` subscribes; only then is the caller told that the stream has begun.
            await asyncio.sleep(0)
            yield HELLO
            while not (ending.done() or await audience.is_over()):
                await asyncio.wait({coming, ending}, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    yield b"" if ending.done() else HEARTBEAT
                    continue
                told = coming.result()
                coming = asyncio.ensure_future(anext(follow))
                if (told_text := audience.text_of(told)) is not None:
                    yield told_text
        except StopAsyncIteration:
            return
        finally:
            self.open -= 1
            if of is not None:
                self._of -= Counter((of,))
            ending.cancel()
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            if (close := getattr(follow, "aclose", None)) is not None:
                await close()


class Wanted:
    """Which events a caller wants and may see (Audience)."""

    def __init__(self, asked: EventQuery, caller: Caller, *, calls: Calls) -> None:
        self._calls = calls
        self._is_key_changed = False
        self._station_id = None if asked.station_id is None else asked.station_id.casefold()
        self._names = asked.name
        self._id_token = None if asked.id_token is None else asked.id_token.casefold()
        self._caller = caller
        self._key_id = caller.holder.id if isinstance(caller.holder, ApiKey) else None

    def text_of(self, told: Told | None) -> bytes | None:
        """The event's text, or None where it is not for this caller."""
        if told is None:
            return GAP
        if isinstance(told.event, RegistryChanged):
            self._is_key_changed |= self._key_id is not None and _is_of_key(told.event, self._key_id)
        name = name_of(told.event)
        data = event_dto(told.event)
        if data is None or not self._is_wanted(name, told.event):
            return None
        return text(told.seq, name=name, data=data)

    async def is_over(self) -> bool:
        """The key was revoked, or it or the session has ended, or the issuer's token."""
        if self._is_key_changed and self._key_id is not None:
            with suppress(StorageAway):
                if await self._calls.keys.by_id(self._key_id) is None:
                    return True
                self._is_key_changed = False
        return self._caller.ends is not None and self._calls.clock.now() >= self._caller.ends

    def _is_wanted(self, name: str, event: Event) -> bool:
        # Orders are the operators' business, and told to those who ask for them.
        is_quiet = isinstance(event, OrderDue)
        if is_quiet and self._caller.is_driver:
            return False
        is_named = any(fnmatchcase(name, pattern) for pattern in self._names)
        if not is_named and (self._names or is_quiet):
            return False
        if self._station_id is not None and _station_of(event).casefold() != self._station_id:
            return False
        if not isinstance(event, ReservationChanged):
            return self._id_token is None
        id_token = event.reservation.terms.id_token
        return self._id_token in (None, id_token.id_token.casefold()) and self._caller.owns(id_token)


def _is_of_key(event: RegistryChanged, key_id: int) -> bool:
    return (event.kind, event.key) == ("key", str(key_id))


def _station_of(event: Event) -> str:
    match event:
        case ReservationChanged(reservation=reservation):
            return reservation.station_id
        case (
            ConnectorChanged(station_id=station_id)
            | StationPresence(station_id=station_id)
            | OrderDue(station_id=station_id)
        ):
            return station_id
        case _:
            return ""


def text(seq: int, *, name: str, data: object) -> bytes:
    """One event of a stream."""
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (seq, name.encode(), msgspec.json.encode(data))


async def events(request: Req) -> Stream:
    """GET /events."""
    return stream(request, Wanted(query_of(request, EventQuery), caller_of(request), calls=calls_of(request)))


def stream(request: Req, audience: Audience, *, of: int | None = None) -> Stream:
    """The events that the audience may see, from where the request says; ``of`` one reservation, where no key was given."""
    after = request.headers.get("Last-Event-ID")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(("Last-Event-ID", "is the number of an event"))
    streams = request.app.state["streams"]
    assert isinstance(streams, Streams)
    streams.check(of=of)
    follow = calls_of(request).follow(after=None if after is None else int(after))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(streams.tell(follow, audience, of=of), media_type="text/event-stream", headers=headers)
