"""Stations that answer reservation orders by script, at once or when told to."""

import asyncio
from collections import defaultdict, deque
from dataclasses import dataclass

from usecase_fakes import START

from evhold.domain.facts import Accepted, CancelAccepted, CancelRejected, Errored, NeverLeft, Refused, Silent
from evhold.domain.station import Presence

THERE = Presence(online=True, registered=True)
ONLINE = Presence(online=True, registered=False)
AWAY = Presence(online=False, registered=False)


def accepted(ask):
    """ReserveNow: Accepted."""
    return Accepted(ask=ask)


def refused(status="Occupied"):
    """ReserveNow: another status."""
    return lambda ask: Refused(ask=ask, status=status)


def errored(code="GenericError"):
    """A CALLERROR."""
    return lambda ask: Errored(ask=ask, code=code)


def silent(ask):
    """No answer."""
    return Silent(ask=ask, reason="timeout")


def lost(ask):
    """The socket went while the CALL was unanswered."""
    return Silent(ask=ask, reason="connection-lost")


def never_left(reason="station-offline"):
    """Not sent."""
    return lambda ask: NeverLeft(ask=ask, reason=reason)


def cancel_accepted(ask):
    """CancelReservation: Accepted."""
    return CancelAccepted(ask=ask)


def cancel_rejected(at=START):
    """CancelReservation: Rejected, at this time of the station's clock."""
    return lambda ask: CancelRejected(ask=ask, station_now=at)


@dataclass
class Sent:
    """One order as the station got it. ``queued``: it waits behind other calls."""

    station_id: str
    reservation_id: int
    ask: object
    answer: asyncio.Future = None
    task: asyncio.Task = None
    queued: bool = False


class Stations:
    """StationCommands and Requests. Answers come from ``script``, by kind of ask or for all; the last one is kept.

    A script entry is a function of the ask, or ``HOLD``: then the order waits until ``answer`` is called.
    """

    HOLD = "hold"
    QUEUE = "queue"

    def __init__(self):
        self.presences = defaultdict(lambda: THERE)
        self.script = {}
        self.sent = []
        self.requested = []
        self.grants = True
        self.blocked = set()
        self.changed = asyncio.Event()

    def presence(self, station_id):
        return self.presences[station_id]

    async def reserve_now(self, station_id, reservation_id, ask):
        return await self._end(station_id, reservation_id, ask), ()

    cancel_reservation = reserve_now

    async def withdraw(self, station_id, message_id):
        for one in self.sent:
            if one.ask.message_id == message_id and one.queued and not one.answer.done():
                self.sent.remove(one)
                self._wake(one, NeverLeft(ask=one.ask, reason="withdrawn"))
                return True
        return False

    async def get_base_report(self, connected, request_id):
        return await self._request(connected.station_id, "report")

    async def trigger_message(self, connected, message, *, evse_id=None, connector_id=None):
        what = (message, evse_id, connector_id) if evse_id else message
        return await self._request(connected.station_id, what)

    async def _request(self, station_id, what):
        self.requested.append((station_id, what))
        if callable(self.grants):
            return self.grants(station_id, what)
        return self.grants

    async def _end(self, station_id, reservation_id, ask):
        if not self.presences[station_id].online:
            return NeverLeft(ask=ask, reason="station-offline")
        answer = self._next(ask)
        sent = Sent(station_id, reservation_id, ask, queued=answer == self.QUEUE)
        self.sent.append(sent)
        if answer not in (self.HOLD, self.QUEUE):
            return answer(ask)
        sent.answer = asyncio.get_running_loop().create_future()
        sent.task = asyncio.current_task()
        self.blocked.add(sent.task)
        self.changed.set()
        return await sent.answer

    def _next(self, ask):
        answers = self.script.get(ask.kind) or (cancel_accepted if ask.kind.is_cancel else accepted)
        if not isinstance(answers, deque):
            return answers
        return answers[0] if len(answers) == 1 else answers.popleft()

    def answers(self, kind, *answers):
        """To asks of this kind, one after the other; the last one stands for all that follow."""
        self.script[kind] = deque(answers)

    def held(self):
        """The orders that wait for an answer."""
        return [one for one in self.sent if one.answer is not None and not one.answer.done()]

    def answer(self, answer, *, index=0):
        """One of the orders that wait is answered so."""
        one = self.held()[index]
        self._wake(one, answer(one.ask))

    def _wake(self, one, answer):
        self.blocked.discard(one.task)
        one.answer.set_result(answer)

    def told(self):
        """Kinds and ids that were sent so far; they are forgotten."""
        told = [(one.ask.kind.value, one.reservation_id) for one in self.sent if not one.queued]
        self.sent = [one for one in self.sent if one.queued or one in self.held()]
        return told
