"""What every answer carries, whose pages may call, and requests that are too large or too slow: on a real socket."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from structlog.testing import capture_logs
from web_bench import Bench, beside

from evhold.domain.access import Role
from evhold.web.server import ServerSettings

PATHS = (
    "/",
    "/d/AAAA",
    "/static/css/base.css",
    "/static/none.js",
    "/docs",
    "/openapi.json",
    "/healthz",
    "/readyz",
    "/metrics",
    "/problems/forbidden",
    "/session",
    "/api/v1/stations",
    "/api/v1/nothing",
    "/api/v1/keys",
    "/api/v1/driver/AAAA",
    "/nothing",
)
APP = "https://app.example"


def problem_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and name of a problem."""
    return answer.status_code, answer.json()["type"].removeprefix("/problems/")


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_carries_what_guards_a_browser(bench: Bench, path: str) -> None:
    """Whatever it is, good or not, with a key or without: each header once, and no inline script may run."""
    for headers in ({}, bench.auth(), bench.auth(Role.DRIVER)):
        answer = await bench.client.get(path, headers=headers)
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert "*" not in policy
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert "geolocation=()" in answer.headers["Permissions-Policy"]
        assert answer.headers["X-Frame-Options"] == "DENY"
        assert "Strict-Transport-Security" not in answer.headers
        assert "Server" not in answer.headers
        names = [name for name, _ in answer.headers.multi_items()]
        assert len(names) == len(set(names))
        if path.startswith(("/api/", "/session")):
            assert answer.headers["Cache-Control"] == "no-store"


async def test_https_stays_https(bench: Bench) -> None:
    """HSTS, where a trusted proxy says that it was."""
    async with beside(bench.calls, settings=ServerSettings(trusted_proxies=("127.0.0.0/8",))) as client:
        answer = await client.get("/", headers={"X-Forwarded-Proto": "https"})
    assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"


async def test_an_event_stream_is_guarded_too(bench: Bench) -> None:
    """Its headers come before its events."""
    async with bench.client.stream("GET", "/api/v1/events", headers=bench.auth()) as answer:
        assert (answer.status_code, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
        assert answer.headers["Cache-Control"] == "no-store"


def asks(origin: str) -> dict[str, str]:
    """The headers of a preflight."""
    return {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization",
    }


async def test_no_other_page_may_call_by_default(bench: Bench) -> None:
    """Its preflight is refused, and no answer says that it may be read."""
    for path in ("/api/v1/reservations", "/session", "/api/v1/driver/AAAA", "/"):
        refused = await bench.client.options(path, headers=asks(APP))
        assert problem_of(refused) == (403, "foreign-origin")
        assert not any(name.startswith("access-control") for name in refused.headers)
    answer = await bench.client.get("/api/v1/stations", headers=bench.auth() | {"Origin": APP})
    assert answer.status_code == 200
    assert not any(name.startswith("access-control") for name in answer.headers)


async def test_a_page_of_an_opened_origin_may_call(bench: Bench) -> None:
    """With a key: its preflight says what, and it reads every answer, problems too. Nobody else's does."""
    async with beside(bench.calls, origins=[APP]) as client:
        told = await client.options("/api/v1/reservations", headers=asks(APP))
        assert (told.status_code, told.headers["Access-Control-Allow-Origin"]) == (204, APP)
        assert "authorization" in told.headers["Access-Control-Allow-Headers"].lower()
        assert {"POST", "PATCH", "DELETE"} <= set(told.headers["Access-Control-Allow-Methods"].split(", "))
        for headers in ({}, bench.auth(), bench.auth(Role.READONLY)):
            answer = await client.get("/api/v1/keys", headers=headers | {"Origin": APP})
            assert answer.headers["Access-Control-Allow-Origin"] == APP
            assert "ETag" in answer.headers["Access-Control-Expose-Headers"]
            assert "Origin" in answer.headers["Vary"]
            assert "Access-Control-Allow-Credentials" not in answer.headers
        for origin in ("https://app.example.evil", "http://app.example", "https://x.app.example", "null", ""):
            assert problem_of(await client.options("/api/v1/keys", headers=asks(origin))) == (403, "foreign-origin")
            answer = await client.get("/api/v1/keys", headers=bench.auth() | {"Origin": origin})
            assert "Access-Control-Allow-Origin" not in answer.headers
            assert "Origin" in answer.headers["Vary"]


async def test_a_cookie_is_worth_nothing_to_an_opened_page(bench: Bench) -> None:
    """It may not sign in, and no answer lets it send cookies along."""
    async with beside(bench.calls, origins=["*"]) as client:
        headers = {"Origin": APP, "Sec-Fetch-Site": "cross-site"}
        refused = await client.post("/session", json={"key": bench.keys[Role.ADMIN]}, headers=headers)
        assert problem_of(refused) == (403, "foreign-origin")
        assert "Access-Control-Allow-Credentials" not in refused.headers
        assert (await client.options("/session", headers=asks(APP))).status_code == 204


async def test_an_address_has_a_limit(bench: Bench) -> None:
    """414 for a path or a query that is too long."""
    for path in ("/api/v1/stations/" + "x" * 9_000, "/api/v1/stations?cursor=" + "x" * 9_000):
        assert problem_of(await bench.client.get(path, headers=bench.auth())) == (414, "address-too-long")


async def test_a_body_has_a_limit_whether_it_says_its_size_or_not(bench: Bench) -> None:
    """413 before all of it has come."""

    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100_000):
            yield b" " * 10_000

    said = await bench.client.post("/api/v1/reservations", headers=bench.auth(), content=b" " * 300_000)
    assert problem_of(said) == (413, "body-too-large")
    unsaid = await bench.client.post("/api/v1/reservations", headers=bench.auth(), content=endless())
    assert problem_of(unsaid) == (413, "body-too-large")


# --- slow and broken requests


@asynccontextmanager
async def socket_to(bench: Bench, arrival_s: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A bare socket to an API that waits so long."""
    async with beside(bench.calls, settings=ServerSettings(arrival_s=arrival_s)) as client:
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        try:
            yield reader, writer
        finally:
            writer.close()


async def end_of(reader: asyncio.StreamReader) -> bytes:
    """All that comes until the server hangs up."""
    async with asyncio.timeout(10):
        return await reader.read()


HEAD = "POST /api/v1/reservations HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n"


async def test_who_says_nothing_is_cut_off(bench: Bench) -> None:
    """408, and the connection ends."""
    async with socket_to(bench, 0.1) as (reader, _):
        assert (await end_of(reader)).startswith(b"HTTP/1.1 408 ")


async def test_a_head_that_trickles_is_cut_off(bench: Bench) -> None:
    """A byte now and then keeps nothing open (slowloris)."""
    async with socket_to(bench, 0.3) as (reader, writer):
        end = asyncio.create_task(reader.read())
        for letter in b"GET /healthz HTTP/1.1\r\nX-Slow: " + b"x" * 10_000:
            writer.write(bytes([letter]))
            done, _ = await asyncio.wait({end}, timeout=0.02)
            if done:
                break
        # What is sent after the end may tear the answer away.
        (outcome,) = await asyncio.gather(end, return_exceptions=True)
    assert isinstance(outcome, ConnectionResetError) or b" 408 " in outcome


@pytest.mark.parametrize("role", [Role.ADMIN, None])
async def test_a_body_that_does_not_come_is_waited_for_no_longer(bench: Bench, role: Role | None) -> None:
    """408 to a caller that we know, 401 to others, and the connection ends either way."""
    async with socket_to(bench, 0.2) as (reader, writer):
        key = bench.keys[role] if role else "evh_wrong"
        writer.write(HEAD.format(key).encode() + b"Content-Length: 1000\r\n\r\n{")
        answer = await end_of(reader)
    assert answer.startswith(b"HTTP/1.1 408 " if role else b"HTTP/1.1 401 ")
    assert b"problem+json" in answer


async def test_a_caller_that_hangs_up_half_way_is_no_fault_of_ours(bench: Bench) -> None:
    """Nothing is logged as one; who calls meanwhile is served."""
    head = f"POST /api/v1/reservations HTTP/1.1\r\nHost: x\r\nContent-Length: 50\r\nAuthorization: {bench.auth()['Authorization']}"
    with capture_logs() as logs:
        async with beside(bench.calls) as client:
            for _ in range(3):
                _, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
                writer.write(f"{head}\r\n\r\n{{".encode())
                await writer.drain()
                assert (await client.get("/healthz")).status_code == 200
                writer.close()
    assert logs == []


async def test_a_second_request_has_its_own_time(bench: Bench) -> None:
    """A connection that was good once is not waited for any longer; one that goes on properly is kept."""
    async with socket_to(bench, 0.3) as (reader, writer):
        for _ in range(3):
            writer.write(b"GET /healthz HTTP/1.1\r\nHost: h\r\n\r\n")
            assert b" 200 " in await reader.readuntil(b'{"status":"ok"}')
        writer.write(b"GET /healthz HT")
        assert (await end_of(reader)).startswith(b"HTTP/1.1 408 ")


async def test_an_answer_that_takes_its_time_is_not_cut_off(bench: Bench) -> None:
    """The time is for the request: an event stream is kept though it is older."""
    async with (
        beside(bench.calls, bench.streams, settings=ServerSettings(arrival_s=0.1)) as client,
        client.stream("GET", "/api/v1/events", headers=bench.auth()) as answer,
    ):
        beats = 0
        async for line in answer.aiter_lines():
            beats += "heartbeat" in line
            if beats == 6:
                break
        assert beats == 6


@pytest.mark.parametrize("rest", [b"", b"\r\n\r\n"], ids=["unfinished", "whole"])
async def test_a_head_has_a_limit(bench: Bench, rest: bytes) -> None:
    """431 as a problem, whether it has an end or not."""
    async with socket_to(bench, 10) as (reader, writer):
        writer.write(b"GET /healthz HTTP/1.1\r\nX-Big: " + b"x" * 40_000 + rest)
        answer = await end_of(reader)
        assert answer.startswith(b"HTTP/1.1 431 ")
        assert b"/problems/headers-too-large" in answer


async def test_a_trailer_has_a_limit(bench: Bench) -> None:
    """What comes behind a body in chunks is kept no more than a head is."""
    async with socket_to(bench, 10) as (reader, writer):
        writer.write(b"POST /api/v1/reservations HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n")
        writer.write(b"X-Big: " + b"x" * 40_000)
        assert not (await end_of(reader)).startswith(b"HTTP/1.1 2")


async def test_what_is_no_http_is_told_so(bench: Bench) -> None:
    """400 as a problem."""
    async with socket_to(bench, 10) as (reader, writer):
        writer.write(b"\x16\x03\x01 this is no http\r\n\r\n")
        answer = await end_of(reader)
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert b"/problems/invalid-request" in answer
