"""The listener for stations: handshakes, the timer that finds silent peers, and the graceful end."""

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from http import HTTPStatus
from math import ceil
from typing import Final

from multidict import CIMultiDict
from picows import WSAutoPingStrategy, WSUpgradeRequest, WSUpgradeResponse, WSUpgradeResponseWithListener

from evhold.domain.limits import Failures
from evhold.domain.security import Incident, Incidents
from evhold.domain.values import StationId
from evhold.gateway.admission import Admission, Gatekeeper, Link, Refusal
from evhold.gateway.deflate import negotiate
from evhold.gateway.doors import Doors, DoorSettings, Visit
from evhold.gateway.listener import Listener, StationProtocol
from evhold.gateway.memory import WORTH_WHILE, give_back
from evhold.gateway.node import Node, log
from evhold.gateway.pace import Pace
from evhold.gateway.peer import PeerListener
from evhold.gateway.registry import Registry
from evhold.gateway.session import Session
from evhold.gateway.tls import Certificates, incident_of
from evhold.gateway.websocket import SocketSettings, StationSocket
from evhold.ocpp.router import Context, Version

_BUSY = Refusal(503, "too-many-stations", (("Retry-After", "60"),))
_AWAY = Refusal(503, "storage-away", (("Retry-After", "10"),))
_TOO_OFTEN = Refusal(503, "too-many-connections-of-this-station", (("Retry-After", "30"),))
_STOPPING = Refusal(503, "stopping", (("Retry-After", "10"),))

#: Stations that are refused in a storm come again within so many seconds.
RETRY_SPREAD_S: Final = 10
#: A small node is drained in no time, a big one in the time it is given.
DRAIN_PAUSE_S: Final = 0.01

# What picows has to say about a peer is said here again, with the station's id.
_picows_logger = logging.getLogger("picows.station-sockets")
_picows_logger.setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSettings:
    """Bounds of the listener.

    Args:
        accepts_per_second: Handshakes beyond this rate are refused, those of one second at a time being let through.
        tick_s: Seconds between two looks for silent peers.
        stop_timeout_s: How long a graceful stop waits for peers, and then for the work in hand.
    """

    max_stations: int = 20_000
    accepts_per_second: float = 500.0
    tick_s: float = 30.0
    stop_timeout_s: float = 5.0
    doors: DoorSettings = field(default_factory=DoorSettings)
    socket: SocketSettings = field(default_factory=SocketSettings)


class StationServer:
    """Accepts stations, and gives each a session.

    Args:
        node: What the sessions share.
        registry: Where they are found.
        gatekeeper: Who may connect.
        versions: By subprotocol.
        is_away: Whether nothing can be stored now: handshakes are refused, and stations queue (E04).
        jitter: A number in [0, 1), so that stations that are sent away do not all come back at once.
        failures: Counts wrong credentials by address; None: nobody does.
    """

    def __init__(
        self,
        node: Node,
        *,
        registry: Registry[Session],
        gatekeeper: Gatekeeper,
        versions: Mapping[str, Version],
        settings: ServerSettings | None = None,
        is_away: Callable[[], bool] = lambda: False,
        jitter: Callable[[], float] = lambda: 0.0,
        failures: Failures | None = None,
    ) -> None:
        self._node = node
        self._failures = failures
        self._registry = registry
        self._gatekeeper = gatekeeper
        self._versions = versions
        self._is_away = is_away
        self._settings = settings or ServerSettings()
        self._jitter = jitter
        self._pace = Pace(self._settings.accepts_per_second, now=node.clock.monotonic)
        self.doors = Doors(
            self._settings.doors,
            refusals=node.counters.refusals,
            now=lambda: asyncio.get_running_loop().time(),
        )
        self._draining = False
        self._sockets: set[StationSocket] = set()
        self._gone = 0
        self._listener: Listener | None = None
        self._certificates: Certificates | None = None
        self._ticker: asyncio.TimerHandle | None = None
        self._emptied: asyncio.Event | None = None

    async def start(self, host: str, port: int, *, certificates: Certificates | None = None) -> None:
        """Stations can connect: by TLS alone where there are certificates, else by plain sockets alone.

        Raises:
            OSError: The address is taken or not ours.
        """
        listener = Listener(
            self._protocol,
            doors=self.doors,
            handshake_timeout_s=self._settings.doors.handshake_timeout_s,
            certificates=certificates,
            tls_failed=self._tls_failed,
        )
        await listener.start(host, port)
        self._listener, self._certificates = listener, certificates
        self._tick()

    @property
    def port(self) -> int:
        """The port that is listened on; the one to ask for when it was started with port 0."""
        if self._listener is None:
            raise RuntimeError("not started")
        return self._listener.port

    def send_away(self) -> None:
        """Every station is told to come again later; what it has to say, it queues meanwhile."""
        log.error("server.stations-sent-away", stations=len(self._registry))
        for session in self._registry:
            session.send_away()

    async def drain(self, seconds: float) -> None:
        """No station is let in any more, and those that are here were sent away, one after the other, in that time at most."""
        self._draining = True
        sessions = sorted(self._registry, key=lambda _: self._jitter())
        pause = min(seconds, len(sessions) * DRAIN_PAUSE_S) / max(len(sessions), 1)
        for session in sessions:
            session.finish()
            await asyncio.sleep(2 * pause * self._jitter())

    async def stop(self) -> None:
        """No station is connected, and the work in hand is finished; both within their time limits."""
        if self._listener is None or self._emptied is not None:
            return
        self._emptied = asyncio.Event()
        if self._ticker is not None:
            self._ticker.cancel()
        self._listener.close()
        for session in self._registry:
            session.finish()
        if self._sockets:
            try:
                async with asyncio.timeout(self._settings.stop_timeout_s):
                    await self._emptied.wait()
            except TimeoutError:
                log.warning("server.stations-dropped", stations=len(self._sockets))
        for socket in list(self._sockets):
            socket.abort("stopping")
        await self._node.settle(timeout_s=self._settings.stop_timeout_s)

    # Handshakes

    def _protocol(self, visit: Visit) -> StationProtocol:
        return StationProtocol(
            None,  # host and port
            None,  # path
            False,  # the client's side
            partial(self._upgrade, visit),
            # A plain Logger would get a child for every connection.
            logging.LoggerAdapter(_picows_logger, {}),
            True,  # disconnect on an exception
            self._settings.doors.handshake_timeout_s,
            False,  # automatic PINGs, and what belongs to them
            20.0,
            20.0,
            WSAutoPingStrategy.PING_WHEN_IDLE,
            False,  # automatic PONGs
            self._settings.socket.max_message,
            None,  # headers of a client
            1024,  # bytes to read into at first
        )

    def _upgrade(self, visit: Visit, request: WSUpgradeRequest) -> WSUpgradeResponseWithListener:
        visit.answer()
        link = Link(is_tls=self._certificates is not None, common_name=visit.common_name, remote=visit.address)
        try:
            answer = self._decide(request, link)
        except Exception:  # noqa: BLE001 - the top of a callback: picows would tell the peer what went wrong
            log.exception("handshake.failed")
            answer = Refusal(500, "internal-error")
        if isinstance(answer, WSUpgradeResponseWithListener):
            return answer
        if answer.status == HTTPStatus.UNAUTHORIZED:
            answer = self._failed(answer, visit.address)
        self._node.counters.handshakes[answer.status] += 1
        path = request.path[:200].decode("latin-1")
        log.warning("handshake.refused", path=path, reason=answer.reason, address=visit.address)
        if answer.incident is not None:
            self._note(answer.incident, answer.reason, station_id=answer.station_id, remote=visit.address)
        response = WSUpgradeResponse.create_error_response(answer.status, answer.reason.encode(), answer.headers)
        return WSUpgradeResponseWithListener(response, None)

    def _failed(self, refusal: Refusal, address: str) -> Refusal:
        """Too many wrong credentials of one address are told to wait; the right ones never are."""
        wait_s = self._failures.note("station", address, now=self._node.clock.monotonic()) if self._failures else 0.0
        return Refusal(429, "too-many-failures", (("Retry-After", str(ceil(wait_s))),)) if wait_s else refusal

    def _tls_failed(self, error: OSError, remote: str) -> None:
        incident, reason = incident_of(error)
        log.warning("tls.refused", address=remote, reason=reason)
        if incident is not None:
            self._note(incident, reason, station_id=None, remote=remote)

    def _note(self, incident: Incidents, detail: str, *, station_id: StationId | None, remote: str) -> None:
        # A00.FR.324, A00.FR.408: who is sent away for a reason of security is remembered.
        self._node.hooks.on_incident(Incident(type=incident, station_id=station_id, detail=detail, remote=remote))

    def _decide(self, request: WSUpgradeRequest, link: Link) -> WSUpgradeResponseWithListener | Refusal:
        if self._emptied is not None or self._draining:
            return _STOPPING
        if self._is_away():
            return _AWAY
        decision = self._gatekeeper.decide(request.path.decode("latin-1"), headers=request.headers, link=link)
        if isinstance(decision, Refusal):
            return decision
        if len(self._registry) >= self._settings.max_stations and self._registry.find(decision.station_id) is None:
            self._node.counters.refusals["max-stations"] += 1
            return _BUSY
        if not self.doors.may_come_again(decision.station_id):
            return _TOO_OFTEN
        if not self._pace.takes():
            self._node.counters.refusals["accepts-per-second"] += 1
            return Refusal(503, "too-many-at-once", (("Retry-After", str(1 + int(RETRY_SPREAD_S * self._jitter()))),))
        _tidy_connection(request.headers)
        return self._accept(decision, request.headers)

    def _accept(self, admission: Admission, headers: CIMultiDict[str]) -> WSUpgradeResponseWithListener:
        answer: list[tuple[str, str]] = []
        listener: PeerListener | None = None
        version = next((self._versions[name] for name in _subprotocols(headers) if name in self._versions), None)
        if version is None:
            log.warning("handshake.no-subprotocol", station=admission.station_id)
        else:
            answer.append(("Sec-WebSocket-Protocol", version.subprotocol))
            listener = self._session(admission, version)
        deflate = negotiate(headers.getall("Sec-WebSocket-Extensions", []))
        if deflate is not None:
            answer.append(("Sec-WebSocket-Extensions", deflate.answer))
        self._node.counters.handshakes[101] += 1
        socket = StationSocket(listener, owner=self, settings=self._settings.socket, deflate=deflate)
        return WSUpgradeResponseWithListener(WSUpgradeResponse.create_101_response(answer), socket)

    def _session(self, admission: Admission, version: Version) -> Session:
        context = Context(
            station_id=admission.station_id,
            epoch=0,  # the on_open hook counts connections, in the database
            version=version.name,
            provisioned=admission.provisioned,
            security_profile=admission.security_profile,
            common_name=admission.common_name,
            password=admission.password,
            offer=admission.offer,
        )
        return Session(context, version=version, node=self._node, registry=self._registry)

    # The account of open sockets

    def socket_opened(self, socket: StationSocket) -> None:
        """One more is open."""
        self._sockets.add(socket)

    def socket_gone(self, socket: StationSocket) -> None:
        """It is open no more."""
        self._sockets.discard(socket)
        self._gone += 1
        if self._emptied is not None and not self._sockets:
            self._emptied.set()

    def socket_refused(self, limit: str) -> None:
        """It ends for having passed a limit."""
        self._node.counters.refusals[limit] += 1

    # Silent peers

    def _tick(self) -> None:
        self.doors.tick()
        for socket in list(self._sockets):
            socket.tick()
        loop = asyncio.get_running_loop()
        if self._gone >= WORTH_WHILE:
            self._gone = 0
            loop.run_in_executor(None, give_back)
        if self._certificates is not None:
            self._certificates.look(loop.time())
        self._ticker = loop.call_later(self._settings.tick_s, self._tick)


def _subprotocols(headers: CIMultiDict[str]) -> Iterator[str]:
    for line in headers.getall("Sec-WebSocket-Protocol", []):
        for name in line.split(","):
            yield name.strip()


def _tidy_connection(headers: CIMultiDict[str]) -> None:
    """``Connection: keep-alive, Upgrade`` is a list by HTTP; picows wants the bare word."""
    names = {name.strip().lower() for line in headers.getall("Connection", []) for name in line.split(",")}
    if "upgrade" in names:
        headers["Connection"] = "Upgrade"
