"""One socket's life: frames in, CALLs answered, our own CALLs sent and waited for.

House rules
- Frames are handled in order. Nothing of the station is handled before the context is loaded.
- An answer that needs no wait leaves in the same tick, without a task.
- Whoever waits for an outcome gets one: an answer, NoAnswer, or NeverSent.
- A session ends once: when its socket is gone, or when a newer one takes its place.
- Nothing that a peer can send without end is kept without end: before the context is loaded, or as answers to nothing.
"""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final

from evhold.domain.errors import LimitReached, SerialNumberMismatch
from evhold.domain.security import Incident, Incidents
from evhold.gateway.answers import answer_of, failure, result
from evhold.gateway.node import Answer, Node, end_of, log
from evhold.gateway.peer import GOING_AWAY, INTERNAL_ERROR, POLICY_VIOLATION, Peer
from evhold.gateway.registry import Registry
from evhold.gateway.waiting import Waiting
from evhold.ocpp.masking import mask
from evhold.ocpp.router import Context, Later, Version, dispatch
from evhold.ocpp.rpc.connection import (
    AnswerReceived,
    CallDropped,
    CallReceived,
    CallSent,
    Connection,
    ErrorReceived,
    Event,
    FaultReceived,
    OutgoingCall,
    StrayAnswer,
)
from evhold.ocpp.rpc.errors import ConnectionEnded, InternalError, QueueFull, RpcError
from evhold.usecases.ports import CallAnswer, Overtaken, StorageAway, Stored

#: Bytes that a station may send before its context is loaded; it has one CALL outstanding, so that is plenty.
MOST_EARLY: Final = 1024 * 1024
#: Answers to nothing that are being looked up at a time; more are dropped.
MOST_STRAYS: Final = 16


class Session:
    """A station's connection, from the handshake to its end. It is the listener of its socket.

    Args:
        context: Filled by the ``on_open`` hook.
        version: Which routes answer the station.
        node: What it shares with the others.
        registry: Where it is found while it lives.
    """

    __slots__ = (
        "_connection",
        "_early",
        "_ended",
        "_finishing",
        "_later",
        "_leaving",
        "_node",
        "_opening",
        "_peer",
        "_pumping",
        "_ready",
        "_registry",
        "_strays",
        "_version",
        "_waiting",
        "_working",
        "connected_at",
        "context",
        "last_heard",
    )

    def __init__(self, context: Context, *, version: Version, node: Node, registry: "Registry[Session]") -> None:
        self.context = context
        self.last_heard = self.connected_at = context.heard_at = node.clock.now()
        self._version = version
        self._node = node
        self._registry = registry
        self._connection = Connection(queue_limit=node.queue_limit)
        self._peer: Peer | None = None
        self._opening: asyncio.Task[None] | None = None
        self._waiting = Waiting(node)
        #: What the CALL in hand waits for.
        self._working: Stored | None = None
        self._later: tuple[CallReceived, Later] | None = None
        self._early = self._strays = 0
        self._ready = self._ended = self._pumping = self._finishing = self._leaving = False

    # The socket

    def opened(self, peer: Peer) -> None:
        """The session is its station's; an older one has ended. The context is being loaded."""
        self._peer = peer
        self.context.remote = peer.remote
        replaced = self._registry.enter(self)
        if replaced is not None:
            replaced.replace()
        # Of the session before this one, replaced or gone by itself: its last reports may still wait to be stored.
        before = self._registry.closing(self.context.station_id)
        self._opening = self._node.spawn(self._open(before))

    def text(self, data: bytes) -> None:
        """The frame is logged, taken, and what follows from it is on its way."""
        if self._ended or self._leaving:
            return
        node = self._node
        self.last_heard = now = node.clock.now()
        node.counters.frames_in += 1
        node.frame_log.add(self.context.station_id, "in", now, data)
        if node.log_frames:
            log.debug("frame.in", station=self.context.station_id, frame=mask(data))
        self._connection.receive_text(data, now=node.clock.monotonic())
        if self._ready:
            self._pump()
        else:
            self._early += len(data)
            if self._early > MOST_EARLY and not self._leaving:
                node.counters.refusals["early-messages"] += 1
                self._leave(POLICY_VIOLATION, reason="too much before it is ready")

    def closed(self, reason: str) -> None:
        """The session has ended; everyone who waited for an answer knows."""
        self._node.counters.disconnects[reason] += 1
        log.info("station.disconnected", station=self.context.station_id, reason=reason, epoch=self.context.epoch)
        self._end()

    def replace(self) -> None:
        """The session has ended in favour of a newer one, its calls in flight without an answer."""
        self.context.replaced = True
        self._end()
        if self._peer is not None:
            self._peer.close(POLICY_VIOLATION, reason="replaced by a newer connection")

    def finish(self) -> None:
        """The CALL in hand is answered first, then the socket is closed: the node is going away."""
        self._finishing = True
        if self._working is None:
            self._leave(GOING_AWAY, reason="the CSMS is stopping")

    def send_away(self) -> None:
        """The socket is closed at once, CALLs in hand unanswered: what the station repeats, it will repeat."""
        self._leave(INTERNAL_ERROR, reason="the database is away: try again later")

    def move_on(self) -> None:
        """The socket is closed at once: the station may be another node's by now, and should connect again."""
        self._leave(GOING_AWAY, reason="connect again")

    def expel(self) -> None:
        """The socket is closed at once: the station is provisioned no more."""
        self._leave(POLICY_VIOLATION, reason="provisioned no more")

    def _leave(self, code: int, *, reason: str) -> None:
        # Behind a CLOSE frame nothing reaches the station: from here on it is offline, and is asked nothing.
        self._leaving = True
        if self._peer is not None:
            self._peer.close(code, reason=reason)

    # Our CALLs

    @property
    def is_ready(self) -> bool:
        """Whether the context is loaded and the socket still there, and not about to be closed by us."""
        return self._ready and not self._ended and not self._leaving

    def call(
        self, call: OutgoingCall, *, on_sent: Callable[[datetime], None] | None = None
    ) -> asyncio.Future[CallAnswer]:
        """The CALL is sent or queued; return the future of its outcome."""
        outcome = self._waiting.expect(call.message_id, on_sent=on_sent)
        try:
            self._connection.call(call, now=self._node.clock.monotonic())
        except QueueFull:
            self._waiting.never_sent(call.message_id, reason="station-busy")
        except ConnectionEnded:
            self._waiting.never_sent(call.message_id, reason="station-offline")
        else:
            self._pump()
        return outcome

    def withdraw(self, message_id: str) -> bool:
        """Take back a CALL that still waits: True, and it ends as NeverSent."""
        if not self._connection.withdraw(message_id):
            return False
        self._waiting.never_sent(message_id, reason="withdrawn")
        return True

    # Opening and ending

    async def _open(self, before: asyncio.Task[None] | None) -> None:
        if before is not None:
            await asyncio.wait([before])
        if self._ended:
            return
        try:
            await self._node.hooks.on_open(self.context)
        except BaseException as error:
            if self._peer is not None:
                self._peer.close(INTERNAL_ERROR, reason="try again later")
            if not isinstance(error, Overtaken | LimitReached):
                raise
            # This node has no lease: another one is better off. Or the station would be one more than may be kept.
            log.warning("station.not-opened", station=self.context.station_id, reason=str(error))
            return
        self._ready, self._opening = True, None
        log.info(
            "station.connected",
            station=self.context.station_id,
            remote=self.context.remote,
            version=self.context.version,
            epoch=self.context.epoch,
        )
        self._pump()

    def _end(self) -> None:
        if self._ended:
            return
        self._ended = True
        self._waiting.stop_deadline()
        self._connection.receive_eof()
        for call in self._connection.unanswered():
            self._waiting.unanswered(call, reason="connection-lost")
        for call in self._connection.unsent():
            self._waiting.never_sent(call.message_id, reason="station-offline")
        self._registry.leave(self)
        self._registry.is_closing(self, self._node.spawn(self._close()))

    async def _close(self) -> None:
        if self._opening is not None:
            await asyncio.wait([self._opening])
            self._opening = None
        # What the station told before it left is stored before it is told as gone, and before its next context is loaded.
        while self._working is not None:
            await end_of(self._working)
        if self._ready:
            await self._node.hooks.on_closed(self.context)

    # Events

    def _pump(self) -> None:
        """Send what waits and handle what happened, until neither is left. A call from within leaves it to the outer one."""
        if self._pumping:
            return
        self._pumping = True
        try:
            while True:
                for data in self._connection.data_to_send():
                    self._send(data)
                events = self._connection.events_received()
                if not events:
                    return
                for event in events:
                    self._take(event)
        finally:
            self._pumping = False

    def _send(self, data: bytes) -> None:
        node = self._node
        node.counters.frames_out += 1
        node.frame_log.add(self.context.station_id, "out", node.clock.now(), data)
        if node.log_frames:
            log.debug("frame.out", station=self.context.station_id, frame=mask(data))
        if self._peer is not None:
            self._peer.send_text(data)

    def _take(self, event: Event) -> None:
        match event:
            case CallReceived():
                self._take_call(event)
            case CallSent(call):
                self._waiting.sent(call, expire=self._expire)
            case AnswerReceived(call, payload, late):
                self._take_answer(call, result(payload), late=late)
            case ErrorReceived(call, code, description, details, late):
                self._take_answer(call, failure(code, description, details), late=late)
            case CallDropped(call):
                self._waiting.never_sent(call.message_id, reason="expired-in-queue")
            case StrayAnswer(message_id, frame):
                self._take_stray(message_id, answer_of(frame))
            case FaultReceived(error):
                self._node.counters.faults += 1
                log.warning("frame.fault", station=self.context.station_id, code=error.code, fault=error.description)

    def _take_call(self, event: CallReceived) -> None:
        self.context.call, self.context.heard_at = event, self.last_heard
        self._node.hooks.on_heard(self.context, self.last_heard)
        try:
            answer = dispatch(self._version, event.action, event.payload, self.context)
        except RpcError as error:
            self._refuse(event, error)
            return
        if isinstance(answer, bytes):
            self._answer(event, answer)
        elif isinstance(answer, Later):
            self._working, self._later = answer.stored, (event, answer)
            answer.stored.add_done_callback(self._answer_later)
        else:
            self._working = self._node.spawn(self._await_answer(event, answer))

    def _answer_later(self, stored: Stored) -> None:
        assert self._later is not None
        (event, answer), self._later = self._later, None
        try:
            payload = answer.payload()
        except RpcError as error:
            self._refuse(event, error)
        else:
            self._answer(event, payload)
        self._worked()

    def _worked(self) -> None:
        self._working = None
        self._pump()
        if self._finishing:
            self.finish()

    async def _await_answer(self, event: CallReceived, answer: Awaitable[bytes]) -> None:
        try:
            payload = await answer
        except RpcError as error:
            self._refuse(event, error)
        else:
            self._answer(event, payload)
        finally:
            self._working = None
        self._worked()

    def _answer(self, event: CallReceived, payload: bytes) -> None:
        self._node.counters.calls["in", event.action, "ok"] += 1
        self._connection.answer(event.message_id, payload)

    def _refuse(self, event: CallReceived, error: RpcError) -> None:
        if isinstance(error.__cause__, Overtaken):
            # What a newer connection has told since is not undone, and this one is told nothing any more.
            log.warning("call.overtaken", station=self.context.station_id, action=event.action)
            self.replace()
            return
        if isinstance(error.__cause__, StorageAway):
            # Any answer, a CALLERROR too, would tell the station that its TransactionEvent has arrived (E13).
            log.error("call.not-stored", station=self.context.station_id, action=event.action)
            self.send_away()
            return
        action = event.action if event.action in self._version.actions else "unknown"
        self._node.counters.calls["in", action, error.code] += 1
        where = {"station": self.context.station_id, "action": action, "message_id": event.message_id}
        if isinstance(error, InternalError):
            log.error("call.failed", exc_info=error.__cause__, **where)
        else:
            log.warning("call.refused", code=error.code, fault=error.description, **where)
        self._connection.refuse(event.message_id, error)
        if isinstance(error.__cause__, SerialNumberMismatch):
            self._unmask()

    def _unmask(self) -> None:
        # B01.FR.12: who is not the certificate's station is sent away.
        incident = Incident(
            type=Incidents.BAD_CERTIFICATE,
            station_id=self.context.station_id,
            detail="serial-number-of-another",
            remote=self.context.remote.rpartition(":")[0].strip("[]"),
        )
        self._node.hooks.on_incident(incident)
        for data in self._connection.data_to_send():
            self._send(data)
        self._leave(POLICY_VIOLATION, reason="the serial number is not the certificate's")

    # Outcomes

    def _expire(self, call: OutgoingCall) -> None:
        log.warning("call.unanswered", station=self.context.station_id, action=call.action, message_id=call.message_id)
        self._waiting.unanswered(call, reason="timeout")
        self._connection.expire(call.message_id, now=self._node.clock.monotonic())
        self._pump()

    def _take_answer(self, call: OutgoingCall, answer: Answer, *, late: bool) -> None:
        if not late and self._waiting.answered(call, answer):
            return
        # A late answer is still the station's word (beyond-the-guide 2.3).
        self._node.counters.calls["out", call.action, "late"] += 1
        log.info("answer.late", station=self.context.station_id, action=call.action, message_id=call.message_id)
        self._node.spawn(self._tell(self._node.hooks.on_late(self.context, call, answer)))

    def _take_stray(self, message_id: str, answer: Answer) -> None:
        if self._strays >= MOST_STRAYS:
            self._node.counters.refusals["stray-answers"] += 1
            return
        log.info("answer.stray", station=self.context.station_id, message_id=message_id)
        self._strays += 1
        task = self._node.spawn(self._tell(self._node.hooks.on_stray(self.context, message_id, answer)))
        task.add_done_callback(self._stray_told)

    def _stray_told(self, _: "asyncio.Task[None]") -> None:
        self._strays -= 1

    async def _tell(self, telling: Awaitable[None]) -> None:
        await telling
