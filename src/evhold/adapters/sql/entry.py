"""One row on its way to the disk, with its events, and who is told when it is there (ports.Stored)."""

import asyncio
from collections.abc import Callable, Generator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from evhold.adapters.sql.driver import Parameters
from evhold.adapters.sql.upsert import DriverText
from evhold.domain.events import Event
from evhold.domain.values import StationId

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.storage")


class Entry:
    """A row of the recorder's. A Future would do, and costs a turn of the loop for everyone who is told.

    Attributes:
        table: Whose row it is.
        key: What identifies it; of those with the same key the last one is stored.
        row: In the driver's types.
        events: Told with it.
        clock: The offset of the station's clock, and the station, where it may have moved.
        fence: The connection of a station that has to count, among many nodes.
        is_again: It was on its way before, when the database was away.
    """

    __slots__ = ("_calls", "_error", "_has_ended", "clock", "events", "fence", "is_again", "key", "row", "table")

    def __init__(
        self, table: DriverText, key: tuple[str | int, ...], row: Parameters, events: Sequence[Event] = ()
    ) -> None:
        self.table = table
        self.key = key
        self.row = row
        self.events = events
        self.clock: tuple[timedelta, str] | None = None
        self.fence: tuple[StationId, int] | None = None
        self.is_again = False
        self._calls: list[Callable[[Any], None]] = []
        self._error: BaseException | None = None
        self._has_ended = False

    def again(self) -> "Entry":
        """The same, to be sent on its way once more."""
        made = Entry(self.table, self.key, self.row, self.events)
        made.clock, made.fence, made.is_again = self.clock, self.fence, True
        return made

    def add_done_callback(self, call: Callable[[Any], None], /) -> None:
        """``call`` runs within ``end``, after those that were asked for before; at once where it has ended."""
        if self._has_ended:
            call(self)
        else:
            self._calls.append(call)

    def done(self) -> bool:
        """Whether it has ended."""
        return self._has_ended

    def exception(self) -> BaseException | None:
        """What kept it from being stored; None: it is, or has not ended."""
        return self._error

    def end(self, error: BaseException | None) -> None:
        """It is stored, or will never be; whoever waits is told. Without effect where it has ended."""
        if self._has_ended:
            return
        self._has_ended, self._error = True, error
        for call in self._calls:
            try:
                call(self)
            except Exception:  # the others of the batch wait behind it
                log.exception("recorder.call-failed")

    def __await__(self) -> Generator[Any, None, None]:
        if not self._has_ended:
            ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self.add_done_callback(partial(_wake, ended))
            yield from ended
        if self._error is not None:
            raise self._error


def _wake(ended: "asyncio.Future[None]", entry: Entry) -> None:
    if not ended.done():
        ended.set_result(None)
