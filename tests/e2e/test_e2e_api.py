"""The API around reservations: repeats, versions, lists, the event stream, raw calls, frames, keys."""

import asyncio

import httpx
import pytest
from e2e_stage import DRIVER, RESERVED, heard, id_token, online, problem, reserved, told

from csms import in_seconds

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]


async def key_of(csms, role, **more):
    """A new key's headers."""
    answer = await csms.request("POST", "/keys", json={"role": role, **more})
    assert answer.status_code == 201, answer.text
    return {"Authorization": f"Bearer {answer.json()['key']}"}


async def test_a_repeated_post_makes_one_reservation(csms):
    """The same Idempotency-Key and body: the first answer again, asked once; another body is 422."""
    async with online(csms, "IDEMPOTENT") as station:
        headers, expiry = {"Idempotency-Key": "once"}, in_seconds(60)
        first = await csms.reserve("IDEMPOTENT", evseId=1, expiryDateTime=expiry, headers=headers)
        second = await csms.reserve("IDEMPOTENT", evseId=1, expiryDateTime=expiry, headers=headers)
        assert (first.status_code, second.status_code) == (201, 201)
        assert second.json() == first.json()
        assert second.headers["Location"] == first.headers["Location"]
        other = await csms.reserve("IDEMPOTENT", evseId=2, expiryDateTime=expiry, headers=headers)
        problem(other, status=422, name="idempotency-key-reused")
        assert len(heard(station, "ReserveNow")) == 1


async def test_a_repeat_while_the_first_still_runs(csms):
    """After its 202 the repeat gets the reservation as it is now."""
    async with online(csms, "IDEMPOTENT-202", faulty={"answer_delay": {"ReserveNow": 0.4}}) as station:
        headers, expiry = {"Idempotency-Key": "soon"}, in_seconds(60)
        first = await csms.reserve(
            "IDEMPOTENT-202", evseId=1, expiryDateTime=expiry, headers=headers | {"Prefer": "wait=0"}
        )
        assert (first.status_code, first.json()["status"]) == (202, "Pending")
        await csms.until(first.json()["id"], "Active")
        second = await csms.reserve("IDEMPOTENT-202", evseId=1, expiryDateTime=expiry, headers=headers)
        assert (second.status_code, second.json()["id"]) == (201, first.json()["id"])
        assert second.json()["status"] == "Active"
        assert len(heard(station, "ReserveNow")) == 1


async def test_a_repeat_beside_the_first(csms):
    """While the first request with the key still waits for the station, the second is 409 and asks nothing."""
    async with online(csms, "IDEMPOTENT-409", faulty={"answer_delay": {"ReserveNow": 0.6}}) as station:
        terms = {"evseId": 1, "expiryDateTime": in_seconds(60), "headers": {"Idempotency-Key": "twin"}}
        first = asyncio.create_task(csms.reserve("IDEMPOTENT-409", **terms))
        await station.wait_for(lambda: len(heard(station, "ReserveNow")) == 1)
        problem(await csms.reserve("IDEMPOTENT-409", **terms), status=409, name="request-in-progress")
        assert (await first).status_code == 201
        assert len(heard(station, "ReserveNow")) == 1


async def test_if_match_guards_against_lost_updates(csms):
    """The ETag of GET is the version; an old one is 412 and nothing is asked."""
    async with online(csms, "ETAG") as station:
        body = await reserved(csms, "ETAG", evseId=1)
        path = f"/reservations/{body['id']}"
        tag = (await csms.request("GET", path)).headers["ETag"]
        assert tag == f'"{body["version"]}"'
        changed = await csms.request("PATCH", path, json={"evseId": 2}, headers={"If-Match": tag})
        assert (changed.status_code, changed.headers["ETag"] != tag) == (200, True)
        for method, more in (("PATCH", {"json": {"evseId": 1}}), ("DELETE", {})):
            answer = await csms.request(method, path, headers={"If-Match": tag}, **more)
            problem(answer, status=412, name="version-conflict")
        assert heard(station, "CancelReservation") == []
        assert len(heard(station, "ReserveNow")) == 2


async def test_lists_are_filtered_and_paged(csms):
    """Newest first, by station, status, token and EVSE; Link leads to the next page."""
    async with online(csms, "LIST", evses=3):
        made = [(await reserved(csms, "LIST", evseId=evse, idToken=id_token(f"115{evse}")))["id"] for evse in (1, 2, 3)]
        await csms.request("DELETE", f"/reservations/{made[0]}")

        async def ids(query):
            return [one["id"] for one in (await csms.request("GET", f"/reservations?stationId=LIST{query}")).json()]

        assert await ids("") == made[::-1]
        assert await ids("&status=Active") == [made[2], made[1]]
        assert await ids("&status=Active,Canceled&evseId=1") == [made[0]]
        assert await ids("&idToken=1152") == [made[1]]
        page = await csms.request("GET", "/reservations?stationId=LIST&limit=2")
        assert [one["id"] for one in page.json()] == [made[2], made[1]]
        rest = await csms.http.get(csms.api + page.links["next"]["url"])
        assert [one["id"] for one in rest.json()] == [made[0]]
        assert "next" not in rest.links


async def test_the_event_stream_resumes(csms):
    """Last-Event-ID continues right after that event; numbers only grow; events carry the whole reservation."""
    async with online(csms, "SSE"):
        body = await reserved(csms, "SSE", evseId=1)
        await csms.until_connectors("SSE", {(1, 1): RESERVED})
        await csms.request("DELETE", f"/reservations/{body['id']}")
        everything = await told(csms, "reservation.canceled", stationId="SSE")
        numbers = [event.id for event in everything]
        assert numbers == sorted(set(numbers))
        names = [event.name for event in everything]
        assert {"station.online", "connector.status", "reservation.accepted"} <= set(names)
        at = names.index("reservation.accepted")
        assert everything[at].data["reservation"]["id"] == body["id"]
        assert {"reservation", "cause", "at"} <= everything[at].data.keys()
        resumed = await told(csms, "reservation.canceled", stationId="SSE", after=everything[at].id)
        assert resumed == everything[at + 1 :]
        assert everything[-1].data["reservation"] == await csms.reservation(body["id"])


async def test_the_event_stream_is_live(csms):
    """Without Last-Event-ID it begins now: what was before is not told, what comes is."""
    async with online(csms, "LIVE"):
        before = await reserved(csms, "LIVE", evseId=1)
        query = {"stationId": "LIVE", "name": "reservation.*"}
        url = f"{csms.api}/api/v1/events"
        async with asyncio.timeout(10), csms.http.stream("GET", url, params=query) as stream:
            lines = stream.aiter_lines()
            assert (await anext(lines)).startswith("retry:")
            after = await reserved(csms, "LIVE", evseId=2)
            async for line in lines:
                if line.startswith("data:"):
                    break
        assert f'"id":{after["id"]},' in line
        assert f'"id":{before["id"]},' not in line


async def test_raw_calls(csms):
    """The station's answer as it came; 502, 504, 400 and 409 for those that fail."""
    faulty = {"never_answer": {"TriggerMessage"}}
    async with online(csms, "RAW", faulty=faulty) as station:

        async def call(action, payload):
            return await csms.request("POST", f"/stations/RAW/calls/{action}", json=payload)

        asked = {"component": {"name": "TxCtrlr"}, "variable": {"name": "EVConnectionTimeOut"}}
        answer = await call("GetVariables", {"getVariableData": [asked]})
        assert answer.status_code == 200, answer.text
        assert answer.json()["result"]["getVariableResult"][0]["attributeValue"] == "120"
        problem(await call("MakeCoffee", {}), status=400, name="invalid-request")
        problem(await call("GetVariables", {"getVariableData": "all"}), status=400, name="invalid-request")
        unknown = problem(await call("ClearCache", {}), status=502, name="station-call-error")
        assert (unknown["code"], unknown["description"]) == ("NotImplemented", unknown["description"])
        for action in ("ReserveNow", "CancelReservation"):
            problem(await call(action, {}), status=409, name="goes-through-reservations")
        silent = await call("TriggerMessage", {"requestedMessage": "Heartbeat"})
        problem(silent, status=504, name="station-silent")
        assert heard(station, "ReserveNow") == []
        await station.go_offline()
        await csms.until_online("RAW", online=False)
        problem(await call("ClearCache", {}), status=503, name="station-offline")


async def test_recent_frames_can_be_read_and_hide_tokens(csms):
    """Both directions, newest first; no idToken is readable in them."""
    async with online(csms, "FRAMES") as station:
        await reserved(csms, "FRAMES", evseId=1)
        await station.present(1, DRIVER)
        answer = await csms.request("GET", "/stations/FRAMES/messages?limit=500")
        rows = answer.json()
        assert [row["number"] for row in rows] == sorted((row["number"] for row in rows), reverse=True)
        actions = {(row["direction"], row["frame"][2]) for row in rows if row["frame"][0] == 2}
        assert {("in", "BootNotification"), ("out", "ReserveNow"), ("in", "Authorize")} <= actions
        assert DRIVER not in answer.text


async def test_roles_of_keys(csms):
    """readonly may look, an operator may not make keys, a driver sees its own tokens only, nobody sees nothing."""
    readonly, operator = await key_of(csms, "readonly"), await key_of(csms, "operator")
    driver = await key_of(csms, "driver", idTokens=[id_token("D41FE400")])
    async with online(csms, "ROLES"):
        theirs = await reserved(csms, "ROLES", evseId=1)
        await csms.until_connectors("ROLES", {(1, 1): RESERVED})
        shown = await csms.request("GET", "/stations/ROLES", headers=driver)
        assert [evse["id"] for evse in shown.json()["evses"]] == [2]
        own = await csms.reserve("ROLES", evseId=2, idToken=id_token("d41fe400"), headers=driver)
        assert own.status_code == 201, own.text
        assert (await csms.reserve("ROLES", evseId=2, headers=readonly)).status_code == 403
        assert (await csms.reserve("ROLES", evseId=2, headers=driver)).status_code == 403
        path = f"/reservations/{theirs['id']}"
        assert (await csms.request("GET", path, headers=readonly)).status_code == 200
        for method in ("GET", "DELETE"):
            problem(await csms.request(method, path, headers=driver), status=404, name="reservation-unknown")
        listed = await csms.request("GET", "/reservations?stationId=ROLES", headers=driver)
        assert [one["id"] for one in listed.json()] == [own.json()["id"]]
        assert (await csms.request("POST", "/keys", json={"role": "admin"}, headers=operator)).status_code == 403
        assert (await csms.request("DELETE", path, headers=operator)).json()["status"] == "Canceled"
        async with httpx.AsyncClient(trust_env=False) as nobody:
            answer = await nobody.get(f"{csms.api}/api/v1/reservations/1")
        problem(answer, status=401, name="unauthorized")


async def test_what_stands_outside_the_api(csms):
    """Health, readiness, metrics, OpenAPI and the reference page are there without a key."""
    async with httpx.AsyncClient(trust_env=False) as nobody:
        for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
            assert (await nobody.get(csms.api + path)).status_code == 200, path
        assert (await nobody.get(csms.api + "/openapi.json")).json()["openapi"].startswith("3.1")
