"""What stands in a stream of events (server-sent events)."""

from collections.abc import Hashable
from typing import Final, Protocol

import msgspec

from evhold.domain.events import name_of
from evhold.usecases.ports import Told
from evhold.web.views import event_dto

GAP: Final = b"event: gap\ndata: {}\n\n"
HELLO: Final = b"retry: 2000\n: evhold\n\n"
HEARTBEAT: Final = b": heartbeat\n\n"


class Line:
    """A told event on its way to those who follow: its text for all who may see all of it is made once, if anybody wants it."""

    __slots__ = ("_is_made", "_text", "event", "name", "seq")

    def __init__(self, told: Told) -> None:
        self.seq = told.seq
        self.event = told.event
        self.name = name_of(told.event)
        self._is_made = False
        self._text: bytes | None = None

    @property
    def text(self) -> bytes | None:
        """As it stands in a stream; None: it is never told outside."""
        if not self._is_made:
            data = event_dto(self.event)
            self._text = None if data is None else self.with_data(data)
            self._is_made = True
        return self._text

    def with_data(self, data: object) -> bytes:
        """The same event, with this told of it."""
        return b"id: %d\nevent: %s\ndata: %s\n\n" % (self.seq, self.name.encode(), msgspec.json.encode(data))


class Sight(Hashable, Protocol):
    """What is seen of the events; two that are equal see the same."""

    def text_of(self, line: Line) -> bytes | None:
        """The event's text, or None where it is not seen. Called for every event, in order."""
        ...
