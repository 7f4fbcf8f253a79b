"""Bad peers on real sockets against a real server process, whose memory is measured."""

from __future__ import annotations

import asyncio
import json
import re
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import websockets

from csms import Csms
from frames import read_frame

MIB = 1024 * 1024
#: Small, so that an attack is over in seconds.
LIMITS = (
    *("--handshake-timeout", "1", "--handshakes-at-once", "200", "--messages-per-second", "60"),
    *("--max-message", "256", "--max-unread", "256", "--frame-log", "1"),
)
HEARTBEAT = '[2,"h","Heartbeat",{}]'
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"


async def close_code(reader: asyncio.StreamReader) -> int:
    """The code of the CLOSE frame, whatever comes before it; 0 when the socket just ends."""
    with suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            opcode, payload = await read_frame(reader)
            if opcode == 8:
                return int.from_bytes(payload[:2], "big")
    return 0


async def ended(reader: asyncio.StreamReader, *, seconds: float = 20) -> bytes:
    """All that the server still says until it ends the socket."""
    async with asyncio.timeout(seconds):
        with suppress(ConnectionError):
            return await reader.read()
    return b""


@dataclass
class Attacked:
    """The server under attack."""

    csms: Csms
    before: int = 0
    earlier: dict[str, int] = field(default_factory=dict)
    _writers: list[asyncio.StreamWriter] = field(default_factory=list)

    async def settle(self) -> None:
        """It has served a few stations already, so that what it holds then is what it always holds."""
        await asyncio.gather(*(self._visit(f"FIRST{id(self) % 10_000}-{number}") for number in range(20)))
        self.earlier = await self._counts()
        self.before = self.rss
        with suppress(OSError):
            # Linux: the highest mark begins anew.
            Path(f"/proc/{self._pid}/clear_refs").write_text("5")

    async def _visit(self, station: str) -> None:
        async with websockets.connect(f"{self.csms.stations}/{station}", subprotocols=["ocpp2.0.1"], proxy=None) as one:
            await one.send(HEARTBEAT)
            await one.recv()

    @property
    def rss(self) -> int:
        """Bytes that the process holds."""
        return int(psutil.Process(self._pid).memory_info().rss)

    @property
    def _pid(self) -> int:
        assert self.csms.process is not None
        return self.csms.process.pid

    @property
    def peak_mib(self) -> float:
        """By how much it held more at any moment since; where only the present can be seen, that."""
        status = Path(f"/proc/{self._pid}/status")
        found = re.search(r"^VmHWM:\s+(\d+) kB", status.read_text(), re.MULTILINE) if status.exists() else None
        return self.grown_mib if found is None else (int(found[1]) * 1024 - self.before) / MIB

    @property
    def grown_mib(self) -> float:
        """By how much it holds more than before the attack."""
        return (self.rss - self.before) / MIB

    async def is_well(self) -> bool:
        """Another station is served, and the API answers."""
        await self._visit(f"HONEST{id(self) % 10_000}")
        return (await self.csms.http.get(f"{self.csms.api}/readyz")).status_code == 200

    async def refusals(self, *limits: str) -> int:
        """How often those limits refused since."""
        counts = await self._counts()
        return sum(counts.get(limit, 0) - self.earlier.get(limit, 0) for limit in limits)

    async def _counts(self) -> dict[str, int]:
        text = (await self.csms.http.get(f"{self.csms.api}/metrics")).text
        found = re.findall(r'^evhold_refusals_total{limit="([^"]*)"} (\d+)', text, re.MULTILINE)
        return {limit: int(count) for limit, count in found}

    async def tcp(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection."""
        host, port = self.csms.stations.removeprefix("ws://").removesuffix("/ocpp").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        self._writers.append(writer)
        return reader, writer

    async def station(self, name: str, *, extra: str = "") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """A bare connection after its handshake."""
        reader, writer = await self.tcp()
        writer.write(
            f"GET /ocpp/{name} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp2.0.1\r\n{extra}\r\n".encode()
        )
        head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 101"), head
        return reader, writer

    async def leave(self) -> None:
        """All bare connections are closed."""
        for one in self._writers:
            one.transport.abort()
        for one in self._writers:
            with suppress(ConnectionError):
                await one.wait_closed()
        self._writers.clear()

    def report(self, attack: str, **more: object) -> None:
        """Print what it came to."""
        print(f"attacks: {attack}: " + json.dumps({"grown_mib": round(self.grown_mib, 1), **more}))
