"""/session: a cookie in place of the key, and the token without which it changes nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from functools import partial

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from web_bench import Bench, beside

from evhold.adapters.clock import SystemClock
from evhold.domain.access import Role
from evhold.usecases.ports import StorageAway
from evhold.usecases.signing import Signer
from evhold.web import cookies
from evhold.web.server import ServerSettings

SIGNER = Signer("one secret")


async def sign_in(bench: Bench, role: Role = Role.ADMIN, **more: object) -> httpx.Response:
    """POST /session with the key of this role; the client keeps the cookie."""
    return await bench.client.post("/session", json={"key": bench.keys[role]}, **more)  # type: ignore[arg-type]  # httpx's own


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_a_key_signs_in_and_the_cookie_stands_for_it(bench: Bench) -> None:
    """Who it is, a token and the version; GET /session says the same, and the API answers."""
    made = await sign_in(bench, Role.OPERATOR)
    told = made.json()
    assert made.status_code == 200
    assert (told["role"], told["name"], told["version"]) == ("operator", "operator", "0")
    assert told.keys() == {"role", "name", "csrf", "version"}
    assert (await bench.client.get("/session")).json() == told
    assert (await bench.client.get("/api/v1/stations")).status_code == 200


async def test_the_cookie_is_for_this_page_alone(bench: Bench) -> None:
    """No script reads it, no other site sends it, it ends after twelve hours; no cache keeps the answer."""
    made = await sign_in(bench)
    value, *attributes = made.headers["Set-Cookie"].split("; ")
    assert value.startswith("evhold_session=")
    assert set(attributes) == {"Path=/", "Max-Age=43200", "HttpOnly", "SameSite=Strict"}
    assert made.headers["Cache-Control"] == "no-store"


async def test_the_cookie_is_for_https_alone_where_it_came_by_https(bench: Bench) -> None:
    """A trusted proxy says so; nobody else is believed."""
    forwarded = {"X-Forwarded-Proto": "https"}
    made = await sign_in(bench, headers=forwarded)
    assert "Secure" not in made.headers["Set-Cookie"].split("; ")
    async with beside(bench.calls, settings=ServerSettings(trusted_proxies=("127.0.0.0/8",))) as client:
        made = await client.post("/session", json={"key": bench.keys[Role.ADMIN]}, headers=forwarded)
    assert "Secure" in made.headers["Set-Cookie"].split("; ")


async def test_signing_out_takes_the_cookie_away(bench: Bench) -> None:
    """204, and nobody is signed in; also where nobody was."""
    await sign_in(bench)
    gone = await bench.client.delete("/session")
    assert (gone.status_code, gone.content) == (204, b"")
    assert not bench.client.cookies
    assert problem_of(await bench.client.get("/session")) == (401, "unauthorized")
    assert (await bench.client.delete("/session")).status_code == 204


async def test_wrong_keys_are_all_answered_alike(bench: Bench) -> None:
    """401 with the same words for a key that never was, one that was revoked, and one of strange letters."""
    made = (await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "readonly"})).json()
    await bench.client.delete(f"/api/v1/keys/{made['id']}", headers=bench.auth())
    answers = [
        await bench.client.post("/session", json={"key": key})
        for key in ("evh_wrong", made["key"], "\u00e9\ud7ff", " x ")
    ]
    assert {problem_of(one) for one in answers} == {(401, "unauthorized")}
    assert len({one.content for one in answers}) == 1
    assert not any("Set-Cookie" in one.headers for one in answers)


async def test_a_change_by_cookie_needs_the_token(bench: Bench) -> None:
    """403 without it or with another session's; with it, the change is made. Looking needs none."""
    csrf = (await sign_in(bench)).json()["csrf"]
    body = bench.terms()
    post = partial(bench.client.post, "/api/v1/reservations", json=body)
    other = cookies.csrf_of(cookies.issue(1, signer=SIGNER, now=bench.clock.now()), signer=SIGNER)
    for headers in ({}, {"X-CSRF-Token": ""}, {"X-CSRF-Token": other}, {"X-CSRF-Token": "\u00e9".encode("latin-1")}):
        assert problem_of(await post(headers=headers)) == (403, "csrf-token-missing")  # type: ignore[arg-type]  # bytes too
    made = await post(headers={"X-CSRF-Token": csrf})
    assert made.status_code == 201
    address = f"/api/v1/reservations/{made.json()['id']}"
    assert problem_of(await bench.client.delete(address)) == (403, "csrf-token-missing")
    assert (await bench.client.get(address)).status_code == 200


async def test_a_key_in_the_header_needs_no_token_and_goes_before_the_cookie(bench: Bench) -> None:
    """What the header says holds, also where it is wrong."""
    await sign_in(bench)
    made = await bench.client.post("/api/v1/reservations", json=bench.terms(), headers=bench.auth(Role.OPERATOR))
    assert made.status_code == 201
    wrong = await bench.client.get("/api/v1/stations", headers={"Authorization": "Bearer wrong"})
    assert problem_of(wrong) == (401, "unauthorized")
    admins = await bench.client.get("/api/v1/keys", headers=bench.auth(Role.OPERATOR))
    assert problem_of(admins) == (403, "forbidden")


async def test_a_session_may_what_its_key_may(bench: Bench) -> None:
    """A driver's session sees its own tokens' reservations; a reader's changes nothing."""
    await bench.reserve()
    csrf = (await sign_in(bench, Role.DRIVER)).json()["csrf"]
    assert (await bench.client.get("/api/v1/reservations")).json() == []
    assert problem_of(await bench.client.get("/api/v1/tokens")) == (403, "forbidden")
    csrf = (await sign_in(bench, Role.READONLY)).json()["csrf"]
    refused = await bench.client.post("/api/v1/reservations", json=bench.terms(), headers={"X-CSRF-Token": csrf})
    assert problem_of(refused) == (403, "forbidden")


async def test_a_session_dies_with_its_key(bench: Bench) -> None:
    """The moment that the key is revoked."""
    made = (await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "operator"})).json()
    await bench.client.post("/session", json={"key": made["key"]})
    assert (await bench.client.get("/api/v1/tokens")).status_code == 200
    await bench.client.delete(f"/api/v1/keys/{made['id']}", headers=bench.auth())
    assert problem_of(await bench.client.get("/api/v1/tokens")) == (401, "unauthorized")
    assert problem_of(await bench.client.get("/session")) == (401, "unauthorized")


async def test_a_session_ends_after_twelve_hours(bench: Bench) -> None:
    """To the second, by our clock."""

    class Ahead(SystemClock):
        lead = timedelta(hours=12)

        def now(self):  # type: ignore[no-untyped-def]  # as its base
            return super().now() + self.lead

    await sign_in(bench)
    clock = Ahead()
    async with beside(replace(bench.calls, clock=clock)) as client:
        client.cookies = bench.client.cookies
        assert problem_of(await client.get("/session")) == (401, "unauthorized")
        clock.lead -= timedelta(minutes=1)
        assert (await client.get("/session")).status_code == 200


async def test_another_database_knows_no_session_of_ours(bench: Bench) -> None:
    """The cookie is signed with the database's own secret."""
    await sign_in(bench)
    async with beside(replace(bench.calls, signer=SIGNER)) as client:
        client.cookies = bench.client.cookies
        assert problem_of(await client.get("/api/v1/stations")) == (401, "unauthorized")


async def test_events_come_by_cookie(bench: Bench) -> None:
    """An EventSource can send no header."""
    await sign_in(bench, Role.READONLY)
    async with bench.client.stream("GET", "/api/v1/events") as answer:
        assert answer.status_code == 200
        assert await anext(answer.aiter_lines()) == "retry: 2000"


async def test_a_stream_ends_when_its_key_is_revoked(bench: Bench) -> None:
    """What a key may see no more is told no more, by header or by cookie."""
    made = (await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "operator"})).json()
    await bench.client.post("/session", json={"key": made["key"]})
    async with asyncio.timeout(5), bench.client.stream("GET", "/api/v1/events") as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        await bench.client.delete(f"/api/v1/keys/{made['id']}", headers=bench.auth())
        await bench.reserve()
        assert not any("reservation." in line for line in [line async for line in lines])
    assert bench.streams.open == 0


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://[broken"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_another_sites_page_signs_nobody_in_or_out(bench: Bench, headers: dict[str, str]) -> None:
    """403, whatever the key."""
    assert problem_of(await sign_in(bench, headers=headers)) == (403, "foreign-origin")
    assert problem_of(await bench.client.delete("/session", headers=headers)) == (403, "foreign-origin")
    assert not bench.client.cookies


async def test_our_own_page_signs_in(bench: Bench) -> None:
    """By what browsers say of it."""
    origin = str(bench.client.base_url).rstrip("/")
    assert (await sign_in(bench, headers={"Origin": origin})).status_code == 200
    assert (await sign_in(bench, headers={"Sec-Fetch-Site": "same-origin"})).status_code == 200


async def test_a_form_can_not_sign_in(bench: Bench) -> None:
    """The types that a form of any site may send are refused, and so is a body that says nothing."""
    for kind in ("text/plain", "application/x-www-form-urlencoded", "", "application/json-patch+json"):
        answer = await bench.client.post(
            "/session", content=b'{"key": "' + bench.keys[Role.ADMIN].encode() + b'"}', headers={"Content-Type": kind}
        )
        assert (answer.status_code, answer.json()["errors"][0]["field"]) == (400, "Content-Type")
    for body in ({}, {"key": ""}, {"key": 1}, {"key": "x", "more": 1}, {"key": "x" * 300}):
        assert problem_of(await bench.client.post("/session", json=body)) == (400, "invalid-request")


@pytest.mark.parametrize(
    "cookie",
    [
        b"evhold_session",
        b"evhold_session=",
        b"evhold_session=..",
        b"evhold_session=1.9999999999.",
        b"evhold_session=1.9999999999.AAAA",
        b"evhold_session=\xff\xfe.\x80",
        b'evhold_session="; ;;=; evhold_session=" "',
        b"evhold_session=" + b"9" * 5000,
        b"=evhold_session; \xe9=1",
    ],
)
async def test_cookies_that_are_not_ours_are_nobody(bench: Bench, cookie: bytes) -> None:
    """401, never a fault, whatever stands in the header."""
    answer = await bench.client.get("/api/v1/stations", headers=[(b"Cookie", cookie)])
    assert problem_of(answer) == (401, "unauthorized")


async def test_a_good_cookie_is_found_among_others(bench: Bench) -> None:
    """Other pages of this host have theirs, and an old one of ours may stand before the new one."""
    made = await sign_in(bench)
    value = made.headers["Set-Cookie"].partition(";")[0]
    bench.client.cookies.clear()
    header = f'theme=dark; evhold_session=1.2.3;x="a; {value} ; last'
    assert (await bench.client.get("/session", headers={"Cookie": header})).status_code == 200


async def test_every_answer_says_what_time_it_is(bench: Bench) -> None:
    """The page's clock is the server's: Date stands in answers, problems, files and refusals of the gate."""
    for path in ("/session", "/api/v1/stations", "/api/v1/nothing", "/", "/static/none.js"):
        assert (await bench.client.get(path)).headers["Date"].endswith("GMT"), path
    assert "Date" in (await bench.client.get("/api/v1/stations", headers=bench.auth())).headers


async def test_a_database_that_is_away_is_said_so(bench: Bench) -> None:
    """503 with Retry-After, at /session as behind the gate."""

    async def away(_: object) -> None:
        raise StorageAway("gone")

    await sign_in(bench)
    keys = replace(bench.calls.keys, authenticate=away, by_id=away)  # type: ignore[arg-type]  # never returns
    async with beside(replace(bench.calls, keys=keys)) as client:
        client.cookies = bench.client.cookies
        answers = [
            await client.get("/session"),
            await client.post("/session", json={"key": "x"}),
            await client.get("/api/v1/stations"),
        ]
    assert {problem_of(one) for one in answers} == {(503, "storage-unavailable")}
    assert all("Retry-After" in one.headers for one in answers)


async def test_the_use_of_a_session_is_a_use_of_its_key(bench: Bench) -> None:
    """lastUsedAt is known."""
    await sign_in(bench, Role.READONLY)
    assert (await bench.client.get("/session")).status_code == 200
    listed = (await bench.client.get("/api/v1/keys", headers=bench.auth())).json()
    assert next(one["lastUsedAt"] for one in listed if one["role"] == "readonly") is not None


@given(st.text(), st.text())
def test_no_text_is_a_session_that_we_did_not_sign(value: str, header: str) -> None:
    """Reading never raises, and only what was issued is read."""
    assert cookies.read(value, signer=SIGNER) is None
    for found in cookies.values_in(header):
        assert cookies.read(found, signer=SIGNER) is None


@given(st.integers(1, 2**40), st.integers(), st.characters())
def test_a_changed_letter_makes_a_cookie_worthless(key_id: int, place: int, letter: str) -> None:
    """Every letter of it is signed."""
    now = SystemClock().now()
    value = cookies.issue(key_id, signer=SIGNER, now=now)
    session = cookies.read(value, signer=SIGNER)
    assert session is not None
    assert session.key_id == key_id
    at = place % len(value)
    changed = value[:at] + letter + value[at + 1 :]
    assert changed == value or cookies.read(changed, signer=SIGNER) is None


async def test_nobody_signs_in_by_a_number(bench: Bench) -> None:
    """A key is known by its id to the cookie alone: ids that are not there are nobody."""
    assert await bench.calls.keys.by_id(10**9) is None
