"""What the inputs are thrown at: a session with the routes of OCPP 2.0.1, over use cases of nothing or over a real database.

After each input: every CALL in it has exactly one answer, none by a fault of ours, and nothing is held that was not before.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec

from evhold import bindings
from evhold.bootstrap import App, migrate
from evhold.domain.authorization import TokenInfo
from evhold.domain.station import Registration
from evhold.domain.values import StationId
from evhold.gateway.frame_log import FrameLog
from evhold.gateway.node import Hooks, Node
from evhold.gateway.registry import Registry
from evhold.gateway.session import Session
from evhold.ocpp.router import Context, Version
from evhold.ocpp.rpc.errors import RpcError
from evhold.ocpp.rpc.frames import Call, parse
from evhold.ocpp.v201.routes import UseCases, version
from evhold.settings import Settings
from evhold.usecases.b01_boot import BootAnswer

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Broken(AssertionError):
    """An input that did what none may."""


@dataclass
class Peer:
    """The other end of the session: keeps what it is told."""

    sent: list[bytes] = field(default_factory=list)
    closed: str = ""
    remote: str = "192.0.2.1:1"

    def send_text(self, data: bytes) -> None:
        self.sent.append(data)

    def close(self, code: int, *, reason: str) -> None:
        self.closed = f"{code} {reason}"

    def abort(self, reason: str) -> None:
        self.closed = reason

    def buffered(self) -> int:
        return 0


class Target:
    """One session after the other, as they are closed.

    Args:
        node: Real, but for its sockets.
        speaks: The version with its use cases.
    """

    def __init__(self, node: Node, speaks: Version, registry: Registry[Session]) -> None:
        self._node = node
        self._version = speaks
        self._registry = registry
        self._peer = Peer()
        self._session: Session | None = None
        self.inputs = self.calls = self.sessions = 0

    async def throw(self, data: bytes) -> None:
        """The input was taken. Raises Broken."""
        session = self._session if self._session is not None and not self._peer.closed else await self._opened()
        asked = _message_id(data)
        self._peer.sent.clear()
        self.inputs += 1
        self.calls += asked is not None
        session.text(data)
        turns = 0
        while session._connection._in_hand is not None and not self._peer.closed:
            turns += 1
            if turns > 20_000:
                raise Broken("a CALL without an answer")
            await asyncio.sleep(0 if turns < 200 else 0.001)
        self._check(asked)

    def _check(self, asked: str | None) -> None:
        answers = [one for one in self._peer.sent if not one.startswith(b"[2,")]
        if asked is not None and not self._peer.closed:
            told = [msgspec.json.decode(one)[1] for one in answers]
            if told.count(asked) != 1:
                raise Broken(f"a CALL was answered {told.count(asked)} times: {answers!r}")
        if any(b'"InternalError"' in one for one in answers):
            raise Broken(f"answered by a fault of ours: {answers!r}")
        connection = self._session._connection if self._session is not None else None
        if connection is not None and (connection._events or connection._output or connection._inbound):
            raise Broken("something is left in the conversation")
        if "internal" in self._peer.closed:
            raise Broken(f"closed by a fault of ours: {self._peer.closed}")

    async def _opened(self) -> Session:
        if self._session is not None:
            self._session.closed("fuzz")
        self._peer = Peer()
        self.sessions += 1
        context = Context(station_id=StationId("FUZZ"), epoch=0, version="2.0.1")
        self._session = session = Session(context, version=self._version, node=self._node, registry=self._registry)
        session.opened(self._peer)
        while not session.is_ready:
            await asyncio.sleep(0)
        context.registration = Registration.ACCEPTED
        return session


class _Clock:
    def now(self) -> datetime:
        return NOW

    def monotonic(self) -> float:
        return 0.0

    def call_at(self, at: float, call: Any, /) -> Any:
        return asyncio.get_running_loop().call_later(3600, call)


async def _nothing(*_: Any, **__: Any) -> Any:
    return None


def wire() -> Target:
    """Over use cases that do nothing: what is tried is the way in and the way out."""

    async def boot(*_: Any, **__: Any) -> BootAnswer:
        return BootAnswer(status=Registration.ACCEPTED, interval=timedelta(seconds=60), current_time=NOW)

    async def informed(*_: Any, **__: Any) -> TokenInfo:
        return TokenInfo(status="Accepted")

    async def transaction(*_: Any, heard: Any = None, **__: Any) -> TokenInfo:
        heard()
        return TokenInfo(status="Accepted")

    def heard(*_: Any) -> None:
        return None

    hooks = Hooks(on_open=_nothing, on_closed=_nothing, on_heard=heard, on_late=_nothing, on_stray=_nothing)
    node = Node(hooks=hooks, clock=_Clock(), frame_log=FrameLog(64 * 1024))
    use_cases = UseCases(
        boot=boot,
        heartbeat=lambda *_: NOW,
        learn_report=_nothing,
        authorize=informed,
        transaction=transaction,
        connector_status=lambda *_, **__: None,
        reservation_status=_nothing,
        security_event=_nothing,
    )
    return Target(node, version(use_cases), Registry())


@contextlib.asynccontextmanager
async def stored(folder: Path) -> AsyncIterator[Target]:
    """Over the real use cases and a real database."""
    url = f"sqlite:///{folder / 'fuzz.db'}"
    migrate(url, post=True)
    app = App(Settings(database=url, unknown_stations="accept", unknown_tokens="accept", frame_log=1))
    await app.cluster.start(frame_log=app.node.frame_log, expect=lambda *_: None, clock_offset=lambda *_: timedelta())
    use_cases = bindings.use_cases(app.parts, app.reactions, tokens=app.tokens)
    try:
        yield Target(app.node, version(use_cases), app.registry)
    finally:
        await app.stop()


def _message_id(data: bytes) -> str | None:
    """Of a CALL that has to be answered."""
    try:
        frame = parse(data)
    except RpcError:
        return None
    return frame.message_id if isinstance(frame, Call) else None
