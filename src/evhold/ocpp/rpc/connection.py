"""One station's OCPP-J conversation, without a socket: text in, events and text out.

House rules
- One CALL of ours is in flight at a time; the others wait, urgent ones before all others, else in order of arrival.
- One CALL of the station is in hand at a time; the next is handed out when it was answered, so answers keep the order.
- A deadline is the shell's: it starts when CallSent comes out, and its passing is told by `expire`. The call is then
  remembered, and its answer, should it come, is delivered as a late one. Silence is never taken for an answer.
- The peer's faults never raise. They are answered by CALLERROR where OCPP-J has one, and the conversation goes on.
- Every list here is bounded.
"""

from typing import TypeAlias

from msgspec import Raw, Struct

from evhold.ocpp.rpc.errors import ConnectionEnded, GenericError, NotInHand, QueueFull, RpcError, RpcFrameworkError
from evhold.ocpp.rpc.frames import (
    NO_MESSAGE_ID,
    AnswerUnreadable,
    Call,
    Error,
    Result,
    Text,
    encode_call,
    encode_error,
    encode_result,
    parse,
)


class OutgoingCall(Struct, frozen=True):
    """A CALL of ours.

    Attributes:
        message_id: Never used before, at most 36 characters.
        payload: JSON already.
        urgent: It goes before all that are not.
        not_after: Monotonic seconds; once they have passed, a call that still waits is dropped instead of sent.
    """

    message_id: str
    action: str
    payload: bytes
    urgent: bool = False
    not_after: float | None = None

    def is_outdated(self, now: float) -> bool:
        """Return whether its time to leave has passed."""
        return self.not_after is not None and now > self.not_after


class CallReceived(Struct, frozen=True, gc=False):
    """The station asks; it is in hand until `answer` or `refuse`."""

    message_id: str
    action: str
    payload: Raw


class CallSent(Struct, frozen=True):
    """Our CALL is among `data_to_send` now: its deadline starts."""

    call: OutgoingCall


class CallDropped(Struct, frozen=True):
    """Its `not_after` passed while it waited; it was never sent."""

    call: OutgoingCall


class AnswerReceived(Struct, frozen=True):
    """The station's CALLRESULT to our call; late when it came after `expire`."""

    call: OutgoingCall
    payload: Raw
    late: bool


class ErrorReceived(Struct, frozen=True):
    """The station's CALLERROR to our call, or GenericError in its place for an answer that could not be read."""

    call: OutgoingCall
    code: str
    description: str
    details: Raw
    late: bool


class StrayAnswer(Struct, frozen=True):
    """An answer to a message id that this connection does not know."""

    message_id: str
    frame: Result | Error


class FaultReceived(Struct, frozen=True):
    """The station sent what cannot be taken; where OCPP-J has an answer to it, it is on its way."""

    error: RpcError


Event: TypeAlias = CallReceived | CallSent | CallDropped | AnswerReceived | ErrorReceived | StrayAnswer | FaultReceived


class Connection:
    """The state of one socket's conversation; it never touches the socket.

    Args:
        queue_limit: How many of our CALLs may wait besides the one in flight.
        inbound_limit: How many of the station's CALLs may wait besides the one in hand; more are refused.
        inbound_bytes: How many bytes these may have together.
        late_limit: How many expired calls are remembered for a late answer; the oldest is forgotten first.
    """

    __slots__ = (
        "_ended",
        "_events",
        "_expired",
        "_in_flight",
        "_in_hand",
        "_inbound",
        "_inbound_bytes",
        "_inbound_limit",
        "_inbound_size",
        "_late_limit",
        "_ordinary",
        "_output",
        "_queue_limit",
        "_urgent",
    )

    def __init__(
        self,
        *,
        queue_limit: int = 16,
        inbound_limit: int = 64,
        inbound_bytes: int = 1024 * 1024,
        late_limit: int = 64,
    ) -> None:
        self._queue_limit = queue_limit
        self._inbound_limit = inbound_limit
        self._inbound_bytes = inbound_bytes
        self._inbound_size = 0
        self._late_limit = late_limit
        self._in_flight: OutgoingCall | None = None
        # Lists and a dict: they are short, mostly empty, and there is one of each for every station. A deque has room
        # for 64 from the start.
        self._urgent: list[OutgoingCall] = []
        self._ordinary: list[OutgoingCall] = []
        self._expired: dict[str, OutgoingCall] = {}
        self._in_hand: str | None = None
        self._inbound: list[Call] = []
        self._events: list[Event] = []
        self._output: list[bytes] = []
        self._ended = False

    # Our CALLs

    def call(self, call: OutgoingCall, *, now: float) -> None:
        """Send the call as soon as the slot is free.

        Args:
            call: Ours; its id is new.
            now: Monotonic seconds.

        Raises:
            QueueFull: As many wait as may; nothing was taken.
            ConnectionEnded: The socket is gone; nothing was taken.
        """
        if self._ended:
            raise ConnectionEnded(call.message_id)
        if self._in_flight is not None and len(self._urgent) + len(self._ordinary) >= self._queue_limit:
            self._drop_outdated(now)
            if len(self._urgent) + len(self._ordinary) >= self._queue_limit:
                raise QueueFull(call.message_id)
        (self._urgent if call.urgent else self._ordinary).append(call)
        self._send_next(now)

    def withdraw(self, message_id: str) -> bool:
        """Take back a call that still waits: True, and it is never sent; False when it is not in the queue."""
        for queue in (self._urgent, self._ordinary):
            for call in queue:
                if call.message_id == message_id:
                    queue.remove(call)
                    return True
        return False

    def expire(self, message_id: str, *, now: float) -> None:
        """Free the slot of a call whose deadline passed, and send the next; without effect when it is not in flight."""
        call = self._in_flight
        if call is None or call.message_id != message_id or self._ended:
            return
        self._expired[message_id] = call
        if len(self._expired) > self._late_limit:
            del self._expired[next(iter(self._expired))]
        self._in_flight = None
        self._send_next(now)

    def unanswered(self) -> list[OutgoingCall]:
        """Return the call in flight, if there is one: sent, and no word on it yet."""
        return [] if self._in_flight is None else [self._in_flight]

    def unsent(self) -> list[OutgoingCall]:
        """Return the calls that wait, in the order in which they would leave."""
        return [*self._urgent, *self._ordinary]

    # Answers to the station's CALLs

    def answer(self, message_id: str, payload: bytes) -> None:
        """Answer the CALL in hand by a CALLRESULT; the next one that waits is handed out.

        Raises:
            NotInHand: This CALL was not handed out, or is answered already.
        """
        self._settle(message_id, encode_result(message_id, payload))

    def refuse(self, message_id: str, error: RpcError) -> None:
        """Answer the CALL in hand by a CALLERROR; the next one that waits is handed out.

        Raises:
            NotInHand: This CALL was not handed out, or is answered already.
        """
        self._settle(message_id, encode_error(message_id, error))

    # The network

    def receive_text(self, text: Text, *, now: float) -> None:
        """Take one whole text message of the station; it never raises for what is in it.

        Args:
            text: Need not outlive this call.
            now: Monotonic seconds.
        """
        try:
            frame = parse(text)
        except RpcError as error:
            self._take_fault(error, now)
            return
        if isinstance(frame, Call):
            self._take_call(frame)
        else:
            self._take_answer(frame, now)

    def receive_eof(self) -> None:
        """End the conversation: nothing is sent any more; `unanswered` and `unsent` list what our side had open.

        CALLs of the station that arrived before are still handed out in their order; their answers go nowhere.
        """
        self._ended = True
        self._output.clear()

    def events_received(self) -> list[Event]:
        """Return what happened since the last time, in order."""
        events, self._events = self._events, []
        return events

    def data_to_send(self) -> list[bytes]:
        """Return the texts to send since the last time, one WebSocket message each, in order."""
        output, self._output = self._output, []
        return output

    def _send_next(self, now: float) -> None:
        while self._in_flight is None and (queue := self._urgent or self._ordinary):
            call = queue.pop(0)
            if call.is_outdated(now):
                self._events.append(CallDropped(call))
                continue
            self._in_flight = call
            self._send(encode_call(call.message_id, call.action, call.payload))
            self._events.append(CallSent(call))

    def _drop_outdated(self, now: float) -> None:
        for call in self.unsent():
            if call.is_outdated(now):
                self.withdraw(call.message_id)
                self._events.append(CallDropped(call))

    def _send(self, text: bytes) -> None:
        if not self._ended:
            self._output.append(text)

    def _take_call(self, frame: Call) -> None:
        if self._in_hand is None:
            self._hand_out(frame)
        elif frame.message_id == self._in_hand or any(frame.message_id == call.message_id for call in self._inbound):
            # A message id is never used twice: whichever answer came first would be taken for both.
            self._reject(RpcFrameworkError("this message id is being worked on", message_id=frame.message_id))
        elif len(self._inbound) >= self._inbound_limit or self._inbound_size > self._inbound_bytes:
            # A station has one CALL outstanding. One that floods is told so by the code that claims nothing about
            # the message itself, so that it may send it again.
            self._reject(GenericError("too many CALLs without waiting for an answer", message_id=frame.message_id))
        else:
            self._inbound.append(frame)
            self._inbound_size += len(bytes(frame.payload))

    def _hand_out(self, frame: Call) -> None:
        self._in_hand = frame.message_id
        self._events.append(CallReceived(frame.message_id, frame.action, frame.payload))

    def _settle(self, message_id: str, text: bytes) -> None:
        if message_id != self._in_hand:
            raise NotInHand(message_id)
        self._send(text)
        self._in_hand = None
        if self._inbound:
            frame = self._inbound.pop(0)
            self._inbound_size -= len(bytes(frame.payload))
            self._hand_out(frame)

    def _take_answer(self, frame: Result | Error, now: float) -> None:
        call, late = self._match(frame.message_id)
        if call is None:
            self._events.append(StrayAnswer(frame.message_id, frame))
            return
        if isinstance(frame, Result):
            self._events.append(AnswerReceived(call, frame.payload, late))
        else:
            self._events.append(ErrorReceived(call, frame.code, frame.description, frame.details, late))
        self._send_next(now)

    def _match(self, message_id: str) -> tuple[OutgoingCall | None, bool]:
        """Return our call with this id, whether it had expired, and forget it: only its first answer counts."""
        call = self._in_flight
        if call is not None and call.message_id == message_id:
            self._in_flight = None
            return call, False
        return self._expired.pop(message_id, None), True

    def _take_fault(self, error: RpcError, now: float) -> None:
        if not isinstance(error, AnswerUnreadable):
            self._reject(error)
            return
        # OCPP-J has no answer to an answer. The call it belongs to is over, and its outcome unknown: no code that
        # proves anything may stand here.
        self._events.append(FaultReceived(error))
        call, late = self._match(error.message_id or NO_MESSAGE_ID)
        if call is not None:
            description = f"the answer could not be read: {error.description}"
            self._events.append(ErrorReceived(call, GenericError.code, description, Raw(b"{}"), late))
            self._send_next(now)

    def _reject(self, error: RpcError) -> None:
        self._send(encode_error(error.message_id or NO_MESSAGE_ID, error))
        self._events.append(FaultReceived(error))
