"""A whole node in this process whose stations connect by TLS, its API, and stations that prove themselves."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from evhold.bootstrap import App, migrate, world
from evhold.settings import Address, Settings
from evhold.simulator.client import SimulatedStation
from evhold.simulator.options import StationOptions
from tls_stage import Folder, station_tls

FREE = Address("127.0.0.1", 0)
KEY = "evh_test-admin-key-of-the-tests"
PASSWORD = "a-machine-made-password"


@cache
def _empty_database() -> bytes:
    """A database that was brought up to date once for all tests."""
    with TemporaryDirectory() as folder:
        migrate(f"sqlite:///{folder}/evhold.db", post=False)
        return (Path(folder) / "evhold.db").read_bytes()


class Secured:
    """A started node; plain without ``tls``."""

    def __init__(self, folder: Path, *, tls: bool = True, **more: Any) -> None:
        Folder(folder).issue()
        (folder / "evhold.db").write_bytes(_empty_database())
        files = {"tls_cert": (str(folder / "cert.pem"),), "tls_key": (str(folder / "key.pem"),)}
        wanted = {**files, "tls_client_ca": str(folder / "ca.pem")} if tls else {}
        database = f"sqlite:///{folder / 'evhold.db'}"
        settings = {
            "api": FREE,
            "stations": FREE,
            "database": database,
            "admin_key": KEY,
            "call_timeout": 1.0,
            "drain": 0.0,
        }
        self.app = App(Settings(**{**settings, **wanted, **more}))
        self.is_tls = tls
        self.url = ""
        self.http = httpx.AsyncClient(trust_env=False)
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Secured:
        listening = await self.app.start()
        self.url = f"{'wss' if self.is_tls else 'ws'}://{listening.stations}/ocpp"
        self.http = httpx.AsyncClient(
            base_url=f"http://{listening.api}/api/v1", headers={"Authorization": f"Bearer {KEY}"}, trust_env=False
        )
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self._stack.aclose()
        await self.http.aclose()
        await self.app.stop()

    async def put(self, station_id: str, **body: Any) -> httpx.Response:
        """PUT /stations/{id}."""
        return await self.http.put(f"/stations/{station_id}", json=body)

    async def station(self, station_id: str, **options: Any) -> SimulatedStation:
        """A simulated station on its way; it trusts the tests' authority, and goes with the node."""
        tls = options.pop("tls", station_tls() if self.is_tls else None)
        made = StationOptions(station_id=station_id, tls=tls, **options)
        return await self._stack.enter_async_context(SimulatedStation(self.url, made, world=world()))
