"""A throwaway CSMS for socket tests: the PyPI package `ocpp` on the PyPI package `websockets`, nothing of this project."""

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import websockets
from ocpp.routing import on
from websockets.asyncio.server import ServerConnection, serve

from ocpp.v201 import ChargePoint, call_result

BOOT_INTERVAL_S = 300


class Peer(ChargePoint):
    """One connection; `heard` holds (action, payload) in the order of arrival."""

    def __init__(self, station_id: str, connection: ServerConnection, csms: "TinyCsms") -> None:
        super().__init__(station_id, connection, response_timeout=5)
        self.csms = csms

    @on("BootNotification")
    def on_boot(self, **payload: object) -> object:
        """Accept, or what the test wants first."""
        self.csms.hear("BootNotification", payload)
        status = self.csms.boot_statuses.pop(0) if self.csms.boot_statuses else "Accepted"
        interval = BOOT_INTERVAL_S if status == "Accepted" else 1
        return call_result.BootNotification(datetime.now(UTC).isoformat(), interval, status)

    @on("Authorize")
    def on_authorize(self, id_token: dict, **_: object) -> object:
        """Accept, with the token's group."""
        self.csms.hear("Authorize", id_token)
        return call_result.Authorize(self.csms.info(id_token["id_token"]))

    @on("TransactionEvent")
    def on_transaction_event(self, **payload: object) -> object:
        """Accept the token, where there is one."""
        self.csms.hear("TransactionEvent", payload)
        token = payload.get("id_token")
        return call_result.TransactionEvent(id_token_info=self.csms.info(token["id_token"]) if token else None)

    @on("StatusNotification")
    def on_status(self, **payload: object) -> object:
        """Take note."""
        self.csms.hear("StatusNotification", payload)
        return call_result.StatusNotification()

    @on("NotifyEvent")
    def on_event(self, **payload: object) -> object:
        """Take note."""
        self.csms.hear("NotifyEvent", payload)
        return call_result.NotifyEvent()

    @on("NotifyReport")
    def on_report(self, **payload: object) -> object:
        """Take note."""
        self.csms.hear("NotifyReport", payload)
        return call_result.NotifyReport()

    @on("ReservationStatusUpdate")
    def on_update(self, **payload: object) -> object:
        """Take note."""
        self.csms.hear("ReservationStatusUpdate", payload)
        return call_result.ReservationStatusUpdate()

    @on("Heartbeat")
    def on_heartbeat(self) -> object:
        """Tell the time."""
        self.csms.hear("Heartbeat", {})
        return call_result.Heartbeat(datetime.now(UTC).isoformat())


class TinyCsms:
    """Takes every station; `call` asks the one that connected last."""

    def __init__(self) -> None:
        self.heard: list[tuple[str, dict]] = []
        self.groups: dict[str, str] = {}
        self.boot_statuses: list[str] = []
        self.password: str | None = None
        self.stations: dict[str, Peer] = {}
        self.peer: Peer | None = None
        self.url = ""
        self._changed = asyncio.Event()

    def hear(self, action: str, payload: dict) -> None:
        """Note a message of a station."""
        self.heard.append((action, dict(payload)))
        self._changed.set()

    async def until(self, action: str, **fields: object) -> dict:
        """The first message of the action with these fields, once it has come."""
        async with asyncio.timeout(10):
            while True:
                self._changed.clear()
                for name, payload in self.heard:
                    if name == action and all(payload.get(k) == v for k, v in fields.items()):
                        return payload
                await self._changed.wait()

    def info(self, token: str) -> dict:
        """The idTokenInfo of a token."""
        if token in self.groups:
            return {"status": "Accepted", "group_id_token": {"id_token": self.groups[token], "type": "Central"}}
        return {"status": "Accepted"}

    async def call(self, request: object) -> object:
        """The station's answer to a CALL; a CALLERROR is raised."""
        return await self.peer.call(request, suppress=False)

    async def serve(self, connection: ServerConnection) -> None:
        """Talk with one station until it goes."""
        if self.password is not None:
            given = connection.request.headers.get("Authorization", "").removeprefix("Basic ")
            if base64.b64decode(given).decode().partition(":")[2] != self.password:
                await connection.close()
                return
        station_id = connection.request.path.rpartition("/")[2]
        self.peer = self.stations[station_id] = Peer(station_id, connection, self)
        try:
            await self.peer.start()
        except websockets.ConnectionClosed:
            return


@asynccontextmanager
async def tiny_csms(*, subprotocols: tuple[str, ...] = ("ocpp2.0.1",)) -> AsyncIterator[TinyCsms]:
    """Runs until the block ends, at `url`; without subprotocols it agrees on none."""
    csms = TinyCsms()
    async with serve(csms.serve, "127.0.0.1", 0, subprotocols=subprotocols or None) as server:
        csms.url = f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ocpp"
        yield csms
