"""NATS in virtual time: at most once, nothing kept, a node can be cut off from it, and messages take their time."""

import asyncio
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim_loop import ProcessLoop, World

from evhold.gateway.mesh import Handler, NobodyThere, NoReply

if TYPE_CHECKING:
    from sim_node import Csms


class Broker:
    """The server between the nodes."""

    def __init__(self, world: World, rng: random.Random) -> None:
        self.world, self.rng = world, rng
        self.members: dict[str, list[SimMesh]] = {}

    def delay(self) -> float:
        """Mostly a millisecond."""
        return self.rng.random() * (0.5 if self.rng.random() < 0.03 else 0.003)

    def listeners(self, subject: str, *, but: "SimMesh") -> "list[SimMesh]":
        """Who hears it; nobody hears what he says himself."""
        return [one for one in self.members.get(subject, ()) if one is not but and one.is_up]


class SimMesh:
    """gateway.mesh.Mesh: one node's connection."""

    def __init__(self, broker: Broker, node: "Csms", loop: ProcessLoop) -> None:
        self.on_up: Callable[[], None] = lambda: None
        self._broker, self._node, self._loop = broker, node, loop
        self._handlers: dict[str, Handler] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def is_up(self) -> bool:
        """Connected now."""
        return self._loop.alive and not self._node.is_off_mesh

    async def start(self) -> bool:
        """It connects."""
        return self.is_up

    async def close(self) -> None:
        """Disconnected."""
        for subject in list(self._handlers):
            self._drop(subject)

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """The reply. Raises NobodyThere, NoReply."""
        found = self._broker.listeners(subject, but=self) if self.is_up else []
        if not found:
            raise NobodyThere
        reply: asyncio.Future[bytes] = self._loop.create_future()
        asked = self._broker.rng.choice(found)
        self._carry(lambda: asked._receive(subject, payload, lambda data: self._take(reply, data)))
        try:
            async with asyncio.timeout(timeout_s):
                return await reply
        except TimeoutError:
            raise NoReply from None

    async def tell(self, subject: str, payload: bytes) -> None:
        """Whoever listens now gets it."""
        if self.is_up:
            for one in self._broker.listeners(subject, but=self):
                self._carry(lambda one=one: one._receive(subject, payload, None))  # type: ignore[misc]

    async def listen(self, subject: str, handler: Handler, *, alone: bool = False) -> "Listening":
        """Every message is a task of its own."""
        self._handlers[subject] = handler
        members = self._broker.members.setdefault(subject, [])
        if self not in members:
            members.append(self)
        return Listening(self, subject, handler)

    def came_back(self) -> None:
        """It is connected again."""
        if self._loop.alive:
            self._loop.call_soon(self.on_up)

    def _carry(self, deliver: Callable[[], None]) -> None:
        self._broker.world.after(self._broker.delay(), deliver)

    def _receive(self, subject: str, payload: bytes, answer: Callable[[bytes], None] | None) -> None:
        if self.is_up:
            self._loop.call_soon(self._begin, subject, payload, answer)

    def _begin(self, subject: str, payload: bytes, answer: Callable[[bytes], None] | None) -> None:
        handler = self._handlers.get(subject)
        if handler is None:
            return

        async def handle() -> None:
            reply = await handler(payload)
            if reply is not None and answer is not None and self.is_up:
                self._carry(lambda: answer(reply))

        task = self._loop.create_task(handle())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _take(self, reply: "asyncio.Future[bytes]", data: bytes) -> None:
        def settle() -> None:
            if not reply.done():
                reply.set_result(data)

        if self.is_up:
            self._loop.call_soon(settle)

    def _drop(self, subject: str) -> None:
        self._handlers.pop(subject, None)
        members = self._broker.members.get(subject, [])
        if self in members:
            members.remove(self)


class Listening:
    """gateway.mesh.Subscription."""

    def __init__(self, mesh: SimMesh, subject: str, handler: Handler) -> None:
        self._mesh, self._subject, self._handler = mesh, subject, handler

    async def end(self) -> None:
        """It is listened to no more, unless somebody listens anew."""
        if self._mesh._handlers.get(self._subject) is self._handler:
            self._mesh._drop(self._subject)
