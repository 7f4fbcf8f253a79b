"""/events: what was committed, as it comes (server-sent events)."""

import asyncio
from collections.abc import AsyncIterator
from fnmatch import fnmatchcase
from typing import Final

import msgspec
from litestar.response import Stream

from evhold.domain.events import ConnectorChanged, Event, ReservationChanged, StationPresence, name_of
from evhold.usecases.ports import Told
from evhold.web.dto import EventQuery
from evhold.web.problems import Problem, invalid
from evhold.web.request import Caller, Req, caller_of, calls_of, query_of
from evhold.web.views import event_dto

HEARTBEAT_S: Final = 15.0
MAX_STREAMS: Final = 500
GAP: Final = b"event: gap\ndata: {}\n\n"
HELLO: Final = b"retry: 2000\n: evhold\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"


class Streams:
    """The open event streams; ``end`` finishes all of them, so that the server can stop."""

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S, limit: int = MAX_STREAMS) -> None:
        self._heartbeat_s = heartbeat_s
        self._limit = limit
        self._ending: asyncio.Event | None = None
        self.open = 0

    def end(self) -> None:
        """Every open stream ends, and new ones end at once."""
        self._end_event().set()

    def _end_event(self) -> asyncio.Event:
        if self._ending is None:
            self._ending = asyncio.Event()
        return self._ending

    def check(self) -> None:
        """A Problem when there are too many."""
        if self.open >= self._limit:
            raise Problem("too-many-streams", f"at most {self._limit} at a time")

    async def tell(self, follow: AsyncIterator[Told | None], wanted: "Wanted") -> AsyncIterator[bytes]:
        """The text of the stream, a comment now and then, until the caller goes or the server stops."""
        self.open += 1
        ending = asyncio.ensure_future(self._end_event().wait())
        coming = asyncio.ensure_future(anext(follow))
        try:
            # The first step of `follow` subscribes; only then is the caller told that the stream has begun.
            await asyncio.sleep(0)
            yield HELLO
            while not ending.done():
                await asyncio.wait({coming, ending}, timeout=self._heartbeat_s, return_when=asyncio.FIRST_COMPLETED)
                if not coming.done():
                    yield b"" if ending.done() else HEARTBEAT
                    continue
                told = coming.result()
                coming = asyncio.ensure_future(anext(follow))
                if (text := wanted.text_of(told)) is not None:
                    yield text
        except StopAsyncIteration:
            return
        finally:
            self.open -= 1
            ending.cancel()
            coming.cancel()
            await asyncio.gather(coming, return_exceptions=True)
            if (close := getattr(follow, "aclose", None)) is not None:
                await close()


class Wanted:
    """Which events a caller wants and may see."""

    def __init__(self, asked: EventQuery, caller: Caller) -> None:
        self._station_id = None if asked.station_id is None else asked.station_id.casefold()
        self._names = asked.name
        self._caller = caller

    def text_of(self, told: Told | None) -> bytes | None:
        """The event's text, or None where it is not for this caller."""
        if told is None:
            return GAP
        name = name_of(told.event)
        data = event_dto(told.event)
        if data is None or not self._is_wanted(name, told.event):
            return None
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (told.seq, name.encode(), msgspec.json.encode(data))

    def _is_wanted(self, name: str, event: Event) -> bool:
        if self._names and not any(fnmatchcase(name, pattern) for pattern in self._names):
            return False
        if self._station_id is not None and _station_of(event).casefold() != self._station_id:
            return False
        return not isinstance(event, ReservationChanged) or self._caller.owns(event.reservation.terms.id_token)


def _station_of(event: Event) -> str:
    match event:
        case ReservationChanged(reservation=reservation):
            return reservation.station_id
        case ConnectorChanged(station_id=station_id) | StationPresence(station_id=station_id):
            return station_id
        case _:
            return ""


async def events(request: Req) -> Stream:
    """GET /events."""
    wanted = Wanted(query_of(request, EventQuery), caller_of(request))
    after = request.headers.get("Last-Event-ID")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(("Last-Event-ID", "is the number of an event"))
    streams = request.app.state["streams"]
    assert isinstance(streams, Streams)
    streams.check()
    follow = calls_of(request).follow(after=None if after is None else int(after))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(streams.tell(follow, wanted), media_type="text/event-stream", headers=headers)
