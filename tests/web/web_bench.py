"""A real API on a real socket and a real database; only the stations are played."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import timedelta
from functools import partial
from pathlib import Path

import httpx

from evhold.adapters.bus_local import LocalBus
from evhold.adapters.clock import SystemClock, SystemIds
from evhold.adapters.notify import Notifier
from evhold.adapters.orders import TaskOrders
from evhold.adapters.outbox import OutboxReader
from evhold.adapters.sql.event_log import EventLog
from evhold.adapters.sql.storage import SqlStorage, open_storage
from evhold.adapters.webhooks.sender import HttpSender, resolve
from evhold.bindings import audit_calls, key_calls
from evhold.domain.access import Actor, Role
from evhold.domain.authorization import TokenStatus
from evhold.domain.connector import Connector
from evhold.domain.facts import Accepted, CancelAccepted, NeverLeft
from evhold.domain.limits import Failures
from evhold.domain.networks import networks_of
from evhold.domain.station import Capabilities, Presence, Station
from evhold.domain.values import Ask, ConnectorId, EvseId, Frame, IdToken, StationId
from evhold.domain.variables import Variable
from evhold.gateway.frame_log import FrameLog, LoggedFrame
from evhold.ocpp.v201 import routes as v201
from evhold.outward import webhook_calls
from evhold.settings import Settings
from evhold.usecases import (
    a01_password,
    a04_security_events,
    audit,
    b05_set_variables,
    figures,
    h01_reserve,
    h02_cancel,
    provision,
    queries,
    retention,
    timeline,
)
from evhold.usecases.kept import Kept
from evhold.usecases.keyring import KeyRing
from evhold.usecases.operator_call import RawCall
from evhold.usecases.ports import (
    CallAnswer,
    CallFailed,
    CallResult,
    CancelAnswer,
    NeverSent,
    NoAnswer,
    ReserveAnswer,
    Rules,
)
from evhold.usecases.provision import KeyOrder, PutStation, TokenOrder
from evhold.usecases.sessions import EndedSessions
from evhold.usecases.signing import Signer
from evhold.web import calls as web
from evhold.web.app import build_app
from evhold.web.limits import Limits
from evhold.web.live import Streams
from evhold.web.server import ApiServer, ServerSettings

TOKEN = IdToken("AABBCCDD", "ISO14443")
DRIVER = IdToken("D0D0D0D0", "ISO14443")
LOOPBACK = networks_of(["127.0.0.0/8"])


@dataclass
class PlayedStations:
    """Stations that answer as the test says; ``hold`` keeps answers back until it is set."""

    online: bool = True
    answer: object = Accepted
    cancel: object = CancelAccepted
    call_answer: CallAnswer = field(default_factory=lambda: CallResult(payload=b'{"status":"Accepted"}'))
    hold: asyncio.Event | None = None
    asked: list[str] = field(default_factory=list)
    frames: FrameLog = field(default_factory=FrameLog)

    def presence(self, station_id: StationId) -> Presence:
        """As the test says."""
        return Presence(online=self.online, registered=self.online)

    async def reserve_now(
        self, station_id: StationId, reservation_id: int, ask: Ask
    ) -> tuple[ReserveAnswer, tuple[Frame, ...]]:
        """The answer of the test, to this ask."""
        self.asked.append("ReserveNow")
        if self.hold is not None:
            await self.hold.wait()
        frame = Frame("CSMS", ask.sent_at, '[2,"1","ReserveNow",{"id":1}]')
        return self.answer(ask=ask), (frame,)  # type: ignore[operator]

    async def cancel_reservation(
        self, station_id: StationId, reservation_id: int, ask: Ask
    ) -> tuple[CancelAnswer, tuple[Frame, ...]]:
        """The answer of the test, to this ask."""
        self.asked.append("CancelReservation")
        if self.hold is not None:
            await self.hold.wait()
        return self.cancel(ask=ask), ()  # type: ignore[operator]

    async def withdraw(self, station_id: StationId, message_id: str) -> bool:
        """Nothing ever waits here."""
        return False

    async def call(self, station_id: StationId, action: str, payload: bytes) -> CallAnswer:
        """The answer of the test."""
        return self.call_answer

    async def messages(
        self, station_id: str, *, limit: int, before: int | None, after: int | None = None
    ) -> list[LoggedFrame]:
        """The newest frames."""
        return self.frames.newest(station_id, limit=limit, before=before, after=after)


@dataclass(frozen=True)
class PlayedVariables:
    """Variables that are set as the station answers calls: a status, or no result."""

    stations: PlayedStations

    async def set(
        self, station_id: StationId, wanted: Sequence[Variable]
    ) -> list[Variable] | CallFailed | NoAnswer | NeverSent:
        """The answer of the test."""
        answer = self.stations.call_answer
        if not isinstance(answer, CallResult):
            return answer
        return [replace(one, status=json.loads(answer.payload)["status"]) for one in wanted]


@dataclass
class Bench:
    """The running API and what the tests need of it."""

    client: httpx.AsyncClient
    storage: SqlStorage
    stations: PlayedStations
    clock: SystemClock
    keys: dict[Role, str]
    app: object
    streams: Streams
    server: ApiServer
    calls: web.Calls
    log: EventLog

    def auth(self, role: Role = Role.ADMIN) -> dict[str, str]:
        """The header of a key of this role."""
        return {"Authorization": f"Bearer {self.keys[role]}"}

    def expiry(self, minutes: float = 30) -> str:
        """So many minutes from now."""
        at = self.clock.now().replace(microsecond=0) + timedelta(minutes=minutes)
        return at.isoformat().replace("+00:00", "Z")

    def terms(self, **changes: object) -> dict[str, object]:
        """The body of a POST that works."""
        token = {"idToken": TOKEN.id_token, "type": TOKEN.type}
        return {"stationId": "CS1", "evseId": 1, "idToken": token, "expiryDateTime": self.expiry()} | changes

    async def reserve(
        self, role: Role = Role.ADMIN, headers: dict[str, str] | None = None, **changes: object
    ) -> httpx.Response:
        """POST /reservations."""
        return await self.client.post(
            "/api/v1/reservations", json=self.terms(**changes), headers=self.auth(role) | (headers or {})
        )


@asynccontextmanager
async def running(directory: Path) -> AsyncIterator[Bench]:
    """The API at a free port, with station CS1 (two EVSEs), the tokens of this file, and a key of each role."""
    clock, ids, orders, stations = SystemClock(), SystemIds(), TaskOrders(), PlayedStations()
    storage = open_storage(f"sqlite:///{directory}/web.db", clock=clock)
    log = EventLog(storage)
    position = await log.last()
    bus = LocalBus(log, position=position)
    reader = OutboxReader(log, position=position, tell=bus.tell)
    storage.on_told(reader.wake)
    reading = asyncio.create_task(reader.run())
    calls = make_calls(storage, stations, clock=clock, ids=ids, orders=orders, follow=bus.follow)
    keys = await fill(storage, clock=clock, ids=ids)
    streams = Streams(heartbeat_s=0.05)
    app = build_app(calls, streams=streams)
    server = ApiServer(app, streams=streams)
    port = await server.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield Bench(client, storage, stations, clock, keys, app, streams, server, calls, log)
    await server.stop()
    await orders.finish(timeout_s=5)
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)
    await storage.close()


@asynccontextmanager
async def beside(
    calls: web.Calls,
    streams: Streams | None = None,
    *,
    settings: ServerSettings | None = None,
    origins: Sequence[str] = (),
) -> AsyncIterator[httpx.AsyncClient]:
    """One more API, with these calls."""
    streams, settings = streams or Streams(), settings or ServerSettings()
    app = build_app(calls, streams=streams, origins=origins, arrival_s=settings.arrival_s)
    server = ApiServer(app, streams=streams, settings=settings)
    port = await server.start("127.0.0.1", 0)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", timeout=10) as client:
        yield client
    await server.stop()


async def fill(storage: SqlStorage, *, clock: SystemClock, ids: SystemIds) -> dict[Role, str]:
    """Provision what every test finds; return the secret of each role's key."""
    await provision.put_station(PutStation(station_id="CS1"), who=Actor("test"), storage=storage, clock=clock, ids=ids)
    for number in (1, 2):
        one = Connector(station_id=StationId("CS1"), evse_id=EvseId(number), connector_id=ConnectorId(1))
        one = replace(one, status="Available" if number == 1 else "Occupied", type="cCCS2", since=clock.now())
        await storage.transact(lambda tx, one=one: tx.connectors.put(one))
    for token in (TOKEN, DRIVER):
        order = TokenOrder(id_token=token, status=TokenStatus.ACCEPTED)
        await provision.put_token(order, who=Actor("test"), storage=storage, clock=clock)
    keys = {}
    for role in Role:
        order = KeyOrder(name=str(role), role=role, id_tokens=(DRIVER,) if role is Role.DRIVER else ())
        made = await provision.create_key(order, who=Actor("test"), storage=storage, clock=clock, ids=ids)
        keys[role] = made.secret
    return keys


def make_calls(
    storage: SqlStorage,
    stations: PlayedStations,
    *,
    clock: SystemClock,
    ids: SystemIds,
    orders: TaskOrders,
    follow: web.Follow,
) -> web.Calls:
    """The use cases, bound as a node binds them."""
    bound = {"storage": storage, "stations": stations, "clock": clock}
    kept = Kept(Settings().most_kept, storage=storage, clock=clock)
    return web.Calls(
        reservations=web.ReservationCalls(
            place=partial(h01_reserve.place, **bound, ids=ids, rules=Rules()),
            ask=partial(h01_reserve.ask, **bound),
            remember=partial(h01_reserve.remember, storage=storage),
            forget=lambda request: storage.transact(lambda tx: tx.idempotency.forget(request)),
            propose=partial(h01_reserve.propose, **bound, ids=ids),
            ask_replacement=partial(h01_reserve.ask_replacement, **bound),
            wish=partial(h02_cancel.wish, **bound, ids=ids),
            ask_cancel=partial(h02_cancel.ask_cancel, **bound),
            keep=partial(h02_cancel.keep, storage=storage, clock=clock),
            hasten=partial(h02_cancel.hasten, **bound),
            get=partial(queries.reservation, storage=storage),
            page=partial(queries.reservations_page, storage=storage),
            history=partial(queries.history, storage=storage),
        ),
        stations=web.StationCalls(
            page=partial(queries.stations_page, storage=storage, stations=stations),
            get=partial(queries.station, storage=storage, stations=stations),
            put=partial(provision.put_station, storage=storage, clock=clock, ids=ids),
            remove=partial(provision.remove_station, storage=storage, clock=clock),
            read_capabilities=partial(_capabilities, storage=storage, stations=stations),
            switch=partial(
                b05_set_variables.switch_reservations, storage=storage, variables=PlayedVariables(stations), clock=clock
            ),
            change_password=partial(_change_password, storage=storage, stations=stations, clock=clock, ids=ids),
            security_events=partial(a04_security_events.page, storage=storage),
            messages=stations.messages,
            call=partial(_call, **bound),
            schemas=v201.schemas,
        ),
        site=web.SiteCalls(
            figures=partial(figures.figures, storage=storage, clock=clock),
            timeline=partial(timeline.timeline, **bound),
        ),
        tokens=web.TokenCalls(
            page=partial(queries.tokens_page, storage=storage),
            get=partial(queries.token, storage=storage),
            put=partial(provision.put_token, storage=storage, clock=clock),
            remove=partial(provision.remove_token, storage=storage, clock=clock),
            forget=partial(retention.forget, storage=storage, clock=clock, ids=ids),
        ),
        keys=key_calls(storage, ring=KeyRing(storage=storage, clock=clock), clock=clock, ids=ids, kept=kept),
        webhooks=webhook_calls(
            storage, send=HttpSender(clock=clock, opened=LOOPBACK), clock=clock, ids=ids, opened=LOOPBACK, kept=kept
        ),
        audit=audit_calls(storage, clock=clock),
        check_notify=Notifier(opened=LOOPBACK, resolve=resolve).check,
        follow=follow,
        orders=orders,
        clock=clock,
        figures=web.Figures(
            connected=lambda: 1,
            calls=lambda: {("in", "Heartbeat", "ok"): 3},
            seconds_to_answer=dict,
            bounds_s=(0.1, 1.0),
            frames=lambda: {"in": 3, "out": 3},
            handshakes=lambda: {"101": 1},
            disconnects=lambda: {"lost": 1},
            refusals=lambda: {"max-message": 2},
            reservations=partial(queries.reservation_counts, storage=storage),
            sweep_lag_s=lambda: 0.0,
        ),
        trouble=lambda: None,
        signer=Signer("the secret of the tests"),
        sessions=EndedSessions(storage, clock=clock),
        limits=Limits(clock, failures=Failures(1_000_000)),
        version="0",
    )


async def _change_password(station_id, password, *, who, storage, stations, clock, ids):
    order = a01_password.Order(station_id=station_id, password=password, who=who)
    return await a01_password.change(
        order,
        storage=storage,
        enduring=storage,
        variables=PlayedVariables(stations),
        stations=stations,
        clock=clock,
        ids=ids,
    )


async def _capabilities(
    station_id: StationId, *, storage: SqlStorage, stations: PlayedStations
) -> Station | CallFailed | NoAnswer | NeverSent:
    if not isinstance(stations.call_answer, CallResult):
        return stations.call_answer
    known = await storage.read(lambda tx: tx.stations.get(station_id))
    told = replace(known, capabilities=Capabilities(available=True, enabled=False))
    await storage.transact(lambda tx: tx.stations.put(told))
    return told


async def _call(order: RawCall, *, storage: SqlStorage, stations: PlayedStations, clock: SystemClock) -> CallAnswer:
    station_id = StationId(order.station_id)
    await audit.note(f"call {order.action}", who=order.who, storage=storage, clock=clock, station_id=station_id)
    return await stations.call(station_id, order.action, order.payload)


def never_left(reason: str) -> partial[NeverLeft]:
    """The answer of a station that was never asked."""
    return partial(NeverLeft, reason=reason)
