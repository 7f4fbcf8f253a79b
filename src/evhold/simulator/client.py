"""A simulated charging station on a real socket: connects, comes back, and lets a test or a scenario play the driver."""

import asyncio
import base64
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from types import TracebackType
from typing import NamedTuple, Self, overload
from urllib.parse import quote

from picows import WSCloseCode, WSError, WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

from evhold.ocpp.v201.datatypes import IdTokenType
from evhold.simulator.conversation import Conversation, Message
from evhold.simulator.options import StationOptions, World
from evhold.simulator.reader import Swipe
from evhold.simulator.state import Evse, StationState
from evhold.simulator.station import Station
from evhold.simulator.waiting import Waiters

SUBPROTOCOL = "ocpp2.0.1"
PATIENCE_S = 10.0


class Frame(NamedTuple):
    """One text as it was on the wire; `sent` is True for the station's own."""

    sent: bool
    text: bytes


class SimulatedStation:
    """A station that is online from `async with` to its end, and reconnects by itself.

    The methods that let something happen return when the CSMS has answered all that it caused, or at once while the
    station is offline.

    Args:
        url: The CSMS's address without the station id, such as `ws://127.0.0.1:9000/ocpp`.
        options: The station's hardware and habits.
        world: Time, ids and chance.

    Attributes:
        frames: The last frames of both directions.
        last_error: Why the last attempt to connect failed.
    """

    def __init__(self, url: str, options: StationOptions, *, world: World) -> None:
        self.url = f"{url.rstrip('/')}/{quote(options.station_id, safe='')}"
        self.options = options
        self.frames: deque[Frame] = deque(maxlen=options.remember)
        self.last_error: Exception | None = None
        self._world = world
        self._station = Station(options, new_id=world.new_id)
        self._conversation = Conversation(self._station, new_id=world.new_id)
        self._waiters = Waiters(remember=options.remember)
        self._transport: WSTransport | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wanted = asyncio.Event()
        self._hurry = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._wanted.set()
        self._task = asyncio.create_task(self._stay_connected())
        self._task.add_done_callback(self._ended)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._wanted.clear()
        self._close()
        if self._timer is not None:
            self._timer.cancel()
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task

    # What is true

    @property
    def id(self) -> str:
        """The station's id."""
        return self.options.station_id

    @property
    def state(self) -> StationState:
        """EVSEs and reservations as the station sees them."""
        return self._station.state

    @property
    def is_connected(self) -> bool:
        """Whether there is a socket."""
        return self._station.outbox.online

    @property
    def is_online(self) -> bool:
        """Whether there is a socket and the CSMS has accepted the station."""
        return self._station.outbox.online and self._station.outbox.registered

    def status(self, evse_id: int = 1, connector_id: int = 1) -> str:
        """The status of a connector, whether told or not."""
        evse = self.evse(evse_id)
        return self._station.reporter.status_of(evse, evse.connectors[connector_id - 1])

    def evse(self, evse_id: int) -> Evse:
        """One EVSE."""
        return self.state.evses[evse_id]

    # What happens

    async def plug_in(self, evse_id: int = 1, *, connector_id: int | None = None) -> None:
        """Put a cable in."""
        self._station.plug_in(evse_id, now=self._now(), connector_id=connector_id)
        await self.settled()

    async def unplug(self, evse_id: int = 1) -> None:
        """Take the cable out; the car drives away."""
        self._station.unplug(evse_id, now=self._now())
        await self.settled()

    async def present(self, evse_id: int | None, token: IdTokenType | str) -> Swipe:
        """Hold a token to the reader of an EVSE, or of the station; a text is an ISO14443 token."""
        held = IdTokenType(id_token=token, type="ISO14443") if isinstance(token, str) else token
        swipe = self._station.present(held, now=self._now(), evse_id=evse_id)
        await self.settled()
        return swipe

    async def fault(self, evse_id: int = 1) -> None:
        """Let an EVSE break."""
        self._station.fault(evse_id, now=self._now())
        await self.settled()

    async def clear_fault(self, evse_id: int = 1) -> None:
        """Repair an EVSE."""
        self._station.clear_fault(evse_id, now=self._now())
        await self.settled()

    async def set_operative(self, evse_id: int, operative: bool) -> None:
        """Switch an EVSE on or off at the station itself."""
        self._station.set_operative([self.evse(evse_id)], operative, now=self._now())
        await self.settled()

    async def tick(self) -> None:
        """Do what is due by now; it is done at its time anyway unless the clock is moved by hand."""
        self._on_timer()
        await self.settled()

    async def go_offline(self) -> None:
        """Close the socket and stay away until `go_online`."""
        self._wanted.clear()
        self._close()
        await self.wait_for(lambda: not self.is_connected)

    async def go_online(self) -> None:
        """Connect again and tell what has to be told."""
        self._reconnect()
        await self.online()

    async def reboot(self) -> None:
        """Start anew as after a power cut, and wait until the CSMS has accepted it again."""
        self._station.reboot("PowerUp", now=self._now())
        self._close()
        self._reconnect()
        await self.online()

    async def online(self, *, timeout_s: float = PATIENCE_S) -> None:
        """Wait until the CSMS has accepted the station and heard all that it had to tell.

        Raises:
            TimeoutError: It did not come to that; the message says what went wrong last.
        """
        try:
            await self.wait_for(lambda: self.is_online and self._conversation.is_idle, timeout_s=timeout_s)
        except TimeoutError as error:
            reason = self.last_error or f"BootNotification was answered {self._station.boot_status}"
            raise TimeoutError(f"{self.id} is not online at {self.url}: {reason}") from error

    async def settled(self, *, timeout_s: float | None = None) -> None:
        """Wait until there is nothing left to send, or the station is offline."""
        limit = self.options.call_timeout_s * self.options.attempts if timeout_s is None else timeout_s
        await self.wait_for(lambda: not self.is_connected or self._conversation.is_idle, timeout_s=limit)

    @overload
    async def wait_for(self, what: str, *, timeout_s: float = PATIENCE_S) -> Message: ...

    @overload
    async def wait_for(self, what: Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> None: ...

    async def wait_for(self, what: str | Callable[[], bool], *, timeout_s: float = PATIENCE_S) -> Message | None:
        """Wait until something is true, or for an answered message of an action.

        Args:
            what: A condition; or an action, and then each of its messages (of either direction, also one that came
                before) is returned by one call, oldest first.
            timeout_s: Seconds.

        Raises:
            TimeoutError: It did not happen.
        """
        self._advance()
        if isinstance(what, str):
            reproach = f"no {what} at {self.id} within {timeout_s:g} s"
            return await self._waiters.message(what, timeout_s=timeout_s, reproach=reproach)
        reproach = f"{self.id} did not get there within {timeout_s:g} s"
        await self._waiters.until(what, timeout_s=timeout_s, reproach=reproach)
        return None

    # The socket

    async def _stay_connected(self) -> None:
        backoff_s = self.options.backoff_s
        while True:
            await self._wanted.wait()
            try:
                transport, _ = await ws_connect(
                    lambda: _Listener(self),
                    self.url,
                    ssl_context=self.options.tls,
                    extra_headers=self._headers(),
                    read_buffer_init_size=2048,
                )
                await transport.wait_disconnected()
            except (OSError, WSError, TimeoutError) as error:
                self.last_error = error
            backoff_s = self.options.backoff_s if self._station.boot_status else backoff_s * 2
            backoff_s = min(backoff_s, self.options.backoff_limit_s)
            self._hurry.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(backoff_s * self._world.rng.uniform(0.5, 1.5)):
                    await self._hurry.wait()

    def _headers(self) -> dict[str, str]:
        headers = {"Sec-WebSocket-Protocol": SUBPROTOCOL}
        if self._station.password is not None:
            credentials = f"{self.options.station_id}:{self._station.password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(credentials).decode()}"
        return headers

    def opened(self, transport: WSTransport) -> None:
        """Called by the socket: the handshake is done."""
        self._transport = transport
        if not self._wanted.is_set():
            self._close()
            return
        if transport.response.headers.get("Sec-WebSocket-Protocol") != SUBPROTOCOL:
            self.last_error = ConnectionError(f"the CSMS does not speak {SUBPROTOCOL}")
            self._close()
            return
        self._conversation.opened(self._now())
        self._advance()

    def received(self, transport: WSTransport, text: bytes) -> None:
        """Called by the socket: one whole text message."""
        if transport is self._transport:
            self.frames.append(Frame(sent=False, text=text))
            self._conversation.receive_text(text, now=self._now())
            self._advance()

    def closed(self, transport: WSTransport) -> None:
        """Called by the socket: it is gone."""
        if transport is self._transport:
            self._transport = None
            self._conversation.closed(self._now())
            self._advance()

    def _close(self) -> None:
        transport, self._transport = self._transport, None
        self._conversation.closed(self._now())
        if transport is not None:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        self._advance()

    def _reconnect(self) -> None:
        self._wanted.set()
        self._hurry.set()

    def _advance(self) -> None:
        """Send what is to be sent, set the timer, wake who waits."""
        self._conversation.pump(self._now())
        output, self._conversation.output = self._conversation.output, []
        for text, delay_s in output:
            if delay_s > 0:
                asyncio.get_running_loop().call_later(delay_s, self._write, self._transport, text)
            else:
                self._write(self._transport, text)
        self._waiters.add(self._conversation.messages)
        self._conversation.messages.clear()
        if self._conversation.wants_close and self._transport is not None:
            self._close()
            return
        self._set_timer()
        self._waiters.wake()

    def _write(self, transport: WSTransport | None, text: bytes) -> None:
        if transport is not None and transport is self._transport:
            self.frames.append(Frame(sent=True, text=text))
            transport.send(WSMsgType.TEXT, text)

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        deadline = self._conversation.next_deadline()
        delay_s = None if deadline is None else max(0.001, (deadline - self._now()).total_seconds())
        # A day at most: the clock may be set meanwhile, and event loops refuse very long waits.
        loop = asyncio.get_running_loop()
        self._timer = None if delay_s is None else loop.call_later(min(delay_s, 86_400.0), self._on_timer)

    def _on_timer(self) -> None:
        self._conversation.tick(self._now())
        self._advance()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            self._waiters.fail(error)

    def _now(self) -> datetime:
        return self._world.now() + self.options.misbehaviour.clock_offset


class _Listener(WSListener):
    def __init__(self, station: SimulatedStation) -> None:
        self._station = station
        self._parts: list[bytes] = []

    def on_ws_connected(self, transport: WSTransport) -> None:
        self._station.opened(transport)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type in (WSMsgType.TEXT, WSMsgType.CONTINUATION):
            self._parts.append(frame.get_payload_as_bytes())
            if frame.fin:
                text, self._parts = b"".join(self._parts), []
                self._station.received(transport, text)
        elif frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._station.closed(transport)
