"""H04, H01.FR.16/17, absences and reboots as the station does them."""

import pytest

from evhold.ocpp.rpc.errors import NotImplemented_
from evhold.simulator.options import Misbehaviour

SN, TE, RSU = "StatusNotification", "TransactionEvent", "ReservationStatusUpdate"


def test_expiry_tells_available_then_expired(bench):
    """H04.FR.01-03: at the expiryDateTime, not before it."""
    lab = bench()
    lab.reserve(7, evseId=1, seconds=60)
    lab.take()
    lab.wait(59)
    assert lab.take() == []
    lab.wait(1)
    assert lab.take() == [(SN, "1/1 Available"), (RSU, "7 Expired")]
    assert lab.present("CAFE", 1) == "Accepted"


def test_expiry_of_an_unspecified_reservation(bench):
    """H04: told although no connector changes."""
    lab = bench()
    lab.reserve(7, seconds=60)
    lab.wait(60)
    assert lab.take() == [(RSU, "7 Expired")]


def test_the_station_says_when_something_is_due(bench):
    """The next expiry, and None without any."""
    lab = bench()
    assert lab.station.next_deadline() is None
    lab.reserve(7, evseId=1, seconds=60)
    lab.reserve(8, evseId=2, seconds=30)
    assert (lab.station.next_deadline() - lab.now).total_seconds() == 30


def test_updates_may_come_before_the_status(bench):
    """As an option: the order of both is not fixed."""
    lab = bench(misbehaviour=Misbehaviour(update_before_status=True))
    lab.reserve(7, evseId=1, seconds=60)
    lab.take()
    lab.wait(60)
    assert lab.take() == [(RSU, "7 Expired"), (SN, "1/1 Available")]


def test_updates_may_be_missing(bench):
    """As an option: some stations never send one."""
    lab = bench(misbehaviour=Misbehaviour(no_update=True))
    lab.reserve(7, evseId=1, seconds=60)
    lab.take()
    lab.wait(60)
    assert lab.take() == [(SN, "1/1 Available")]


def test_a_fault_removes_the_reservation(bench):
    """H01.FR.16: Faulted, Removed; after the repair the EVSE is Available."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("fault", 1)
    assert lab.take() == [(SN, "1/1 Faulted"), (RSU, "7 Removed")]
    lab.do("clear_fault", 1)
    assert lab.take() == [(SN, "1/1 Available")]


def test_inoperative_removes_the_reservation(bench):
    """H01.FR.17: by ChangeAvailability for the EVSE."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    answered = lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    assert answered == {"status": "Accepted"}
    assert lab.take() == [(SN, "1/1 Unavailable"), (RSU, "7 Removed")]


def test_inoperative_for_the_whole_station(bench):
    """H01.FR.17: every EVSE, and what is reserved without an EVSE."""
    lab = bench()
    lab.reserve(7)
    lab.call("ChangeAvailability", operationalStatus="Inoperative")
    assert lab.take() == [(SN, "1/1 Unavailable"), (SN, "2/1 Unavailable"), (RSU, "7 Removed")]
    lab.call("ChangeAvailability", operationalStatus="Operative")
    assert lab.statuses() == ["Available", "Available"]


def test_inoperative_connectors(bench):
    """G03: a single connector; the EVSE's reservation goes with its last one."""
    lab = bench(connectors=(("cCCS2", "cType2"),))
    lab.reserve(7, evseId=1)
    lab.take()
    lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1, "connectorId": 1})
    assert lab.take() == [(SN, "1/1 Unavailable")]
    lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1, "connectorId": 2})
    assert lab.take() == [(SN, "1/2 Unavailable"), (RSU, "7 Removed")]
    answered = lab.call("ChangeAvailability", operationalStatus="Operative", evse={"id": 1, "connectorId": 9})
    assert answered == {"status": "Rejected"}


def test_inoperative_waits_for_a_running_transaction(bench):
    """G03.FR.05: Scheduled, and Unavailable when the transaction has ended."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    answered = lab.call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 1})
    assert answered == {"status": "Scheduled"}
    assert lab.statuses()[0] == "Occupied"
    lab.do("unplug", 1)
    assert lab.statuses()[0] == "Unavailable"


def test_an_unknown_evse_cannot_be_switched(bench):
    """G03: Rejected."""
    answered = bench().call("ChangeAvailability", operationalStatus="Inoperative", evse={"id": 9})
    assert answered == {"status": "Rejected"}


def test_a_fault_that_leaves_too_few_evses_removes_the_youngest(bench):
    """H01.FR.16 for reservations without evseId: the promise that can no longer be kept goes, the older one stays."""
    lab = bench()
    lab.reserve(1)
    lab.reserve(2)
    lab.take()
    lab.do("fault", 1)
    assert lab.take() == [(SN, "1/1 Faulted"), (RSU, "2 Removed")]
    assert lab.statuses()[1] == "Reserved"


def test_a_fault_elsewhere_leaves_the_reservation(bench):
    """H01.FR.16: with one EVSE to spare nothing is removed, and the last one turns Reserved."""
    lab = bench()
    lab.reserve(1)
    lab.do("fault", 1)
    assert lab.held == {1}
    assert lab.statuses() == ["Faulted", "Reserved"]


def test_a_fault_ends_the_transaction(bench):
    """E06: AbnormalCondition."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    lab.take()
    lab.do("fault", 1)
    assert (TE, "Ended AbnormalCondition") in lab.take()


def test_used_offline_is_told_later_with_its_own_time(bench):
    """E04.FR.01-03: offline true, the timestamps of then, in order; statuses are told afresh."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    lab.disconnect()
    assert lab.present("AABBCCDD", 1) == "Accepted"
    lab.do("plug_in", 1)
    used_at = lab.now
    lab.wait(50)
    assert lab.take() == []
    lab.connect()
    sent = list(lab.sent)
    assert lab.take() == [
        (TE, "Started CablePluggedIn AABBCCDD reservation 7"),
        (TE, "Updated ChargingStateChanged"),
        (SN, "1/1 Occupied"),
    ]
    assert sent[0][1]["offline"] is True
    assert sent[0][1]["timestamp"] == used_at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def test_expired_offline_the_update_is_lost(bench):
    """H4 of the station sequences: after the reconnect only the status says so."""
    lab = bench()
    lab.reserve(7, evseId=1, seconds=10)
    lab.take()
    lab.disconnect()
    lab.wait(20)
    lab.connect()
    assert lab.take() == [(SN, "1/1 Available")]


def test_expired_offline_with_all_messages_queued(bench):
    """With queue_all the update comes first, then the status."""
    lab = bench(queue_all=True)
    lab.reserve(7, evseId=1, seconds=10)
    lab.take()
    lab.disconnect()
    lab.wait(20)
    lab.connect()
    assert lab.take() == [(RSU, "7 Expired"), (SN, "1/1 Available")]


def test_after_a_long_absence_every_connector_is_told(bench):
    """B04.FR.01, B04.FR.02: beyond OfflineThreshold all, else only what has changed."""
    lab = bench(offline_threshold_s=60)
    lab.disconnect()
    lab.wait(60)
    lab.connect()
    assert lab.take() == []
    lab.disconnect()
    lab.wait(61)
    lab.connect()
    assert lab.take() == [(SN, "1/1 Available"), (SN, "2/1 Available")]


def test_offline_an_unknown_token_is_refused(bench):
    """Unless the station lets unknown tokens charge while it is offline."""
    lab = bench()
    lab.disconnect()
    assert lab.present("CAFE", 1) == "Refused"
    trusting = bench(offline_unknown=True)
    trusting.disconnect()
    assert trusting.present("CAFE", 1) == "Accepted"


def test_a_status_that_was_not_answered_is_told_after_the_reconnect(bench):
    """Only what the CSMS has taken counts as told."""
    lab = bench()
    lab.silent.add(SN)
    lab.reserve(7, evseId=1)
    lab.silent.clear()
    lab.take()
    lab.disconnect()
    lab.connect()
    assert lab.take() == [(SN, "1/1 Reserved")]


def test_a_transaction_event_is_repeated_a_limited_number_of_times(bench):
    """E13: the same event again, and then no more."""
    lab = bench(attempts=3)
    lab.silent.add(TE)
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    events = [event["seqNo"] for event in lab.take(TE)]
    assert events == [0, 0, 0, 1, 1, 1]


def test_reservations_survive_a_reboot(bench):
    """B01.FR.13, B11.FR.05: after BootNotification the connector is told Reserved again."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("reboot", "PowerUp")
    lab.connect()
    assert lab.take() == [("BootNotification", ""), (SN, "1/1 Reserved"), (SN, "2/1 Available")]
    assert lab.held == {7}


def test_a_station_may_forget_at_a_reboot(bench):
    """As an option: nothing is told of what was forgotten but the status."""
    lab = bench(forget_on_reboot=True)
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("reboot", "PowerUp")
    lab.connect()
    assert lab.take() == [("BootNotification", ""), (SN, "1/1 Available"), (SN, "2/1 Available")]


def test_a_transaction_that_a_reboot_ended_is_told_afterwards(bench):
    """E04: Ended, offline, after the boot."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    lab.take()
    lab.do("reboot", "PowerUp")
    lab.connect()
    assert lab.take()[:2] == [("BootNotification", ""), (TE, "Ended AbnormalCondition")]


def test_reset_asks_for_a_reboot(bench):
    """B11, B12: Immediate at once, OnIdle after the running transaction."""
    lab = bench()
    assert lab.call("Reset", type="OnIdle") == {"status": "Accepted"}
    assert lab.station.reboot_asked == "ScheduledReset"
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    assert lab.call("Reset", type="OnIdle") == {"status": "Scheduled"}
    assert lab.call("Reset", type="Immediate", evseId=1) == {"status": "Accepted"}
    assert lab.call("Reset", type="Immediate", evseId=9) == {"status": "Rejected"}


def test_reports_by_notify_event(bench):
    """H01.FR.23 by NotifyEvent: component Connector, AvailabilityState, Delta; a fault tells its Problem."""
    lab = bench(reports="event")
    lab.reserve(7, evseId=1)
    event = lab.take("NotifyEvent")[0]["eventData"][0]
    assert (event["trigger"], event["actualValue"]) == ("Delta", "Reserved")
    assert event["component"] == {"name": "Connector", "evse": {"id": 1, "connectorId": 1}}
    lab.do("fault", 1)
    assert lab.take() == [
        ("NotifyEvent", "EVSE Problem true"),
        ("NotifyEvent", "Connector AvailabilityState Faulted"),
        (RSU, "7 Removed"),
    ]


def test_reports_by_both(bench):
    """One change, two messages."""
    lab = bench(reports="both")
    lab.reserve(7, evseId=1)
    assert lab.take() == [(SN, "1/1 Reserved"), ("NotifyEvent", "Connector AvailabilityState Reserved")]


def test_get_variables_tells_what_the_block_can(bench):
    """B06: ReservationCtrlr and TxCtrlr as configured; unknown ones as such."""
    lab = bench(enabled=False, non_evse_specific=None, variables={("ReservationCtrlr", "Available"): "1"})
    asked = [
        ("ReservationCtrlr", "Available"),
        ("reservationctrlr", "enabled"),
        ("ReservationCtrlr", "NonEvseSpecific"),
        ("TxCtrlr", "EVConnectionTimeOut"),
        ("NoSuch", "Thing"),
    ]
    data = [{"component": {"name": c}, "variable": {"name": v}} for c, v in asked]
    results = lab.call("GetVariables", getVariableData=data)["getVariableResult"]
    assert [(r["attributeStatus"], r.get("attributeValue")) for r in results] == [
        ("Accepted", "1"),
        ("Accepted", "false"),
        ("UnknownVariable", None),
        ("Accepted", "120"),
        ("UnknownComponent", None),
    ]


def test_set_variables_switches_reservations_off(bench):
    """B05: Enabled can be written and is obeyed, Available cannot."""
    lab = bench()

    def write(component, variable, value):
        data = [{"component": {"name": component}, "variable": {"name": variable}, "attributeValue": value}]
        return lab.call("SetVariables", setVariableData=data)["setVariableResult"][0]["attributeStatus"]

    assert write("ReservationCtrlr", "Enabled", "false") == "Accepted"
    assert lab.reserve(1, evseId=1) == "Rejected"
    assert write("ReservationCtrlr", "Available", "false") == "Rejected"
    assert write("ReservationCtrlr", "Enabled", "maybe") == "Rejected"
    assert write("ReservationCtrlr", "Nothing", "true") == "UnknownVariable"
    assert write("TxCtrlr", "EVConnectionTimeOut", "15") == "Accepted"
    assert lab.station.connection_timeout_s == 15


def test_a_base_report_comes_in_parts(bench):
    """B07: rows for every EVSE and Connector, `tbc` on all parts but the last, seqNo from 0."""
    lab = bench(evses=3, connector_types=("cCCS2", "cType2"))
    assert lab.call("GetBaseReport", requestId=9, reportBase="FullInventory") == {"status": "Accepted"}
    parts = lab.take("NotifyReport")
    assert [part["seqNo"] for part in parts] == [0, 1]
    assert [part["tbc"] for part in parts] == [True, False]
    rows = [row for part in parts for row in part["reportData"]]
    types = [r["variableAttribute"][0]["value"] for r in rows if r["variable"]["name"] == "ConnectorType"]
    assert types == ["cCCS2", "cType2", "cCCS2"]


def test_trigger_message(bench):
    """F06: BootNotification, Heartbeat, StatusNotification of all or one; anything else NotImplemented."""
    lab = bench()

    def trigger(message, **more):
        return lab.call("TriggerMessage", requestedMessage=message, **more)["status"], lab.take()

    assert trigger("BootNotification") == ("Accepted", [("BootNotification", "")])
    assert trigger("Heartbeat") == ("Accepted", [("Heartbeat", "")])
    assert trigger("StatusNotification")[1] == [(SN, "1/1 Available"), (SN, "2/1 Available")]
    assert trigger("StatusNotification", evse={"id": 2, "connectorId": 1})[1] == [(SN, "2/1 Available")]
    assert trigger("MeterValues") == ("NotImplemented", [])


def test_an_unknown_action_is_not_implemented(bench):
    """CALLERROR NotImplemented."""
    with pytest.raises(NotImplemented_):
        bench().call("ClearCache")
