"""GET /events over a real socket."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta

from web_bench import DRIVER, Bench

from evhold.domain.access import Role


async def told(bench: Bench, count: int, *, query: str = "", headers: dict[str, str]) -> list[tuple[str, str, object]]:
    """The first events of a stream: (id, name, data)."""
    found: list[tuple[str, str, object]] = []
    async with asyncio.timeout(5), bench.client.stream("GET", f"/api/v1/events{query}", headers=headers) as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        async for event in parsed(answer.aiter_lines()):
            found.append(event)
            if len(found) == count:
                break
    return found


async def parsed(lines: AsyncIterator[str]) -> AsyncIterator[tuple[str, str, object]]:
    """Events of a stream's lines."""
    fields: dict[str, str] = {}
    async for line in lines:
        if not line and "data" in fields:
            yield fields.get("id", ""), fields["event"], json.loads(fields["data"])
        if not line:
            fields = {}
            continue
        name, _, value = line.partition(": ")
        fields[name] = value


async def test_what_is_committed_is_told(bench: Bench) -> None:
    """A reservation's events come with the reservation and its cause, and a heartbeat before them."""
    async with asyncio.timeout(5), bench.client.stream("GET", "/api/v1/events", headers=bench.auth()) as answer:
        lines = answer.aiter_lines()
        async for line in lines:
            if line.startswith(": heartbeat"):
                break
        made = (await bench.reserve()).json()
        async for number, name, data in parsed(lines):
            assert (name, data["reservation"], data["cause"]) == ("reservation.accepted", made, None)  # type: ignore[index]
            assert int(number) > 0
            break


async def test_a_stream_resumes_where_it_broke_off(bench: Bench) -> None:
    """Last-Event-ID gives what came after, in order, without loss."""
    made = (await bench.reserve()).json()
    await bench.client.delete(f"/api/v1/reservations/{made['id']}", headers=bench.auth())
    both = await told(bench, 2, query="?name=reservation.*", headers=bench.auth() | {"Last-Event-ID": "0"})
    assert [name for _, name, _ in both] == ["reservation.accepted", "reservation.canceled"]
    rest = await told(bench, 1, query="?name=reservation.*", headers=bench.auth() | {"Last-Event-ID": both[0][0]})
    assert rest == both[1:]
    assert (await bench.client.get("/api/v1/events", headers=bench.auth() | {"Last-Event-ID": "x"})).status_code == 400


async def test_drivers_are_told_of_their_own_reservations(bench: Bench) -> None:
    """Another's event passes them by; filters narrow by station."""
    await bench.reserve()
    await bench.reserve(evseId=2, idToken={"idToken": DRIVER.id_token, "type": DRIVER.type})
    first = await told(bench, 1, headers=bench.auth(Role.DRIVER) | {"Last-Event-ID": "0"}, query="?name=reservation.*")
    assert first[0][2]["reservation"]["idToken"]["idToken"] == DRIVER.id_token  # type: ignore[index]
    one = await told(bench, 1, headers=bench.auth() | {"Last-Event-ID": "0"}, query="?stationId=cs1&name=*.accepted")
    assert one[0][1] == "reservation.accepted"


async def test_a_token_s_reservations_alone(bench: Bench) -> None:
    """`idToken` narrows, without regard to case, and leaves stations out."""
    await bench.reserve()
    await bench.reserve(evseId=2, idToken={"idToken": DRIVER.id_token, "type": DRIVER.type})
    query = f"?idToken={DRIVER.id_token.lower()}"
    one = await told(bench, 1, headers=bench.auth() | {"Last-Event-ID": "0"}, query=query)
    assert one[0][2]["reservation"]["idToken"]["idToken"] == DRIVER.id_token  # type: ignore[index]


async def test_streams_end_when_the_server_stops(bench: Bench) -> None:
    """A stopping server does not wait for its readers."""
    async with asyncio.timeout(5), bench.client.stream("GET", "/api/v1/events", headers=bench.auth()) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        stopping = asyncio.create_task(bench.server.stop())
        async for _ in lines:
            pass
        await stopping
    assert bench.streams.open == 0


async def test_a_gap_is_told_where_older_events_are_gone(bench: Bench) -> None:
    """First `gap`, without an id, then what there is: after pruning, and for a number of another database."""
    await bench.reserve()
    await bench.log.prune(before=bench.clock.now() + timedelta(minutes=1))
    await bench.reserve(evseId=2)
    pruned = await told(bench, 2, query="?name=reservation.*", headers=bench.auth() | {"Last-Event-ID": "0"})
    assert [name for _, name, _ in pruned] == ["gap", "reservation.accepted"]
    assert pruned[0] == ("", "gap", {})
    assert pruned[1][2]["reservation"]["evseId"] == 2  # type: ignore[index]
    foreign = await told(bench, 1, headers=bench.auth() | {"Last-Event-ID": "999999"})
    assert foreign == [("", "gap", {})]
