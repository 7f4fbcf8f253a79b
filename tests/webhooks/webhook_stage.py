"""A worker on a real database, and a real HTTP receiver that takes messages, fails, hangs, goes away, or breaks off."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any

from evhold.adapters.bus_local import LocalBus
from evhold.adapters.clock import SystemClock, SystemIds
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.storage import open_storage
from evhold.adapters.webhooks.sender import HttpSender
from evhold.adapters.webhooks.worker import Worker
from evhold.domain.access import Actor
from evhold.domain.events import Event, ReservationChanged, StationPresence
from evhold.domain.networks import networks_of
from evhold.domain.reservation import Reservation, State
from evhold.domain.values import EvseId, IdToken, ReservationId, StationId, Terms
from evhold.domain.webhooks import Delivery, DeliveryState, Webhook
from evhold.outward import webhook_calls
from evhold.settings import Settings
from evhold.usecases.deliveries import Scribe
from evhold.usecases.kept import Kept
from evhold.usecases.signing import Signer
from evhold.usecases.webhooks import WebhookOrder
from evhold.web import calls as web
from evhold.web import webhooks as messages

LOOPBACK = networks_of(["127.0.0.0/8"])
TAG = IdToken("AABBCCDD", "ISO14443")
PATIENCE_S = 30.0


class AheadClock(SystemClock):
    """The machine's clock, and a lead that a test sets."""

    def __init__(self) -> None:
        self.ahead = timedelta()

    def now(self) -> datetime:
        """The machine's time and the lead."""
        return super().now() + self.ahead


@dataclass
class Message:
    """One request, as it came."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        """The body."""
        content: dict[str, Any] = json.loads(self.body)
        return content

    @property
    def id(self) -> str:
        """The header webhook-id."""
        return self.headers["webhook-id"]


@dataclass
class Receiver:
    """One port; each path answers as it was told: a status, ``hang``, ``cut``, ``flood``, or ``redirect``."""

    port: int = 0
    answers: dict[str, object] = field(default_factory=dict)
    got: list[Message] = field(default_factory=list)
    connections: int = 0
    came: asyncio.Condition = field(default_factory=asyncio.Condition)
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def url(self, path: str) -> str:
        """Where messages of this path are sent."""
        return f"http://127.0.0.1:{self.port}/{path}"

    def at(self, path: str) -> list[Message]:
        """What came to this path."""
        return [one for one in self.got if one.path == f"/{path}"]

    async def until(self, fits: Callable[[], bool]) -> None:
        """What came fits."""
        async with asyncio.timeout(PATIENCE_S), self.came:
            await self.came.wait_for(fits)

    async def until_count(self, path: str, count: int) -> list[Message]:
        """So many came to this path."""
        await self.until(lambda: len(self.at(path)) >= count)
        return self.at(path)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        self.connections += 1
        try:
            while await self._one(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode()
        first, *lines = head.split("\r\n")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines if line)}
        body = await reader.readexactly(int(headers.get("content-length", "0")))
        message = Message(first.split(" ")[1], headers, body)
        answer = self.answers.get(message.path.removeprefix("/"), 204)
        if callable(answer):
            answer = answer(message)
        async with self.came:
            self.got.append(message)
            self.came.notify_all()
        return await self._answer(answer, writer)

    async def _answer(self, answer: object, writer: asyncio.StreamWriter) -> bool:
        match answer:
            case "hang":
                await self.released.wait()
                return False
            case "cut":
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nhalf of")
            case "flood":
                writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
                for _ in range(1000):
                    writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                    await writer.drain()
            case "redirect":
                writer.write(b"HTTP/1.1 302 F\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n")
            case int(status):
                writer.write(b"HTTP/1.1 %d X\r\nContent-Length: 0\r\n\r\n" % status)
                await writer.drain()
                return True
        await writer.drain()
        return False


@asynccontextmanager
async def receiving(port: int = 0) -> AsyncIterator[Receiver]:
    """A receiver on a free port of loopback."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "127.0.0.1", port)
    receiver.port = server.sockets[0].getsockname()[1]
    try:
        yield receiver
    finally:
        receiver.released.set()
        server.close()


@dataclass
class Stage:
    """One node's part that tells, on a database of its own or shared."""

    storage: Database
    clock: AheadClock
    calls: web.WebhookCalls
    sender: HttpSender
    log: EventLog
    worker: Worker
    bus: LocalBus
    reading: asyncio.Task[None]

    async def add(self, url: str, *events: str, **more: Any) -> Webhook:
        """A webhook that is told from now on."""
        return await self.calls.add(WebhookOrder(url=url, events=events or ("*",), **more), who=Actor("test"))

    async def tell(self, *events: Event) -> None:
        """Committed."""
        await self.storage.transact(lambda tx: [tx.outbox.add(one) for one in events])

    async def deliveries(self, webhook: Webhook, state: DeliveryState | None = None) -> list[Delivery]:
        """Newest first."""
        return await self.calls.deliveries(webhook.id, state=state, limit=500)

    async def until(self, fits: Callable[[], Any]) -> Any:
        """What ``fits`` gives, once it is true."""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := await fits()):
                await asyncio.sleep(0)
        return found

    async def until_state(self, webhook: Webhook, state: DeliveryState, count: int = 1) -> list[Delivery]:
        """So many deliveries of it are in this state."""

        async def look() -> list[Delivery] | None:
            found = await self.deliveries(webhook, state)
            return found if len(found) >= count else None

        found: list[Delivery] = await self.until(look)
        return found

    def move(self, **by: float) -> None:
        """Time passes."""
        self.clock.ahead += timedelta(**by)
        self.worker.wake()

    async def close(self) -> None:
        """It is gone, what was being sent too."""
        await self.worker.stop()
        await self.sender.close()
        self.reading.cancel()
        await asyncio.wait([self.reading])
        await self.storage.close()


async def open_stage(
    url: str,
    *,
    clock: AheadClock | None = None,
    send_to_driver: Any = None,
    to_driver: Any = None,
    is_alone: bool = True,
) -> Stage:
    """A started node on this database."""
    clock = clock or AheadClock()
    ids = SystemIds()
    storage = open_storage(url, clock=clock)
    log = EventLog(storage)
    await log.number()
    position = await log.last()
    bus = LocalBus(log, position=position)
    reader = OutboxReader(log, position=position, tell=bus.tell, poll_s=0.2)
    storage.on_told(reader.wake)
    sender = HttpSender(clock=clock, opened=LOOPBACK)
    signer = Signer("the secret of the tests")
    worker = Worker(
        storage=storage,
        follow=lambda after: bus.follow(after=None if after is None else min(after, bus.position)),
        scribe=Scribe(
            message_id=partial(messages.message_id_of, signer=signer), body=messages.message_of, to_driver=to_driver
        ),
        send=sender,
        send_to_driver=send_to_driver,
        clock=clock,
        ids=ids,
        is_alone=is_alone,
    )
    kept = Kept(Settings().most_kept, storage=storage, clock=clock)
    calls = webhook_calls(storage, send=sender, clock=clock, ids=ids, opened=LOOPBACK, kept=kept)
    await worker.start()
    return Stage(storage, clock, calls, sender, log, worker, bus, asyncio.create_task(reader.run()))


def reservation(number: int, state: State = State.ACTIVE, *, at: datetime, token: IdToken = TAG) -> Reservation:
    """Of CS1."""
    return Reservation(
        id=ReservationId(number),
        station_id=StationId("CS1"),
        terms=Terms(id_token=token, expiry=at + timedelta(hours=1), evse_id=EvseId(1)),
        state=state,
        created_at=at,
        updated_at=at,
    )


def changed(name: str, number: int = 1, *, at: datetime, cause: str | None = None, **more: Any) -> ReservationChanged:
    """An event of a reservation."""
    return ReservationChanged(
        name=f"reservation.{name}", at=at, cause=cause, reservation=reservation(number, at=at, **more)
    )


def presence(station_id: str, *, at: datetime, online: bool = True) -> StationPresence:
    """An event of a station."""
    return StationPresence(at=at, station_id=StationId(station_id), online=online)


def by_subject(messages: list[Message]) -> dict[str, list[int]]:
    """The numbers of the events, in the order of their first arrival, by what they are about."""
    seen: set[str] = set()
    found: defaultdict[str, list[int]] = defaultdict(list)
    for one in messages:
        if one.id not in seen:
            seen.add(one.id)
            found[one.json["subject"]].append(int(one.id.split("_")[1]))
    return dict(found)
