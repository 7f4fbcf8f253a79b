"""connection: every order of events, against a model of what may be in flight, waiting and in hand."""

import json
from itertools import count

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, precondition, rule

from evhold.ocpp.rpc.connection import (
    AnswerReceived,
    CallDropped,
    CallReceived,
    CallSent,
    Connection,
    ErrorReceived,
    FaultReceived,
    OutgoingCall,
    StrayAnswer,
)
from evhold.ocpp.rpc.errors import NotSupported, QueueFull

QUEUE, INBOUND, LATE = 3, 2, 2
FAULTS = st.sampled_from(["", "[]", "{}", '[2,"?","Heartbeat"]', '[8,"?"]', '[2,"?","Heartbeat",{]', '[3,"?"]', "[[[["])


class ConnectionMachine(RuleBasedStateMachine):
    """A shell and a station that do everything in every order."""

    def __init__(self) -> None:
        super().__init__()
        self.connection = Connection(queue_limit=QUEUE, inbound_limit=INBOUND, late_limit=LATE)
        self.numbers = count(1)
        self.now = 0.0
        self.in_flight: OutgoingCall | None = None
        self.waiting: list[OutgoingCall] = []
        self.expired: list[OutgoingCall] = []
        self.in_hand: str | None = None
        self.inbound: list[str] = []
        self.expected_events: list[tuple[type, str]] = []
        self.expected_output: list[list[object]] = []

    calls = Bundle("calls")

    @rule(target=calls, urgent=st.booleans(), patience=st.none() | st.integers(0, 3))
    def call(self, urgent: bool, patience: int | None) -> OutgoingCall:
        """Ask the station something."""
        not_after = None if patience is None else self.now + patience
        call = OutgoingCall(f"c{next(self.numbers)}", "Reset", b"{}", urgent, not_after)
        try:
            self.connection.call(call, now=self.now)
        except QueueFull:
            self._drop_outdated()
            assert self.in_flight is not None
            assert len(self.waiting) == QUEUE
        else:
            if len(self.waiting) == QUEUE:
                self._drop_outdated()
            self.waiting.append(call)
            self._send_next()
            assert len(self.waiting) <= QUEUE
        return call

    @rule(call=calls)
    def withdraw(self, call: OutgoingCall) -> None:
        """Take a call back."""
        assert self.connection.withdraw(call.message_id) == (call in self.waiting)
        if call in self.waiting:
            self.waiting.remove(call)

    @rule(call=calls)
    def expire(self, call: OutgoingCall) -> None:
        """Let a deadline pass."""
        self.connection.expire(call.message_id, now=self.now)
        if call == self.in_flight:
            self.in_flight = None
            self.expired = [*self.expired, call][-LATE:]
            self._send_next()

    @precondition(lambda self: self.in_flight is not None)
    @rule()
    def expire_in_flight(self) -> None:
        """Let the deadline pass that runs."""
        assert self.in_flight is not None
        self.expire(self.in_flight)

    @rule(call=consumes(calls), shape=st.sampled_from(['[3,"{}",{{}}]', '[4,"{}","GenericError","",{{}}]', '[3,"{}"]']))
    def answer_ours(self, call: OutgoingCall, shape: str) -> None:
        """Answer a call of ours: in time, late, twice, before it was sent, or unreadably."""
        self.connection.receive_text(shape.format(call.message_id), now=self.now)
        kind: type = AnswerReceived if shape.endswith("{{}}]") and shape[1] == "3" else ErrorReceived
        unreadable = shape.endswith('"]')
        if unreadable:
            self.expected_events.append((FaultReceived, call.message_id))
        if call == self.in_flight:
            self.in_flight = None
        elif call in self.expired:
            self.expired.remove(call)
        else:
            if not unreadable:
                self.expected_events.append((StrayAnswer, call.message_id))
            return
        self.expected_events.append((kind, call.message_id))
        self._send_next()

    @rule()
    def receive_call(self) -> None:
        """The station asks something."""
        self._receive(f"s{next(self.numbers)}")

    @precondition(lambda self: self.in_hand is not None)
    @rule(data=st.data())
    def receive_reused_id(self, data: st.DataObject) -> None:
        """The station uses an id that is being worked on."""
        message_id = data.draw(st.sampled_from([self.in_hand or "", *self.inbound]))
        self.connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=self.now)
        self._refused(message_id, "RpcFrameworkError")

    @precondition(lambda self: self.in_hand is not None)
    @rule(refuse=st.booleans())
    def answer_theirs(self, refuse: bool) -> None:
        """Answer what is in hand."""
        message_id = self.in_hand or ""
        if refuse:
            self.connection.refuse(message_id, NotSupported())
            self.expected_output.append([4, message_id, "NotSupported"])
        else:
            self.connection.answer(message_id, b"{}")
            self.expected_output.append([3, message_id, {}])
        self.in_hand = None
        if self.inbound:
            self._hand_out(self.inbound.pop(0))

    @rule(text=FAULTS)
    def receive_fault(self, text: str) -> None:
        """The station sends what is no frame: exactly one CALLERROR, but none to a broken answer."""
        self.connection.receive_text(text, now=self.now)
        (event,) = self.connection.events_received()[len(self.expected_events) :]
        assert isinstance(event, FaultReceived)
        del event
        output = self.connection.data_to_send()[len(self.expected_output) :]
        assert [4] * (not text.startswith("[3")) == [json.loads(sent)[0] for sent in output]
        self.expected_events, self.expected_output = [], []

    @rule(seconds=st.integers(1, 2))
    def wait(self, seconds: int) -> None:
        """Time passes."""
        self.now += seconds

    @invariant()
    def it_is_as_the_model_says(self) -> None:
        """Events, texts, the slot and the queue are the model's."""
        events = [(type(event), _id_of(event)) for event in self.connection.events_received()]
        output = [json.loads(text)[:3] for text in self.connection.data_to_send()]
        assert (self.expected_events, self.expected_output) == (events, output)
        self.expected_events, self.expected_output = [], []
        assert self.connection.unanswered() == ([self.in_flight] if self.in_flight else [])
        assert self.connection.unsent() == self._in_order()

    def teardown(self) -> None:
        """End the connection: what was open is listed, and nothing leaves any more."""
        self.connection.receive_eof()
        assert self.connection.data_to_send() == []
        assert self.connection.unsent() == self._in_order()

    def _in_order(self) -> list[OutgoingCall]:
        return sorted(self.waiting, key=lambda call: not call.urgent)

    def _send_next(self) -> None:
        while self.in_flight is None and self.waiting:
            call = self._in_order()[0]
            self.waiting.remove(call)
            if call.not_after is not None and call.not_after < self.now:
                self.expected_events.append((CallDropped, call.message_id))
                continue
            self.in_flight = call
            self.expected_events.append((CallSent, call.message_id))
            self.expected_output.append([2, call.message_id, "Reset"])

    def _drop_outdated(self) -> None:
        for call in self._in_order():
            if call.not_after is not None and call.not_after < self.now:
                self.waiting.remove(call)
                self.expected_events.append((CallDropped, call.message_id))

    def _receive(self, message_id: str) -> None:
        self.connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=self.now)
        if self.in_hand is None:
            self._hand_out(message_id)
        elif len(self.inbound) == INBOUND:
            self._refused(message_id, "GenericError")
        else:
            self.inbound.append(message_id)

    def _hand_out(self, message_id: str) -> None:
        self.in_hand = message_id
        self.expected_events.append((CallReceived, message_id))

    def _refused(self, message_id: str, code: str) -> None:
        self.expected_output.append([4, message_id, code])
        self.expected_events.append((FaultReceived, message_id))


def _id_of(event: object) -> str:
    match event:
        case CallReceived(message_id=message_id) | StrayAnswer(message_id=message_id):
            return message_id
        case FaultReceived(error=error):
            return error.message_id or ""
        case CallSent(call=call) | CallDropped(call=call) | AnswerReceived(call=call) | ErrorReceived(call=call):
            return call.message_id
    raise AssertionError(event)


TestConnectionMachine = ConnectionMachine.TestCase
TestConnectionMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
