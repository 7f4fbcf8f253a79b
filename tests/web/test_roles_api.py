"""Who may call what: every operation of the table with a key of every role, and without one."""

import asyncio
import json
from dataclasses import replace

import httpx
import pytest
from web_bench import DRIVER, TOKEN, Bench
from web_stage import Stage

from evhold.adapters.clock import SystemIds
from evhold.domain.access import Actor, Role
from evhold.usecases import provision
from evhold.usecases.provision import KeyOrder
from evhold.web import openapi
from evhold.web.routes import OPERATIONS

# Who calls, in the order of the columns below. A driver's call names a reservation of its own token, or of another's.
CALLERS = ("none", "wrong", "expired", "revoked", "readonly", "driver", "driver-other", "operator", "admin")
NO, OK, MADE, LATER, GONE, HIDDEN, DONE = 403, 200, 201, 202, 410, 404, 204
CONFLICT = 409
# What an address or a body without a key is answered: whose link it is, and whether anybody is signed in.
BY_LINK = (OK,) * len(CALLERS)


def keyed(*answers: int) -> tuple[int, ...]:
    """The row of an operation that needs a key: 401 without a good one, then readonly, driver, other driver, operator, admin."""
    return (401,) * 4 + answers


LOOKING = keyed(OK, OK, OK, OK, OK)
INSIGHT = keyed(OK, NO, NO, OK, OK)
OPERATING = keyed(NO, NO, NO, OK, OK)
#: Every operation of the API, and what each caller is answered.
MATRIX: dict[str, tuple[int, ...]] = {
    # reservations
    "reserve": keyed(NO, MADE, NO, MADE, MADE),
    "listReservations": LOOKING,
    "showReservation": keyed(OK, OK, HIDDEN, OK, OK),
    "showHistory": keyed(OK, OK, HIDDEN, OK, OK),
    "replaceReservation": keyed(NO, OK, HIDDEN, OK, OK),
    "cancelReservation": keyed(NO, OK, HIDDEN, OK, OK),
    "keepReservation": keyed(NO, CONFLICT, HIDDEN, CONFLICT, CONFLICT),
    "askNow": keyed(NO, CONFLICT, HIDDEN, CONFLICT, CONFLICT),
    "createDriverLink": keyed(NO, NO, NO, MADE, MADE),
    "downloadReservations": INSIGHT,
    # stations
    "listStations": LOOKING,
    "showStation": LOOKING,
    "putStation": OPERATING,
    "removeStation": keyed(NO, NO, NO, DONE, DONE),
    "readCapabilities": OPERATING,
    "switchReservations": OPERATING,
    "listMessages": INSIGHT,
    "callStation": OPERATING,
    "changePassword": OPERATING,
    "listStationSecurityEvents": INSIGHT,
    "listSecurityEvents": INSIGHT,
    "listActions": INSIGHT,
    # tokens
    "listTokens": INSIGHT,
    "showToken": INSIGHT,
    "putToken": OPERATING,
    "removeToken": keyed(NO, NO, NO, DONE, DONE),
    "forgetToken": keyed(NO, NO, NO, NO, OK),
    # keys
    "listAudit": keyed(NO, NO, NO, NO, OK),
    "listKeys": keyed(NO, NO, NO, NO, OK),
    "createKey": keyed(NO, NO, NO, NO, MADE),
    "revokeKey": keyed(NO, NO, NO, NO, DONE),
    # what is told
    "followEvents": LOOKING,
    "showFigures": INSIGHT,
    "showTimeline": INSIGHT,
    # webhooks
    "listWebhooks": OPERATING,
    "createWebhook": keyed(NO, NO, NO, MADE, MADE),
    "showWebhook": OPERATING,
    "removeWebhook": keyed(NO, NO, NO, DONE, DONE),
    "rotateWebhookSecret": OPERATING,
    "testWebhook": OPERATING,
    "listDeliveries": OPERATING,
    "redeliver": keyed(NO, NO, NO, HIDDEN, HIDDEN),
    # by a link, whatever the key
    "showByLink": BY_LINK,
    "extendByLink": BY_LINK,
    "cancelByLink": BY_LINK,
    "followByLink": BY_LINK,
    # the page's session: signing in with each key; no cookie is sent
    "signIn": (401, 401, 401, 401, OK, OK, OK, OK, OK),
    "showSession": (401,) * len(CALLERS),
    "signOut": (DONE,) * len(CALLERS),
}
ROLES = {"readonly": Role.READONLY, "driver": Role.DRIVER, "driver-other": Role.DRIVER}
ROLES |= {"operator": Role.OPERATOR, "admin": Role.ADMIN}


def test_the_matrix_names_every_operation() -> None:
    """Of the table that makes the routes, and of the OpenAPI document; and it is about as many callers as there are."""
    document = json.loads(openapi.document("0"))
    described = {one["operationId"] for path in document["paths"].values() for one in path.values()}
    assert MATRIX.keys() == {operation.name for operation in OPERATIONS} == described
    assert {len(row) for row in MATRIX.values()} == {len(CALLERS)}
    free = {operation.name for operation in OPERATIONS if operation.is_public}
    assert free == {name for name, row in MATRIX.items() if row[0] != 401} | {"signIn", "showSession"}


async def key_of(bench: Bench, caller: str) -> str | None:
    """A key that is as the caller's name says; of an admin, where it is none any more."""
    if caller in ROLES:
        return bench.keys[ROLES[caller]]
    if caller in ("none", "wrong"):
        return None if caller == "none" else "evh_wrong"
    made = await provision.create_key(
        KeyOrder(name=caller, role=Role.ADMIN),
        who=Actor("test"),
        storage=bench.storage,
        clock=bench.clock,
        ids=SystemIds(),
    )
    if caller == "revoked":
        await bench.client.delete(f"/api/v1/keys/{made.key.id}", headers=bench.auth())
    else:
        ended = replace(made.key, expires_at=bench.clock.now())
        await bench.storage.transact(lambda tx: tx.keys.save(ended))
    return made.secret


@pytest.mark.parametrize("caller", CALLERS)
async def test_each_caller_is_answered_as_the_matrix_says(bench: Bench, caller: str) -> None:
    """Every operation, with things that are there: nothing but the caller is in its way."""
    key, column = await key_of(bench, caller), CALLERS.index(caller)
    stage = Stage(bench, token=DRIVER if caller == "driver" else TOKEN)
    told = {operation.name: await stage.status(operation, key) for operation in OPERATIONS}
    assert told == {name: row[column] for name, row in MATRIX.items()}


async def test_a_driver_is_told_of_its_own_alone(bench: Bench) -> None:
    """In lists and streams there is nothing of others, nor can it put a reservation under another's token."""
    others = (await bench.reserve()).json()
    token = {"idToken": DRIVER.id_token, "type": DRIVER.type}
    own = (await bench.reserve(evseId=2, idToken=token)).json()
    driver = bench.auth(Role.DRIVER)
    listed = (await bench.client.get("/api/v1/reservations", headers=driver)).json()
    assert [one["id"] for one in listed] == [own["id"]]
    for query in (f"idToken={TOKEN.id_token}", "evseId=1"):
        assert (await bench.client.get(f"/api/v1/reservations?{query}", headers=driver)).json() == []
    path = f"/api/v1/reservations/{own['id']}"
    changed = {"idToken": {"idToken": TOKEN.id_token, "type": TOKEN.type}}
    assert (await bench.client.patch(path, headers=driver, json=changed)).status_code == 403
    for terms in ({"force": True}, {"notify": ["ntfy://ntfy.example/x"]}):
        refused = await bench.client.post(
            "/api/v1/reservations", headers=driver, json=bench.terms(idToken=token, **terms)
        )
        assert refused.status_code == 403
    # The same text under another type is another token.
    alike = bench.terms(idToken={"idToken": DRIVER.id_token, "type": "Central"})
    assert (await bench.client.post("/api/v1/reservations", headers=driver, json=alike)).status_code == 403
    headers = driver | {"Last-Event-ID": "0"}
    async with asyncio.timeout(5), bench.client.stream("GET", "/api/v1/events", headers=headers) as answer:
        seen = ""
        async for line in answer.aiter_lines():
            seen += line
            if line.startswith("data:") and f'"id":{own["id"]},' in line:
                break
    assert f'"id":{others["id"]},' not in seen
    assert TOKEN.id_token not in seen


async def test_without_a_key_there_is_no_answer(bench: Bench) -> None:
    """401 with WWW-Authenticate before 404 and 405."""
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
