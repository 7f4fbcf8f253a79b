"""frames: what is a frame, what is told about a text that is none, and what goes out."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evhold.ocpp.rpc.errors import FormatViolation, MessageTypeNotSupported, RpcError, RpcFrameworkError
from evhold.ocpp.rpc.frames import (
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

DEEP = "[" * 100_000
LONG_ID = "x" * 37
SCRAPS = [
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    '"',
    "2",
    "3",
    "4",
    "5",
    "-1",
    "1e9",
    "null",
    "true",
    '"a"',
    "{}",
    "\\",
    "\ud800",
]


def test_a_call_is_read() -> None:
    """A CALL comes out with its id, its action and its payload untouched."""
    frame = parse('[2, "a1", "Heartbeat", {"x": [1, 2.50]}]')
    assert isinstance(frame, Call)
    assert (frame.message_id, frame.action, bytes(frame.payload)) == ("a1", "Heartbeat", b'{"x": [1, 2.50]}')


def test_a_result_is_read() -> None:
    """A CALLRESULT comes out with its id and its payload."""
    frame = parse('[3,"a1",{"status":"Accepted"}]')
    assert isinstance(frame, Result)
    assert (frame.message_id, bytes(frame.payload)) == ("a1", b'{"status":"Accepted"}')


def test_an_error_is_read() -> None:
    """A CALLERROR comes out with code, description and details."""
    frame = parse('[4,"a1","NotSupported","no",{"a":"b"}]')
    assert isinstance(frame, Error)
    assert (frame.code, frame.description, bytes(frame.details)) == ("NotSupported", "no", b'{"a":"b"}')


@pytest.mark.parametrize("text", ['[4,"a1","NotSupported"]', '[4,"a1","NotSupported",""]'])
def test_an_error_without_its_tail_is_read(text: str) -> None:
    """A CALLERROR that stops after its code still tells that code."""
    frame = parse(text)
    assert isinstance(frame, Error)
    assert (frame.code, frame.description, bytes(frame.details)) == ("NotSupported", "", b"{}")


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_every_kind_of_buffer_is_read(kind: type[bytes] | type[bytearray] | type[memoryview]) -> None:
    """Bytes, bytearray and memoryview are read alike, umlauts included."""
    frame = parse(kind('[2,"ä","Heartbeat",{"x":"ü"}]'.encode()))
    assert isinstance(frame, Call)
    assert ("ä", '{"x":"ü"}'.encode()) == (frame.message_id, bytes(frame.payload))


def test_a_payload_outlives_its_buffer() -> None:
    """The receive buffer may be overwritten once `parse` has returned."""
    buffer = bytearray(b'[2,"a1","Heartbeat",{"x":1}]')
    frame = parse(memoryview(buffer))
    buffer[:] = b"-" * len(buffer)
    assert isinstance(frame, Call)
    assert bytes(frame.payload) == b'{"x":1}'


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "hello",
        "{}",
        "null",
        "[]",
        "[2",
        "[null]",
        '["2"]',
        "\ufeff[]",
        DEEP,
        '{"a":' * 100_000,
        b"\xff\xfe",
        b'[2,"\xff"',
        '[2,"a\\u0041',
        '[2,"\ud800","Heartbeat",{}]',
        b'[2,"a\xff","Heartbeat",{}]',
        "\ud800",
    ],
)
def test_a_text_without_an_id_is_answered_as_minus_one(text: Text) -> None:
    """Where no message id can be read, the fault is RpcFrameworkError with id -1."""
    with pytest.raises(RpcFrameworkError) as caught:
        parse(text)
    assert (isinstance(caught.value, AnswerUnreadable), caught.value.message_id) == (False, "-1")


@pytest.mark.parametrize("message_id", ["5", "null", '""', f'"{LONG_ID}"', '["a"]', "true"])
def test_an_id_that_is_none_is_answered_as_minus_one(message_id: str) -> None:
    """A message id that is no text of 1 to 36 characters is never echoed."""
    with pytest.raises(RpcFrameworkError) as caught:
        parse(f'[2,{message_id},"Heartbeat",{{}}]')
    assert caught.value.message_id == "-1"


@pytest.mark.parametrize(
    "text",
    [
        '[2,"a1"]',
        '[2,"a1","Heartbeat"]',
        '[2,"a1","Heartbeat",{},1]',
        '[2,"a1",7,{}]',
        '[2,"a1",null,{}]',
        '["2","a1","Heartbeat",{}]',
        '[true,"a1","Heartbeat",{}]',
        '[2.5,"a1","Heartbeat",{}]',
        '[2,"a1"',
        '[2,"a1","Heart',
        '[2,"a1",Heartbeat,{}]',
    ],
)
def test_a_call_of_the_wrong_shape_keeps_its_id(text: str) -> None:
    """An array of the wrong size or with the wrong elements is RpcFrameworkError under its own id."""
    with pytest.raises(RpcFrameworkError) as caught:
        parse(text)
    assert (isinstance(caught.value, AnswerUnreadable), caught.value.message_id) == (False, "a1")


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "{",
        '{"a":NaN}',
        '{"a":Infinity}',
        '{"a":01}',
        '{"a":1,}',
        "{a:1}",
        "{'a':1}",
        '{"a":"\x01"}',
        '{"a":"\\q"}',
        '{"a":"\ud800"}',
        '{"a":"\\ud800"}',
        b'{"a":"\xff"}',
        b'{"a":"\xed\xa0\x80"}',
        "{}]]",
        DEEP,
        '{"a":' * 100_000,
    ],
    ids=ascii,
)
def test_a_broken_payload_is_a_format_violation(payload: str | bytes) -> None:
    """Where only the payload is broken, the fault is FormatViolation under the CALL's own id."""
    opening = '[2,"a1","Heartbeat",'
    text: Text = f"{opening}{payload}]" if isinstance(payload, str) else opening.encode() + payload + b"]"
    with pytest.raises(FormatViolation) as caught:
        parse(text)
    assert caught.value.message_id == "a1"


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        ('[5,"a1",{}]', "a1"),
        ('[6,"a1","NotifyPeriodicEventStream",{}]', "a1"),
        ('[-2,"a1","Heartbeat",{}]', "a1"),
        ("[99999999999999999999]", "-1"),
        ("[0]", "-1"),
        ('[7,"a1",{', "a1"),
    ],
)
def test_an_unknown_message_type_is_not_supported(text: str, message_id: str) -> None:
    """A message type number other than 2, 3 and 4 is MessageTypeNotSupported."""
    with pytest.raises(MessageTypeNotSupported) as caught:
        parse(text)
    assert caught.value.message_id == message_id


@pytest.mark.parametrize(
    ("text", "message_id"),
    [
        ('[3,"a1"]', "a1"),
        ('[3,"a1",{},{}]', "a1"),
        ('[3,"a1",{"x":}]', "a1"),
        ('[4,"a1"]', "a1"),
        ('[4,"a1",5]', "a1"),
        ('[4,"a1","NotSupported",null,{}]', "a1"),
        ("[3]", "-1"),
        (f'[4,"{LONG_ID}","NotSupported","",{{}}]', "-1"),
    ],
)
def test_a_broken_answer_is_told_apart(text: str, message_id: str) -> None:
    """A CALLRESULT or CALLERROR of the wrong shape is AnswerUnreadable: it must not be answered."""
    with pytest.raises(AnswerUnreadable) as caught:
        parse(text)
    assert caught.value.message_id == message_id


def test_frames_go_out_as_compact_json() -> None:
    """Every frame is one JSON array without a superfluous space."""
    error = RpcError('no "x"', details={"field": "ä"})
    assert encode_call("a1", "Reset", b'{"type":"Immediate"}') == b'[2,"a1","Reset",{"type":"Immediate"}]'
    assert encode_result("a1", b"{}") == b'[3,"a1",{}]'
    assert encode_error("a1", error) == '[4,"a1","GenericError","no \\"x\\"",{"field":"ä"}]'.encode()


def test_what_goes_out_can_be_read() -> None:
    """A CALLERROR of the longest description still is a frame, and valid JSON."""
    text = encode_error("a1", RpcError("ä" * 300))
    frame = parse(text)
    assert isinstance(frame, Error)
    assert (len(frame.description), json.loads(text)[:2]) == (255, [4, "a1"])


@given(
    st.binary(max_size=40)
    | st.text(max_size=40)
    | st.tuples(st.sampled_from(SCRAPS), st.lists(st.sampled_from(SCRAPS), max_size=8)).map(
        lambda s: s[0] + "".join(s[1])
    )
)
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_frame_or_a_fault(text: Text) -> None:
    """Whatever arrives, `parse` returns a frame or raises an RpcError whose CALLERROR is a valid frame."""
    try:
        frame = parse(text)
    except RpcError as error:
        frame = parse(encode_error(error.message_id or "", error))
        assert isinstance(frame, Error)
    assert 1 <= len(frame.message_id) <= 36
