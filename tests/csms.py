"""A real evhold process for the tests: started on free ports of loopback, asked over HTTP, stopped or killed."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

ADMIN_KEY = "evh_test-admin-key-of-the-tests"
QUICK = ("--expiry-grace", "0", "--call-timeout", "1", "--restore-delay", "1")
OPEN = ("--unknown-stations", "accept", "--unknown-tokens", "accept")
START_TIMEOUT_S = 90.0
WAIT_TIMEOUT_S = 15.0
_ADDRESS = re.compile(r"(http|wss?)://([\d.]+):(\d+)")


def in_seconds(seconds: float) -> str:
    """A time that many seconds from now, as the API takes it."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


def environment_of(source: Path | None = None) -> dict[str, str]:
    """What a process of ours gets: no settings of the caller's, and the package of this folder, if one is named."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith("EVHOLD_")}
    return plain if source is None else plain | {"PYTHONPATH": str(source)}


@dataclass
class Csms:
    """`evhold serve` as a process of its own, with its database file in ``folder``, or the database of ``url``."""

    folder: Path
    options: tuple[str, ...] = (*QUICK, *OPEN)
    url: str | None = None
    #: A folder with another version of the package.
    source: Path | None = None
    api: str = ""
    stations: str = ""
    process: asyncio.subprocess.Process | None = None
    http: httpx.AsyncClient = field(default_factory=lambda: httpx.AsyncClient(timeout=30, trust_env=False))
    output: list[str] = field(default_factory=list)
    _reader: asyncio.Task[None] | None = None
    _more: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.folder / "evhold.db"

    async def start(self) -> Csms:
        """The process is ready: both its addresses are known."""
        environment = environment_of(self.source)
        api, stations = (
            self.api.removeprefix("http://") or "127.0.0.1:0",
            self.stations.removeprefix("wss://").removeprefix("ws://") or "127.0.0.1:0",
        )
        self.process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "evhold", "serve", "--api", api, "--stations", stations.removesuffix("/ocpp")),
            *("--database", self.url or f"sqlite:///{self.database}", "--admin-key", ADMIN_KEY, *self.options),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            env=environment,
            cwd=self.folder,
        )
        ready = asyncio.Event()
        self._reader = asyncio.create_task(self._read(ready))
        try:
            await asyncio.wait_for(ready.wait(), START_TIMEOUT_S)
        except TimeoutError:
            raise AssertionError("the server did not become ready:\n" + "\n".join(self.output)) from None
        self.http.headers["Authorization"] = f"Bearer {ADMIN_KEY}"
        return self

    async def _read(self, ready: asyncio.Event) -> None:
        assert self.process is not None
        assert self.process.stdout is not None
        self.api = self.stations = ""
        async for raw in self.process.stdout:
            line = raw.decode(errors="replace").rstrip()
            self.output.append(line)
            self._more.set()
            if not ready.is_set() and (match := _ADDRESS.search(line)):
                address = match.group(0)
                if match.group(1) == "http":
                    self.api = self.api or address
                else:
                    self.stations = self.stations or address + "/ocpp"
                if self.api and self.stations:
                    ready.set()
        ready.set()

    async def stop(self, *, how: signal.Signals = signal.SIGTERM) -> int:
        """The process is gone; return its exit code."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(how)
        code = await asyncio.wait_for(self.process.wait(), 30)
        if self._reader is not None:
            await self._reader
        return code

    async def kill(self) -> None:
        """The process was killed with SIGKILL."""
        await self.stop(how=signal.SIGKILL)

    async def close(self) -> None:
        """Process and client are gone."""
        if self.process is not None and self.process.returncode is None:
            await self.stop()
        await self.http.aclose()

    async def has_said(self, words: str) -> None:
        """A line of the output has these words."""
        async with asyncio.timeout(WAIT_TIMEOUT_S):
            while not any(words in line for line in self.output):
                self._more.clear()
                await self._more.wait()

    # The API

    async def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """One call below /api/v1."""
        return await self.http.request(method, f"{self.api}/api/v1{path}", **more)

    async def reserve(
        self, station_id: str, *, seconds: float = 60, headers: dict[str, str] | None = None, **terms: Any
    ) -> httpx.Response:
        """POST /reservations for AABBCCDD, for so many seconds."""
        body = {
            "stationId": station_id,
            "idToken": {"idToken": "AABBCCDD", "type": "ISO14443"},
            "expiryDateTime": in_seconds(seconds),
            **terms,
        }
        return await self.request("POST", "/reservations", json=body, headers=headers)

    async def reservation(self, reservation_id: int) -> dict[str, Any]:
        """GET /reservations/{id}."""
        answer = await self.request("GET", f"/reservations/{reservation_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def history(self, reservation_id: int) -> list[dict[str, Any]]:
        """GET /reservations/{id}/history."""
        answer = await self.request("GET", f"/reservations/{reservation_id}/history")
        assert answer.status_code == 200, answer.text
        rows: list[dict[str, Any]] = answer.json()
        return rows

    async def until(self, reservation_id: int, *states: str, **fields: Any) -> dict[str, Any]:
        """The reservation, once it is in one of these states (and has these fields)."""

        async def look() -> dict[str, Any] | None:
            known = await self.reservation(reservation_id)
            fits = known["status"] in states and all(known[name] == value for name, value in fields.items())
            return known if fits else None

        return await self._poll(look, lambda: f"reservation {reservation_id} never became {states} {fields}")

    async def station(self, station_id: str) -> dict[str, Any]:
        """GET /stations/{id}."""
        answer = await self.request("GET", f"/stations/{station_id}")
        assert answer.status_code == 200, answer.text
        body: dict[str, Any] = answer.json()
        return body

    async def connectors(self, station_id: str) -> dict[tuple[int, int], str]:
        """The status of each connector."""
        station = await self.station(station_id)
        return {(evse["id"], one["id"]): one["status"] for evse in station["evses"] for one in evse["connectors"]}

    async def until_connectors(self, station_id: str, wanted: dict[tuple[int, int], str]) -> None:
        """These connectors have these statuses."""

        async def look() -> bool | None:
            known = await self.connectors(station_id)
            return True if all(known.get(key) == status for key, status in wanted.items()) else None

        await self._poll(look, lambda: f"the connectors of {station_id} never became {wanted}")

    async def until_online(self, station_id: str, *, online: bool = True) -> None:
        """The station is online (or is not)."""

        async def look() -> bool | None:
            answer = await self.request("GET", f"/stations/{station_id}")
            return True if answer.status_code == 200 and answer.json()["online"] is online else None

        await self._poll(look, lambda: f"{station_id} never became online={online}")

    async def _poll(self, look: Any, failure: Any) -> Any:
        loop = asyncio.get_running_loop()
        end = loop.time() + WAIT_TIMEOUT_S
        pause = 0.01
        while True:
            if (found := await look()) is not None:
                return found
            if loop.time() > end:
                raise AssertionError(failure() + "\n" + "\n".join(self.output[-20:]))
            await asyncio.sleep(pause)
            pause = min(pause * 1.5, 0.2)
