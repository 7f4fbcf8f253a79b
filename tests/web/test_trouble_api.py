"""What callers are told when the node is in trouble: not ready, storage away, too many streams."""

import asyncio
from dataclasses import replace
from typing import NoReturn

import httpx
from web_bench import Bench, beside

from evhold.usecases.ports import StorageAway
from evhold.web.live import Streams


async def _away(*_: object, **__: object) -> NoReturn:
    raise StorageAway("disk full at /var/lib/evhold")


def assert_storage_unavailable(answer: httpx.Response) -> None:
    """503 with Retry-After, without a word of ours about where the database lies."""
    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/storage-unavailable")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert int(answer.headers["Retry-After"]) > 0
    assert "disk" not in answer.text


async def test_a_node_in_trouble_is_not_ready(bench: Bench) -> None:
    """/readyz is 503 with the reason, while /healthz stays 200."""
    async with beside(replace(bench.calls, trouble=lambda: "storage-away")) as client:
        answer = await client.get("/readyz")
        assert (answer.status_code, answer.json()) == (503, {"status": "not-ready", "reason": "storage-away"})
        assert (await client.get("/healthz")).status_code == 200


async def test_an_order_is_refused_while_storage_is_away(bench: Bench) -> None:
    """POST /reservations is 503 storage-unavailable, and no station is asked."""
    async with beside(replace(bench.calls, reservations=replace(bench.calls.reservations, place=_away))) as client:
        answer = await client.post("/api/v1/reservations", json=bench.terms(), headers=bench.auth())
    assert_storage_unavailable(answer)
    assert bench.stations.asked == []


async def test_a_key_that_cannot_be_looked_up_is_not_called_wrong(bench: Bench) -> None:
    """503 where the database is needed to know the key; not 401, which would make callers throw it away."""
    async with beside(replace(bench.calls, keys=replace(bench.calls.keys, authenticate=_away))) as client:
        assert_storage_unavailable(await client.get("/api/v1/stations", headers=bench.auth()))


async def test_metrics_are_a_problem_while_storage_is_away(bench: Bench) -> None:
    """/metrics is 503 and not 500."""
    async with beside(replace(bench.calls, figures=replace(bench.calls.figures, reservations=_away))) as client:
        assert_storage_unavailable(await client.get("/metrics"))


async def test_too_many_streams_are_refused(bench: Bench) -> None:
    """503 too-many-streams with Retry-After beyond the limit; a place is free again when one has gone."""
    streams = Streams(heartbeat_s=0.05, limit=1)
    headers = bench.auth()
    async with asyncio.timeout(20), beside(bench.calls, streams) as client:
        async with client.stream("GET", "/api/v1/events", headers=headers) as first:
            # Kept: a generator that nobody holds is closed, and its stream with it.
            lines = first.aiter_lines()
            await anext(lines)
            refused = await client.get("/api/v1/events", headers=headers)
        assert (refused.status_code, refused.json()["type"]) == (503, "/problems/too-many-streams")
        assert int(refused.headers["Retry-After"]) > 0
        status = 503
        while status == 503:
            async with client.stream("GET", "/api/v1/events", headers=headers) as again:
                status = again.status_code
        assert status == 200
