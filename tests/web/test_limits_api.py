"""How often one may call, and what becomes of guesses: on a real socket, by a clock that the test moves."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

import httpx
import pytest
from structlog.testing import capture_logs
from web_bench import Bench, beside

from evhold.adapters.clock import SystemClock
from evhold.domain.access import Role
from evhold.domain.limits import Failures
from evhold.web.limits import Limits
from evhold.web.server import ServerSettings

WRONG = {"Authorization": "Bearer evh_wrong"}


@dataclass
class Moved(SystemClock):
    """The real clock, whose seconds pass when the test says so."""

    seconds: float = field(default=0.0)

    def monotonic(self) -> float:
        """The test's."""
        return self.seconds


@asynccontextmanager
async def limited(
    bench: Bench, clock: Moved, *, a_second: float = 5, settings: ServerSettings | None = None
) -> AsyncIterator[httpx.AsyncClient]:
    """The API with small limits."""
    limits = Limits(clock, failures=Failures(20), a_second=a_second)
    async with beside(replace(bench.calls, limits=limits), settings=settings) as client:
        yield client


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


async def test_one_key_gets_so_many_answers_a_second(bench: Bench) -> None:
    """Then 429 with Retry-After, until the second is over; another key does not notice."""
    clock = Moved()
    async with limited(bench, clock) as client:
        answers = [await client.get("/api/v1/tokens", headers=bench.auth()) for _ in range(7)]
        assert [one.status_code for one in answers] == [200] * 5 + [429] * 2
        assert problem_of(answers[-1]) == (429, "rate-limited")
        assert answers[-1].headers["Retry-After"] == "1"
        assert (await client.get("/api/v1/tokens", headers=bench.auth(Role.READONLY))).status_code == 200
        clock.seconds += 1
        assert (await client.get("/api/v1/tokens", headers=bench.auth())).status_code == 200
        told = (await client.get("/metrics")).text
    assert 'evhold_requests_refused_total{reason="rate"} 2.0' in told


async def test_no_limit_is_none(bench: Bench) -> None:
    """--rate-limit 0."""
    async with limited(bench, Moved(), a_second=0) as client:
        answers = [await client.get("/api/v1/tokens", headers=bench.auth()) for _ in range(50)]
    assert {one.status_code for one in answers} == {200}


async def test_a_link_gets_so_many_answers_too(bench: Bench) -> None:
    """It is a caller like a key."""
    made = (await bench.reserve(driverLink=True)).json()
    path = "/api/v1/driver/" + made["driverLink"].rpartition("/")[2]
    async with limited(bench, Moved()) as client:
        answers = [await client.get(path) for _ in range(6)]
    assert [one.status_code for one in answers] == [200] * 5 + [429]


@pytest.mark.parametrize("what", ["key", "session", "cookie", "link"])
async def test_guesses_are_told_to_wait_and_the_right_one_is_not(bench: Bench, what: str) -> None:
    """Twenty a minute are told that they are wrong; whoever has a good key is served throughout."""
    clock = Moved()

    async def guess(client: httpx.AsyncClient) -> httpx.Response:
        match what:
            case "key":
                return await client.get("/api/v1/tokens", headers=WRONG)
            case "session":
                return await client.post("/session", json={"key": "evh_wrong"})
            case "cookie":
                return await client.get("/api/v1/tokens", headers={"Cookie": "evhold_session=1.99999999999.AAAA"})
            case _:
                return await client.get("/api/v1/driver/AAAAAAAAAAAAAAAAAAAAAAAAAAA")

    async with limited(bench, clock, a_second=1_000) as client:
        with capture_logs() as logs:
            answers = [await guess(client) for _ in range(25)]
        wrong = 404 if what == "link" else 401
        assert [one.status_code for one in answers] == [wrong] * 20 + [429] * 5
        assert problem_of(answers[-1]) == (429, "too-many-failures")
        assert answers[-1].headers["Retry-After"] == "3"
        assert (await client.get("/api/v1/tokens", headers=bench.auth())).status_code == 200
        assert (await client.post("/session", json={"key": bench.keys[Role.ADMIN]})).status_code == 200
        client.cookies.clear()
        clock.seconds += 3
        assert [(await guess(client)).status_code for _ in range(2)] == [wrong, 429]
        clock.seconds += 60
        assert (await guess(client)).status_code == wrong
        told = (await client.get("/metrics")).text
    label = "session" if what == "cookie" else what
    assert f'evhold_failed_logins_total{{what="{label}"}} 28.0' in told
    assert 'evhold_requests_refused_total{reason="failures"} 6.0' in told
    failed = [one for one in logs if one["event"] == "login.failed"]
    assert [(one["log_level"], one["what"], one["address"]) for one in failed] == [("warning", label, "127.0.0.1")] * 20


async def test_whoever_gives_no_key_has_not_guessed(bench: Bench) -> None:
    """A page that nobody has signed in at asks now and then: 401 each time."""
    async with limited(bench, Moved()) as client:
        answers = [await client.get(path) for _ in range(15) for path in ("/api/v1/tokens", "/session")]
    assert {one.status_code for one in answers} == {401}


async def test_a_session_that_has_ended_was_not_guessed(bench: Bench) -> None:
    """Its cookie is ours."""
    made = (await bench.client.post("/api/v1/keys", headers=bench.auth(), json={"role": "readonly"})).json()
    signed = await bench.client.post("/session", json={"key": made["key"]})
    cookie = {"Cookie": signed.headers["Set-Cookie"].partition(";")[0]}
    await bench.client.delete(f"/api/v1/keys/{made['id']}", headers=bench.auth())
    async with limited(bench, Moved()) as client:
        answers = [await client.get("/api/v1/tokens", headers=cookie) for _ in range(25)]
    assert {one.status_code for one in answers} == {401}


async def test_addresses_of_a_trusted_proxys_callers_are_told_apart(bench: Bench) -> None:
    """By the last address that no trusted proxy wrote; nobody else's word is taken."""
    trusted = ServerSettings(trusted_proxies=("127.0.0.0/8", "10.0.0.0/8"))

    async def guess(client: httpx.AsyncClient, forwarded: str) -> int:
        answer = await client.get("/api/v1/tokens", headers=WRONG | {"X-Forwarded-For": forwarded})
        return answer.status_code

    async with limited(bench, Moved(), settings=trusted) as client:
        assert [await guess(client, f"198.51.100.{n}, 192.0.2.1, 10.0.0.9") for n in range(21)] == [401] * 20 + [429]
        assert await guess(client, "192.0.2.2") == 401
    async with limited(bench, Moved()) as client:
        assert [await guess(client, f"192.0.2.{n}") for n in range(21)] == [401] * 20 + [429]
