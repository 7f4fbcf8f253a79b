"""/events: what was committed, as it comes (server-sent events)."""

from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from litestar.response import Stream

from evhold.domain.access import ApiKey
from evhold.domain.events import (
    ConnectorChanged,
    Event,
    OrderDue,
    RegistryChanged,
    ReservationChanged,
    StationPresence,
)
from evhold.domain.values import IdToken
from evhold.usecases.ports import StorageAway
from evhold.usecases.sessions import KIND
from evhold.web.calls import Calls
from evhold.web.dto import EventQuery
from evhold.web.hub import Hub
from evhold.web.lines import HELLO, Line, Sight
from evhold.web.problems import Problem, invalid
from evhold.web.request import Caller, Req, caller_of, calls_of, query_of
from evhold.web.viewer import Audience, Viewer

HEARTBEAT_S: Final = 15.0
MAX_STREAMS: Final = 500
#: Of one driver link, which nobody needs a key for.
MAX_OF_ONE: Final = 10


class Streams:
    """The open event streams; ``end`` finishes all of them, so that the server can stop.

    Args:
        heartbeat_s: After so long without an event there is a comment.
        limit: How many at a time.
        hub: Tells those together who see the same.
    """

    def __init__(self, *, heartbeat_s: float = HEARTBEAT_S, limit: int = MAX_STREAMS, hub: Hub | None = None) -> None:
        self._heartbeat_s = heartbeat_s
        self._limit = limit
        self._is_ending = False
        #: The reservation that each is of alone, if it is.
        self._open: dict[Viewer, int | None] = {}
        self.hub = hub or Hub()

    @property
    def open(self) -> int:
        """How many there are."""
        return len(self._open)

    def end(self) -> None:
        """Every open stream ends, and new ones end at once."""
        self._is_ending = True
        for viewer in self._open:
            viewer.end()

    def check(self, *, of: int | None = None) -> None:
        """A Problem when there are too many, of this reservation or at all."""
        if self.open >= self._limit:
            raise Problem("too-many-streams", f"at most {self._limit} at a time")
        if of is not None and sum(one == of for one in self._open.values()) >= MAX_OF_ONE:
            raise Problem("too-many-streams", f"at most {MAX_OF_ONE} of a link at a time")

    async def tell(self, viewer: Viewer, audience: Audience, *, of: int | None = None) -> AsyncIterator[bytes]:
        """The text of the stream, a comment now and then, until the caller goes, may see no more, or the server stops.

        ``of`` is the reservation that it is of alone.
        """
        self._open[viewer] = of
        try:
            yield HELLO
            while not self._is_ending:
                text = await viewer.next(heartbeat_s=self._heartbeat_s)
                # What was committed with their end, or after it, is not for them.
                if await audience.is_over():
                    return
                if text:
                    yield text
        except (StopAsyncIteration, StorageAway):
            # Whoever comes again says where it was.
            return
        finally:
            self._leave(viewer)

    def _leave(self, viewer: Viewer) -> None:
        viewer.close()
        del self._open[viewer]
        if not self._open:
            self.hub.stop()


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are wanted and may be seen (lines.Sight): equal for all who see the same.

    Args:
        names: Only these, or those of these globs; none: all that are told without being asked for.
        station_id: Only of this station, casefolded.
        id_token: Only of this token's reservations, casefolded.
        visible: The tokens whose reservations may be seen; None: all, and orders too.
    """

    names: tuple[str, ...]
    station_id: str | None
    id_token: str | None
    visible: tuple[IdToken, ...] | None

    @classmethod
    def of(cls, asked: EventQuery, caller: Caller) -> "Wanted":
        """What this caller asks for, of what it may see."""
        return cls(
            names=tuple(sorted(set(asked.name))),
            station_id=None if asked.station_id is None else asked.station_id.casefold(),
            id_token=None if asked.id_token is None else asked.id_token.casefold(),
            visible=caller.visible,
        )

    def text_of(self, line: Line) -> bytes | None:
        """The event's text, or None where it is not wanted, or not for them."""
        return line.text if self._takes(line.name, line.event) else None

    def _takes(self, name: str, event: Event) -> bool:
        # Orders are the operators' business, and told to those who ask for them.
        is_quiet = isinstance(event, OrderDue)
        if is_quiet and self.visible is not None:
            return False
        if (self.names or is_quiet) and not any(fnmatchcase(name, pattern) for pattern in self.names):
            return False
        if self.station_id is not None and _station_of(event).casefold() != self.station_id:
            return False
        if not isinstance(event, ReservationChanged):
            return self.id_token is None
        id_token = event.reservation.terms.id_token
        is_visible = self.visible is None or id_token in self.visible
        return is_visible and self.id_token in (None, id_token.id_token.casefold())


class Keyed:
    """Whoever came with a key or a session (viewer.Audience)."""

    def __init__(self, sight: Wanted, caller: Caller, *, calls: Calls) -> None:
        self.sight: Sight = sight
        self._caller = caller
        self._calls = calls
        self._is_key_changed = self._is_signed_out = False
        self._key_id = caller.holder.id if isinstance(caller.holder, ApiKey) else None

    def hear(self, event: RegistryChanged) -> bool:
        """Their key has changed, or their session was ended."""
        self._is_signed_out |= event.kind == KIND and event.key == self._caller.session
        self._is_key_changed |= self._key_id is not None and _is_of_key(event, self._key_id)
        return self._is_key_changed or self._is_signed_out

    async def is_over(self) -> bool:
        """The key was revoked, or it or the session has ended, or the issuer's token."""
        if self._is_signed_out:
            return True
        if self._is_key_changed and self._key_id is not None:
            with suppress(StorageAway):
                if await self._calls.keys.by_id(self._key_id) is None:
                    return True
                self._is_key_changed = False
        return self._caller.ends is not None and self._calls.clock.now() >= self._caller.ends


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


async def events(request: Req) -> Stream:
    """GET /events."""
    caller = caller_of(request)
    sight = Wanted.of(query_of(request, EventQuery), caller)
    return stream(request, Keyed(sight, caller, calls=calls_of(request)))


def stream(request: Req, audience: Audience, *, of: int | None = None) -> Stream:
    """The events that the audience may see, from where the request says; ``of`` one reservation, where no key was given."""
    after = request.headers.get("Last-Event-ID")
    if after is not None and not (after.isascii() and after.isdigit() and len(after) < 19):
        raise invalid(("Last-Event-ID", "is the number of an event"))
    streams = request.app.state["streams"]
    assert isinstance(streams, Streams)
    streams.check(of=of)
    follow = calls_of(request).follow
    viewer = Viewer(audience, follow=follow, hub=streams.hub, after=None if after is None else int(after))
    headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return Stream(streams.tell(viewer, audience, of=of), media_type="text/event-stream", headers=headers)
