"""/audit: who changed what, and from where."""

from __future__ import annotations

from datetime import timedelta

import pytest
from web_bench import DRIVER, TOKEN, Bench, beside
from web_stage import Stage

from evhold.domain.access import Role
from evhold.usecases import audit
from evhold.web.operations import Operation
from evhold.web.routes import OPERATIONS
from evhold.web.server import ServerSettings

CHANGING = [operation for operation in OPERATIONS if operation.method != "GET"]
#: What is refused here changes nothing: no wish to cancel is there, no order waits, no delivery is dead.
NOTHING_THERE = {"keepReservation", "askNow", "redeliver"}
SECRET = "evh_a-secret-that-nobody-may-read"


async def rows(bench: Bench, query: str = "") -> list[dict[str, object]]:
    """What the audit says, newest first."""
    answer = await bench.client.get(f"/api/v1/audit{query}", headers=bench.auth())
    assert answer.status_code == 200, answer.text
    told: list[dict[str, object]] = answer.json()
    return told


@pytest.mark.parametrize("operation", CHANGING, ids=lambda one: one.name)
async def test_every_change_is_audited(bench: Bench, operation: Operation) -> None:
    """Who it was, from which address, and no token or key in it; a call that changed nothing left nothing."""
    stage = Stage(bench, token=TOKEN)
    key = bench.keys[Role.OPERATOR if Role.OPERATOR in operation.roles or operation.is_public else Role.ADMIN]
    if operation.name == "signOut":
        await bench.client.post("/session", json={"key": key})
    path = await stage.address(operation)
    before = {row["number"] for row in await rows(bench)}
    headers = {} if operation.is_public else {"Authorization": f"Bearer {key}"}
    answer = await bench.client.request(operation.method, path, headers=headers, json=stage.body(operation, key))
    found = [row for row in await rows(bench) if row["number"] not in before]
    if operation.name in NOTHING_THERE:
        assert answer.status_code in (404, 409)
        assert found == []
        return
    assert answer.is_success, answer.text
    (row,) = found
    who = "link of" if operation.path.startswith("/driver/") else "key "
    assert str(row["who"]).startswith(who)
    assert row["address"] == "127.0.0.1"
    assert row["what"]
    text = str(row)
    assert not any(one in text for one in (TOKEN.id_token, *bench.keys.values()))


async def test_what_was_waiting_is_audited_too(bench: Bench) -> None:
    """A wish that is dropped, and an order that is sent at once."""
    made = (await bench.reserve()).json()
    path = f"/api/v1/reservations/{made['id']}"
    bench.stations.online = False
    await bench.client.delete(path, headers=bench.auth(Role.OPERATOR))
    bench.stations.online = True
    assert (await bench.client.post(f"{path}/ask", headers=bench.auth())).status_code == 202
    assert (await bench.client.delete(f"{path}/cancel-request", headers=bench.auth())).status_code == 200
    found = [(row["what"], row["stationId"], row["detail"]) for row in await rows(bench)]
    assert found[:4] == [(what, "CS1", str(made["id"])) for what in ("keep", "ask now", "cancel", "reserve")]


async def test_a_drivers_reservation_names_its_key(bench: Bench) -> None:
    """Not its token, nor anybody else's address than the caller's behind a trusted proxy."""
    settings = ServerSettings(trusted_proxies=("127.0.0.0/8",))
    async with beside(bench.calls, settings=settings) as client:
        headers = bench.auth(Role.DRIVER) | {"X-Forwarded-For": "192.0.2.9"}
        terms = bench.terms(idToken={"idToken": DRIVER.id_token, "type": DRIVER.type})
        assert (await client.post("/api/v1/reservations", headers=headers, json=terms)).status_code == 201
    (row, *_) = await rows(bench)
    assert (row["who"], row["address"], row["what"]) == ("key 3 (driver)", "192.0.2.9", "reserve")


async def test_the_audit_is_read_page_by_page_and_by_time(bench: Bench) -> None:
    """Newest first; Link leads on; from and to bound it; a bad time is refused."""
    for number in range(5):
        await bench.client.put(f"/api/v1/tokens/Central/T{number}", headers=bench.auth(), json={"status": "Accepted"})
    everything = await rows(bench)
    seen, path = [], "/api/v1/audit?limit=2"
    while path:
        answer = await bench.client.get(path, headers=bench.auth())
        seen += answer.json()
        path = answer.links["next"]["url"] if "next" in answer.links else ""
    assert seen == everything
    middle = str(everything[2]["at"])
    assert all(str(row["at"]) >= middle for row in await rows(bench, f"?from={middle}"))
    assert all(str(row["at"]) < middle for row in await rows(bench, f"?to={middle}"))
    for query in ("?from=yesterday", "?limit=0", "?cursor=!"):
        refused = await bench.client.get(f"/api/v1/audit{query}", headers=bench.auth())
        assert refused.status_code == 400, query


async def test_the_audit_is_kept_so_long(bench: Bench) -> None:
    """What is older is deleted, all of it."""
    number = len(await rows(bench))
    now = bench.clock.now()
    assert await audit.prune(before=now - timedelta(days=365), storage=bench.storage) == 0
    assert await audit.prune(before=now + timedelta(seconds=1), storage=bench.storage) == number
    assert await rows(bench) == []
