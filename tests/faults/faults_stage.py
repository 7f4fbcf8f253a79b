"""A node in this process, on real sockets and a real file, and the many ways to take its database away."""

from __future__ import annotations

import asyncio
import json
import random
import sqlite3
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from csms import ADMIN_KEY, Csms
from evhold.bootstrap import App
from evhold.settings import Address, Settings
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import Misbehaviour, StationOptions, World

#: How long answers wait before stations are sent away, here.
PATIENCE_S = 1.0
#: SQLite's own waiting for a lock is made as short.
BUSY_MS = 100
WAIT_S = 15.0
LOOK_EVERY_S = 0.01
DRIVER = "AABBCCDD"


@dataclass
class Node(Csms):
    """As the server process, but in this one."""

    app: App | None = None
    call_timeout: float = 5.0
    grace: float = 0.0
    patience_s: float = PATIENCE_S

    async def start(self) -> Node:
        """It is ready: both its addresses are known."""
        settings = Settings(
            api=Address("127.0.0.1", 0),
            stations=Address("127.0.0.1", 0),
            database=f"sqlite:///{self.database}",
            admin_key=ADMIN_KEY,
            unknown_stations="accept",
            unknown_tokens="accept",
            call_timeout=self.call_timeout,
            expiry_grace=self.grace,
            restore_delay=1.0,
        )
        self.app = App(settings, patience_s=self.patience_s)
        listening = await self.app.start()
        self.api, self.stations = f"http://{listening.api}", f"ws://{listening.stations}/ocpp"
        self.http.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        return self

    async def close(self) -> None:
        """Node and client are gone."""
        await self.http.aclose()
        if self.app is not None:
            await self.app.stop()


def station_of(
    server: Csms, station_id: str, *, faulty: dict[str, Any] | None = None, **options: Any
) -> SimulatedStation:
    """A station that comes back quickly."""
    settings: dict[str, Any] = {"backoff_s": 0.05, "backoff_limit_s": 0.2, "remember": 100_000, **options}
    made = StationOptions(station_id=station_id, misbehaviour=Misbehaviour(**faulty or {}), **settings)
    world = World(now=lambda: datetime.now(UTC), new_id=lambda: str(uuid.uuid4()), rng=random.Random(1))
    return SimulatedStation(server.stations, made, world=world)


async def online(server: Csms, station: SimulatedStation) -> None:
    """The server has accepted it, and knows its connectors and variables."""
    await station.online()
    await station.wait_for("GetVariables")
    await server.until_online(station.id)
    await station.settled()


async def until(condition: Callable[[], bool], *, wait_s: float = WAIT_S) -> None:
    """The condition holds, soon."""
    loop = asyncio.get_running_loop()
    end = loop.time() + wait_s
    while not condition():
        assert loop.time() < end, "it never came to that"
        await asyncio.sleep(LOOK_EVERY_S)


async def until_ready(server: Csms, status: int) -> None:
    """/readyz answers so."""
    loop = asyncio.get_running_loop()
    end = loop.time() + WAIT_S
    while (answer := await server.http.get(f"{server.api}/readyz")).status_code != status:
        assert loop.time() < end, f"/readyz never said {status}: {answer.text}"
        await asyncio.sleep(LOOK_EVERY_S)


def events(station: SimulatedStation, *, answered: bool) -> list[tuple[str, int, bool]]:
    """The TransactionEvents that it sent, or those that were answered: transactionId, seqNo, offline."""
    frames = [(frame.sent, json.loads(frame.text)) for frame in station.frames]
    replied = {frame[1] for sent, frame in frames if not sent and frame[0] in (3, 4)}
    return [
        (frame[3]["transactionInfo"]["transactionId"], frame[3]["seqNo"], frame[3].get("offline", False))
        for sent, frame in frames
        if sent and frame[0] == 2 and frame[2] == "TransactionEvent" and (not answered or frame[1] in replied)
    ]


def heard(station: SimulatedStation, action: str) -> list[dict[str, Any]]:
    """The payloads of the CALLs of this action that the station got."""
    frames = [json.loads(frame.text) for frame in station.frames if not frame.sent]
    return [frame[3] for frame in frames if frame[0] == 2 and frame[2] == action]


def rows(server: Csms, query: str, *values: object) -> list[tuple[Any, ...]]:
    """What is in the database, seen from outside."""
    connection = sqlite3.connect(f"{server.database.as_uri()}?mode=ro", uri=True)
    try:
        return connection.execute(query, values).fetchall()
    finally:
        connection.close()


class Lock:
    """Another connection that holds the write lock."""

    def __init__(self, server: Csms) -> None:
        connection = sqlite3.connect(server.database, isolation_level=None, timeout=5)
        connection.execute("BEGIN IMMEDIATE")
        self._connection: sqlite3.Connection | None = connection

    def release(self) -> None:
        """Others may write; without effect the second time."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.execute("ROLLBACK")
            connection.close()


@contextmanager
def locked(server: Csms) -> Iterator[Lock]:
    """The database is locked until the lock is released, at the latest at the end."""
    lock = Lock(server)
    try:
        yield lock
    finally:
        lock.release()
