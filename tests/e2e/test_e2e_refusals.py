"""What a reservation is refused for: by the station, by what is known of it, by the token, by the request."""

import pytest
from e2e_stage import FREE, heard, id_token, journey, online, problem, register, reserved, told

from csms import in_seconds

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def refused(csms, station_id, ocpp_status, **terms):
    """The refused reservation, kept as the station's answer says."""
    answer = await csms.reserve(station_id, **terms)
    body = problem(answer, status=409, name="reservation-refused")
    assert body["ocppStatus"] == ocpp_status
    kept = await csms.reservation(body["reservation"]["id"])
    assert (kept["status"], kept["ocppStatus"], kept["confirmed"]) == ("Refused", ocpp_status, True)
    assert await journey(csms, kept["id"]) == [(None, "Pending"), ("Pending", "Refused")]
    return body


@pytest.mark.req("H01.FR.11")
async def test_an_occupied_evse(csms):
    """Occupied is kept and told; the EVSE can be reserved once the car has gone."""
    async with online(csms, "OCCUPIED") as station:
        await station.plug_in(1)
        await refused(csms, "OCCUPIED", "Occupied", evseId=1)
        events = await told(csms, "reservation.refused", stationId="OCCUPIED", name="reservation.*")
        assert [event.data["reservation"]["ocppStatus"] for event in events] == ["Occupied"]
        await station.unplug(1)
        await reserved(csms, "OCCUPIED", evseId=1)


@pytest.mark.req("H01.FR.12")
async def test_a_faulted_evse(csms):
    """Faulted is kept and told."""
    async with online(csms, "FAULTED") as station:
        await station.fault(1)
        await csms.until_connectors("FAULTED", {(1, 1): "Faulted", (2, 1): FREE})
        await refused(csms, "FAULTED", "Faulted", evseId=1)


@pytest.mark.req("H01.FR.14")
async def test_an_unavailable_evse(csms):
    """Unavailable is kept and told."""
    async with online(csms, "UNAVAILABLE") as station:
        await station.set_operative(1, False)
        await csms.until_connectors("UNAVAILABLE", {(1, 1): "Unavailable", (2, 1): FREE})
        await refused(csms, "UNAVAILABLE", "Unavailable", evseId=1)


@pytest.mark.req("H01.FR.01")
async def test_a_rejection_keeps_the_stations_words(csms):
    """Rejected with statusInfo, in the problem, the reservation and the history; the next reservation is not hindered."""
    async with online(csms, "REJECTED"):
        body = await refused(csms, "REJECTED", "Rejected", evseId=9)
        assert body["statusInfo"] == {"reasonCode": "", "additionalInfo": "no such EVSE"}
        kept = await csms.reservation(body["reservation"]["id"])
        assert kept["statusInfo"] == body["statusInfo"]
        assert (await csms.history(kept["id"]))[-1]["statusInfo"] == body["statusInfo"]
        await reserved(csms, "REJECTED", evseId=1)


@pytest.mark.req("H01.FR.06")
async def test_a_connector_type_that_is_not_there(csms):
    """The station is asked and says Rejected."""
    async with online(csms, "NO-TYPE"):
        await refused(csms, "NO-TYPE", "Rejected", connectorType="cG105")


@pytest.mark.row(6)
async def test_a_callerror_that_proves_that_nothing_was_done(csms):
    """NotImplemented: Refused without ocppStatus, the code is the cause."""
    async with online(csms, "NOT-IMPLEMENTED", faulty={"call_error": {"ReserveNow": "NotImplemented"}}):
        body = await refused(csms, "NOT-IMPLEMENTED", None, evseId=1)
        assert body["reservation"]["cause"] == "NotImplemented"


@pytest.mark.row(7, 10)
async def test_a_callerror_that_proves_nothing_is_retracted(csms):
    """InternalError: 202 Unconfirmed; the cancel that settles it is Rejected, so it Failed."""
    async with online(csms, "INTERNAL-ERROR", faulty={"call_error": {"ReserveNow": "InternalError"}}) as station:
        answer = await csms.reserve("INTERNAL-ERROR", evseId=1)
        assert answer.status_code == 202, answer.text
        known = await csms.until(answer.json()["id"], "Failed")
        assert known["confirmed"] is False
        assert [one["reservationId"] for one in heard(station, "CancelReservation")] == [known["id"]]


@pytest.mark.parametrize(
    ("option", "variable"), [("available", "Available"), ("enabled", "Enabled")], ids=["available", "enabled"]
)
@pytest.mark.req("H01.FR.01")
async def test_a_station_that_takes_no_reservations(csms, option, variable):
    """409 names the variable and asks nothing; forced, the station answers for itself."""
    name = f"OFF-{option}"
    async with online(csms, name, **{option: False}) as station:
        body = problem(await csms.reserve(name, evseId=1), status=409, name="reservations-not-supported")
        assert body["variable"].endswith(variable)
        assert heard(station, "ReserveNow") == []
        shown = (await csms.station(name))["reservations"]
        assert shown == {"available": True, "enabled": True, "nonEvseSpecific": True} | {option: False}
        forced = await csms.reserve(name, evseId=1, force=True)
        body = problem(forced, status=409, name="reservation-refused")
        told_by_station = {"available": (None, "NotImplemented"), "enabled": ("Rejected", None)}[option]
        assert (body["ocppStatus"], body["reservation"]["cause"]) == told_by_station


@pytest.mark.req("H01.FR.19")
async def test_a_station_that_reserves_named_evses_only(csms):
    """Without evseId 409 names NonEvseSpecific; with one, or forced, the station is asked."""
    async with online(csms, "NAMED-ONLY", non_evse_specific=False) as station:
        for terms in ({}, {"connectorType": "cCCS2"}):
            answer = await csms.reserve("NAMED-ONLY", **terms)
            body = problem(answer, status=409, name="unspecified-evse-not-supported")
            assert body["variable"].endswith("NonEvseSpecific")
        assert heard(station, "ReserveNow") == []
        await refused(csms, "NAMED-ONLY", "Rejected", force=True)
        await reserved(csms, "NAMED-ONLY", evseId=1)


@pytest.mark.req("H01.FR.18", "H01.FR.19")
async def test_a_missing_variable_is_unknown_and_the_station_decides(csms):
    """Without NonEvseSpecific the station is asked; its Rejected does not mark it for ever."""
    async with online(csms, "NO-VARIABLE", non_evse_specific=None):
        assert (await csms.station("NO-VARIABLE"))["reservations"]["nonEvseSpecific"] is None
        await refused(csms, "NO-VARIABLE", "Rejected")
        await reserved(csms, "NO-VARIABLE", evseId=1)


@pytest.mark.req("H01.FR.18")
async def test_capabilities_are_read_anew_and_learned_from_set_variables(csms):
    """Enabled switched by SetVariables is known at once; /capabilities asks again."""
    async with online(csms, "LEARNS") as station:
        for value in ("false", "true"):
            data = {
                "attributeValue": value,
                "component": {"name": "ReservationCtrlr"},
                "variable": {"name": "Enabled"},
            }
            answer = await csms.request("POST", "/stations/LEARNS/calls/SetVariables", json={"setVariableData": [data]})
            assert answer.json()["result"]["setVariableResult"][0]["attributeStatus"] == "Accepted"
            assert (await csms.station("LEARNS"))["reservations"]["enabled"] is (value == "true")
        before = len(heard(station, "GetVariables"))
        answer = await csms.request("POST", "/stations/LEARNS/capabilities")
        assert answer.json()["reservations"] == {"available": True, "enabled": True, "nonEvseSpecific": True}
        assert len(heard(station, "GetVariables")) == before + 1


async def test_a_token_that_is_blocked(csms):
    """409 with tokenStatus, nothing is asked; force overrides."""
    await register(csms, "B10CCED0", status="Blocked")
    async with online(csms, "BLOCKED") as station:
        answer = await csms.reserve("BLOCKED", evseId=1, idToken=id_token("b10cced0"))
        assert problem(answer, status=409, name="token-not-accepted")["tokenStatus"] == "Blocked"
        assert heard(station, "ReserveNow") == []
        await reserved(csms, "BLOCKED", evseId=1, idToken=id_token("b10cced0"), force=True)


@pytest.mark.parametrize(
    ("terms", "field"),
    [
        ({"evseId": 1, "connectorType": "cCCS2"}, "connectorType"),
        ({"expiryDateTime": "2020-01-01T00:00:00Z"}, "expiryDateTime"),
        ({"idToken": {"idToken": "A" * 37, "type": "ISO14443"}}, "idToken.idToken"),
        ({"idToken": {"idToken": "A", "type": "Banana"}}, "idToken.type"),
        ({"evseId": 0}, "evseId"),
        ({"connectorType": "NACS"}, "connectorType"),
        ({"expiryDateTime": "tomorrow"}, "expiryDateTime"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_a_request_that_breaks_a_rule(csms, terms, field):
    """400 names the field; no station is needed for it."""
    body = problem(await csms.reserve("NOBODY", **terms), status=400, name="invalid-request")
    assert [error["field"] for error in body["errors"]] == [field]


async def test_unknown_and_offline_stations(csms):
    """404 for a station that nobody knows; 503 with Retry-After and no row for one that is away."""
    problem(await csms.reserve("NOBODY", evseId=1), status=404, name="station-unknown")
    assert (await csms.request("PUT", "/stations/AWAY", json={})).status_code == 201
    answer = await csms.reserve("AWAY", evseId=1)
    problem(answer, status=503, name="station-offline")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await csms.request("GET", "/reservations?stationId=AWAY")).json() == []


async def test_a_replacement_that_cannot_be_asked_for(csms):
    """PATCH: 503 while the station is away, 409 for the EVSE of another, 400 for a time that is over."""
    async with online(csms, "PATCH-NO") as station:
        body = await reserved(csms, "PATCH-NO", evseId=1)
        await reserved(csms, "PATCH-NO", evseId=2, idToken=id_token("DDCCBBAA"))
        path = f"/reservations/{body['id']}"
        taken = await csms.request("PATCH", path, json={"evseId": 2})
        problem(taken, status=409, name="evse-already-reserved")
        past = await csms.request("PATCH", path, json={"expiryDateTime": in_seconds(-5)})
        problem(past, status=400, name="invalid-request")
        await station.go_offline()
        await csms.until_online("PATCH-NO", online=False)
        away = await csms.request("PATCH", path, json={"expiryDateTime": in_seconds(90)})
        problem(away, status=503, name="station-offline")
        assert await csms.reservation(body["id"]) == body
