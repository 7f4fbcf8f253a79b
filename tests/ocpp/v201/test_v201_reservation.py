"""reservation: orders of block H and their outcomes, and the station's reports."""

import json
from datetime import timedelta

import pytest

from evhold.domain.facts import Accepted, CancelAccepted, CancelRejected, Errored, NeverLeft, Refused, Silent
from evhold.domain.station import Presence
from evhold.domain.values import Ask, AskKind, IdToken, StatusInfo, Terms
from evhold.ocpp.v201.reservation import Commands, late_answer
from evhold.usecases.ports import CallFailed, CallResult, NeverSent, NoAnswer

AHEAD = timedelta(seconds=90)


@pytest.fixture
def commands(calls, fixed):
    """Commands to stations whose clocks are 90 s ahead."""
    return Commands(calls, clock=fixed, ids=fixed, clock_offset=lambda station_id: AHEAD)


@pytest.fixture
def reserve(now):
    """An ask for EVSE 1, committed a second before its frame left."""
    terms = Terms(id_token=IdToken("TAG_ABCDEF", "Central"), expiry=now + timedelta(hours=1), evse_id=1)
    return Ask(message_id="m1", kind=AskKind.RESERVE, terms=terms, sent_at=now - timedelta(seconds=1))


@pytest.fixture
def cancel(now):
    """An ask to cancel."""
    return Ask(message_id="m2", kind=AskKind.CANCEL, terms=None, sent_at=now - timedelta(seconds=1))


async def test_reserve_now_is_sent_by_the_ask(commands, calls, reserve):
    """Its message id and terms, not after their expiry, and in its turn."""
    await commands.reserve_now("CS1", 7, reserve)
    (sent,) = calls.sent
    assert (sent["action"], sent["id"], sent["urgent"]) == ("ReserveNow", "m1", False)
    assert reserve.terms.expiry == sent["not_after"]
    assert (sent["payload"]["id"], sent["payload"]["evseId"]) == (7, 1)


async def test_a_slow_clock_gives_an_order_more_time(calls, fixed, reserve):
    """A station that is 90 s behind holds it 90 s longer."""
    slow = Commands(calls, clock=fixed, ids=fixed, clock_offset=lambda station_id: -AHEAD)
    await slow.reserve_now("CS1", 7, reserve)
    assert calls.sent[0]["not_after"] == reserve.terms.expiry + AHEAD


async def test_an_accepted_reservation_says_when_it_was_sent(commands, calls, reserve, now):
    """The answer's ask has the time at which the frame left, and both frames are there, masked."""
    calls.answers({"status": "Accepted", "statusInfo": {"reasonCode": "Fine"}})
    answer, frames = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, Accepted)
    assert (now, "m1", StatusInfo("Fine")) == (answer.ask.sent_at, answer.ask.message_id, answer.status_info)
    assert [("CSMS", now), ("CS", now + timedelta(seconds=2))] == [(frame.sender, frame.at) for frame in frames]
    assert json.loads(frames[0].text)[3]["idToken"]["idToken"] == "******CDEF"
    assert json.loads(frames[1].text)[:2] == [3, "m1"]


@pytest.mark.req("H01.FR.11", "H01.FR.12", "H01.FR.14", "H01.FR.01")
@pytest.mark.parametrize("status", ["Faulted", "Occupied", "Rejected", "Unavailable"])
async def test_every_refusal_is_kept(commands, calls, reserve, status):
    """With the station's words beside it."""
    info = {"reasonCode": "", "additionalInfo": "Reservation is not enabled"}
    calls.answers({"status": status, "statusInfo": info})
    answer, _ = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, Refused)
    assert (status, StatusInfo("", "Reservation is not enabled")) == (answer.status, answer.status_info)
    assert not answer.still_reserved


async def test_a_callerror_is_a_fact(commands, calls, reserve):
    """Its code decides whether it proves that nothing was done."""
    calls.answer = CallFailed(code="NotImplemented", description="no block H")
    answer, frames = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, Errored)
    assert (answer.code, answer.description, answer.proves_non_execution) == ("NotImplemented", "no block H", True)
    assert json.loads(frames[1].text) == [4, "m1", "NotImplemented", "no block H", {}]


@pytest.mark.parametrize("reason", ["timeout", "connection-lost"])
async def test_silence_is_no_answer(commands, calls, reserve, reason, now):
    """The outcome is unknown, and why; the frame that was sent is shown."""
    calls.answer = NoAnswer(reason=reason)
    answer, frames = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, Silent)
    assert (reason, now) == (answer.reason, answer.ask.sent_at)
    assert [frame.sender for frame in frames] == ["CSMS"]


@pytest.mark.parametrize("payload", [b'{"status":"Perhaps"}', b"{}", b"[]", b'{"status":"Accepted","more":1}'])
async def test_an_unreadable_answer_is_silence(commands, calls, reserve, payload):
    """It breaks the schema, so nobody knows what it says; it is in the history all the same."""
    calls.answer = CallResult(payload=payload)
    answer, frames = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, Silent)
    assert answer.reason == "unreadable-answer"
    assert len(frames) == 2


@pytest.mark.parametrize("reason", ["station-offline", "station-busy", "expired-in-queue", "withdrawn"])
async def test_what_never_left_is_known_for_certain(commands, calls, reserve, reason):
    """No frame, and the ask as it was."""
    calls.answer, calls.sent_at = NeverSent(reason=reason), None
    answer, frames = await commands.reserve_now("CS1", 7, reserve)
    assert isinstance(answer, NeverLeft)
    assert (reason, reserve) == (answer.reason, answer.ask)
    assert frames == ()


async def test_a_reserve_now_needs_terms(commands, cancel):
    """An ask without them is a mistake of ours."""
    with pytest.raises(ValueError, match="terms"):
        await commands.reserve_now("CS1", 7, cancel)


@pytest.mark.req("H02.FR.02")
async def test_a_cancel_goes_before_all_others(commands, calls, cancel, now):
    """Urgent, without an end of its own; Accepted tells how far the station's clock is off."""
    calls.answers({"status": "Accepted"})
    answer, frames = await commands.cancel_reservation("CS1", 7, cancel)
    (sent,) = calls.sent
    assert (sent["action"], sent["urgent"], sent["not_after"]) == ("CancelReservation", True, None)
    assert sent["payload"] == {"reservationId": 7}
    assert isinstance(answer, CancelAccepted)
    assert (AHEAD, now) == (answer.clock_offset, answer.ask.sent_at)
    assert len(frames) == 2


@pytest.mark.req("H02.FR.01")
async def test_a_rejected_cancel_has_the_stations_time(commands, calls, cancel, fixed):
    """Whether it expired is judged by the station's clock."""
    calls.answers({"status": "Rejected", "statusInfo": {"reasonCode": "Unknown"}})
    answer, _ = await commands.cancel_reservation("CS1", 7, cancel)
    assert isinstance(answer, CancelRejected)
    assert (fixed.now() + AHEAD, StatusInfo("Unknown")) == (answer.station_now, answer.status_info)


async def test_a_cancel_ends_in_the_same_ways(commands, calls, cancel):
    """CALLERROR, silence, an unreadable answer, never sent."""
    ends = []
    for calls.answer in (
        CallFailed(code="SecurityError"),
        NoAnswer(reason="timeout"),
        CallResult(payload=b"{}"),
        NeverSent(reason="station-busy"),
    ):
        answer, _ = await commands.cancel_reservation("CS1", 7, cancel)
        ends.append(type(answer))
    assert [Errored, Silent, Silent, NeverLeft] == ends


async def test_the_rest_goes_straight_through(commands, calls):
    """Presence, taking back, and raw calls, which get a message id of their own."""
    calls.answers({"status": "Accepted"})
    assert Presence(online=True, registered=True) == commands.presence("CS1")
    assert await commands.withdraw("CS1", "m1")
    assert not await commands.withdraw("CS1", "m9")
    answer = await commands.call("CS1", "Reset", b'{"type":"OnIdle"}')
    assert CallResult(payload=b'{"status": "Accepted"}') == answer
    assert [sent["id"] for sent in calls.sent] == ["id1"]


async def test_a_raw_call_goes_out_compact(commands, calls, monkeypatch):
    """However the operator wrote it; names, numbers and order stay as they are."""
    sent = []

    async def call(station_id, action, payload, *, message_id):
        sent.append(payload)
        return NoAnswer(reason="timeout")

    monkeypatch.setattr(calls, "call", call)
    await commands.call("CS1", "DataTransfer", b'{ "vendorId": "a b",\n\t"data": [1.50, {"\xc3\xb6": null}] }')
    assert sent == [b'{"vendorId":"a b","data":[1.50,{"\xc3\xb6":null}]}']


def test_a_late_answer_is_read_by_its_ask(reserve, cancel, now):
    """The same payload means one thing for a ReserveNow and another for a CancelReservation."""
    accepted = CallResult(payload=b'{"status":"Accepted"}')
    fact_of, frames = late_answer("m1", accepted, at=now, clock_offset=AHEAD)
    assert Accepted(ask=reserve) == fact_of(reserve)
    assert CancelAccepted(ask=cancel, clock_offset=AHEAD) == fact_of(cancel)
    assert [frame.text for frame in frames] == ['[3,"m1",{"status":"Accepted"}]']
    rejected = CallResult(payload=b'{"status":"Rejected"}')
    fact_of, _ = late_answer("m2", rejected, at=now, clock_offset=AHEAD)
    assert CancelRejected(ask=cancel, station_now=now + AHEAD) == fact_of(cancel)


def test_a_late_answer_that_says_nothing_is_no_fact(reserve, cancel, now):
    """Unreadable: None. A CALLERROR is the station's word."""
    fact_of, _ = late_answer("m1", CallResult(payload=b"{}"), at=now, clock_offset=AHEAD)
    assert fact_of(reserve) is None
    assert fact_of(cancel) is None
    fact_of, _ = late_answer("m1", CallFailed(code="InternalError"), at=now, clock_offset=AHEAD)
    assert Errored(ask=reserve, code="InternalError") == fact_of(reserve)


@pytest.mark.req("H04.FR.01", "H01.FR.16", "H01.FR.17")
@pytest.mark.parametrize("status", ["Expired", "Removed"])
async def test_a_stations_report_is_told(csms, now, status):
    """With the time it was heard and its frame, before the station is answered."""
    payload = {"reservationId": 7, "reservationUpdateStatus": status}
    assert await csms.answer("ReservationStatusUpdate", payload) == {}
    ((_, connected, reservation_id, told, more),) = csms.told
    assert ("CS1", 7, status, now) == (connected.station_id, reservation_id, told, more["heard"].at)
    assert [2, "m1", "ReservationStatusUpdate", payload] == json.loads(more["heard"].frames[0].text)


@pytest.mark.parametrize("number", [0, -1, 2**31])
async def test_a_report_about_no_reservation_is_answered(csms, number):
    """Nothing is told of it (row 42)."""
    payload = {"reservationId": number, "reservationUpdateStatus": "Expired"}
    assert await csms.answer("ReservationStatusUpdate", payload) == {}
    assert csms.told == []
