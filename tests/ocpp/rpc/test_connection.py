"""connection: one CALL per direction, the order of everything else, and faults that end nothing."""

import json

import pytest

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
from evhold.ocpp.rpc.errors import (
    ConnectionEnded,
    NotInHand,
    NotSupported,
    QueueFull,
    RpcFrameworkError,
)


def ours(message_id: str, *, urgent: bool = False, not_after: float | None = None) -> OutgoingCall:
    """Return a CALL of ours."""
    return OutgoingCall(message_id, "Reset", b"{}", urgent, not_after)


def sent_ids(connection: Connection) -> list[str]:
    """Return the ids of what left since the last time."""
    return [json.loads(text)[1] for text in connection.data_to_send()]


def happened(connection: Connection) -> list[tuple[type[Event], str]]:
    """Return kind and message id of the events since the last time."""
    events = connection.events_received()
    return [(type(event), _id_of(event)) for event in events]


def _id_of(event: Event) -> str:
    match event:
        case CallReceived() | StrayAnswer():
            return event.message_id
        case FaultReceived():
            return event.error.message_id or ""
        case _:
            return event.call.message_id


def test_a_call_leaves_at_once() -> None:
    """With the slot free, a CALL is sent, and CallSent says that its deadline starts."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    assert connection.data_to_send() == [b'[2,"a","Reset",{}]']
    assert connection.events_received() == [CallSent(ours("a"))]


def test_the_second_call_waits_for_the_first_answer() -> None:
    """One CALL is in flight; the next leaves when the answer is there."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.call(ours("b"), now=0.0)
    assert (sent_ids(connection), [call.message_id for call in connection.unsent()]) == (["a"], ["b"])
    connection.receive_text('[3,"a",{}]', now=1.0)
    assert sent_ids(connection) == ["b"]
    assert happened(connection) == [(CallSent, "a"), (AnswerReceived, "a"), (CallSent, "b")]


def test_an_answer_comes_with_its_call() -> None:
    """A CALLRESULT in time brings the call that it answers, and its payload."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.receive_text('[3,"a",{"status":"Accepted"}]', now=1.0)
    answer = connection.events_received()[-1]
    assert isinstance(answer, AnswerReceived)
    assert (ours("a"), b'{"status":"Accepted"}', False) == (answer.call, bytes(answer.payload), answer.late)


def test_an_error_comes_with_its_call_and_frees_the_slot() -> None:
    """A CALLERROR is an answer too."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.call(ours("b"), now=0.0)
    connection.receive_text('[4,"a","NotSupported","no",{"k":1}]', now=1.0)
    error = connection.events_received()[1]
    assert isinstance(error, ErrorReceived)
    assert (
        error.code,
        error.description,
        bytes(error.details),
        error.late,
    ) == ("NotSupported", "no", b'{"k":1}', False)
    assert sent_ids(connection) == ["a", "b"]


def test_urgent_calls_go_before_all_others() -> None:
    """Urgent ones leave first, in the order among themselves; the rest in order of arrival."""
    connection = Connection()
    for call in (ours("0"), ours("a"), ours("b"), ours("u", urgent=True), ours("v", urgent=True)):
        connection.call(call, now=0.0)
    assert [call.message_id for call in connection.unsent()] == ["u", "v", "a", "b"]
    for message_id in "0uvab":
        connection.receive_text(f'[3,"{message_id}",{{}}]', now=1.0)
    assert sent_ids(connection) == ["0", "u", "v", "a", "b"]


def test_a_full_queue_refuses() -> None:
    """Beyond the bound a CALL is refused, and what waits is untouched."""
    connection = Connection(queue_limit=2)
    for message_id in "0ab":
        connection.call(ours(message_id), now=0.0)
    with pytest.raises(QueueFull):
        connection.call(ours("c", urgent=True), now=0.0)
    assert [call.message_id for call in connection.unsent()] == ["a", "b"]


def test_outdated_calls_make_room() -> None:
    """A full queue first lets go of calls whose time to leave has passed."""
    connection = Connection(queue_limit=2)
    for call in (ours("0"), ours("a", not_after=5.0), ours("b")):
        connection.call(call, now=0.0)
    connection.call(ours("c"), now=6.0)
    assert [call.message_id for call in connection.unsent()] == ["b", "c"]
    assert happened(connection) == [(CallSent, "0"), (CallDropped, "a")]


def test_without_a_queue_one_call_still_leaves() -> None:
    """A bound of none bounds the queue, not the slot."""
    connection = Connection(queue_limit=0)
    connection.call(ours("a"), now=0.0)
    assert sent_ids(connection) == ["a"]


def test_a_waiting_call_can_be_withdrawn() -> None:
    """A call that waits, urgent or not, is taken back and never sent."""
    connection = Connection()
    for call in (ours("0"), ours("a"), ours("b"), ours("u", urgent=True)):
        connection.call(call, now=0.0)
    assert [connection.withdraw(message_id) for message_id in ("b", "u", "b")] == [True, True, False]
    connection.receive_text('[3,"0",{}]', now=1.0)
    assert sent_ids(connection) == ["0", "a"]


def test_a_sent_call_cannot_be_withdrawn() -> None:
    """What has left is beyond recall."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    assert not connection.withdraw("a")
    assert connection.unanswered() == [ours("a")]


def test_a_call_is_not_sent_too_late() -> None:
    """A call whose time to leave passes while it waits is dropped, and the next one goes."""
    connection = Connection()
    for call in (ours("0"), ours("a", not_after=5.0), ours("b", not_after=6.0)):
        connection.call(call, now=0.0)
    connection.receive_text('[3,"0",{}]', now=6.0)
    assert sent_ids(connection) == ["0", "b"]
    assert happened(connection)[2:] == [(CallDropped, "a"), (CallSent, "b")]


def test_an_expired_call_frees_the_slot() -> None:
    """Past its deadline a call makes way for the next."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.call(ours("b"), now=0.0)
    connection.expire("a", now=30.0)
    assert (["a", "b"], [ours("b")]) == (sent_ids(connection), connection.unanswered())


@pytest.mark.parametrize("answer", ['[3,"a",{}]', '[4,"a","InternalError","",{}]', '[3,"a"]'])
def test_a_late_answer_is_delivered_once(answer: str) -> None:
    """After the deadline an answer still arrives, marked late; a second one is a stray."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.expire("a", now=30.0)
    connection.events_received()
    connection.receive_text(answer, now=40.0)
    late = connection.events_received()[-1]
    assert isinstance(late, AnswerReceived | ErrorReceived)
    assert (ours("a"), True) == (late.call, late.late)
    connection.receive_text('[3,"a",{}]', now=41.0)
    assert happened(connection) == [(StrayAnswer, "a")]


def test_a_late_answer_does_not_free_the_slot() -> None:
    """The call that took the slot since keeps it."""
    connection = Connection()
    for message_id in "abc":
        connection.call(ours(message_id), now=0.0)
    connection.expire("a", now=30.0)
    connection.receive_text('[3,"a",{}]', now=31.0)
    assert sent_ids(connection) == ["a", "b"]


def test_expiry_of_another_call_changes_nothing() -> None:
    """A deadline that passes after the answer, or for a call that waits, is without effect."""
    connection = Connection()
    connection.expire("x", now=0.0)
    connection.call(ours("a"), now=0.0)
    connection.call(ours("b"), now=0.0)
    connection.expire("b", now=30.0)
    assert ([ours("a")], [ours("b")]) == (connection.unanswered(), connection.unsent())


def test_the_oldest_expired_call_is_forgotten() -> None:
    """The memory for late answers is bounded."""
    connection = Connection(late_limit=1)
    for message_id in "ab":
        connection.call(ours(message_id), now=0.0)
        connection.expire(message_id, now=30.0)
    connection.events_received()
    connection.receive_text('[3,"a",{}]', now=31.0)
    connection.receive_text('[3,"b",{}]', now=31.0)
    assert happened(connection) == [(StrayAnswer, "a"), (AnswerReceived, "b")]


@pytest.mark.parametrize("text", ['[3,"x",{}]', '[4,"x","GenericError","",{}]', '[4,"-1","RpcFrameworkError","",{}]'])
def test_an_unknown_answer_is_ignored(text: str) -> None:
    """An answer to nothing of ours is reported, gets no answer, and leaves the call in flight alone."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.data_to_send()
    connection.events_received()
    connection.receive_text(text, now=1.0)
    assert ([(StrayAnswer, json.loads(text)[1])], []) == (happened(connection), connection.data_to_send())
    assert connection.unanswered() == [ours("a")]


def test_an_unreadable_answer_proves_nothing() -> None:
    """A broken answer to the call in flight ends it as GenericError, is not answered, and the next call leaves."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.call(ours("b"), now=0.0)
    connection.receive_text('[3,"a","Accepted",{}]', now=1.0)
    fault, error = connection.events_received()[1:3]
    assert isinstance(fault, FaultReceived)
    assert isinstance(error, ErrorReceived)
    assert (ours("a"), "GenericError", False) == (error.call, error.code, error.late)
    assert sent_ids(connection) == ["a", "b"]


def test_an_unreadable_answer_to_nothing_is_only_reported() -> None:
    """A broken answer with an unknown id is a fault without an answer."""
    connection = Connection()
    connection.receive_text('[3,"x"]', now=1.0)
    assert ([(FaultReceived, "x")], []) == (happened(connection), connection.data_to_send())


def test_a_stations_call_is_handed_out_and_answered() -> None:
    """The station's CALL comes out with action and payload; the answer bears its id."""
    connection = Connection()
    connection.receive_text(memoryview(b'[2,"s1","Heartbeat",{"x":1}]'), now=0.0)
    (call,) = connection.events_received()
    assert isinstance(call, CallReceived)
    assert (call.message_id, call.action, bytes(call.payload)) == ("s1", "Heartbeat", b'{"x":1}')
    connection.answer("s1", b'{"y":2}')
    assert connection.data_to_send() == [b'[3,"s1",{"y":2}]']


def test_a_stations_call_can_be_refused() -> None:
    """A refusal goes out as the CALLERROR of its code."""
    connection = Connection()
    connection.receive_text('[2,"s1","Heartbeat",{}]', now=0.0)
    connection.refuse("s1", NotSupported("not here"))
    assert connection.data_to_send() == [b'[4,"s1","NotSupported","not here",{}]']


def test_a_stations_calls_are_handed_out_one_by_one() -> None:
    """The next CALL comes out when the one in hand was answered or refused: answers keep the order."""
    connection = Connection()
    for message_id in "abc":
        connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=0.0)
    assert happened(connection) == [(CallReceived, "a")]
    connection.answer("a", b"{}")
    assert happened(connection) == [(CallReceived, "b")]
    connection.refuse("b", NotSupported())
    assert happened(connection) == [(CallReceived, "c")]
    assert sent_ids(connection) == ["a", "b"]


def test_both_directions_are_independent() -> None:
    """A CALL of ours leaves while the station's is in hand, and the other way round."""
    connection = Connection()
    connection.receive_text('[2,"same","Heartbeat",{}]', now=0.0)
    connection.call(ours("same"), now=0.0)
    connection.receive_text('[3,"same",{}]', now=0.0)
    connection.answer("same", b"{}")
    assert happened(connection) == [(CallReceived, "same"), (CallSent, "same"), (AnswerReceived, "same")]


@pytest.mark.parametrize("repeated", ["a", "b"])
def test_a_reused_message_id_is_refused(repeated: str) -> None:
    """A CALL whose id is in hand, or waits already, is refused; the first one with that id is not disturbed."""
    connection = Connection()
    for message_id in ("a", "b", repeated):
        connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=0.0)
    (refusal,) = connection.data_to_send()
    assert json.loads(refusal)[:3] == [4, repeated, "RpcFrameworkError"]
    connection.answer("a", b"{}")
    connection.answer("b", b"{}")
    assert sent_ids(connection) == ["a", "b"]


def test_a_flood_is_refused() -> None:
    """Beyond the bound the station's CALLs are refused with GenericError; those that wait are kept."""
    connection = Connection(inbound_limit=1)
    for message_id in "abc":
        connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=0.0)
    assert [json.loads(text)[1:3] for text in connection.data_to_send()] == [["c", "GenericError"]]
    connection.answer("a", b"{}")
    assert happened(connection) == [(CallReceived, "a"), (FaultReceived, "c"), (CallReceived, "b")]


def test_an_id_may_be_used_again_after_its_answer() -> None:
    """Ids of answered calls are not remembered: that is the station's duty."""
    connection = Connection()
    for _ in range(2):
        connection.receive_text('[2,"a","Heartbeat",{}]', now=0.0)
        connection.answer("a", b"{}")
    assert sent_ids(connection) == ["a", "a"]


def test_nothing_is_answered_that_is_not_in_hand() -> None:
    """An answer to an unknown, a waiting or an answered CALL is our own mistake."""
    connection = Connection()
    with pytest.raises(NotInHand):
        connection.answer("a", b"{}")
    for message_id in "ab":
        connection.receive_text(f'[2,"{message_id}","Heartbeat",{{}}]', now=0.0)
    with pytest.raises(NotInHand):
        connection.refuse("b", NotSupported())
    connection.answer("a", b"{}")
    with pytest.raises(NotInHand):
        connection.answer("a", b"{}")


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("garbage", [4, "-1", "RpcFrameworkError"]),
        (b"\xff\xff", [4, "-1", "RpcFrameworkError"]),
        ('{"a":1}', [4, "-1", "RpcFrameworkError"]),
        ("[" * 100_000, [4, "-1", "RpcFrameworkError"]),
        (f'[2,"{"x" * 37}","Heartbeat",{{}}]', [4, "-1", "RpcFrameworkError"]),
        ('[2,"s","Heartbeat"]', [4, "s", "RpcFrameworkError"]),
        ('[9,"s",{}]', [4, "s", "MessageTypeNotSupported"]),
        ('[2,"s","Heartbeat",{"x":NaN}]', [4, "s", "FormatViolation"]),
    ],
)
def test_the_conversation_outlives_every_fault(text: str | bytes, start: list[object]) -> None:
    """What cannot be taken is answered by its CALLERROR, and the next CALL is served as ever."""
    connection = Connection()
    connection.receive_text(text, now=0.0)
    (refusal,) = (json.loads(sent) for sent in connection.data_to_send())
    assert (start, 5) == (refusal[:3], len(refusal))
    assert happened(connection) == [(FaultReceived, start[1])]
    connection.receive_text('[2,"s","Heartbeat",{}]', now=1.0)
    assert happened(connection) == [(CallReceived, "s")]


def test_a_fault_leaves_the_call_in_flight_alone() -> None:
    """Garbage is no answer: our call still waits for its own."""
    connection = Connection()
    connection.call(ours("a"), now=0.0)
    connection.receive_text("garbage", now=1.0)
    assert connection.unanswered() == [ours("a")]


def test_the_end_shows_what_was_open() -> None:
    """After the end the call in flight and those that wait are listed, and nothing more is taken or sent."""
    connection = Connection()
    for call in (ours("0"), ours("a"), ours("u", urgent=True)):
        connection.call(call, now=0.0)
    connection.receive_eof()
    assert ([ours("0")], [ours("u", urgent=True), ours("a")]) == (connection.unanswered(), connection.unsent())
    with pytest.raises(ConnectionEnded):
        connection.call(ours("b"), now=1.0)
    connection.expire("0", now=30.0)
    assert ([ours("0")], []) == (connection.unanswered(), connection.data_to_send())


def test_after_the_end_what_arrived_is_still_handed_out() -> None:
    """CALLs that arrived before the end keep their order; their answers go nowhere."""
    connection = Connection()
    for message_id in "ab":
        connection.receive_text(f'[2,"{message_id}","StatusNotification",{{}}]', now=0.0)
    connection.receive_eof()
    connection.answer("a", b"{}")
    connection.refuse("b", RpcFrameworkError())
    assert happened(connection) == [(CallReceived, "a"), (CallReceived, "b")]
    assert connection.data_to_send() == []
