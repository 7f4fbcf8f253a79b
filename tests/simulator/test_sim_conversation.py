"""The station's side of the wire: deadlines, repeats, heartbeats, boots. Frames are given and taken by hand."""

import itertools
import json
from datetime import timedelta

import pytest

from conftest import START
from evhold.simulator.conversation import Conversation
from evhold.simulator.options import StationOptions
from evhold.simulator.station import Station

ACCEPTED = {"status": "Accepted", "currentTime": "2026-12-15T12:00:00Z", "interval": 60}


class Wire:
    """A conversation and its clock; `sent` are the frames that came out and were not looked at."""

    def __init__(self, **options):
        ids = itertools.count(1)
        station = Station(StationOptions(evses=1, **options), new_id=lambda: f"id-{next(ids)}")
        self.talk = Conversation(station, new_id=lambda: f"id-{next(ids)}")
        self.now = START
        self.sent = []
        self.talk.opened(self.now)
        self.pump()

    def pump(self):
        """Do what is to be done now."""
        self.talk.pump(self.now)
        self.sent += [json.loads(output.text) for output in self.talk.output]
        self.talk.output.clear()

    def give(self, *frame):
        """The CSMS sends a frame."""
        self.talk.receive_text(json.dumps(frame).encode(), now=self.now)
        self.pump()

    def take(self):
        """The only frame that came out since."""
        (frame,) = self.sent
        self.sent = []
        return frame

    def answer(self, payload=None):
        """Answer the only frame that came out; its action."""
        _, message_id, action, _ = self.take()
        self.give(3, message_id, payload or {})
        return action

    def wait(self, seconds):
        """Time passes."""
        self.now += timedelta(seconds=seconds)
        self.talk.tick(self.now)
        self.pump()


@pytest.fixture
def wire():
    """A station that was accepted and has told its status."""
    ready = Wire(call_timeout_s=10, retry_s=1, attempts=2)
    assert ready.answer(ACCEPTED) == "BootNotification"
    assert ready.answer() == "StatusNotification"
    return ready


def test_one_call_at_a_time(wire):
    """OCPP-J: the next CALL leaves when the one before is answered."""
    wire.talk.station.fault(1, now=wire.now)
    wire.talk.station.clear_fault(1, now=wire.now)
    wire.pump()
    assert wire.answer() == "StatusNotification"
    assert wire.answer() == "StatusNotification"
    assert wire.sent == []
    assert wire.talk.is_idle


def test_a_call_of_the_csms_is_served_while_ours_waits(wire):
    """The answer does not wait for the CSMS's answer; what it causes does."""
    wire.talk.station.fault(1, now=wire.now)
    wire.pump()
    _, message_id, *_ = wire.take()
    wire.give(2, "c1", "TriggerMessage", {"requestedMessage": "Heartbeat"})
    assert wire.take() == [3, "c1", {"status": "Accepted"}]
    wire.give(3, message_id, {})
    assert wire.answer({"currentTime": "2026-12-15T12:00:00Z"}) == "Heartbeat"


def test_heartbeats_come_at_the_interval_of_the_boot(wire):
    """G02: after the interval without other messages."""
    wire.wait(59)
    assert wire.sent == []
    wire.wait(1)
    assert wire.answer({"currentTime": "2026-12-15T12:01:00Z"}) == "Heartbeat"
    assert wire.talk.next_deadline() == wire.now + timedelta(seconds=60)


def test_silence_frees_the_way_for_the_next_call(wire):
    """After the call timeout a status is given up; its late answer changes nothing."""
    wire.talk.station.fault(1, now=wire.now)
    wire.pump()
    _, message_id, *_ = wire.take()
    wire.wait(10)
    wire.give(3, message_id, {})
    wire.talk.station.clear_fault(1, now=wire.now)
    wire.pump()
    assert wire.take()[3]["connectorStatus"] == "Available"


def test_a_refused_transaction_event_is_sent_again_after_a_while(wire):
    """E13: the same event under a new message id, then no more."""
    wire.talk.station.transactions.start_point = "EVConnected"
    wire.talk.station.plug_in(1, now=wire.now)
    wire.pump()
    assert wire.answer() == "StatusNotification"
    first = wire.take()
    wire.give(4, first[1], "InternalError", "", {})
    assert wire.sent == []
    wire.wait(1)
    second = wire.take()
    assert first[1] != second[1]
    assert first[3] == second[3]
    wire.give(4, second[1], "InternalError", "", {})
    wire.wait(1)
    assert wire.sent == []


def test_a_transaction_event_in_flight_survives_the_socket(wire):
    """E04, E13: it is sent again on the next connection, unchanged."""
    wire.talk.station.transactions.start_point = "EVConnected"
    wire.talk.station.plug_in(1, now=wire.now)
    wire.pump()
    assert wire.answer() == "StatusNotification"
    first = wire.take()
    wire.talk.closed(wire.now)
    wire.talk.opened(wire.now)
    wire.pump()
    assert wire.take()[2:] == first[2:]


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_station_that_is_not_accepted_boots_again_after_the_interval(status):
    """B02, B03: nothing else is sent, but CALLs are answered and what they ask for comes."""
    wire = Wire()
    wire.answer(ACCEPTED | {"status": status, "interval": 5})
    assert wire.sent == []
    wire.give(2, "c1", "TriggerMessage", {"requestedMessage": "StatusNotification"})
    assert [frame[0] for frame in wire.sent] == [3, 2]
    wire.sent.pop(0)
    assert wire.answer() == "StatusNotification"
    wire.wait(5)
    assert wire.take()[3]["reason"] == "PowerUp"


def test_a_boot_that_fails_is_repeated():
    """CALLERROR to BootNotification is no Accepted."""
    wire = Wire(retry_s=1)
    wire.give(4, wire.take()[1], "InternalError", "", {})
    wire.wait(1)
    assert wire.answer(ACCEPTED) == "BootNotification"
    assert wire.answer() == "StatusNotification"


def test_an_answer_that_breaks_the_schema_is_no_answer():
    """A BootNotification answered by nonsense is repeated."""
    wire = Wire(retry_s=1)
    wire.give(3, wire.take()[1], {"status": "Fine"})
    wire.wait(1)
    assert wire.take()[2] == "BootNotification"


def test_a_driver_who_waits_for_authorize_is_forgotten_in_a_reboot(wire):
    """Nothing is consumed by an answer that never came."""
    wire.give(
        2,
        "c1",
        "ReserveNow",
        {
            "id": 7,
            "evseId": 1,
            "idToken": {"idToken": "AABBCCDD", "type": "ISO14443"},
            "expiryDateTime": "2026-12-15T13:00:00Z",
        },
    )
    wire.sent.pop(0)
    assert wire.answer() == "StatusNotification"
    swipe = wire.talk.station.present(wire.talk.station.state.reservations[7].token, now=wire.now, evse_id=1)
    wire.talk.station.reboot("PowerUp", now=wire.now)
    assert swipe.outcome == "Refused"
    assert 7 in wire.talk.station.state.reservations


def test_reset_is_answered_before_the_socket_closes(wire):
    """B11: the answer is in the output, and the owner is told to close."""
    wire.give(2, "c1", "Reset", {"type": "Immediate"})
    assert wire.take() == [3, "c1", {"status": "Accepted"}]
    assert wire.talk.wants_close


def test_a_scheduled_reset_waits_for_the_transaction(wire):
    """B11 OnIdle: after the transaction has ended."""
    station = wire.talk.station
    station.transactions.start_point = "EVConnected"
    station.plug_in(1, now=wire.now)
    wire.give(2, "c1", "Reset", {"type": "OnIdle"})
    assert not wire.talk.wants_close
    station.unplug(1, now=wire.now)
    wire.pump()
    assert wire.talk.wants_close
