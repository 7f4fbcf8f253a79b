"""Who waits for the outcome of a CALL of ours, until when, and how it ended."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

from evhold.gateway.node import Answer, Node
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.ocpp.rpc.errors import RpcError
from evhold.usecases.ports import CallAnswer, CallFailed, NeverSent, NoAnswer, Timer

# A peer may make up codes; only those of OCPP-J are counted by their name.
_CODES: Final = frozenset(error.code for error in RpcError.__subclasses__())


@dataclass(slots=True)
class _Waiter:
    future: asyncio.Future[CallAnswer]
    on_sent: Callable[[datetime], None] | None
    sent_at: float = 0.0


class Waiting:
    """The outcomes that one session owes, and the deadline of its one CALL in flight."""

    __slots__ = ("_deadline", "_node", "_waiters")

    def __init__(self, node: Node) -> None:
        self._node = node
        self._deadline: Timer | None = None
        self._waiters: dict[str, _Waiter] = {}

    def expect(self, message_id: str, *, on_sent: Callable[[datetime], None] | None) -> asyncio.Future[CallAnswer]:
        """Somebody waits for this CALL's outcome: the future that is returned."""
        waiter = _Waiter(asyncio.get_running_loop().create_future(), on_sent)
        self._waiters[message_id] = waiter
        return waiter.future

    def sent(self, call: OutgoingCall, *, expire: Callable[[OutgoingCall], None]) -> None:
        """The CALL has left: its deadline runs, and ``expire`` is called when it has passed."""
        clock = self._node.clock
        at = clock.monotonic()
        self._deadline = clock.call_at(at + self._node.call_timeout_s, partial(expire, call))
        waiter = self._waiters.get(call.message_id)
        if waiter is not None:
            waiter.sent_at = at
            if waiter.on_sent is not None:
                waiter.on_sent(clock.now())

    def answered(self, call: OutgoingCall, answer: Answer) -> bool:
        """The CALL in flight was answered in time; return False when nobody waits for that any more."""
        self.stop_deadline()
        result = "ok" if not isinstance(answer, CallFailed) else answer.code if answer.code in _CODES else "other"
        self._node.counters.calls["out", call.action, result] += 1
        waiter = self._waiters.get(call.message_id)
        if waiter is not None:
            self._node.counters.answered(call.action, seconds=self._node.clock.monotonic() - waiter.sent_at)
        return self._settle(call.message_id, answer)

    def unanswered(self, call: OutgoingCall, *, reason: str) -> None:
        """The CALL in flight gets no answer that anybody waits for: its outcome is unknown."""
        self.stop_deadline()
        self._node.counters.calls["out", call.action, "no-answer"] += 1
        self._settle(call.message_id, NoAnswer(reason=reason))

    def never_sent(self, message_id: str, *, reason: str) -> None:
        """The CALL will never leave."""
        self._settle(message_id, NeverSent(reason=reason))

    def stop_deadline(self) -> None:
        """No deadline runs."""
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _settle(self, message_id: str, outcome: CallAnswer) -> bool:
        waiter = self._waiters.pop(message_id, None)
        if waiter is None or waiter.future.done():
            return False
        waiter.future.set_result(outcome)
        return True
