"""What was seen on the way is sent again: driver links and session cookies, at a real server on real sockets."""

from __future__ import annotations

import random
import string
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
import pytest_asyncio

from csms import ADMIN_KEY, OPEN, QUICK, Csms, in_seconds
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions, World

pytestmark = [pytest.mark.process, pytest.mark.asyncio(loop_scope="module")]
#: Guesses are counted by another test.
MANY = ("--failed-logins", "1000000")
LETTERS = string.ascii_letters + string.digits + "-_"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def site(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Csms]:
    """A server with a station of six EVSEs."""
    csms = await Csms(tmp_path_factory.mktemp("replays"), options=(*QUICK, *OPEN, *MANY)).start()
    world = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))
    async with SimulatedStation(csms.stations, StationOptions(station_id="CS1", evses=6), world=world) as station:
        await station.online()
        await csms.until_online("CS1")
        yield csms
    await csms.close()
    assert "Traceback" not in "\n".join(csms.output)


@asynccontextmanager
async def browser(csms: Csms, **headers: str) -> AsyncIterator[httpx.AsyncClient]:
    """Somebody without a key, who keeps cookies."""
    async with httpx.AsyncClient(base_url=csms.api, headers=headers, trust_env=False, timeout=30) as client:
        yield client


async def linked(csms: Csms, evse: int) -> tuple[dict[str, Any], str]:
    """A reservation, and the text of its driver link."""
    made = await csms.reserve("CS1", evseId=evse, seconds=600, driverLink=True)
    assert made.status_code == 201, made.text
    told = made.json()
    return told, told["driverLink"].rpartition("/")[2]


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


# --- driver links


async def test_a_link_in_two_browsers_is_one_permission(site: Csms) -> None:
    """Both see what either did; what the first has ended, the second can neither end nor lengthen again."""
    told, link = await linked(site, 1)
    path = f"/api/v1/driver/{link}"
    async with browser(site) as mine, browser(site) as theirs:
        assert (await mine.get(path)).json()["reservation"]["status"] == "Active"
        assert (await theirs.get(path)).json()["reservation"]["status"] == "Active"
        assert not mine.cookies
        assert (await mine.delete(path)).status_code == 200
        assert (await theirs.get(path)).json()["reservation"]["status"] == "Canceled"
        again = [await theirs.delete(path), await theirs.patch(path, json={"expiryDateTime": in_seconds(900)})]
        assert [problem_of(one) for one in again] == [(409, "reservation-ended")] * 2
    assert (await site.reservation(told["id"]))["status"] == "Canceled"
    # The EVSE is the next driver's; the old link says nothing of it, and does nothing to it.
    next_one, _ = await linked(site, 1)
    async with browser(site) as mine:
        assert (await mine.get(path)).json()["reservation"]["id"] == told["id"]
        assert problem_of(await mine.delete(path)) == (409, "reservation-ended")
    assert (await site.reservation(next_one["id"]))["status"] == "Active"
    assert (await site.request("DELETE", f"/reservations/{next_one['id']}")).status_code == 200


async def test_a_link_is_for_its_reservation_alone(site: Csms) -> None:
    """The number of one with the signature of another, and every other letter at every place, lead nowhere."""
    (first, one), (second, two) = await linked(site, 2), await linked(site, 3)
    swapped = {one[:cut] + two[cut:] for cut in range(4, 8)} | {two[:cut] + one[cut:] for cut in range(4, 8)}
    # The last letter has two bits that mean nothing: a second spelling is another text all the same.
    changed = {one[:at] + letter + one[at + 1 :] for at in (0, 3, 5, 6, 25, 26) for letter in LETTERS}
    others = {one + "=", one.lower(), one.upper(), one[:-1], one * 2, f"{one}%00", f"{one}%20", f"%20{one}"}
    async with browser(site) as thief:
        for link in sorted((swapped | changed | others) - {one, two}):
            answer = await thief.delete(f"/api/v1/driver/{link}")
            assert problem_of(answer) == (404, "link-unknown"), link
        tried = len((swapped | changed | others) - {one, two})
    print(f"attacks: forged links: {tried}")
    for each in (first, second):
        assert (await site.reservation(each["id"]))["status"] == "Active"
        assert (await site.request("DELETE", f"/reservations/{each['id']}")).status_code == 200


async def test_a_link_is_no_key_and_no_session(site: Csms) -> None:
    """Neither as a bearer token, a cookie, a password nor in the query."""
    told, link = await linked(site, 4)
    async with browser(site) as thief:
        for headers in (
            {"Authorization": f"Bearer {link}"},
            {"Authorization": f"Basic {link}"},
            {"Cookie": f"evhold_session={link}"},
        ):
            answer = await thief.get(f"/api/v1/reservations/{told['id']}", headers=headers)
            assert problem_of(answer) == (401, "unauthorized")
        assert problem_of(await thief.get(f"/api/v1/reservations?link={link}")) == (401, "unauthorized")
        assert problem_of(await thief.post("/session", json={"key": link})) == (401, "unauthorized")
    assert (await site.request("DELETE", f"/reservations/{told['id']}")).status_code == 200


async def test_a_recorded_request_of_a_driver_changes_nothing_later(site: Csms) -> None:
    """With the version that it was made for it is told 412; without one it can only ask what the driver could ask."""
    told, link = await linked(site, 5)
    path, later = f"/api/v1/driver/{link}", in_seconds(1200)
    async with browser(site) as driver, browser(site) as thief:
        tag = (await driver.get(f"{path}")).json()["reservation"]["version"]
        recorded = {"json": {"expiryDateTime": later}, "headers": {"If-Match": f'"{tag}"'}}
        assert (await driver.patch(path, **recorded)).status_code == 200
        assert (await driver.patch(path, json={"expiryDateTime": in_seconds(300)})).status_code == 200
        before = (await site.reservation(told["id"]))["expiryDateTime"]
        assert problem_of(await thief.patch(path, **recorded)) == (412, "version-conflict")
        for body in ({"evseId": 6}, {"idToken": {"idToken": "MINE", "type": "Central"}}, {"expiryDateTime": "never"}):
            assert problem_of(await thief.patch(path, json=body)) == (400, "invalid-request")
    assert (await site.reservation(told["id"]))["expiryDateTime"] == before
    assert (await site.request("DELETE", f"/reservations/{told['id']}")).status_code == 200


async def test_a_link_outlives_the_key_that_asked_for_it_and_no_more(site: Csms) -> None:
    """It is the reservation's. The key itself opens nothing once it was revoked, not even by a link's address."""
    key = (await site.request("POST", "/keys", json={"role": "operator"})).json()
    theirs = {"Authorization": f"Bearer {key['key']}"}
    made = await site.reserve("CS1", evseId=6, seconds=600, driverLink=True, headers=theirs)
    link = made.json()["driverLink"].rpartition("/")[2]
    await site.request("DELETE", f"/keys/{key['id']}")
    async with browser(site, **theirs) as gone:
        assert problem_of(await gone.get(f"/api/v1/reservations/{made.json()['id']}")) == (401, "unauthorized")
        assert (await gone.get(f"/api/v1/driver/{link}")).status_code == 200
        assert (await gone.delete(f"/api/v1/driver/{link}")).status_code == 200


# --- session cookies


async def signed_in(client: httpx.AsyncClient, key: str = ADMIN_KEY) -> tuple[str, str]:
    """The value of the cookie, and its token."""
    made = await client.post("/session", json={"key": key})
    assert made.status_code == 200
    value = str(client.cookies["evhold_session"])
    client.cookies.clear()
    return value, made.json()["csrf"]


def cookie(*values: str, csrf: str | None = None) -> dict[str, str]:
    """The headers that bring these cookies along."""
    headers = {"Cookie": "; ".join(f"evhold_session={one}" for one in values)}
    return headers if csrf is None else headers | {"X-CSRF-Token": csrf}


async def test_a_copied_cookie_is_worth_nothing_once_its_owner_signed_out(site: Csms) -> None:
    """Everywhere, for good, and after a restart too; other sessions of the same key go on."""
    async with browser(site) as client:
        value, csrf = await signed_in(client)
        other, _ = await signed_in(client)
        assert (await client.get("/api/v1/stations", headers=cookie(value))).status_code == 200
        assert (await client.delete("/session", headers=cookie(value))).status_code == 204
        for path in ("/session", "/api/v1/stations", "/api/v1/events"):
            assert problem_of(await client.get(path, headers=cookie(value))) == (401, "unauthorized"), path
        replayed = await client.put("/api/v1/stations/CS9", json={}, headers=cookie(value, csrf=csrf))
        assert problem_of(replayed) == (401, "unauthorized")
        assert (await client.get("/session", headers=cookie(other))).status_code == 200
        # The ended one beside the good one: the good one counts, and its token.
        assert (await client.get("/session", headers=cookie(value, other))).status_code == 200
        beside = await client.put("/api/v1/stations/CS9", json={}, headers=cookie(value, other, csrf=csrf))
        assert problem_of(beside) == (403, "csrf-token-missing")
    await site.stop()
    await site.start()
    async with browser(site) as client:
        assert problem_of(await client.get("/session", headers=cookie(value))) == (401, "unauthorized")
        assert (await client.get("/session", headers=cookie(other))).status_code == 200


async def test_a_stream_ends_when_its_session_is_ended(site: Csms) -> None:
    """Whoever listens by a copied cookie hears nothing from then on."""
    async with browser(site) as client:
        value, _ = await signed_in(client)
        async with client.stream("GET", "/api/v1/events", headers=cookie(value)) as stream:
            lines = stream.aiter_lines()
            assert await anext(lines) == "retry: 2000"
            assert (await client.delete("/session", headers=cookie(value))).status_code == 204
            assert [one async for one in lines if one.startswith("data")] == []


async def test_a_cookie_dies_with_its_key(site: Csms) -> None:
    """At once, with the token that went with it; the cookie of another key is another's."""
    made = (await site.request("POST", "/keys", json={"role": "operator"})).json()
    async with browser(site) as client:
        value, csrf = await signed_in(client, made["key"])
        admins, _ = await signed_in(client)
        assert (await client.get("/api/v1/keys", headers=cookie(admins))).status_code == 200
        assert problem_of(await client.get("/api/v1/keys", headers=cookie(value))) == (403, "forbidden")
        await site.request("DELETE", f"/keys/{made['id']}")
        answers = [
            await client.get("/api/v1/stations", headers=cookie(value)),
            await client.put("/api/v1/stations/CS9", json={}, headers=cookie(value, csrf=csrf)),
        ]
        assert {problem_of(one) for one in answers} == {(401, "unauthorized")}


async def test_forged_cookies_are_nobody(site: Csms) -> None:
    """Cut off at every place, another key's number, another end, a signature of something else, very long ones."""
    made = (await site.request("POST", "/keys", json={"role": "readonly"})).json()
    async with browser(site) as client:
        value, csrf = await signed_in(client, made["key"])
        number, ends, signature = value.split(".")
        forged = [
            *(value[:at] for at in range(len(value))),
            *(f"{other}.{ends}.{signature}" for other in ("0", "1", "01", f"0{number}", f"-{number}", f"{number} ")),
            *(f"{number}.{other}.{signature}" for other in (str(int(ends) + 1), "9" * 18, f"0{ends}", "", f"{ends}.")),
            *(f"{number}.{ends}.{other}" for other in ("", csrf, signature.lower(), signature + "=", signature * 2)),
            *(value + more for more in ("A", ".", "=", "\t.A")),
            value.swapcase(),
            f"{number}.{ends}.{signature[:-1]}" + ("A" if signature[-1] != "A" else "B"),
            "A" * 4_000,
            f"{value}{'A' * 4_000}",
            f"{number}.{ends}.{'A' * 4_000}",
        ]
        for one in forged:
            assert problem_of(await client.get("/api/v1/stations", headers=cookie(one))) == (401, "unauthorized"), one
        # Beside forged ones of its name the good one is found, wherever it stands.
        for row in ((forged[0], value), (value, forged[5]), (*forged[-10:-3], value)):
            assert (await client.get("/session", headers=cookie(*row))).status_code == 200
        # A head too long is none, unless it came in one piece.
        assert (await client.get("/session", headers=cookie("A" * 100_000))).status_code in (401, 431)
        assert (await client.get("/session", headers=cookie(value))).status_code == 200
    print(f"attacks: forged cookies: {len(forged)}")


async def test_a_change_by_cookie_needs_the_token_of_this_cookie(site: Csms) -> None:
    """None, an empty one, another session's, the cookie itself, or the right one in another place: 403, and nothing is done."""
    made = (await site.request("POST", "/keys", json={"role": "operator"})).json()
    async with browser(site) as client:
        value, csrf = await signed_in(client, made["key"])
        _, foreign = await signed_in(client)
        address = "/api/v1/stations/CSRF1"
        tried = [
            await client.put(address, json={}, headers=cookie(value, csrf=token))
            for token in (None, "", foreign, value, csrf[:-1], csrf + "A", csrf.swapcase())
        ]
        tried.append(await client.put(f"{address}?csrf={csrf}&X-CSRF-Token={csrf}", json={}, headers=cookie(value)))
        tried.append(await client.put(address, json={}, headers=cookie(value, f"{value}; X-CSRF-Token={csrf}")))
        assert {problem_of(one) for one in tried} == {(403, "csrf-token-missing")}
        assert problem_of(await site.request("GET", "/stations/CSRF1")) == (404, "station-unknown")
        assert (await client.put(address, json={}, headers=cookie(value, csrf=csrf))).status_code == 201
