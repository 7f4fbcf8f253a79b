"""A real server on a real socket, with a version of OCPP of four actions, a clock that is moved, and hooks that remember."""

import asyncio
import base64
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import msgspec
import websockets
from websockets.asyncio.client import ClientConnection

from evhold.adapters.sql.entry import Entry
from evhold.domain.credentials import hash_password
from evhold.domain.limits import Failures
from evhold.domain.security import Incident
from evhold.domain.station import Credentials, Registration
from evhold.domain.values import StationId
from evhold.gateway.admission import Gatekeeper
from evhold.gateway.commands import LocalCalls
from evhold.gateway.doors import DoorSettings
from evhold.gateway.frame_log import FrameLog
from evhold.gateway.node import Hooks, Node
from evhold.gateway.registry import Registry
from evhold.gateway.server import ServerSettings, StationServer
from evhold.gateway.tls import Certificates
from evhold.gateway.websocket import SocketSettings
from evhold.ocpp.router import Context, Route, Version
from evhold.ocpp.rpc.errors import SecurityError

PASSWORD = "a-machine-made-password"
START = datetime(2026, 1, 1, tzinfo=UTC)


class Text(msgspec.Struct, forbid_unknown_fields=True):
    """The payload of every action here, in both directions."""

    text: str = ""


@dataclass
class MovedClock:
    """Time stands still until it is moved."""

    seconds: float = 0.0
    due: list["Due"] = field(default_factory=list)

    def now(self) -> datetime:
        return START + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def call_at(self, at: float, call: Callable[[], None], /) -> "Due":
        due = Due(at, call, self)
        self.due.append(due)
        return due

    def move(self, seconds: float) -> None:
        """Let time pass, and what is due happen."""
        self.seconds += seconds
        for due in sorted(self.due, key=lambda due: due.at):
            if due.at <= self.seconds and due in self.due:
                self.due.remove(due)
                due.call()


@dataclass(eq=False)
class Due:
    at: float
    call: Callable[[], None]
    clock: MovedClock

    def cancel(self) -> None:
        if self in self.clock.due:
            self.clock.due.remove(self)


class Lookup(dict):
    """Credentials by case-folded id."""

    failure: Exception | None = None

    def __call__(self, key: str) -> Credentials | None:
        if self.failure is not None:
            raise self.failure
        return self.get(key)


class Gateway:
    """A running server and everything around it."""

    def __init__(
        self, *, unknown_stations="reject", frame_limit=1024 * 1024, version=None, certificates=None, **settings
    ) -> None:
        socket = SocketSettings(
            **{name: settings.pop(name) for name in list(settings) if hasattr(SocketSettings, name)}
        )
        doors = DoorSettings(**{name: settings.pop(name) for name in list(settings) if hasattr(DoorSettings, name)})
        self.clock = MovedClock()
        self.told: list[tuple] = []
        #: What handlers wait for, on its way to a disk.
        self.entries: list[Entry] = []
        self.incidents: list[Incident] = []
        self.certificates: Certificates | None = certificates
        self.gate = asyncio.Event()
        self.opening = asyncio.Event()
        self.opening.set()
        self.open_failure: Exception | None = None
        self.hearing: Exception | None = None
        self.registration: Registration | None = Registration.ACCEPTED
        self.contexts: list[Context] = []
        self.credentials = Lookup({name.casefold(): _credentials(name) for name in ("CS1", "CS2", "With Space")})
        self.registry: Registry = Registry()
        self.node = Node(
            hooks=Hooks(
                on_open=self._on_open,
                on_closed=self._on_closed,
                on_heard=self._on_heard,
                on_late=self._on_late,
                on_stray=self._on_stray,
                on_incident=self.incidents.append,
            ),
            clock=self.clock,
            frame_log=FrameLog(frame_limit),
        )
        self.calls = LocalCalls(self.registry, clock=self.clock)
        version = version or Version(
            "2.0.1", "ocpp2.0.1", self._routes(), actions={"Plain", "Slow", "Broken", "Refused", "Outward"}
        )
        self.failures = Failures(20)
        self.server = StationServer(
            self.node,
            registry=self.registry,
            gatekeeper=Gatekeeper(self.credentials, unknown_stations),
            versions={"ocpp2.0.1": version},
            settings=ServerSettings(socket=socket, doors=doors, **settings),
            failures=self.failures,
        )

    async def __aenter__(self) -> "Gateway":
        await self.server.start("127.0.0.1", 0, certificates=self.certificates)
        return self

    async def __aexit__(self, *failure: object) -> None:
        self.gate.set()
        self.opening.set()
        await self.server.stop()

    # As a station

    def connect(self, station="CS1", *, password=PASSWORD, user=None, subprotocols=("ocpp2.0.1",), **options):
        """An independent client's connection; not open until awaited or entered."""
        headers = basic_auth(user or station, password) if password is not None else {}
        return websockets.connect(
            f"{'ws' if self.certificates is None else 'wss'}://127.0.0.1:{self.server.port}/ocpp/{station.replace(' ', '%20')}",
            subprotocols=list(subprotocols) or None,
            additional_headers=headers,
            open_timeout=5,
            close_timeout=2,
            proxy=None,
            **options,
        )

    async def raw(self, *, station="CS1", extra="") -> tuple[asyncio.StreamReader, asyncio.StreamWriter, bytes]:
        """A bare TCP connection after its handshake, and the response's head."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.server.port)
        head = (
            f"GET /ocpp/{station} HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n"
            f"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n"
            f"Sec-WebSocket-Protocol: ocpp2.0.1\r\nAuthorization: {basic_auth(station, PASSWORD)['Authorization']}\r\n"
            f"{extra}\r\n"
        )
        writer.write(head.encode())
        return reader, writer, await reader.readuntil(b"\r\n\r\n")

    async def ready(self, station="CS1"):
        """The station's session, once it has loaded its context."""
        async with asyncio.timeout(5):
            while (session := self.registry.find(station)) is None or not session.is_ready:
                await asyncio.sleep(0)
        return session

    async def until(self, condition: Callable[[], object]) -> None:
        """Let the loop run until the condition holds."""
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0)

    # Routes and hooks

    def _routes(self):
        def route(handle):
            return Route(lambda raw: msgspec.json.decode(raw, type=Text), handle, msgspec.json.encode)

        return {
            "Plain": route(self._plain),
            "Slow": route(self._slow),
            "Kept": route(self._kept),
            "Broken": route(_broken),
            "Refused": route(_refused),
        }

    def _plain(self, request: Text, context: Context) -> Text:
        return Text(request.text)

    async def _slow(self, request: Text, context: Context) -> Text:
        self.told.append(("slow", request.text))
        await self.gate.wait()
        return Text(request.text)

    def _kept(self, request: Text, context: Context) -> Entry:
        entry = Entry(None, (request.text,), ())
        self.entries.append(entry)
        return entry

    async def _on_open(self, context: Context) -> None:
        self.contexts.append(context)
        self.told.append(("opening", context.station_id))
        await self.opening.wait()
        if self.open_failure is not None:
            raise self.open_failure
        context.registration = self.registration
        context.epoch = len(self.contexts)

    def _on_heard(self, context: Context, at: datetime) -> None:
        if self.hearing is not None:
            raise self.hearing

    async def _on_closed(self, context: Context) -> None:
        self.told.append(("closed", context.station_id))

    async def _on_late(self, context, call, answer) -> None:
        self.told.append(("late", call.message_id, answer))

    async def _on_stray(self, context, message_id, answer) -> None:
        self.told.append(("stray", message_id, answer))


def _broken(request: Text, context: Context) -> Text:
    raise ZeroDivisionError("a secret of ours")


def _refused(request: Text, context: Context) -> Text:
    raise SecurityError("not you")


def _credentials(station_id: str) -> Credentials:
    salt = station_id.encode().ljust(16, b".")
    return Credentials(
        station_id=StationId(station_id),
        password_salt=salt,
        password_hash=hash_password(salt, PASSWORD),
        security_profile=1,
    )


def basic_auth(user: str, password: str) -> dict[str, str]:
    """The header that OCPP's security profiles 1 and 2 ask for."""
    return {"Authorization": "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()}


def call(action: str, text: str = "", *, message_id: str = "m1") -> str:
    """A station's CALL."""
    return json.dumps([2, message_id, action, {"text": text}])


async def ask(client: ClientConnection, action: str, text: str = "", *, message_id: str = "m1") -> list:
    """Send a CALL and return the frame that comes back."""
    await client.send(call(action, text, message_id=message_id))
    async with asyncio.timeout(5):
        return json.loads(await client.recv())
