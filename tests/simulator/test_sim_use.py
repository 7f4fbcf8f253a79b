"""H03 as the station does it, and the remote orders that touch a reservation."""

import pytest

from evhold.simulator.options import Misbehaviour

SN, TE = "StatusNotification", "TransactionEvent"
GROUP = {"idToken": "GROUP001", "type": "Central"}


def test_token_first_then_cable(bench):
    """H03.FR.01, H03.FR.09, H03.FR.10: Authorize, Available, Occupied, and reservationId in the first TransactionEvent only."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    assert lab.present("aabbccdd", 1) == "Accepted"
    lab.do("plug_in", 1)
    assert lab.take() == [
        ("Authorize", "aabbccdd"),
        (SN, "1/1 Available"),
        (SN, "1/1 Occupied"),
        (TE, "Started CablePluggedIn aabbccdd reservation 7"),
        (TE, "Updated ChargingStateChanged"),
    ]
    lab.do("unplug", 1)
    assert lab.take() == [(TE, "Ended EVCommunicationLost"), (SN, "1/1 Available")]


def test_cable_first_then_token(bench):
    """G01.FR.06, H03 variant B: Reserved until the token comes, then Occupied."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("plug_in", 1)
    assert lab.take() == []
    lab.present("AABBCCDD", 1)
    assert lab.take() == [
        ("Authorize", "AABBCCDD"),
        (SN, "1/1 Occupied"),
        (TE, "Started Authorized AABBCCDD reservation 7"),
        (TE, "Updated ChargingStateChanged"),
    ]


@pytest.mark.parametrize(
    ("start_point", "token_first", "events"),
    [
        ("Authorized", True, ["Started Authorized AABBCCDD reservation 7", "Updated CablePluggedIn"]),
        ("Authorized", False, ["Started Authorized AABBCCDD reservation 7"]),
        ("EVConnected", True, ["Started CablePluggedIn AABBCCDD reservation 7"]),
        ("EVConnected", False, ["Started CablePluggedIn", "Updated Authorized AABBCCDD reservation 7"]),
        ("PowerPathClosed", True, ["Started CablePluggedIn AABBCCDD reservation 7"]),
        ("ParkingBayOccupancy", True, ["Started EVDetected AABBCCDD reservation 7", "Updated CablePluggedIn"]),
        (
            "ParkingBayOccupancy",
            False,
            ["Started EVDetected", "Updated CablePluggedIn", "Updated Authorized AABBCCDD reservation 7"],
        ),
    ],
)
def test_every_start_point_tells_the_reservation_once(bench, start_point, token_first, events):
    """H01.FR.15, E02.FR.03, E03.FR.03: in the event that follows the authorization, for every TxStartPoint."""
    lab = bench(tx_start_point=start_point)
    lab.reserve(7, evseId=1)
    lab.take()
    if token_first:
        lab.present("AABBCCDD", 1)
        lab.do("plug_in", 1)
    else:
        lab.do("plug_in", 1)
        lab.present("AABBCCDD", 1)
    lab.do("unplug", 1)
    told = [text for action, text in lab.take() if action == TE]
    assert told == [*events, "Updated ChargingStateChanged", "Ended EVCommunicationLost"]


def test_sequence_numbers_count_up_within_a_transaction(bench):
    """E01.FR.07: from 0, without a gap."""
    lab = bench(tx_start_point="EVConnected")
    lab.do("plug_in", 1)
    lab.present("CAFE", 1)
    lab.do("unplug", 1)
    events = lab.take(TE)
    assert [event["seqNo"] for event in events] == [0, 1, 2, 3]
    assert len({event["transactionInfo"]["transactionId"] for event in events}) == 1


def test_a_foreign_token_changes_nothing_and_asks_nothing(bench):
    """H03: at a Reserved EVSE without a group the station refuses by itself."""
    lab = bench()
    lab.reserve(7, evseId=1)
    lab.take()
    assert lab.present("CAFE", 1) == "Refused"
    assert lab.take() == []
    assert lab.held == {7}


def test_the_same_text_of_another_type_is_a_foreign_token(bench):
    """Tokens compare together with their type."""
    lab = bench()
    lab.call(
        "ReserveNow",
        id=7,
        evseId=1,
        idToken={"idToken": "AABBCCDD", "type": "KeyCode"},
        expiryDateTime="2026-12-15T14:00:00Z",
    )
    assert lab.present("AABBCCDD", 1) == "Refused"


def test_a_foreign_car_at_a_reserved_evse_starts_a_transaction_without_charging(bench):
    """TxStartPoint=EVConnected: Started without token and reservationId, no charging, still Reserved, Ended at plug-out."""
    lab = bench(tx_start_point="EVConnected")
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("plug_in", 1)
    assert lab.present("CAFE", 1) == "Refused"
    lab.do("unplug", 1)
    assert lab.take() == [(TE, "Started CablePluggedIn"), (TE, "Ended EVCommunicationLost")]
    assert lab.held == {7}


def test_a_station_may_name_the_reservation_for_a_foreign_car(bench):
    """The known habit of a widely used station, as an option: once without a token, and again for the right driver."""
    lab = bench(tx_start_point="EVConnected", misbehaviour=Misbehaviour(reservation_id_on_plug_in=True))
    lab.reserve(7, evseId=1)
    lab.take()
    lab.do("plug_in", 1)
    lab.do("unplug", 1)
    lab.present("AABBCCDD", 1)
    lab.do("plug_in", 1)
    told = [text for action, text in lab.take() if action == TE]
    assert told[0] == "Started CablePluggedIn reservation 7"
    assert told[2] == "Started CablePluggedIn AABBCCDD reservation 7"


@pytest.mark.parametrize("target", [{"evseId": 1}, {"connectorType": "cCCS2"}, {}])
def test_a_member_of_the_group_may_use_the_reservation(bench, target):
    """H03.FR.04-06, H03.FR.08: Authorize tells the group, for every kind of reservation."""
    lab = bench(evses=1)
    lab.groups["D0001"] = "group001"
    lab.reserve(7, groupIdToken=GROUP, **target)
    lab.take()
    assert lab.present("D0001", 1) == "Accepted"
    lab.do("plug_in", 1)
    told = lab.take()
    assert told[0] == ("Authorize", "D0001")
    assert (TE, "Started CablePluggedIn D0001 reservation 7") in told
    assert lab.held == set()


def test_a_member_of_no_or_another_group_is_refused(bench):
    """H03: asked for, not matching, nothing changed."""
    lab = bench()
    lab.groups["D0002"] = "OTHER"
    lab.reserve(7, evseId=1, groupIdToken=GROUP)
    lab.take()
    assert [lab.present("D0001", 1), lab.present("D0002", 1)] == ["Refused", "Refused"]
    assert lab.take() == [("Authorize", "D0001"), ("Authorize", "D0002")]
    assert lab.held == {7}


def test_the_cache_spares_the_second_authorize(bench):
    """H03.FR.07: a group that is known already is not asked for again."""
    lab = bench(cache=True)
    lab.groups["D0001"] = "GROUP001"
    lab.present("D0001", 2)
    lab.do("plug_in", 2)
    lab.present("D0001", 2)
    lab.do("unplug", 2)
    lab.reserve(7, evseId=1, groupIdToken=GROUP)
    lab.take()
    assert lab.present("D0001", 1) == "Accepted"
    assert lab.take() == [(SN, "1/1 Available")]


def test_a_blocked_token_does_not_consume_its_reservation(bench):
    """The CSMS's No to Authorize is final."""
    lab = bench()
    lab.blocked.add("AABBCCDD")
    lab.reserve(7, evseId=1)
    assert lab.present("AABBCCDD", 1) == "Refused"
    assert lab.held == {7}


def test_an_unanswered_authorize_refuses(bench):
    """Online, silence is no Yes."""
    lab = bench()
    lab.silent.add("Authorize")
    lab.reserve(7, evseId=1)
    assert lab.present("AABBCCDD", 1) == "Refused"
    assert lab.held == {7}


def test_a_connector_type_reservation_is_used_at_an_evse_of_that_type(bench):
    """H03.FR.02: elsewhere the token charges without it."""
    lab = bench(connector_types=("cCCS2", "cType2"))
    lab.reserve(7, connectorType="cType2")
    assert lab.present("AABBCCDD", 1) == "Accepted"
    assert lab.held == {7}
    lab.do("plug_in", 1)
    assert lab.present("AABBCCDD", 2) == "Accepted"
    assert lab.held == set()


def test_an_unspecified_reservation_is_used_at_any_available_evse(bench):
    """H03.FR.03, H03 S3: the connector was Available all the time; also with the cable first."""
    lab = bench()
    lab.reserve(7)
    lab.do("plug_in", 2)
    assert lab.statuses() == ["Reserved", "Occupied"]
    assert lab.present("AABBCCDD", 2) == "Accepted"
    assert lab.statuses() == ["Available", "Occupied"]
    assert "Started Authorized AABBCCDD reservation 7" in [text for _, text in lab.take()]


def test_a_reader_of_the_whole_station_finds_the_reserved_evse(bench):
    """A token that names no EVSE opens the one that is reserved for it."""
    lab = bench(evses=3)
    lab.reserve(7, evseId=3)
    assert lab.present("AABBCCDD", None) == "Accepted"
    assert lab.held == set()
    assert lab.statuses() == ["Available", "Available", "Available"]


def test_the_more_specific_reservation_is_used_first(bench):
    """A token with two reservations uses the one for this EVSE."""
    lab = bench(evses=3)
    lab.reserve(1)
    lab.reserve(2, evseId=2)
    lab.present("AABBCCDD", 2)
    assert lab.held == {1}


def test_a_cable_that_never_comes_ends_it(bench):
    """EVConnectionTimeOut: a transaction that began by the token ends; the reservation is gone (consumed)."""
    lab = bench(tx_start_point="Authorized", connection_timeout_s=30)
    lab.reserve(7, evseId=1)
    lab.present("AABBCCDD", 1)
    lab.take()
    lab.wait(30)
    assert lab.take() == [(TE, "Ended EVConnectTimeout")]
    assert lab.held == set()
    assert lab.reserve(8, evseId=1) == "Accepted"


def test_the_same_token_stops_its_transaction(bench):
    """E07: Ended with the token and StopAuthorized; the car keeps the EVSE Occupied."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    lab.take()
    assert lab.present("CAFE", 1) == "Stopped"
    assert lab.take() == [(TE, "Ended StopAuthorized CAFE")]
    assert lab.statuses()[0] == "Occupied"


def test_a_token_that_the_csms_refuses_in_a_transaction_event_is_stopped(bench):
    """E05: idTokenInfo other than Accepted ends the transaction."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.blocked.add("CAFE")
    lab.do("plug_in", 1)
    assert "Ended Deauthorized" in [text for _, text in lab.take()]


def start(lab, who, **more):
    """The status that RequestStartTransaction is answered."""
    id_token = {"idToken": who, "type": "ISO14443"}
    return lab.call("RequestStartTransaction", remoteStartId=5, idToken=id_token, **more)["status"]


def test_remote_start_at_a_reserved_evse_needs_the_token_or_the_group(bench):
    """F01.FR.21, F01.FR.22: a foreign token is Rejected, the group of the request opens it."""
    lab = bench()
    lab.reserve(7, evseId=1, groupIdToken=GROUP)
    lab.take()
    assert start(lab, "CAFE", evseId=1) == "Rejected"
    assert lab.take() == []
    assert start(lab, "CAFE", evseId=1, groupIdToken=GROUP) == "Accepted"
    lab.do("plug_in", 1)
    events = lab.take(TE)
    assert events[0]["reservationId"] == 7
    assert events[0]["transactionInfo"]["remoteStartId"] == 5
    assert events[0]["triggerReason"] == "RemoteStart"


def test_remote_start_with_the_reserved_token(bench):
    """F01: Accepted, Available, and then as with a token at the reader; Authorize where the station asks."""
    lab = bench(authorize_remote_start=True)
    lab.reserve(7, evseId=1)
    lab.take()
    assert start(lab, "AABBCCDD", evseId=1) == "Accepted"
    assert lab.take() == [("Authorize", "AABBCCDD"), (SN, "1/1 Available")]


def test_remote_stop(bench):
    """F03: the named transaction ends with RemoteStop, an unknown one is Rejected."""
    lab = bench()
    lab.present("CAFE", 1)
    lab.do("plug_in", 1)
    lab.take()
    assert lab.call("RequestStopTransaction", transactionId="none") == {"status": "Rejected"}
    assert lab.call("RequestStopTransaction", transactionId="tx-1") == {"status": "Accepted"}
    assert lab.take() == [(TE, "Ended RemoteStop")]
