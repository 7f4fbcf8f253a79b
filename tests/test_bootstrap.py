"""A whole node in this process, and one station on a bare socket: what its messages cost, and what is kept of them."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import websockets

from evhold import bootstrap
from evhold.adapters.clock import SystemClock
from evhold.bootstrap import App
from evhold.domain.access import Actor
from evhold.domain.events import RegistryChanged
from evhold.domain.values import IdToken
from evhold.settings import Address, Settings
from evhold.usecases import b01_boot, provision, retention
from evhold.usecases.ports import StorageAway

FREE = Address("127.0.0.1", 0)
BOOT = {"reason": "PowerUp", "chargingStation": {"model": "M", "vendorName": "V"}}


class AheadClock(SystemClock):
    """The machine's clock, and a lead that a test sets."""

    ahead = timedelta()

    def now(self) -> datetime:
        return super().now() + self.ahead


class BareStation:
    """Asks one CALL after the other, and refuses whatever it is asked."""

    def __init__(self, socket: websockets.ClientConnection) -> None:
        self._socket = socket
        self._number = 0
        self.refused: list[str] = []

    async def ask(self, action: str, payload: dict[str, Any]) -> dict[str, Any]:
        """The CALLRESULT's payload."""
        self._number += 1
        await self._socket.send(json.dumps([2, f"m{self._number}", action, payload]))
        async with asyncio.timeout(10):
            while (frame := json.loads(await self._socket.recv()))[0] == 2:
                await self._refuse(frame)
        assert frame[:2] == [3, f"m{self._number}"], frame
        answer: dict[str, Any] = frame[2]
        return answer

    async def refuse_until(self, action: str) -> None:
        """Serve the CSMS until it has asked this."""
        async with asyncio.timeout(10):
            while action not in self.refused:
                await self._refuse(json.loads(await self._socket.recv()))

    async def status(self, status: str, at: datetime) -> None:
        """A StatusNotification of connector 1 of EVSE 1."""
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        await self.ask(
            "StatusNotification", {"timestamp": stamp, "connectorStatus": status, "evseId": 1, "connectorId": 1}
        )

    async def _refuse(self, frame: list[Any]) -> None:
        self.refused.append(frame[2])
        await self._socket.send(json.dumps([4, frame[1], "NotSupported", "", {}]))


class Plant:
    """A started node, its clock and its file."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "evhold.db"
        settings = Settings(api=FREE, stations=FREE, database=f"sqlite:///{self.file}", unknown_stations="accept")
        self.app = App(settings)
        self.stations = ""

    @asynccontextmanager
    async def station(self) -> AsyncIterator[BareStation]:
        """CS1 is connected."""
        async with websockets.connect(f"ws://{self.stations}/ocpp/CS1", subprotocols=["ocpp2.0.1"], proxy=None) as one:  # type: ignore[list-item]
            yield BareStation(one)

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """The file by another connection."""
        connection = sqlite3.connect(self.file)
        try:
            yield connection
        finally:
            connection.close()

    def last_seen(self) -> datetime:
        """As stored."""
        with self.reading() as connection:
            ((seen,),) = connection.execute("SELECT last_seen FROM stations").fetchall()
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=seen)

    async def until_seen(self, after: datetime) -> datetime:
        """The stored time, once it is later than this."""
        async with asyncio.timeout(10):
            while (seen := self.last_seen()) <= after:
                await asyncio.sleep(0)
        return seen


@pytest.fixture
async def plant(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Plant]:
    """A node that lets every station in."""
    monkeypatch.setattr(AheadClock, "ahead", timedelta())
    monkeypatch.setattr(bootstrap, "SystemClock", AheadClock)
    plant = Plant(tmp_path)
    plant.stations = str((await plant.app.start()).stations)
    yield plant
    await plant.app.stop()


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done once a minute is done all the time."""
    monkeypatch.setattr(bootstrap, "HOUSEKEEPING_S", 0.02)


async def test_what_is_no_news_costs_no_commit(plant: Plant) -> None:
    """Heartbeats, the same status again and older ones are answered from memory; news is one commit."""
    at = datetime.now(UTC)
    async with plant.station() as station:
        assert (await station.ask("BootNotification", BOOT))["status"] == "Accepted"
        await station.status("Available", at)
        await station.status("Available", at + timedelta(milliseconds=1))
        await station.refuse_until("GetBaseReport")
        await station.ask("Heartbeat", {})
        await plant.app.orders.finish(timeout_s=5)
        with plant.reading() as connection:
            version = connection.execute("PRAGMA data_version").fetchone()
            for number in range(20):
                await station.ask("Heartbeat", {})
                await station.status("Available", at + timedelta(milliseconds=number + 2))
                await station.status("Occupied", at - timedelta(seconds=1))
                await station.ask("MeterValues", {"evseId": 1, "meterValue": [_sample(at)]})
            assert connection.execute("PRAGMA data_version").fetchone() == version
            await station.status("Occupied", at + timedelta(seconds=1))
            assert connection.execute("PRAGMA data_version").fetchone() != version


def _sample(at: datetime) -> dict[str, Any]:
    return {"timestamp": at.isoformat(timespec="milliseconds").replace("+00:00", "Z"), "sampledValue": [{"value": 1}]}


@pytest.mark.usefixtures("hasty")
async def test_last_seen_is_written_now_and_then(plant: Plant) -> None:
    """Not with the Heartbeat, but soon after it."""
    async with plant.station() as station:
        await station.ask("BootNotification", BOOT)
        before = plant.last_seen()
        told = (await station.ask("Heartbeat", {}))["currentTime"]

        assert await plant.until_seen(before) <= datetime.fromisoformat(told) + timedelta(milliseconds=1)


@pytest.mark.usefixtures("hasty")
async def test_last_seen_outlives_an_outage(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """What could not be written is written later."""
    seen, failed = b01_boot.seen, asyncio.Event()

    async def fail_once(at: dict[Any, datetime], **more: Any) -> None:
        if at and not failed.is_set():
            failed.set()
            raise StorageAway("disk full")
        await seen(at, **more)

    monkeypatch.setattr(b01_boot, "seen", fail_once)
    async with plant.station() as station:
        await station.ask("BootNotification", BOOT)
        before = plant.last_seen()
        await failed.wait()

        assert await plant.until_seen(before - timedelta(microseconds=1)) >= before


async def test_a_station_that_went_silent_was_last_seen_when_it_spoke(plant: Plant) -> None:
    """Not when its dead socket was noticed."""
    async with plant.station() as station:
        await station.ask("BootNotification", BOOT)
        told = datetime.fromisoformat((await station.ask("Heartbeat", {}))["currentTime"])
        AheadClock.ahead = timedelta(minutes=2)
    async with asyncio.timeout(10):
        while len(plant.app.registry) or plant.app.node._tasks:
            await asyncio.sleep(0)

    assert abs(plant.last_seen() - told) < timedelta(seconds=10)


@pytest.mark.usefixtures("hasty")
async def test_events_are_kept_for_seven_days(plant: Plant, monkeypatch: pytest.MonkeyPatch) -> None:
    """Older ones go, younger ones stay; the numbers go on."""
    log, rounds, pruned = plant.app.log, asyncio.Event(), []
    prune = log.prune

    async def counted(*, before: datetime) -> int:
        pruned.append(await prune(before=before))
        rounds.set()
        return pruned[-1]

    monkeypatch.setattr(log, "prune", counted)
    told = RegistryChanged(at=datetime.now(UTC), kind="token", key="old")
    await plant.app.storage.transact(lambda tx: tx.outbox.add(told))
    last = await log.last()
    for days in (6, 8):
        AheadClock.ahead = timedelta(days=days)
        for _ in range(2):
            rounds.clear()
            await rounds.wait()
        assert await log.pruned() == (0 if days == 6 else last)

    assert await log.after(0) == []
    assert await log.last() == last
    assert sum(pruned) == last


async def test_a_node_goes_on_hearing_after_a_token_was_forgotten(plant: Plant) -> None:
    """The event says that any key may have changed; what is told next is heard too."""
    app = plant.app
    who, ports = Actor("test"), {"storage": app.storage, "clock": app.clock, "ids": app.ids}
    await retention.forget(IdToken("CAFEBABE", "Central"), who=who, **ports)
    await provision.put_station(provision.PutStation(station_id="CS9"), who=who, **ports)
    async with asyncio.timeout(10):
        while app.credentials.find("cs9") is None:
            await asyncio.sleep(0)
