"""A station's raw WebSocket: everything that the server sends is held against the official schemas."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from typing import Any
from uuid import uuid4

import jsonschema_rs
from replay_recording import CALL, CALLERROR, CALLRESULT
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

Json = dict[str, Any]
PATIENCE_S = 10.0
MAX_MESSAGE_ID = 36


@cache
def validator(name: str) -> Any:
    """The independent validator of one message, by its official schema."""
    text = (files("ocpp") / "v201" / "schemas" / f"{name}.json").read_text("utf-8-sig")
    return jsonschema_rs.validator_for(json.loads(text), validate_formats=True)


@dataclass
class Wire:
    """The station's end.

    ``knows``: what it answers to GetVariables, by (component, variable). ``says``: its answers to CALLs that nobody
    expects, by action. ``unrecorded``: those CALLs, as they came. ``faults``: what the server should not have sent.
    """

    url: str
    knows: Mapping[tuple[str, str], Json]
    says: dict[str, Json] = field(default_factory=lambda: {"GetBaseReport": {"status": "NotSupported"}})
    unrecorded: list[tuple[str, Json]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    _socket: ClientConnection | None = None
    _reader: asyncio.Task[None] | None = None
    _asked: dict[str, tuple[str, asyncio.Future[Json]]] = field(default_factory=dict)
    _expected: tuple[str, asyncio.Future[tuple[str, Json]]] | None = None
    _message_ids: set[str] = field(default_factory=set)
    _news: asyncio.Event = field(default_factory=asyncio.Event)

    async def connect(self) -> None:
        """The socket is open."""
        self._socket = await connect(self.url, subprotocols=[Subprotocol("ocpp2.0.1")], proxy=None, compression=None)
        self._reader = asyncio.create_task(self._read(self._socket))

    async def close(self, *, crash: bool = False) -> None:
        """The socket is gone; with ``crash`` without a word."""
        if self._socket is None or self._reader is None:
            return
        if crash:
            self._socket.transport.abort()
        else:
            await self._socket.close()
        await self._reader
        self._socket = self._reader = None

    async def say(self, action: str, payload: Json) -> Json:
        """A CALL of the station; return the server's answer, which has to be a CALLRESULT."""
        message_id = str(uuid4())
        self._asked[message_id] = (action, asyncio.get_running_loop().create_future())
        await self.send([CALL, message_id, action, payload])
        return await asyncio.wait_for(self._asked[message_id][1], PATIENCE_S)

    async def send(self, frame: list[Any]) -> None:
        """The frame is on its way."""
        assert self._socket is not None
        await self._socket.send(json.dumps(frame))

    def expect(self, action: str) -> asyncio.Future[tuple[str, Json]]:
        """The next CALL of this action: its message id and payload. It is answered by whoever expects it."""
        future: asyncio.Future[tuple[str, Json]] = asyncio.get_running_loop().create_future()
        self._expected = (action, future)
        return future

    def expect_nothing(self) -> None:
        """From now on every CALL is answered here."""
        self._expected = None

    async def until_asked(self, action: str) -> Json:
        """The first CALL of this action that nobody expected has come and is answered; return its payload."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := [payload for name, payload in self.unrecorded if name == action]):
                self._news.clear()
                await self._news.wait()
        return found[0]

    async def _read(self, socket: ClientConnection) -> None:
        with suppress(ConnectionClosed):
            async for text in socket:
                await self._take(json.loads(text))

    async def _take(self, frame: list[Any]) -> None:
        kind, message_id = frame[0], frame[1]
        if kind == CALL:
            self._check(f"{frame[2]}Request", frame[3])
            if message_id in self._message_ids or len(message_id) > MAX_MESSAGE_ID:
                self.faults.append(f"message id {message_id} of {frame[2]}")
            self._message_ids.add(message_id)
            await self._called(message_id, frame[2], frame[3])
            return
        action, answer = self._asked.pop(message_id, ("", None))
        if answer is None:
            self.faults.append(f"an answer to nothing: {frame}")
        elif kind == CALLRESULT:
            self._check(f"{action}Response", frame[2])
            answer.set_result(frame[2])
        else:
            answer.set_exception(AssertionError(f"{action} was answered {frame}"))

    def _check(self, name: str, payload: Json) -> None:
        try:
            validator(name).validate(payload)
        except jsonschema_rs.ValidationError as wrong:
            self.faults.append(f"{name} {payload}: {wrong}")

    async def _called(self, message_id: str, action: str, payload: Json) -> None:
        if self._expected is not None and self._expected[0] == action:
            (_, future), self._expected = self._expected, None
            future.set_result((message_id, payload))
            return
        if action == "GetVariables":
            await self.send([CALLRESULT, message_id, self._variables(payload)])
        elif action in self.says:
            await self.send([CALLRESULT, message_id, self.says[action]])
        else:
            self.faults.append(f"unexpected: {action} {payload}")
            await self.send([CALLERROR, message_id, "NotImplemented", "", {}])
        self.unrecorded.append((action, payload))
        self._news.set()

    def _variables(self, payload: Json) -> Json:
        components = {component for component, _ in self.knows}
        results = []
        for wanted in payload["getVariableData"]:
            component, variable = wanted["component"]["name"], wanted["variable"]["name"]
            status = "UnknownVariable" if component in components else "UnknownComponent"
            results.append(self.knows.get((component, variable)) or {**wanted, "attributeStatus": status})
        return {"getVariableResult": results}
