"""Who may call what: every operation of the table with a key of every role, and without one."""

import asyncio

import httpx
import pytest
from web_bench import Bench

from evhold.domain.access import Role
from evhold.web.operations import Operation
from evhold.web.routes import OPERATIONS

# As interface.md says: admin all; operator all but keys; driver its reservations and free EVSEs; readonly looks.
KEYS = {"listKeys", "createKey", "revokeKey"}
RESERVING = {"reserve", "replaceReservation", "cancelReservation", "keepReservation", "askNow"}
OPERATING = {
    "putStation",
    "removeStation",
    "readCapabilities",
    "callStation",
    "putToken",
    "removeToken",
    "createDriverLink",
    "switchReservations",
}
OPERATING |= {"listWebhooks", "createWebhook", "showWebhook", "removeWebhook", "rotateWebhookSecret", "testWebhook"}
OPERATING |= {"listDeliveries", "redeliver"}
LOOKING = {"listReservations", "showReservation", "showHistory", "listStations", "showStation", "followEvents"}
INSIGHT = {"listMessages", "listTokens", "showToken", "listActions"}
INSIGHT |= {"downloadReservations", "showFigures", "showTimeline"}
# What stands in the address or the body says who may.
PUBLIC = {"signIn", "showSession", "signOut", "showByLink", "extendByLink", "cancelByLink", "followByLink"}
MAY = {
    Role.ADMIN: KEYS | RESERVING | OPERATING | LOOKING | INSIGHT,
    Role.OPERATOR: RESERVING | OPERATING | LOOKING | INSIGHT,
    Role.DRIVER: RESERVING | LOOKING,
    Role.READONLY: LOOKING | INSIGHT,
}


def address(operation: Operation) -> str:
    """The operation's address with things that are not there in its parts."""
    parts = {"reservationId:int": "7", "stationId": "NOBODY", "action": "Reset", "keyId:int": "999"}
    parts |= {"webhookId:int": "999", "number:int": "7"}
    parts |= {"type": "Central", "idToken": "NOBODY", "link": "NOBODY"}
    path = operation.address
    for name, value in parts.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def status_of(bench: Bench, operation: Operation, headers: dict[str, str]) -> int:
    """The status alone, as an event stream has no end."""
    body = None if operation.method == "GET" else {}
    request = bench.client.build_request(operation.method, address(operation), headers=headers, json=body)
    answer = await bench.client.send(request, stream=True)
    await answer.aclose()
    return answer.status_code


def test_the_matrix_names_every_operation() -> None:
    """No operation is without a rule."""
    assert {operation.name for operation in OPERATIONS} == MAY[Role.ADMIN] | PUBLIC
    assert {operation.name for operation in OPERATIONS if operation.is_public} == PUBLIC


@pytest.mark.parametrize("role", Role)
async def test_each_role_may_call_what_is_its_own(bench: Bench, role: Role) -> None:
    """403 for all else; whatever the rest is answered, it is not 403."""
    refused = {operation.name for operation in OPERATIONS if await status_of(bench, operation, bench.auth(role)) == 403}
    assert refused == MAY[Role.ADMIN] - MAY[role]


async def test_without_a_key_there_is_no_answer(bench: Bench) -> None:
    """401 with WWW-Authenticate, for every operation, unknown addresses and unknown methods too."""
    statuses = {await status_of(bench, operation, {}) for operation in OPERATIONS if operation.name not in PUBLIC}
    assert statuses == {401}
    for method, path in (("GET", "/api/v1/nothing"), ("PUT", "/api/v1/reservations"), ("GET", "/api/v1")):
        answer = await bench.client.request(method, path, headers={"Authorization": "Bearer wrong"})
        assert (answer.status_code, answer.json()["type"]) == (401, "/problems/unauthorized")
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")


async def test_a_revoked_key_is_valid_no_more(bench: Bench) -> None:
    """The key that was made works, and does not after DELETE /keys/{id}."""
    made = await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "readonly", "name": "desk"})
    assert made.status_code == 201
    secret = {"Authorization": f"Bearer {made.json()['key']}"}
    assert (await bench.client.get("/api/v1/tokens", headers=secret)).status_code == 200
    gone = await bench.client.delete(f"/api/v1/keys/{made.json()['id']}", headers=bench.auth())
    assert (gone.status_code, gone.content) == (204, b"")
    assert (await bench.client.get("/api/v1/tokens", headers=secret)).status_code == 401
    listed = (await bench.client.get("/api/v1/keys", headers=bench.auth())).json()
    assert all("key" not in one for one in listed)
    assert [one["revokedAt"] is None for one in listed if one["name"] == "desk"] == [False]


async def test_a_drivers_key_names_its_tokens(bench: Bench) -> None:
    """400 for a driver's key without tokens."""
    answer = await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "driver"})
    assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "idTokens")


async def test_unknown_addresses_and_methods_are_problems(bench: Bench) -> None:
    """404, and 405 with Allow, once the caller is known."""
    missing = await bench.client.get("/api/v1/nothing", headers=bench.auth())
    assert (missing.status_code, missing.json()["type"]) == (404, "/problems/not-found")
    wrong = await bench.client.put("/api/v1/reservations", headers=bench.auth())
    assert (wrong.status_code, wrong.json()["type"]) == (405, "/problems/method-not-allowed")
    assert "POST" in wrong.headers["Allow"]


async def test_a_body_has_a_limit(bench: Bench) -> None:
    """413 as a problem."""
    answer = await bench.client.post("/api/v1/reservations", headers=bench.auth(), content=b" " * 300_000)
    assert (answer.status_code, answer.json()["type"]) == (413, "/problems/body-too-large")


async def test_broken_json_is_a_bad_request(bench: Bench) -> None:
    """400 for no JSON, broken UTF-8, an array, and nesting without end."""
    for content in (b"", b"{", b'{"stationId": "\xff"}', b"[]", b"[" * 50_000):
        answer = await bench.client.post("/api/v1/reservations", headers=bench.auth(), content=content)
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "body"), content[:20]


async def test_many_callers_are_served_at_once(bench: Bench) -> None:
    """Fifty requests at the same moment are all answered."""

    async def one() -> httpx.Response:
        return await bench.client.get("/api/v1/stations", headers=bench.auth())

    answers = await asyncio.gather(*(one() for _ in range(50)))
    assert {answer.status_code for answer in answers} == {200}


async def test_options_names_every_method_of_an_address(bench: Bench) -> None:
    """Allow of OPTIONS and of 405 is the table's."""
    for path in ("/api/v1/reservations", "/api/v1/reservations/7", "/api/v1/tokens/Central/A", "/api/v1/keys"):
        told = await bench.client.options(path, headers=bench.auth())
        wrong = await bench.client.request("TRACE", path, headers=bench.auth())
        assert (told.status_code, wrong.status_code) == (204, 405)
        assert set(told.headers["Allow"].split(", ")) == set(wrong.headers["Allow"].split(", ")), path
    assert set(told.headers["Allow"].split(", ")) == {"GET", "POST", "OPTIONS"}
