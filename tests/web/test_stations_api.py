"""/stations and /tokens over HTTP."""

from web_bench import Bench

from evhold.domain.access import Role
from evhold.usecases.ports import CallFailed, NeverSent, NoAnswer


async def test_a_station_is_shown_with_its_evses(bench: Bench) -> None:
    """The shape of the contract; drivers see free EVSEs only."""
    told = (await bench.client.get("/api/v1/stations/cs1", headers=bench.auth())).json()
    assert (told["id"], told["online"]) == ("CS1", True)
    assert told["reservations"] == {"available": None, "enabled": None, "nonEvseSpecific": None}
    assert [evse["connectors"][0]["status"] for evse in told["evses"]] == ["Available", "Occupied"]
    assert told["evses"][0]["connectors"][0].keys() == {"id", "status", "type", "since"}
    free = (await bench.client.get("/api/v1/stations", headers=bench.auth(Role.DRIVER))).json()
    assert [evse["id"] for evse in free[0]["evses"]] == [1]


async def test_a_new_station_gets_a_password_once(bench: Bench) -> None:
    """PUT: 201 with a password, then 200 without; what is left out stays."""
    place = {"name": "Harbour", "latitude": 53.5, "longitude": 9.9}
    url = "/api/v1/stations/CS%202"
    made = await bench.client.put(url, headers=bench.auth(), json={"location": place})
    assert made.status_code == 201
    assert len(made.json()["password"]) >= 20
    again = await bench.client.put(url, headers=bench.auth(), json={"registration": "Pending"})
    assert again.status_code == 200
    assert "password" not in again.json()
    assert (again.json()["id"], again.json()["location"], again.json()["registration"]) == ("CS 2", place, "Pending")
    gone = await bench.client.delete(url, headers=bench.auth())
    assert gone.status_code == 204
    assert (await bench.client.get(url, headers=bench.auth())).json()["type"] == "/problems/station-unknown"


async def test_a_bad_station_is_refused(bench: Bench) -> None:
    """400 names what can't be."""
    cases = (("A:B", {}, "stationId"), ("A", {"password": "short"}, "password"), ("A", {"colour": 1}, "colour"))
    for station_id, body, field in cases:
        answer = await bench.client.put(f"/api/v1/stations/{station_id}", headers=bench.auth(), json=body)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, field)


async def test_capabilities_are_read_anew(bench: Bench) -> None:
    """POST capabilities: the station as it is known then."""
    answer = await bench.client.post("/api/v1/stations/CS1/capabilities", headers=bench.auth())
    assert answer.json()["reservations"]["enabled"] is False


async def test_a_raw_call_is_answered_as_the_station_answered(bench: Bench) -> None:
    """The result, or 502, 504, 503."""
    url = "/api/v1/stations/CS1/calls/Reset"
    answer = await bench.client.post(url, headers=bench.auth(), json={"type": "OnIdle"})
    assert (answer.status_code, answer.json()) == (200, {"result": {"status": "Accepted"}})
    cases = (
        (CallFailed(code="NotSupported", description="no"), 502, "station-call-error"),
        (NoAnswer(reason="timeout"), 504, "station-silent"),
        (NeverSent(reason="station-offline"), 503, "station-offline"),
        (NeverSent(reason="station-busy"), 503, "station-busy"),
    )
    for outcome, status, name in cases:
        bench.stations.call_answer = outcome
        answer = await bench.client.post(url, headers=bench.auth(), json={"type": "OnIdle"})
        assert (answer.status_code, answer.json()["type"]) == (status, f"/problems/{name}")


async def test_tokens_are_registered_and_removed(bench: Bench) -> None:
    """PUT 201 then 200, GET without case, pages, DELETE, 404."""
    url = "/api/v1/tokens/Central/Abc"
    group = {"idToken": "FAMILY1", "type": "Central"}
    body = {"status": "Accepted", "groupIdToken": group}
    assert (await bench.client.put(url, headers=bench.auth(), json=body)).status_code == 201
    again = await bench.client.put(url, headers=bench.auth(), json={"status": "Blocked"})
    assert (again.status_code, again.json()["status"], again.json()["groupIdToken"]) == (200, "Blocked", group)
    assert (await bench.client.get("/api/v1/tokens/Central/ABC", headers=bench.auth())).json()["idToken"] == "Abc"
    first = await bench.client.get("/api/v1/tokens?limit=2", headers=bench.auth())
    rest = await bench.client.get(first.links["next"]["url"], headers=bench.auth())
    assert [len(first.json()), len(rest.json())] == [2, 1]
    assert (await bench.client.delete(url, headers=bench.auth())).status_code == 204
    assert (await bench.client.get(url, headers=bench.auth())).json()["type"] == "/problems/token-unknown"
    assert (await bench.client.put("/api/v1/tokens/RFID/A", headers=bench.auth(), json=body)).status_code == 400


async def test_a_token_is_forgotten_once_nothing_of_it_lives(bench: Bench) -> None:
    """409 with a live reservation; else 200 and what bears the pseudonym; then the token is registered no more."""
    token = {"idToken": "DEADBEEF42", "type": "ISO14443"}
    await bench.client.put("/api/v1/tokens/ISO14443/DEADBEEF42", headers=bench.auth(), json={"status": "Accepted"})
    made = (await bench.reserve(idToken=token)).json()
    url = "/api/v1/tokens/ISO14443/deadbeef42/data"
    refused = await bench.client.delete(url, headers=bench.auth())
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/token-in-use")
    await bench.client.delete(f"/api/v1/reservations/{made['id']}", headers=bench.auth())
    done = await bench.client.delete(url, headers=bench.auth())
    assert (done.status_code, done.json()["reservations"]) == (200, 1)
    shown = (await bench.client.get(f"/api/v1/reservations/{made['id']}", headers=bench.auth())).json()
    assert shown["idToken"]["idToken"] == done.json()["pseudonym"]
    gone = await bench.client.get("/api/v1/tokens/ISO14443/DEADBEEF42", headers=bench.auth())
    assert gone.status_code == 404
