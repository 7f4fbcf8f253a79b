"""What the end-to-end tests play with: stations that are online, tokens, the event stream, the command line."""

from __future__ import annotations

import asyncio
import json
import os
import random
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx

from csms import ADMIN_KEY, Csms
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import Misbehaviour, StationOptions, World

DRIVER = "AABBCCDD"
FREE, RESERVED, OCCUPIED = "Available", "Reserved", "Occupied"
PATIENCE_S = 15.0


def world() -> World:
    """Real time, real ids, the same chance in every run."""
    return World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))


def station_of(
    csms: Csms, station_id: str, *, faulty: dict[str, Any] | None = None, **options: Any
) -> SimulatedStation:
    """A station that is pointed at the server; ``faulty`` are the fields of Misbehaviour."""
    settings: dict[str, Any] = {"backoff_s": 0.05, "backoff_limit_s": 0.2, "call_timeout_s": 10.0, **options}
    made = StationOptions(station_id=station_id, misbehaviour=Misbehaviour(**faulty or {}), **settings)
    return SimulatedStation(csms.stations, made, world=world())


@asynccontextmanager
async def online(csms: Csms, station_id: str, **options: Any) -> AsyncIterator[SimulatedStation]:
    """A station that the server has accepted, and whose connectors and capabilities it knows."""
    async with station_of(csms, station_id, **options) as station:
        await station.online()
        await station.wait_for("GetVariables")
        await csms.until_online(station_id)
        yield station


async def reserved(csms: Csms, station_id: str, **terms: Any) -> dict[str, Any]:
    """The reservation that the station accepted: 201 and Active."""
    answer = await csms.reserve(station_id, **terms)
    assert answer.status_code == 201, answer.text
    body: dict[str, Any] = answer.json()
    assert body["status"] == "Active"
    return body


def id_token(text: str = DRIVER, kind: str = "ISO14443") -> dict[str, str]:
    """An idToken as the API takes it."""
    return {"idToken": text, "type": kind}


GROUP = id_token("GROUP001", "Central")


async def register(csms: Csms, text: str, *, status: str = "Accepted", group: dict[str, str] | None = None) -> None:
    """The token is registered with its group."""
    body = {"status": status} if group is None else {"status": status, "groupIdToken": group}
    answer = await csms.request("PUT", f"/tokens/ISO14443/{text}", json=body)
    assert answer.status_code in (200, 201), answer.text


def problem(answer: httpx.Response, *, status: int, name: str) -> dict[str, Any]:
    """The problem document, checked against its status and name."""
    assert answer.status_code == status, answer.text
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    body: dict[str, Any] = answer.json()
    assert (body["status"], body["type"]) == (status, f"/problems/{name}"), body
    assert body["title"]
    assert body["detail"]
    return body


async def journey(csms: Csms, reservation_id: int) -> list[tuple[str | None, str]]:
    """The changes of state, as the history has them."""
    rows = await csms.history(reservation_id)
    return [(row["from"], row["to"]) for row in rows if row["from"] != row["to"]]


def heard(station: SimulatedStation, action: str) -> list[dict[str, Any]]:
    """The payloads of the CALLs of this action that the station got."""
    frames = [json.loads(frame.text) for frame in station.frames if not frame.sent]
    return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


def said(station: SimulatedStation, action: str) -> list[dict[str, Any]]:
    """The payloads of the CALLs of this action that the station sent."""
    frames = [json.loads(frame.text) for frame in station.frames if frame.sent]
    return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


def answered(station: SimulatedStation, action: str) -> list[dict[str, Any]]:
    """The payloads of the answers that the station got to its CALLs of this action."""
    frames = [(frame.sent, json.loads(frame.text)) for frame in station.frames]
    asked = {frame[1] for sent, frame in frames if sent and frame[0] == 2 and frame[2] == action}
    return [frame[2] for sent, frame in frames if not sent and frame[0] == 3 and frame[1] in asked]


# The event stream


@dataclass(frozen=True)
class Told:
    """One server-sent event; ``id`` is None for a gap."""

    id: int | None
    name: str
    data: dict[str, Any]


async def told(csms: Csms, last: str, *, after: int = 0, **query: str) -> list[Told]:
    """The events after number ``after``, up to and with the first one that is called ``last``."""
    seen: list[Told] = []
    headers = {"Last-Event-ID": str(after)}
    url = f"{csms.api}/api/v1/events"
    async with (
        asyncio.timeout(PATIENCE_S),
        csms.http.stream("GET", url, params=query, headers=headers, timeout=PATIENCE_S) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        async for event in _events(answer.aiter_lines()):
            seen.append(event)
            if event.name == last:
                break
    return seen


async def _events(lines: AsyncIterator[str]) -> AsyncIterator[Told]:
    fields: dict[str, str] = {}
    async for line in lines:
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.strip()
        elif "event" in fields:
            number = fields.get("id")
            yield Told(None if number is None else int(number), fields["event"], json.loads(fields["data"]))
            fields = {}
        else:
            fields = {}


# The command line


@dataclass(frozen=True)
class Ran:
    """A command that has ended."""

    code: int
    out: str
    err: str


async def start(*arguments: str, csms: Csms) -> asyncio.subprocess.Process:
    """An `evhold` command, begun; it knows the server's address and key by its environment."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("EVHOLD_")}
    environment |= {"EVHOLD_URL": csms.api, "EVHOLD_KEY": ADMIN_KEY}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "evhold", *arguments),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment,
        cwd=csms.folder,
    )


async def ended(process: asyncio.subprocess.Process) -> Ran:
    """What became of it."""
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ran(process.returncode, out.decode(), err.decode())


async def evhold(*arguments: str, csms: Csms) -> Ran:
    """An `evhold` command from its begin to its end."""
    return await ended(await start(*arguments, csms=csms))
