"""The frames of all stations of this node, the last few megabytes of them; masked when they are read."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final, Literal, TypeAlias

from evhold.ocpp.masking import mask

Direction = Literal["in", "out"]

_ENTRY_OVERHEAD: Final = 200  # bytes of Python objects around each frame, counted against the bound
_DEFAULT_LIMIT: Final = 64 * 1024 * 1024


# Plain tuples, for every frame passes here: station id, direction, time, frame. The last one has the newest number.
_Entry: TypeAlias = tuple[str, Direction, datetime, bytes]


@dataclass(frozen=True, slots=True)
class LoggedFrame:
    """One frame as it may be shown: ``direction`` is ``in`` (from the station) or ``out``; ``frame`` is masked JSON text."""

    number: int
    station_id: str
    direction: Direction
    at: datetime
    frame: str


class FrameLog:
    """A ring of frames bounded in bytes; what is older falls out.

    Args:
        limit: Bytes, the frames and the objects that hold them together. Zero keeps nothing.
    """

    def __init__(self, limit: int = _DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._entries: deque[_Entry] = deque()
        self._size = 0
        self._number = 0

    def add(self, station_id: str, direction: Direction, at: datetime, frame: bytes) -> None:
        """The frame is the newest one; the oldest ones that no longer fit are gone."""
        self._number += 1
        self._size += len(frame) + _ENTRY_OVERHEAD
        self._entries.append((station_id, direction, at, frame))
        while self._size > self._limit:
            self._size -= len(self._entries.popleft()[-1]) + _ENTRY_OVERHEAD

    def newest(
        self, station_id: str, *, limit: int, before: int | None = None, after: int | None = None
    ) -> list[LoggedFrame]:
        """Return up to ``limit`` frames of a station, newest first.

        Args:
            station_id: Compared as written.
            limit: At least 1.
            before: Only frames with a smaller ``number``: the last one of the page before.
            after: Only frames with a greater ``number``; older ones are not even looked at.
        """
        return [
            LoggedFrame(number, station_id, direction, at, mask(frame))
            for number, (_, direction, at, frame) in islice(self._of(station_id, before=before, after=after), limit)
        ]

    def _of(self, station_id: str, *, before: int | None, after: int | None) -> Iterator[tuple[int, _Entry]]:
        number = self._number + 1
        for entry in reversed(self._entries):
            number -= 1
            if after is not None and number <= after:
                return
            if entry[0] == station_id and (before is None or number < before):
                yield number, entry
