"""What a session does with CALLs in both directions, over a real socket."""

import asyncio
import gc
import json
from datetime import timedelta

import pytest
from gateway_harness import START, Gateway, ask, call
from websockets.exceptions import ConnectionClosed

from evhold.domain.station import Presence, Registration
from evhold.ocpp.rpc.connection import OutgoingCall
from evhold.usecases.ports import CallFailed, CallResult, NeverSent, NoAnswer, Overtaken
from frames import frame, read_frame


def order(gateway: Gateway, message_id: str, **options) -> asyncio.Task:
    """Order a CALL to CS1."""
    return asyncio.create_task(gateway.calls.call("CS1", "Outward", b'{"a":1}', message_id=message_id, **options))


async def received(client) -> list:
    """The next frame that the station gets."""
    return json.loads(await client.recv())


# The station asks


async def test_a_plain_handler_answers_in_order(gateway):
    """CALLs are answered in the order of their arrival, each by its id."""
    async with gateway.connect() as client:
        for number in range(5):
            await client.send(call("Plain", str(number), message_id=f"m{number}"))

        answers = [await received(client) for _ in range(5)]

    assert answers == [[3, f"m{number}", {"text": str(number)}] for number in range(5)]


async def test_what_fails_to_be_stored_behind_a_closed_socket_is_complained_of_by_nobody(gateway):
    """The session waits for its end, and that is all: whoever would be answered is gone."""
    complaints = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: complaints.append(context))
    async with gateway.connect() as station:
        await gateway.ready()
        await station.send(call("Kept", "a", message_id="m1"))
        await gateway.until(lambda: gateway.entries)
    await gateway.until(lambda: gateway.registry.find("CS1") is None)
    assert ("closed", "CS1") not in gateway.told
    await asyncio.sleep(0)
    gateway.entries[0].end(Overtaken("a newer connection counts"))
    await gateway.until(lambda: ("closed", "CS1") in gateway.told)
    gc.collect()
    assert complaints == []


async def test_a_handler_that_waits_holds_back_the_next(gateway):
    """The next CALL is handled when the one in hand was answered."""
    async with gateway.connect() as client:
        await client.send(call("Slow", "first", message_id="m1"))
        await client.send(call("Plain", "second", message_id="m2"))
        await gateway.until(lambda: ("slow", "first") in gateway.told and gateway.node.counters.frames_in == 2)
        assert gateway.node.counters.frames_out == 0
        gateway.gate.set()

        assert [await received(client), await received(client)] == [
            [3, "m1", {"text": "first"}],
            [3, "m2", {"text": "second"}],
        ]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        ("Unheard", "NotImplemented"),
        ("Outward", "NotSupported"),
        ("Refused", "SecurityError"),
        ("Broken", "InternalError"),
    ],
)
async def test_a_fault_is_answered_by_its_code(gateway, action, code):
    """Each fault has its CALLERROR, which tells nothing of ours, and the connection lives on."""
    async with gateway.connect() as client:
        answer = await ask(client, action)

        assert answer[:3] == [4, "m1", code]
        assert "secret" not in answer[3]
        assert await ask(client, "Plain", message_id="m2") == [3, "m2", {"text": ""}]


async def test_an_invalid_payload_is_answered_by_its_code(gateway):
    """A payload that breaks the schema is refused with the field's name."""
    async with gateway.connect() as client:
        await client.send('[2,"m1","Plain",{"text":5}]')

        assert (await received(client))[:3] == [4, "m1", "TypeConstraintViolation"]


async def test_made_up_actions_do_not_fill_the_counters(gateway):
    """Actions that the version does not have are counted as one."""
    async with gateway.connect() as client:
        for number in range(3):
            await ask(client, f"Made{number}", message_id=f"m{number}")

    assert dict(gateway.node.counters.calls) == {("in", "unknown", "NotImplemented"): 3}


async def test_unreadable_text_is_answered_and_counted(gateway):
    """What is no frame gets RpcFrameworkError with the id -1."""
    async with gateway.connect() as client:
        await client.send("hello")

        assert (await received(client))[:3] == [4, "-1", "RpcFrameworkError"]
        assert gateway.node.counters.faults == 1


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize("registration", [Registration.PENDING, Registration.REJECTED])
async def test_a_station_that_is_not_accepted_is_refused(registration):
    """After Pending or Rejected a CALL that was not asked for gets SecurityError."""
    async with Gateway() as gateway:
        gateway.registration = registration
        async with gateway.connect() as client:
            assert (await ask(client, "Plain"))[:3] == [4, "m1", "SecurityError"]


# We ask


async def test_our_call_is_answered(gateway):
    """The CALLRESULT is the outcome, and the time of leaving was told."""
    left = []
    async with gateway.connect() as client:
        await gateway.ready()
        outcome = order(gateway, "c1", on_sent=left.append)
        assert await received(client) == [2, "c1", "Outward", {"a": 1}]
        await client.send('[3,"c1",{"b":2}]')

        assert await outcome == CallResult(payload=b'{"b":2}')
        assert left == [START]
        assert gateway.node.counters.seconds_to_answer["Outward"].counts[0] == 1


async def test_our_call_is_refused(gateway):
    """The CALLERROR is the outcome."""
    async with gateway.connect() as client:
        await gateway.ready()
        outcome = order(gateway, "c1")
        await received(client)
        await client.send('[4,"c1","NotSupported","no",{"x":"y"}]')

        assert await outcome == CallFailed(code="NotSupported", description="no", details=b'{"x":"y"}')
        assert gateway.node.counters.calls["out", "Outward", "NotSupported"] == 1


async def test_made_up_codes_do_not_fill_the_counters(gateway):
    """A CALLERROR with a code that OCPP-J does not have is counted as other."""
    async with gateway.connect() as client:
        await gateway.ready()
        outcome = order(gateway, "c1")
        await received(client)
        await client.send('[4,"c1","MadeUp","",{}]')

        assert await outcome == CallFailed(code="MadeUp")
        assert dict(gateway.node.counters.calls) == {("out", "Outward", "other"): 1}


async def test_one_call_is_outstanding_and_urgent_ones_go_first(gateway):
    """The others wait for their turn; an urgent one passes them."""
    async with gateway.connect() as client:
        await gateway.ready()
        orders = [order(gateway, "c1"), order(gateway, "c2"), order(gateway, "c3", urgent=True)]
        sequence = []
        for _ in orders:
            frame = await received(client)
            sequence.append(frame[1])
            await client.send(json.dumps([3, frame[1], {}]))
        await asyncio.gather(*orders)

    assert sequence == ["c1", "c3", "c2"]


async def test_silence_is_no_answer_and_a_late_one_is_told(gateway):
    """After the deadline the outcome is unknown; the answer that comes later goes to its hook, and the queue moves on."""
    async with gateway.connect() as client:
        await gateway.ready()
        first, second = order(gateway, "c1"), order(gateway, "c2")
        assert (await received(client))[1] == "c1"
        gateway.clock.move(29)
        assert not first.done()
        gateway.clock.move(1)
        assert await first == NoAnswer(reason="timeout")
        assert (await received(client))[1] == "c2"
        await client.send('[3,"c1",{"late":1}]')
        await client.send('[3,"c2",{}]')

        assert await second == CallResult(payload=b"{}")
        assert ("late", "c1", CallResult(payload=b'{"late":1}')) in gateway.told


async def test_the_deadline_counts_from_leaving(gateway):
    """A call that waited in the queue has its whole time when it leaves."""
    async with gateway.connect() as client:
        await gateway.ready()
        order(gateway, "c1")
        second = order(gateway, "c2")
        await received(client)
        gateway.clock.move(29)
        await client.send('[3,"c1",{}]')
        assert (await received(client))[1] == "c2"
        gateway.clock.move(29)
        await client.send('[3,"c2",{}]')

        assert await second == CallResult(payload=b"{}")


async def test_a_station_may_ask_before_it_answers(gateway):
    """While our CALL is unanswered the station's own CALLs are served (some ask Authorize first)."""
    async with gateway.connect() as client:
        await gateway.ready()
        outcome = order(gateway, "c1")
        assert (await received(client))[1] == "c1"

        assert await ask(client, "Plain", "first", message_id="s1") == [3, "s1", {"text": "first"}]
        assert not outcome.done()
        await client.send('[3,"c1",{"b":2}]')
        assert await outcome == CallResult(payload=b'{"b":2}')


async def test_an_answer_whose_caller_is_gone_is_told_as_late(gateway):
    """Abandoning the wait does not lose the station's word."""
    async with gateway.connect() as client:
        session = await gateway.ready()
        outcome = session.call(OutgoingCall("c1", "Outward", b"{}"))
        await received(client)
        outcome.cancel()
        await client.send('[4,"c1","GenericError","",{}]')
        await gateway.until(lambda: [told for told in gateway.told if told[0] == "late"])

        assert gateway.told[-1] == ("late", "c1", CallFailed(code="GenericError"))


@pytest.mark.parametrize(
    ("frame", "answer"),
    [
        ('[3,"old",{"x":1}]', CallResult(payload=b'{"x":1}')),
        ('[4,"old","GenericError","why",{}]', CallFailed(code="GenericError", description="why")),
    ],
)
async def test_a_stray_answer_is_told(gateway, frame, answer):
    """An answer to an earlier connection's CALL goes to its hook."""
    async with gateway.connect() as client:
        await client.send(frame)
        await gateway.until(lambda: ("stray", "old", answer) in gateway.told)


async def test_an_offline_station_is_never_asked(gateway):
    """No socket: NeverSent."""
    assert await order(gateway, "c1") == NeverSent(reason="station-offline")
    assert gateway.calls.presence("CS1") == Presence(online=False, registered=False)
    assert not await gateway.calls.withdraw("CS1", "c1")


async def test_a_station_is_offline_until_its_context_is_loaded(gateway):
    """Nothing is sent to a station of which nothing is known yet."""
    gateway.opening.clear()
    async with gateway.connect():
        await gateway.until(lambda: gateway.told)

        assert await order(gateway, "c1") == NeverSent(reason="station-offline")
        assert not gateway.calls.presence("CS1").online


@pytest.mark.parametrize("registration", [None, *Registration])
async def test_presence_tells_the_registration(gateway, registration):
    """Connected is one thing, accepted another."""
    gateway.registration = registration
    async with gateway.connect():
        await gateway.ready()

        accepted = registration is Registration.ACCEPTED
        assert gateway.calls.presence("cs1") == Presence(online=True, registered=accepted, since=START)


@pytest.mark.req("B03.FR.03")
async def test_a_rejected_station_is_sent_nothing():
    """Whoever asks, and whatever: the next frame that it gets is the answer to its own."""
    async with Gateway() as gateway:
        gateway.registration = Registration.REJECTED
        async with gateway.connect() as client:
            await gateway.ready()
            assert await order(gateway, "c1", urgent=True) == NeverSent(reason="station-offline")
            assert (await ask(client, "Plain"))[:3] == [4, "m1", "SecurityError"]


async def test_a_full_queue_is_busy(gateway):
    """One in flight, sixteen waiting; the next one is not taken."""
    async with gateway.connect():
        await gateway.ready()
        orders = [order(gateway, f"c{number}") for number in range(17)]
        await asyncio.sleep(0)

        assert await order(gateway, "c17") == NeverSent(reason="station-busy")
    assert {await one for one in orders[1:]} == {NeverSent(reason="station-offline")}


async def test_a_waiting_call_can_be_withdrawn(gateway):
    """It is never sent; one that has left cannot be called back."""
    async with gateway.connect() as client:
        await gateway.ready()
        order(gateway, "c1")
        second = order(gateway, "c2")
        await received(client)

        assert await gateway.calls.withdraw("CS1", "c2")
        assert await second == NeverSent(reason="withdrawn")
        assert not await gateway.calls.withdraw("CS1", "c1")


async def test_a_call_whose_time_passed_in_the_queue_is_dropped(gateway):
    """Its turn comes after its not_after: NeverSent, and the one behind it leaves."""
    async with gateway.connect() as client:
        await gateway.ready()
        order(gateway, "c1")
        second = order(gateway, "c2", not_after=START + timedelta(seconds=10))
        order(gateway, "c3")
        await received(client)
        gateway.clock.move(11)
        await client.send('[3,"c1",{}]')

        assert await second == NeverSent(reason="expired-in-queue")
        assert (await received(client))[1] == "c3"


# The end


async def test_a_lost_socket_settles_every_call(gateway):
    """In flight: the outcome is unknown. Queued: never sent."""
    client = await gateway.connect()
    await gateway.ready()
    first, second = order(gateway, "c1"), order(gateway, "c2")
    await received(client)
    await client.close()

    assert await first == NoAnswer(reason="connection-lost")
    assert await second == NeverSent(reason="station-offline")
    assert gateway.clock.due == []


async def test_a_newer_connection_replaces_the_older(gateway):
    """The old socket is closed, its call in flight ends, and the new one is opened after the old one was told as closed."""
    old = await gateway.connect()
    await gateway.ready()
    outcome = order(gateway, "c1")
    await received(old)
    async with gateway.connect() as new:
        assert await outcome == NoAnswer(reason="connection-lost")
        with pytest.raises(ConnectionClosed) as closed:
            await old.recv()
        assert closed.value.rcvd.code == 1008
        assert await ask(new, "Plain") == [3, "m1", {"text": ""}]

        assert [told for told in gateway.told if told[0] in ("opening", "closed")] == [
            ("opening", "CS1"),
            ("closed", "CS1"),
            ("opening", "CS1"),
        ]
        assert gateway.contexts[0].replaced
        assert not gateway.contexts[1].replaced
        assert gateway.calls.presence("CS1").online


async def test_a_call_in_hand_is_finished_after_its_socket_is_lost(gateway):
    """What the station told before it left is handled to the end, before on_closed."""
    client = await gateway.connect()
    await client.send(call("Slow", "first", message_id="m1"))
    await client.send(call("Slow", "second", message_id="m2"))
    await gateway.until(lambda: gateway.node.counters.frames_in == 2)
    await client.close()
    await gateway.until(lambda: not len(gateway.registry))
    gateway.gate.set()
    await gateway.until(lambda: ("closed", "CS1") in gateway.told)

    assert gateway.told == [("opening", "CS1"), ("slow", "first"), ("slow", "second"), ("closed", "CS1")]


async def test_the_next_connection_waits_for_what_the_one_before_left_to_do(gateway):
    """Gone by itself, not replaced: its last report is handled before the next context is loaded."""
    client = await gateway.connect()
    await client.send(call("Slow", "first", message_id="m1"))
    await gateway.until(lambda: gateway.node.counters.frames_in == 1)
    await client.close()
    await gateway.until(lambda: not len(gateway.registry))
    async with gateway.connect() as new:
        await gateway.until(lambda: len(gateway.registry) == 1)
        assert gateway.told == [("opening", "CS1"), ("slow", "first")]
        gateway.gate.set()
        await ask(new, "Plain")

    assert gateway.told[:4] == [("opening", "CS1"), ("slow", "first"), ("closed", "CS1"), ("opening", "CS1")]


async def test_a_graceful_stop_says_going_away():
    """Every station gets 1001, and on_closed is told before the stop is over."""
    gateway = Gateway()
    async with gateway:
        clients = [await gateway.connect("CS1"), await gateway.connect("CS2")]
        await gateway.ready("CS1")
        await gateway.ready("CS2")
        await gateway.server.stop()

    for client in clients:
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        assert closed.value.rcvd.code == 1001
    assert {("closed", "CS1"), ("closed", "CS2")} <= set(gateway.told)


async def test_a_graceful_stop_answers_the_call_in_hand():
    """The station gets its answer first, the CLOSE after it."""
    async with Gateway() as gateway:
        client = await gateway.connect()
        await client.send(call("Slow", "last words"))
        await gateway.until(lambda: ("slow", "last words") in gateway.told)
        stopping = asyncio.create_task(gateway.server.stop())
        await asyncio.sleep(0)
        gateway.gate.set()

        assert await received(client) == [3, "m1", {"text": "last words"}]
        await stopping


async def test_a_graceful_stop_does_not_wait_for_ever():
    """A peer that ignores CLOSE, and work that never ends, are cut off."""
    async with Gateway(stop_timeout_s=0.02) as gateway:
        _, writer, _ = await gateway.raw()
        client = await gateway.connect("CS2")
        await client.send(call("Slow", "stuck"))
        await gateway.until(lambda: ("slow", "stuck") in gateway.told)
        await gateway.server.stop()
        writer.close()
        await client.close()

    assert len(gateway.registry) == 0


async def test_a_stopping_server_refuses_newcomers():
    """A handshake that begins during the stop gets 503."""
    async with Gateway() as gateway:
        client = await gateway.connect()
        await client.send(call("Slow", "busy"))
        await gateway.until(lambda: ("slow", "busy") in gateway.told)
        reader, writer = await asyncio.open_connection("127.0.0.1", gateway.server.port)
        await asyncio.sleep(0)
        stopping = asyncio.create_task(gateway.server.stop())
        await asyncio.sleep(0)
        writer.write(b"GET /ocpp/CS2 HTTP/1.1\r\nHost: x\r\n\r\n")

        assert (await reader.readline()).startswith(b"HTTP/1.1 503 ")
        writer.close()
        gateway.gate.set()
        await stopping


@pytest.mark.parametrize("how", ["send_away", "expel", "finish"])
async def test_a_station_that_we_send_off_is_asked_nothing_more(gateway, how):
    """From our CLOSE on it is offline, though its socket is still open: an order is known not to have been sent."""
    reader, writer, _ = await gateway.raw()
    session = await gateway.ready()
    getattr(session, how)()

    assert gateway.calls.presence("CS1") == Presence(online=False, registered=False)
    assert await order(gateway, "c1") == NeverSent(reason="station-offline")
    assert (await read_frame(reader))[0] == 8
    session.call(OutgoingCall("c2", "Outward", b"{}"))
    writer.write(frame((1000).to_bytes(2, "big"), opcode=8))
    assert await reader.read() == b""
    writer.close()


# The frame log


async def test_frames_of_both_directions_are_kept(gateway):
    """What was said can be read afterwards, newest first."""
    async with gateway.connect() as client:
        await ask(client, "Plain", "hello")

    frames = gateway.node.frame_log.newest("CS1", limit=10)
    assert [(frame.direction, frame.frame) for frame in frames] == [
        ("out", '[3,"m1",{"text":"hello"}]'),
        ("in", '[2,"m1","Plain",{"text":"hello"}]'),
    ]


async def test_a_closed_session_takes_no_call(gateway):
    """Whoever still holds the session of a lost socket is told that nothing was sent."""
    async with gateway.connect():
        session = await gateway.ready()
    await gateway.until(lambda: not session.is_ready)

    assert await session.call(OutgoingCall("c1", "Outward", b"{}")) == NeverSent(reason="station-offline")


async def test_our_own_failure_ends_only_that_socket(gateway):
    """A bug on the way of a frame is logged and closes with 1011; other stations go on."""
    async with gateway.connect("CS2") as other:
        client = await gateway.connect()
        await gateway.ready()
        gateway.hearing = ZeroDivisionError()
        await client.send(call("Plain"))
        with pytest.raises(ConnectionClosed) as closed:
            await client.recv()
        gateway.hearing = None

        assert closed.value.rcvd.code == 1011
        assert await ask(other, "Plain") == [3, "m1", {"text": ""}]


async def test_a_second_stop_does_nothing(gateway):
    """Stopping is done once."""
    await gateway.server.stop()
    await gateway.server.stop()

    assert len(gateway.registry) == 0


async def test_the_last_of_many_connections_wins(gateway):
    """A station that reconnects before its context was ever loaded ends with one session, opened in order."""
    gateway.opening.clear()
    clients = [await gateway.connect() for _ in range(3)]
    gateway.opening.set()

    assert await ask(clients[-1], "Plain") == [3, "m1", {"text": ""}]
    assert len(gateway.registry) == 1
    assert [context.replaced for context in gateway.contexts] == [True, False]
    for client in clients:
        await client.close()
