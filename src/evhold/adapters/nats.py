"""Messages between nodes over NATS (gateway.mesh.Mesh): connected in the background, and again for ever when it went away.

House rules
- Nothing is kept for later: while NATS is away a request finds nobody, and what is told is told to nobody.
- All subscriptions share one queue and one task: an idle station costs neither.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription as NatsSubscription
from nats.errors import Error, NoRespondersError
from nats.errors import TimeoutError as NatsTimeoutError

RECONNECT_S: Final = 0.25
PING_S: Final = 5
#: Unanswered PINGs after which the connection is given up.
PINGS: Final = 2
START_S: Final = 2.0
GROUP: Final = "owner"

Handler = Callable[[bytes], Awaitable[bytes | None]]

log: structlog.typing.FilteringBoundLogger = structlog.get_logger("evhold.nats")


class NatsMesh:
    """One node's connection.

    Args:
        url: ``nats://user:password@host:4222``, several with commas between.
        nobody_there: Raised where nothing was delivered.
        no_reply: Raised where something may have been.
        on_up: Called when it is connected, and when it is again.
    """

    def __init__(
        self,
        url: str,
        *,
        nobody_there: type[Exception],
        no_reply: type[Exception],
        on_up: Callable[[], None] = lambda: None,
    ) -> None:
        self._url = url
        self._nobody_there = nobody_there
        self._no_reply = no_reply
        self.on_up = on_up
        self._client = Client()
        self._inbox: asyncio.Queue[Msg] = asyncio.Queue()
        self._handlers: dict[str, Handler] = {}
        self._kept: dict[str, _Kept] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._connected = asyncio.Event()
        self._closing = False

    @property
    def is_up(self) -> bool:
        """Connected now, as far as anybody has noticed."""
        return self._client.is_connected

    async def start(self) -> bool:
        """It connects; False: not yet, it goes on trying."""
        self._spawn(self._connect())
        self._spawn(self._hand_out())
        try:
            async with asyncio.timeout(START_S):
                await self._connected.wait()
        except TimeoutError:
            log.warning("nats.away", url=self._client_name())
            return False
        return True

    async def close(self) -> None:
        """Disconnected, and nothing runs any more."""
        self._closing = True
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with suppress(Error, OSError, asyncio.TimeoutError):
            async with asyncio.timeout(2):
                await self._client.close()

    async def request(self, subject: str, payload: bytes, *, timeout_s: float) -> bytes:
        """The reply. Raises ``nobody_there``, ``no_reply``."""
        if not self.is_up:
            raise self._nobody_there
        try:
            reply = await self._client.request(subject, payload, timeout=timeout_s)
        except NoRespondersError:
            raise self._nobody_there from None
        except (NatsTimeoutError, Error, OSError) as error:
            raise self._no_reply from error
        data: bytes = reply.data
        return data

    async def tell(self, subject: str, payload: bytes) -> None:
        """Whoever listens now gets it; nobody, while NATS is away."""
        if self.is_up:
            with suppress(Error, OSError):
                await self._client.publish(subject, payload)

    async def listen(self, subject: str, handler: Handler, *, alone: bool = False) -> "_Kept":
        """``handler`` gets every message, each in a task; of several that listen ``alone``, one does."""
        self._handlers[subject] = handler
        kept = self._kept[subject] = _Kept(self, subject, GROUP if alone else "")
        if self._connected.is_set() and not self._client.is_closed:
            await self._subscribe(kept)
        return kept

    # Connecting

    async def _connect(self) -> None:
        """The client itself tries for ever, the first time and after every loss, and subscribes again after one."""
        await self._client.connect(
            self._url.split(","),
            name="evhold",
            no_echo=True,
            error_cb=self._trouble,
            disconnected_cb=self._went_away,
            reconnected_cb=self._came_back,
            connect_timeout=2,
            reconnect_time_wait=RECONNECT_S,  # type: ignore[arg-type]  # seconds, whole or not
            max_reconnect_attempts=-1,
            ping_interval=PING_S,
            max_outstanding_pings=PINGS,
        )
        log.info("nats.up", url=self._client_name())
        self._connected.set()
        for kept in list(self._kept.values()):
            await self._subscribe(kept)
        self.on_up()

    async def _went_away(self) -> None:
        if not self._closing:
            log.warning("nats.away", url=self._client_name())

    async def _came_back(self) -> None:
        log.warning("nats.back", url=self._client_name())
        self.on_up()

    async def _trouble(self, error: Exception) -> None:
        log.debug("nats.trouble", error=repr(error))

    def _client_name(self) -> str:
        return ",".join(one.rpartition("@")[2] for one in self._url.split(","))

    # Subscriptions

    async def _subscribe(self, kept: "_Kept") -> None:
        if kept.subscription is None and not kept.ended:
            with suppress(Error, OSError):
                made = await self._client.subscribe(kept.subject, queue=kept.group, pending_bytes_limit=0)
                # Without a callback nobody takes from its own queue, which is made anew for each: ours is one for all.
                made._pending_queue = self._inbox
                kept.subscription = made

    async def _hand_out(self) -> None:
        while True:
            message = await self._inbox.get()
            self._spawn(self._handle(message))

    async def _handle(self, message: Msg) -> None:
        handler = self._handlers.get(message.subject)
        if handler is None:
            return
        try:
            reply = await handler(message.data)
        except Exception:  # the top of a task: what another node sent harms nobody here
            log.exception("nats.message-failed", subject=message.subject)
            return
        if reply is not None and message.reply:
            await self.tell(message.reply, reply)

    def _forget(self, kept: "_Kept") -> None:
        if self._kept.get(kept.subject) is kept:
            del self._kept[kept.subject]
            del self._handlers[kept.subject]

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


class _Kept:
    """A subscription, also while NATS is away."""

    def __init__(self, mesh: NatsMesh, subject: str, group: str) -> None:
        self._mesh = mesh
        self.subject = subject
        self.group = group
        self.subscription: NatsSubscription | None = None
        self.ended = False

    async def end(self) -> None:
        """It is listened to no more."""
        self.ended = True
        self._mesh._forget(self)
        if self.subscription is not None:
            with suppress(Error, OSError):
                await self.subscription.unsubscribe()
