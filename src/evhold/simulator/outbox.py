"""What the station still has to tell: one message at a time, in order, kept or dropped when the CSMS is out of reach."""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from msgspec import Struct

AnswerHandler = Callable[[Struct | None, datetime], None]


@dataclass(slots=True, eq=False)
class Outgoing:
    """One CALL to send.

    Args:
        then: Called once with the CSMS's answer, or with None when it was refused, not answered, or will never be sent.
        attempts: How often it was sent without an answer.
        asked: The CSMS asked for it, by TriggerMessage or GetBaseReport.
    """

    action: str
    request: Struct
    then: AnswerHandler | None = None
    attempts: int = 0
    asked: bool = False

    def conclude(self, answer: Struct | None, now: datetime) -> None:
        """Hand the outcome to whoever asked for it."""
        then, self.then = self.then, None
        if then is not None:
            then(answer, now)


class Outbox:
    """The station's queue of CALLs.

    `online` says that there is a socket, `registered` that the CSMS has accepted the BootNotification. Only TransactionEvents
    outlive an absence (E04.FR.01), and ReservationStatusUpdates where the station queues all messages.

    Args:
        queue_all: ReservationStatusUpdate is kept as well.
        attempts: How often a TransactionEvent is sent before it is given up (E13).
    """

    def __init__(self, *, queue_all: bool, attempts: int) -> None:
        self.online = False
        self.registered = False
        self.waiting: deque[Outgoing] = deque()
        self._kept = {"TransactionEvent", "ReservationStatusUpdate"} if queue_all else {"TransactionEvent"}
        self._attempts = attempts

    def put(self, outgoing: Outgoing, *, now: datetime, first: bool = False) -> None:
        """Queue it, or conclude it with None when the station is offline and does not keep such messages."""
        if not self.online and outgoing.action not in self._kept:
            outgoing.conclude(None, now)
        elif first:
            self.waiting.appendleft(outgoing)
        else:
            self.waiting.append(outgoing)

    def next(self) -> Outgoing | None:
        """The message whose turn it is, which stays queued until `done` or `failed`; None when there is none to send now."""
        if not self.online or not self.waiting:
            return None
        if self.registered:
            return self.waiting[0]
        # B02, B03: before the CSMS has accepted the station it sends BootNotification and what it is asked for, nothing else.
        return next((one for one in self.waiting if one.asked or one.action == "BootNotification"), None)

    def done(self, outgoing: Outgoing, answer: Struct, *, now: datetime) -> None:
        """The CSMS has answered it; without effect when it was dropped meanwhile."""
        if outgoing not in self.waiting:
            return
        self.waiting.remove(outgoing)
        outgoing.conclude(answer, now)

    def failed(self, outgoing: Outgoing, *, now: datetime) -> bool:
        """CALLERROR or no answer in time; True when it stays queued to be sent again (E13)."""
        if outgoing not in self.waiting:
            return False
        outgoing.attempts += 1
        if outgoing.action == "TransactionEvent" and outgoing.attempts < self._attempts:
            return True
        self.waiting.remove(outgoing)
        outgoing.conclude(None, now)
        return False

    def disconnected(self, now: datetime) -> None:
        """The socket is gone: what is not kept is dropped, what is kept is sent again, with the same content."""
        self.online = False
        dropped = [one for one in self.waiting if one.action not in self._kept]
        self.waiting = deque(one for one in self.waiting if one.action in self._kept)
        for one in dropped:
            one.conclude(None, now)

    def rebooted(self, now: datetime) -> None:
        """As `disconnected`, and the station has to be accepted anew."""
        self.disconnected(now)
        self.registered = False
