"""/reservations over HTTP: what each outcome of H01 and H02 is answered."""

import asyncio
from functools import partial

import httpx
import pytest
from web_bench import DRIVER, Bench, never_left

from evhold.domain.access import Role
from evhold.domain.facts import CancelRejected, Errored, Refused, Silent
from evhold.domain.values import StatusInfo


async def test_an_accepted_reservation_is_created(bench: Bench) -> None:
    """201 with Location, ETag and the reservation as the contract shows it."""
    answer = await bench.reserve()
    told = answer.json()
    assert answer.status_code == 201
    assert answer.headers["Location"] == f"/api/v1/reservations/{told['id']}"
    assert answer.headers["ETag"] == f'"{told["version"]}"'
    assert (told["status"], told["ocppStatus"], told["evseId"]) == ("Active", "Accepted", 1)
    assert told["idToken"] == {"idToken": "AABBCCDD", "type": "ISO14443"}
    assert told["expiryDateTime"].endswith("Z")
    assert "." not in told["expiryDateTime"]


async def test_a_reservation_has_every_field_of_the_contract(bench: Bench) -> None:
    """Nothing is missing and nothing is left out when it is null."""
    told = (await bench.reserve()).json()
    names = """id stationId evseId connectorType idToken groupIdToken expiryDateTime status ocppStatus statusInfo cause
        transactionId usedEvseId usedBy proven tokenMismatch confirmed replacement cancelRequestedAt createdAt updatedAt
        version"""
    assert set(told) == set(names.split())


async def test_a_refusal_carries_the_stations_words(bench: Bench) -> None:
    """409 reservation-refused with ocppStatus, statusInfo and the reservation."""
    bench.stations.answer = partial(Refused, status="Occupied", status_info=StatusInfo("InUse", "a car is there"))
    answer = await bench.reserve()
    problem = answer.json()
    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert problem["type"] == "/problems/reservation-refused"
    assert problem["ocppStatus"] == "Occupied"
    assert problem["statusInfo"] == {"reasonCode": "InUse", "additionalInfo": "a car is there"}
    assert problem["reservation"]["status"] == "Refused"


async def test_silence_is_accepted_and_not_denied(bench: Bench) -> None:
    """202 with an Unconfirmed reservation."""
    bench.stations.answer = partial(Silent, reason="timeout")
    answer = await bench.reserve()
    assert (answer.status_code, answer.json()["status"]) == (202, "Unconfirmed")


async def test_a_caller_may_choose_not_to_wait(bench: Bench) -> None:
    """Prefer: wait=0 gives 202 and Pending; the order goes on."""
    bench.stations.hold = asyncio.Event()
    answer = await bench.reserve(headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.json()["status"]) == (202, "Pending")
    bench.stations.hold.set()
    assert (await until(bench, answer.json()["id"], "Active"))["status"] == "Active"


async def test_an_offline_station_is_503_and_no_row(bench: Bench) -> None:
    """503 station-offline with Retry-After, and nothing is listed."""
    bench.stations.online = False
    answer = await bench.reserve()
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/station-offline")
    assert int(answer.headers["Retry-After"]) > 0
    assert (await bench.client.get("/api/v1/reservations", headers=bench.auth())).json() == []


async def test_a_station_lost_before_the_frame_left_is_503_with_the_reservation(bench: Bench) -> None:
    """The row says Failed, and the answer carries it."""
    bench.stations.answer = never_left("station-offline")
    answer = await bench.reserve()
    assert (answer.status_code, answer.json()["reservation"]["status"]) == (503, "Failed")
    bench.stations.answer = never_left("station-busy")
    assert (await bench.reserve()).json()["type"] == "/problems/station-busy"


async def test_an_evse_is_reserved_once(bench: Bench) -> None:
    """409 evse-already-reserved."""
    await bench.reserve()
    answer = await bench.reserve()
    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/evse-already-reserved")


async def test_an_unregistered_token_is_refused_unless_forced(bench: Bench) -> None:
    """409 token-not-accepted names the status; force asks all the same."""
    stranger = {"idToken": "FFFF0001", "type": "ISO14443"}
    answer = await bench.reserve(idToken=stranger)
    assert (answer.status_code, answer.json()["tokenStatus"]) == (409, "Unknown")
    assert (await bench.reserve(idToken=stranger, force=True)).status_code == 201


async def test_broken_rules_are_named_by_field(bench: Bench) -> None:
    """400 invalid-request with one error a rule."""
    answer = await bench.reserve(connectorType="cCCS2", expiryDateTime=bench.expiry(-1))
    assert answer.status_code == 400
    assert [error["field"] for error in answer.json()["errors"]] == ["connectorType", "expiryDateTime"]


async def test_every_bad_field_is_named(bench: Bench) -> None:
    """The first culprit of the body is named in the API's words."""
    wrong = {
        "evseId": ({"evseId": 0}, {"evseId": "1"}, {"evseId": 2**31}),
        "connectorType": ({"evseId": None, "connectorType": "CCS"},),
        "expiryDateTime": ({"expiryDateTime": "2030-01-01T00:00:00"}, {"expiryDateTime": "soon"}),
        "idToken.idToken": ({"idToken": {"idToken": "A" * 37, "type": "Central"}},),
        "idToken.type": ({"idToken": {"idToken": "A", "type": "RFID"}},),
        "colour": ({"colour": "red"},),
        "stationId": ({"stationId": "a/b"},),
    }
    for field, bodies in wrong.items():
        for changes in bodies:
            answer = await bench.reserve(**changes)
            assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field), changes


async def test_an_unknown_station_is_404(bench: Bench) -> None:
    """404 station-unknown."""
    answer = await bench.reserve(stationId="NOBODY")
    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/station-unknown")


async def test_a_repeat_gets_the_first_answer(bench: Bench) -> None:
    """The same Idempotency-Key and body: one reservation; another body: 422."""
    body = bench.terms()
    headers = bench.auth() | {"Idempotency-Key": "k1"}
    first = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    again = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    assert (again.status_code, again.json()) == (first.status_code, first.json())
    assert again.headers["Location"] == first.headers["Location"]
    assert again.headers["ETag"] == first.headers["ETag"]
    assert bench.stations.asked == ["ReserveNow"]
    other = await bench.client.post("/api/v1/reservations", json=body | {"evseId": 2}, headers=headers)
    assert (other.status_code, other.json()["type"]) == (422, "/problems/idempotency-key-reused")


async def test_a_repeat_after_a_refusal_gets_the_refusal(bench: Bench) -> None:
    """A remembered problem is told as a problem."""
    bench.stations.answer = partial(Refused, status="Faulted")
    body, headers = bench.terms(), bench.auth() | {"Idempotency-Key": "k2"}
    first = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    again = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    assert (again.status_code, again.content) == (409, first.content)
    assert again.headers["Content-Type"] == "application/problem+json"


async def test_a_repeat_after_202_gets_the_reservation_as_it_is_now(bench: Bench) -> None:
    """First Pending, later Active under the same key."""
    bench.stations.hold = asyncio.Event()
    body, headers = bench.terms(), bench.auth() | {"Idempotency-Key": "k3", "Prefer": "wait=0"}
    first = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    bench.stations.hold.set()
    await until(bench, first.json()["id"], "Active")
    again = await bench.client.post("/api/v1/reservations", json=body, headers=headers)
    assert (again.status_code, again.json()["status"]) == (201, "Active")


async def test_a_repeat_after_503_runs_anew(bench: Bench) -> None:
    """Retry-After invites it, and nothing was sent the first time."""
    body, headers = bench.terms(), bench.auth() | {"Idempotency-Key": "k4"}
    bench.stations.online = False
    assert (await bench.client.post("/api/v1/reservations", json=body, headers=headers)).status_code == 503
    bench.stations.online, answer = True, bench.stations.answer
    bench.stations.answer = never_left("station-busy")
    assert (await bench.client.post("/api/v1/reservations", json=body, headers=headers)).status_code == 503
    bench.stations.answer = answer
    assert (await bench.client.post("/api/v1/reservations", json=body, headers=headers)).status_code == 201


async def test_pages_follow_the_link_header(bench: Bench) -> None:
    """Newest first, a cursor leads on, the last page has none; filters narrow."""
    for minutes in range(5):
        bench.stations.answer = partial(Refused, status="Occupied")
        await bench.reserve(expiryDateTime=bench.expiry(30 + minutes))
    seen: list[int] = []
    url = "/api/v1/reservations?limit=2&status=Refused,Active"
    while url:
        answer = await bench.client.get(url, headers=bench.auth())
        seen += [one["id"] for one in answer.json()]
        url = answer.links.get("next", {}).get("url", "")
    assert len(seen) == 5
    assert seen == sorted(seen, reverse=True)
    none = await bench.client.get("/api/v1/reservations?status=Used&status=Active", headers=bench.auth())
    assert none.json() == []
    bad = await bench.client.get("/api/v1/reservations?status=Lost", headers=bench.auth())
    assert bad.json()["errors"][0]["field"] == "status"
    assert (await bench.client.get("/api/v1/reservations?cursor=!!", headers=bench.auth())).status_code == 400


async def test_filters_take_what_the_other_calls_take(bench: Bench) -> None:
    """Station ids and tokens go without case; from and to are RFC 3339 times, and no numbers."""
    await bench.reserve(stationId="cs1")
    for query, count in (
        ("stationId=cs1", 1),
        ("stationId=CS1&evseId=1&idToken=aabbccdd", 1),
        ("stationId=CS2", 0),
        ("evseId=2", 0),
        (f"from={bench.expiry(-1)}&to={bench.expiry(1)}", 1),
        (f"to={bench.expiry(-1)}", 0),
    ):
        answer = await bench.client.get(f"/api/v1/reservations?{query}", headers=bench.auth())
        assert len(answer.json()) == count, query
    for time in ("1700000000", "0.5", "soon", "2030-01-01T00:00:00"):
        answer = await bench.client.get(f"/api/v1/reservations?to={time}", headers=bench.auth())
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "to"), time


async def test_an_id_that_ocpp_cannot_have_is_unknown(bench: Bench) -> None:
    """404, and the answer names what was asked for."""
    for number in ("0", "-5", str(2**31), "9" * 30):
        answer = await bench.client.get(f"/api/v1/reservations/{number}", headers=bench.auth())
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/reservation-unknown")
        assert number in answer.json()["detail"]


async def test_the_history_shows_frames(bench: Bench) -> None:
    """Each row says from, to, fact, by, and the frames that caused it as JSON."""
    told = (await bench.reserve()).json()
    rows = (await bench.client.get(f"/api/v1/reservations/{told['id']}/history", headers=bench.auth())).json()
    assert [(row["from"], row["to"], row["by"]) for row in rows] == [
        (None, "Pending", "operator"),
        ("Pending", "Active", "station"),
    ]
    assert rows[1]["frames"][0]["frame"][2] == "ReserveNow"


async def test_a_replacement_is_asked_for_and_kept(bench: Bench) -> None:
    """PATCH 200 with the new terms, a new version, and the same id."""
    told = (await bench.reserve()).json()
    answer = await patch(bench, told["id"], {"expiryDateTime": bench.expiry(60)}, told["version"])
    assert answer.status_code == 200
    assert answer.json()["id"] == told["id"]
    assert answer.json()["expiryDateTime"] > told["expiryDateTime"]
    assert answer.json()["version"] > told["version"]


async def test_a_refused_replacement_leaves_the_old_terms(bench: Bench) -> None:
    """409 reservation-refused; a stale If-Match is 412; silence is 202."""
    told = (await bench.reserve()).json()
    bench.stations.answer = partial(Refused, status="Occupied")
    answer = await patch(bench, told["id"], {"evseId": 2})
    assert (answer.status_code, answer.json()["ocppStatus"]) == (409, "Occupied")
    assert answer.json()["reservation"]["evseId"] == 1
    stale = await patch(bench, told["id"], {"evseId": 2}, told["version"])
    assert (stale.status_code, stale.json()["type"]) == (412, "/problems/version-conflict")


async def test_a_silent_replacement_is_202(bench: Bench) -> None:
    """The new terms wait as `replacement`."""
    told = (await bench.reserve()).json()
    bench.stations.answer = partial(Silent, reason="timeout")
    answer = await patch(bench, told["id"], {"evseId": 2})
    assert (answer.status_code, answer.json()["replacement"]["evseId"]) == (202, 2)


async def test_a_cancel_is_asked_for(bench: Bench) -> None:
    """DELETE 200 and Canceled; again: 409 reservation-ended."""
    told = (await bench.reserve()).json()
    answer = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert (answer.status_code, answer.json()["status"]) == (200, "Canceled")
    again = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert (again.status_code, again.json()["type"]) == (409, "/problems/reservation-ended")


async def test_a_cancel_at_an_offline_station_is_a_kept_wish(bench: Bench) -> None:
    """202 with cancelRequestedAt."""
    told = (await bench.reserve()).json()
    bench.stations.online = False
    answer = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert answer.status_code == 202
    assert answer.json()["cancelRequestedAt"] is not None


async def test_a_wish_that_was_not_sent_can_be_dropped(bench: Bench) -> None:
    """DELETE cancel-request: 200 without cancelRequestedAt; again, 409; and who is offline can't be asked now."""
    told = (await bench.reserve()).json()
    address = f"/api/v1/reservations/{told['id']}"
    bench.stations.online = False
    await bench.client.delete(address, headers=bench.auth())
    ask = await bench.client.post(f"{address}/ask", headers=bench.auth())
    assert (ask.status_code, ask.json()["type"]) == (503, "/problems/station-offline")

    kept = await bench.client.delete(f"{address}/cancel-request", headers=bench.auth())
    assert (kept.status_code, kept.json()["status"], kept.json()["cancelRequestedAt"]) == (200, "Active", None)
    again = await bench.client.delete(f"{address}/cancel-request", headers=bench.auth())
    assert (again.status_code, again.json()["type"]) == (409, "/problems/no-cancel-request")


async def test_a_cancel_that_was_sent_decides(bench: Bench) -> None:
    """Its wish can't be dropped, but the station can be asked again now; with nothing to ask, 409."""
    told = (await bench.reserve()).json()
    address = f"/api/v1/reservations/{told['id']}"
    idle = await bench.client.post(f"{address}/ask", headers=bench.auth())
    assert (idle.status_code, idle.json()["type"]) == (409, "/problems/nothing-to-ask")
    bench.stations.cancel = partial(Silent, reason="timeout")
    await bench.client.delete(address, headers=bench.auth())
    kept = await bench.client.delete(f"{address}/cancel-request", headers=bench.auth())
    assert (kept.status_code, kept.json()["type"]) == (409, "/problems/cancel-in-progress")
    again = await bench.client.post(f"{address}/ask", headers=bench.auth())
    assert (again.status_code, again.json()["cancelRequestedAt"] is None) == (202, False)


async def test_a_rejected_cancel_tells_the_state_that_it_proves(bench: Bench) -> None:
    """200 and Removed."""
    told = (await bench.reserve()).json()
    bench.stations.cancel = partial(CancelRejected, station_now=bench.clock.now())
    answer = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert (answer.status_code, answer.json()["status"]) == (200, "Removed")


async def test_a_station_that_cannot_cancel_is_502(bench: Bench) -> None:
    """The CALLERROR's code is told; silence is 202."""
    told = (await bench.reserve()).json()
    bench.stations.cancel = partial(Errored, code="NotImplemented")
    answer = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert (answer.status_code, answer.json()["code"]) == (502, "NotImplemented")
    bench.stations.cancel = partial(Silent, reason="timeout")
    silent = await bench.client.delete(f"/api/v1/reservations/{told['id']}", headers=bench.auth())
    assert silent.status_code == 202


async def test_drivers_see_and_reserve_their_own_only(bench: Bench) -> None:
    """Others' reservations are 404, others' tokens 403, and force is not theirs."""
    others = (await bench.reserve()).json()
    url = f"/api/v1/reservations/{others['id']}"
    auth = bench.auth(Role.DRIVER)
    for method, path in (("GET", url), ("GET", url + "/history"), ("DELETE", url), ("PATCH", url)):
        answer = await bench.client.request(method, path, headers=auth, json={})
        assert (answer.status_code, answer.json()["type"]) == (404, "/problems/reservation-unknown"), method
    assert (await bench.reserve(Role.DRIVER, evseId=2)).status_code == 403
    own = {"idToken": DRIVER.id_token.lower(), "type": DRIVER.type}
    assert (await bench.reserve(Role.DRIVER, evseId=2, idToken=own, force=True)).status_code == 403
    made = await bench.reserve(Role.DRIVER, evseId=2, idToken=own)
    assert made.status_code == 201
    listed = (await bench.client.get("/api/v1/reservations", headers=auth)).json()
    assert [one["id"] for one in listed] == [made.json()["id"]]
    stolen = await bench.client.patch(
        made.headers["Location"], headers=auth, json={"idToken": {"idToken": "AABBCCDD", "type": "ISO14443"}}
    )
    assert stolen.status_code == 403


async def patch(bench: Bench, reservation_id: int, body: object, version: int | None = None) -> httpx.Response:
    """PATCH, with If-Match where a version is given."""
    headers = bench.auth() | ({} if version is None else {"If-Match": f'"{version}"'})
    return await bench.client.patch(f"/api/v1/reservations/{reservation_id}", json=body, headers=headers)


async def until(bench: Bench, reservation_id: int, status: str) -> dict[str, object]:
    """The reservation once it has this status."""
    async with asyncio.timeout(5):
        while True:
            told = (await bench.client.get(f"/api/v1/reservations/{reservation_id}", headers=bench.auth())).json()
            if told["status"] == status:
                return told


async def test_where_a_driver_is_told_is_for_operators_and_never_shown(bench: Bench) -> None:
    """Addresses come from operators, are checked, and come back in no answer; a driver's key may not give any."""
    address = "json://127.0.0.1:9/inbox"
    made = await bench.reserve(notify=[address])
    assert made.status_code == 201
    assert "inbox" not in made.text
    stored = await bench.storage.read(lambda tx: tx.reservations.get(made.json()["id"]))
    assert (stored.notify, stored.link_base) == ((address,), None)
    token = {"idToken": DRIVER.id_token, "type": DRIVER.type}
    refused = await bench.reserve(Role.DRIVER, evseId=2, idToken=token, notify=[address])
    assert refused.status_code == 403
    for wrong in (["nowhere"], ["syslog://"], ["json://10.0.0.1/"], ["json://127.0.0.1/"] * 6):
        answer = await bench.reserve(evseId=2, notify=wrong)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "notify")


async def test_an_absent_extra_is_a_problem_of_its_own(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """409, and the text names what to install; tokens too."""
    monkeypatch.setattr("evhold.adapters.notify.is_installed", lambda: False)
    body = {"status": "Accepted", "notify": ["json://127.0.0.1/"]}
    for answer in (
        await bench.reserve(notify=["json://127.0.0.1/"]),
        await bench.client.put("/api/v1/tokens/Central/A", json=body, headers=bench.auth()),
    ):
        assert (answer.status_code, answer.json()["type"]) == (409, "/problems/notify-not-installed")
        assert "evhold[notify]" in answer.json()["detail"]
