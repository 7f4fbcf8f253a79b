"""H01 through all layers: a specific EVSE, any EVSE, a connector type, groups, replacements."""

import pytest
from e2e_stage import FREE, GROUP, RESERVED, heard, id_token, journey, online, reserved, told

from csms import in_seconds

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


@pytest.mark.req("H01.FR.03", "H01.FR.23")
async def test_s2_a_specific_evse_becomes_active_and_reserved(csms):
    """201 with the reservation, Pending then Active, every connector of the EVSE Reserved, told as accepted."""
    async with online(csms, "S2", connectors=(("cCCS2", "cType2"), ("cCCS2",))) as station:
        expiry = in_seconds(60)
        answer = await csms.reserve("S2", evseId=1, expiryDateTime=expiry)
        assert answer.status_code == 201, answer.text
        body = answer.json()
        assert answer.headers["Location"] == f"/api/v1/reservations/{body['id']}"
        assert 1 <= body["id"] <= 2**31 - 1
        assert (
            body
            | {
                "stationId": "S2",
                "evseId": 1,
                "connectorType": None,
                "idToken": id_token(),
                "groupIdToken": None,
                "status": "Active",
                "ocppStatus": "Accepted",
                "cause": None,
                "proven": False,
                "confirmed": False,
                "replacement": None,
                "cancelRequestedAt": None,
            }
            == body
        )
        await csms.until_connectors("S2", {(1, 1): RESERVED, (1, 2): RESERVED, (2, 1): FREE})
        asked = heard(station, "ReserveNow")
        assert [(one["id"], one["evseId"], one["idToken"]) for one in asked] == [(body["id"], 1, id_token())]
        assert asked[0]["expiryDateTime"] == body["expiryDateTime"]
        assert "connectorType" not in asked[0]
        assert await journey(csms, body["id"]) == [(None, "Pending"), ("Pending", "Active")]
        events = await told(csms, "reservation.accepted", stationId="S2", name="reservation.*")
        assert [event.data["reservation"]["id"] for event in events] == [body["id"]]


async def test_the_history_keeps_the_frames_with_masked_tokens(csms):
    """The row that made it Active carries ReserveNow and its answer; the token is not readable in it."""
    async with online(csms, "S2-FRAMES"):
        body = await reserved(csms, "S2-FRAMES", evseId=1)
        row = (await csms.history(body["id"]))[-1]
        assert (row["from"], row["to"], row["by"]) == ("Pending", "Active", "station")
        call, result = (frame["frame"] for frame in row["frames"])
        assert (call[0], call[2], result[0], result[1]) == (2, "ReserveNow", 3, call[1])
        assert result[2]["status"] == "Accepted"
        assert "AABBCCDD" not in str(row)


@pytest.mark.req("H01.FR.04", "H01.FR.18")
async def test_s1_any_evse_is_asked_for_without_evse_id(csms):
    """With one of two EVSEs left for others no connector is Reserved."""
    async with online(csms, "S1") as station:
        body = await reserved(csms, "S1")
        assert (body["evseId"], body["connectorType"]) == (None, None)
        asked = heard(station, "ReserveNow")[0]
        assert not {"evseId", "connectorType", "groupIdToken"} & asked.keys()
        await station.settled()
        assert await csms.connectors("S1") == {(1, 1): FREE, (2, 1): FREE}


@pytest.mark.req("H01.FR.20", "H02.FR.06")
async def test_s1_as_many_reservations_as_evses_reserve_all_connectors(csms):
    """The second of two makes all connectors Reserved; a cancel brings them back to Available; a third is Occupied."""
    async with online(csms, "S1-ALL"):
        first = await reserved(csms, "S1-ALL")
        await reserved(csms, "S1-ALL", idToken=id_token("DDCCBBAA"))
        await csms.until_connectors("S1-ALL", {(1, 1): RESERVED, (2, 1): RESERVED})
        third = await csms.reserve("S1-ALL", idToken=id_token("00112233"))
        assert third.json()["ocppStatus"] == "Occupied"
        assert (await csms.request("DELETE", f"/reservations/{first['id']}")).json()["status"] == "Canceled"
        await csms.until_connectors("S1-ALL", {(1, 1): FREE, (2, 1): FREE})


@pytest.mark.req("H01.FR.06", "H01.FR.24")
async def test_s3_a_connector_type_reserves_the_last_evse_of_that_type(csms):
    """connectorType goes out without evseId; the only EVSE of that type is Reserved, the other is not."""
    async with online(csms, "S3", connector_types=("cCCS2", "cType2")) as station:
        body = await reserved(csms, "S3", connectorType="cType2")
        assert (body["evseId"], body["connectorType"]) == (None, "cType2")
        asked = heard(station, "ReserveNow")[0]
        assert asked["connectorType"] == "cType2"
        assert "evseId" not in asked
        await csms.until_connectors("S3", {(1, 1): FREE, (2, 1): RESERVED})
        await csms.request("DELETE", f"/reservations/{body['id']}")
        await csms.until_connectors("S3", {(1, 1): FREE, (2, 1): FREE})


async def test_the_group_goes_out_with_the_reservation(csms):
    """groupIdToken stands in ReserveNow and in the reservation as it was given."""
    async with online(csms, "GROUP") as station:
        body = await reserved(csms, "GROUP", evseId=2, groupIdToken=GROUP)
        assert body["groupIdToken"] == GROUP
        assert heard(station, "ReserveNow")[0]["groupIdToken"] == GROUP


@pytest.mark.req("H01.FR.02")
async def test_a_patch_replaces_under_the_same_id(csms):
    """ReserveNow with the same id and the new terms; 200, the EVSE changes, the old one is free for others."""
    async with online(csms, "PATCH") as station:
        body = await reserved(csms, "PATCH", evseId=1)
        later = in_seconds(120)
        answer = await csms.request(
            "PATCH",
            f"/reservations/{body['id']}",
            json={"evseId": 2, "expiryDateTime": later, "idToken": id_token("DDCCBBAA")},
        )
        assert answer.status_code == 200, answer.text
        replaced = answer.json()
        assert (replaced["id"], replaced["evseId"], replaced["status"]) == (body["id"], 2, "Active")
        assert (replaced["idToken"], replaced["replacement"]) == (id_token("DDCCBBAA"), None)
        assert replaced["expiryDateTime"] > body["expiryDateTime"]
        assert [(one["id"], one["evseId"]) for one in heard(station, "ReserveNow")] == [
            (body["id"], 1),
            (body["id"], 2),
        ]
        await csms.until_connectors("PATCH", {(1, 1): FREE, (2, 1): RESERVED})
        events = await told(csms, "reservation.replaced", stationId="PATCH", name="reservation.*")
        assert [event.name for event in events] == ["reservation.accepted", "reservation.replaced"]
        await reserved(csms, "PATCH", evseId=1, idToken=id_token("00112233"))


async def test_a_patch_to_any_evse_gives_up_the_named_one(csms):
    """evseId null is sent as no evseId."""
    async with online(csms, "PATCH-ANY") as station:
        body = await reserved(csms, "PATCH-ANY", evseId=1)
        answer = await csms.request("PATCH", f"/reservations/{body['id']}", json={"evseId": None})
        assert (answer.status_code, answer.json()["evseId"]) == (200, None)
        assert "evseId" not in heard(station, "ReserveNow")[1]
        await csms.until_connectors("PATCH-ANY", {(1, 1): FREE, (2, 1): FREE})


@pytest.mark.row(51, 53)
async def test_a_refused_replacement_leaves_the_old_terms(csms):
    """409; a station that keeps no id twice is asked for the old terms once, stays Reserved, and so does the row."""
    async with online(csms, "PATCH-REFUSED", faulty={"rejects_same_id": True}) as station:
        body = await reserved(csms, "PATCH-REFUSED", evseId=1)
        await csms.until_connectors("PATCH-REFUSED", {(1, 1): RESERVED})
        answer = await csms.request("PATCH", f"/reservations/{body['id']}", json={"evseId": 2})
        assert answer.status_code == 409, answer.text
        refused = answer.json()
        assert refused["type"] == "/problems/reservation-refused"
        assert refused["ocppStatus"] == "Rejected"
        assert refused["statusInfo"]["additionalInfo"] == "the id is in use"
        assert refused["reservation"]["evseId"] == 1
        await station.wait_for(lambda: len(heard(station, "ReserveNow")) == 3)
        assert heard(station, "ReserveNow")[2]["evseId"] == 1
        known = await csms.until(body["id"], "Active", replacement=None)
        assert (known["evseId"], known["idToken"]) == (1, id_token())
        await csms.until_connectors("PATCH-REFUSED", {(1, 1): RESERVED})


@pytest.mark.row(51, 53)
async def test_a_station_that_drops_the_old_reservation_gets_it_back(csms):
    """The replacement is Occupied and the old one gone: ReserveNow with the old terms makes it hold again."""
    async with online(csms, "PATCH-DROPPED", faulty={"drops_on_refused_replace": True}) as station:
        body = await reserved(csms, "PATCH-DROPPED", evseId=1)
        await station.plug_in(2)
        answer = await csms.request("PATCH", f"/reservations/{body['id']}", json={"evseId": 2})
        assert (answer.status_code, answer.json()["ocppStatus"]) == (409, "Occupied")
        await station.wait_for(lambda: len(heard(station, "ReserveNow")) == 3)
        await station.wait_for(lambda: body["id"] in station.state.reservations)
        known = await csms.until(body["id"], "Active", replacement=None)
        assert known["evseId"] == 1
        await csms.until_connectors("PATCH-DROPPED", {(1, 1): RESERVED})


async def test_an_evse_is_held_once(csms):
    """A second reservation of the same EVSE is refused without asking the station."""
    async with online(csms, "TWICE") as station:
        await reserved(csms, "TWICE", evseId=1)
        answer = await csms.reserve("TWICE", evseId=1, idToken=id_token("DDCCBBAA"))
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/evse-already-reserved")
        assert len(heard(station, "ReserveNow")) == 1


@pytest.mark.req("H01.FR.23")
@pytest.mark.parametrize("reports", ["event", "both"])
async def test_stations_that_report_by_notify_event(csms, reports):
    """AvailabilityState of the connectors is their status, alone or beside StatusNotification."""
    name = f"REPORTS-{reports}"
    async with online(csms, name, reports=reports, connectors=(("cCCS2", "cType2"), ("cCCS2",))):
        await csms.until_connectors(name, {(1, 1): FREE, (1, 2): FREE, (2, 1): FREE})
        body = await reserved(csms, name, evseId=1)
        await csms.until_connectors(name, {(1, 1): RESERVED, (1, 2): RESERVED, (2, 1): FREE})
        await csms.request("DELETE", f"/reservations/{body['id']}")
        await csms.until_connectors(name, {(1, 1): FREE, (1, 2): FREE})
