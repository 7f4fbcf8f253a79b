"""`evhold serve` and `evhold demo` as their operator meets them: settings, addresses, the first key, what is printed."""

import asyncio
import json
import os
import re
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from websockets.asyncio.client import connect

from csms import Csms

pytestmark = pytest.mark.process


@asynccontextmanager
async def running(*arguments: str, folder: Path, **environment: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """The command as a process, with stdout and stderr in one; killed at the end when it still runs."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("EVHOLD_")}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        env=ours | environment,
        cwd=folder,
    )
    try:
        yield process
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def read_until(process: asyncio.subprocess.Process, pattern: str) -> list[str]:
    """The lines up to the one that fits."""
    assert process.stdout is not None
    lines: list[str] = []
    async with asyncio.timeout(30):
        async for raw in process.stdout:
            lines.append(raw.decode().rstrip())
            if re.search(pattern, lines[-1]):
                return lines
    raise AssertionError("\n".join(lines))


async def stopped(process: asyncio.subprocess.Process) -> int:
    """The exit code after SIGTERM."""
    process.send_signal(signal.SIGTERM)
    return await asyncio.wait_for(process.wait(), 30)


async def test_a_taken_address_is_named_and_costs_no_key(tmp_path: Path) -> None:
    """One line with the option; the next start, which succeeds, still prints the first admin key, and the third does not."""
    free = ("--api", "127.0.0.1:0", "--stations", "127.0.0.1:0")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        taken = f"127.0.0.1:{other.getsockname()[1]}"
        for option in ("--api", "--stations"):
            async with running("serve", *free, option, taken, folder=tmp_path) as process:
                told, _ = await asyncio.wait_for(process.communicate(), 30)
            assert process.returncode == 1
            assert told.decode() == f"evhold: {option} {taken}: Address already in use\n"
    async with running("serve", *free, folder=tmp_path) as process:
        lines = await read_until(process, "^open ")
        assert await stopped(process) == 0
    assert re.fullmatch(r"admin key evh_\S{20,} .*once.*", lines[0])
    assert lines[-1].split()[1] == f"{lines[-2].split()[1]}/#key={lines[0].split()[2]}"
    async with running("serve", *free, folder=tmp_path) as process:
        assert "admin key" not in "".join(await read_until(process, "^api "))


async def test_settings_come_from_file_environment_and_command_line(tmp_path: Path) -> None:
    """One line a listener, at the addresses of the strongest source, and ready from then on."""
    (tmp_path / "evhold.toml").write_text(
        'api = "127.0.0.3:0"\nstations = "127.0.0.3:0"\ndatabase = "sqlite:///file.db"'
    )
    command, environment = ("serve", "--api", "127.0.0.2:0"), {"EVHOLD_DATABASE": "sqlite:///environment.db"}
    async with running(*command, folder=tmp_path, **environment) as process:
        lines = await read_until(process, "^api ")
        found = re.search(r"http://127[.]0[.]0[.]2:\d+", lines[-1])
        assert found
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{found.group()}/readyz")).status_code == 200
        assert await stopped(process) == 0
    assert "ws://127.0.0.3:" in lines[-2]
    assert sorted(one.name for one in tmp_path.glob("*.db")) == ["environment.db"]


async def test_the_demo_prints_a_curl_line_that_works(tmp_path: Path) -> None:
    """Free ports and a database and key of its own; the line makes a reservation Active; nothing is left behind."""
    async with running("demo", "--size", "1", folder=tmp_path, TMPDIR=str(tmp_path)) as process:
        lines = await read_until(process, "Ctrl-C")
        start = next(number for number, line in enumerate(lines) if line.startswith("curl "))
        curl = await asyncio.create_subprocess_shell("\n".join(lines[start:-1]), stdout=asyncio.subprocess.PIPE)
        told, _ = await asyncio.wait_for(curl.communicate(), 30)
        assert json.loads(told)["status"] == "Active"
        page = next(line.split()[1] for line in lines if line.startswith("Open "))
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(page)).status_code == 200
        assert await stopped(process) == 0
    assert list(tmp_path.iterdir()) == []


async def test_the_demo_is_a_lively_site(tmp_path: Path) -> None:
    """Twelve stations at two places with coordinates, all online; the cards of its drivers, who reserve by keys of their own."""
    async with running("demo", folder=tmp_path, TMPDIR=str(tmp_path)) as process:
        page = next(line.split()[1] for line in await read_until(process, "Ctrl-C") if line.startswith("Open "))
        origin, key = page.split("/#key=")
        headers = {"Authorization": f"Bearer {key}"}
        async with httpx.AsyncClient(base_url=f"{origin}/api/v1/", headers=headers, trust_env=False) as client:
            stations = (await client.get("stations")).json()
            tokens = (await client.get("tokens")).json()
            keys = (await client.get("keys")).json()
            async with client.stream("GET", "events?name=reservation.*") as told:
                assert await anext(line async for line in told.aiter_lines() if line.startswith("event: reservation."))
            made = (await client.get("reservations")).json()
        assert await stopped(process) == 0
    assert len(stations) == 12
    assert {one["location"]["name"] for one in stations} == {"Northgate Park & Ride", "Quayside Garage"}
    assert all(one["location"]["latitude"] for one in stations)
    assert {one["status"] for one in tokens} == {"Accepted", "Blocked"}
    assert sorted(one["role"] for one in keys) == ["admin", "driver", "driver"]
    cards = {one["idToken"] for one in tokens}
    assert {one["idToken"]["idToken"] for one in made} <= cards


async def test_last_seen_is_now_and_not_a_minute_ago(tmp_path: Path) -> None:
    """Each message of a station moves lastSeen, though it is written once a minute only."""
    server = await Csms(tmp_path).start()
    try:
        async with connect(f"{server.stations}/SEEN", subprotocols=["ocpp2.0.1"], proxy=None) as socket:
            seen = []
            for number in range(3):
                await socket.send(json.dumps([2, str(number), "Heartbeat", {}]))
                while json.loads(await socket.recv())[1] != str(number):
                    pass
                seen.append(datetime.fromisoformat((await server.station("SEEN"))["lastSeen"]))
            listed = (await server.request("GET", "/stations")).json()
        assert seen == sorted(seen)
        assert seen[0] < seen[-1]
        assert datetime.fromisoformat(listed[0]["lastSeen"]) >= seen[-1]
    finally:
        await server.close()


async def test_stations_that_are_refused_say_so(tmp_path: Path) -> None:
    """`evhold simulate` names the station, the address and the reason, instead of trying on in silence."""
    server = await Csms(tmp_path, options=()).start()
    try:
        async with running("simulate", "--url", server.stations, "--prefix", "NOBODY", folder=tmp_path) as process:
            lines = await read_until(process, "NOBODY1 is not online")
            assert "404" in lines[-1]
            assert await stopped(process) == 0
    finally:
        await server.close()
