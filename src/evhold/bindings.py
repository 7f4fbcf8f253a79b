"""The use cases with their ports bound: what stations reach through OCPP, callers through the API, and the terminal."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Final, Literal

from evhold import security
from evhold.domain.access import Actor, ApiKey
from evhold.domain.authorization import Token, TokenInfo
from evhold.domain.station import Registration, Station
from evhold.domain.transaction import Event
from evhold.domain.values import Heard, IdToken, StationId
from evhold.gateway.counters import BUCKETS_S, Counters
from evhold.ocpp.v201 import routes as v201
from evhold.usecases import (
    a01_password,
    a04_security_events,
    audit,
    b01_boot,
    b05_set_variables,
    b06_get_variables,
    b07_base_report,
    c01_authorize,
    e01_transaction,
    figures,
    g01_connector_status,
    h01_reserve,
    h02_cancel,
    h03_use,
    h04_end,
    operator_call,
    provision,
    queries,
    retention,
    timeline,
)
from evhold.usecases.kept import Kept
from evhold.usecases.keyring import KeyRing
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.nodes import Fenced, FencedRecorder
from evhold.usecases.ports import (
    CallFailed,
    Clock,
    Connected,
    Ids,
    NeverSent,
    NoAnswer,
    Recorder,
    Rules,
    StationCommands,
    Storage,
    Stored,
    Variables,
)
from evhold.usecases.reactions import Reactions
from evhold.usecases.traces import Kind
from evhold.web import calls as web

#: The share by which an interval that a station is given is longer, at most.
INTERVAL_SPREAD: Final = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """The ports of one node.

    Args:
        storage: Raises StorageAway at once: for who can be told to come again.
        patient: Waits a while: for what stations say.
        enduring: Waits for ever: for the end of an order that was sent.
        recorder: As ``patient``.
    """

    storage: Storage
    patient: Storage
    enduring: Storage
    recorder: Recorder
    stations: StationCommands
    variables: Variables
    clock: Clock
    ids: Ids
    rules: Rules


ReadCapabilities = Callable[[StationId], Awaitable[Station | CallFailed | NoAnswer | NeverSent]]


def read_capabilities(parts: Parts, *, storage: Storage) -> ReadCapabilities:
    """B06, for ReservationCtrlr and TxCtrlr; stored here."""
    return partial(b06_get_variables.read_capabilities, storage=storage, variables=parts.variables)


def _nobody(connected: Connected) -> None:
    """Nobody is told."""


def use_cases(
    parts: Parts,
    reactions: Reactions,
    *,
    tokens: KnownTokens,
    many_nodes: bool = False,
    on_registered: Callable[[Connected], None] = _nobody,
) -> v201.UseCases:
    """What a station's CALLs reach; a boot and the end of a report also start reactions.

    Args:
        parts: What they work on.
        reactions: To what they tell.
        tokens: Those that stations ask about.
        many_nodes: Whether the station may have a newer connection elsewhere: then nothing of this one is stored.
        on_registered: Told of every boot that was answered.
    """
    clock, rules = parts.clock, parts.rules

    def storage_of(connected: Connected) -> Storage:
        return Fenced(parts.patient, connected) if many_nodes else parts.patient

    def recorder_of(connected: Connected) -> Recorder:
        return FencedRecorder(parts.recorder, connected) if many_nodes else parts.recorder

    async def boot(told: b01_boot.Boot, context: Connected, /, *, heard_at: datetime) -> b01_boot.BootAnswer:
        storage = storage_of(context)
        answer = await b01_boot.boot(told, context, heard_at=heard_at, storage=storage, clock=clock, rules=rules)
        if told.reason != b01_boot.TRIGGERED:
            await a01_password.restarted(context, storage=storage, clock=clock)
        on_registered(context)
        if answer.status is Registration.ACCEPTED:
            reactions.booted(context, at=heard_at, restarted=told.reason != b01_boot.TRIGGERED)
        return _spread(answer, parts.ids.jitter()) if many_nodes else answer

    async def learn_report(report: b07_base_report.Report, context: Connected) -> None:
        await b07_base_report.learn(report, context, storage=storage_of(context))
        if report.is_last:
            reactions.report_ended(context.station_id)

    record = partial(e01_transaction.report, rules=rules, consume=h03_use.consume)

    def transaction(
        event: Event, connected: Connected, /, *, at: datetime, heard: Callable[[], Heard]
    ) -> Stored | Awaitable[TokenInfo | None]:
        storage, recorder = storage_of(connected), recorder_of(connected)
        return record(event, connected, at=at, heard=heard, storage=storage, recorder=recorder)

    def connector_status(
        status: str, /, *, evse_id: int, connector_id: int, stamp: datetime, connected: Connected, at: datetime
    ) -> Awaitable[None] | None:
        storage, recorder = storage_of(connected), recorder_of(connected)
        return g01_connector_status.report(
            status,
            evse_id=evse_id,
            connector_id=connector_id,
            stamp=stamp,
            connected=connected,
            recorder=recorder,
            storage=storage,
            at=at,
        )

    def reservation_status(
        connected: Connected, reservation_id: int, status: Literal["Expired", "Removed"], /, *, heard: Heard
    ) -> Awaitable[object]:
        storage = storage_of(connected)
        return h04_end.report(connected.station_id, reservation_id, status, heard=heard, storage=storage)

    def security_event(
        kind: str, connected: Connected, /, *, happened_at: datetime, tech_info: str | None, heard_at: datetime
    ) -> Awaitable[None]:
        storage = storage_of(connected)
        return a04_security_events.told(
            kind, connected, happened_at=happened_at, tech_info=tech_info, heard_at=heard_at, storage=storage
        )

    return v201.UseCases(
        boot=boot,
        heartbeat=partial(b01_boot.heartbeat, clock=clock),
        learn_report=learn_report,
        authorize=partial(c01_authorize.authorize, tokens=tokens, rules=rules),
        transaction=transaction,
        connector_status=connector_status,
        reservation_status=reservation_status,
        security_event=security_event,
    )


def _spread(answer: b01_boot.BootAnswer, chance: float) -> b01_boot.BootAnswer:
    """Stations that were all accepted in one storm do not all come again in the same second."""
    return replace(answer, interval=answer.interval * (1 + INTERVAL_SPREAD * chance))


def figures_of(
    counters: Counters,
    *,
    connected: Callable[[], int],
    storage: Storage,
    sweeper: h04_end.Sweeper,
    nodes: Callable[[], tuple[int, bool] | None],
    kept: Kept,
) -> web.Figures:
    """What a scrape shows of this node."""
    return web.Figures(
        connected=connected,
        calls=lambda: {(way, action, result): count for (way, action, result), count in counters.calls.items()},
        seconds_to_answer=lambda: counters.seconds_to_answer,
        bounds_s=BUCKETS_S,
        frames=lambda: {"in": counters.frames_in, "out": counters.frames_out},
        handshakes=lambda: {str(status): count for status, count in counters.handshakes.items()},
        disconnects=lambda: counters.disconnects,
        refusals=lambda: counters.refusals,
        reservations=partial(queries.reservation_counts, storage=storage),
        sweep_lag_s=lambda: sweeper.lag_s,
        nodes=nodes,
        kept=lambda: kept.counts,
    )


def reservation_calls(parts: Parts) -> web.ReservationCalls:
    """H01 and H02, and the read side of reservations."""
    storage, enduring, stations, clock, ids = parts.storage, parts.enduring, parts.stations, parts.clock, parts.ids
    return web.ReservationCalls(
        place=partial(h01_reserve.place, storage=storage, stations=stations, clock=clock, ids=ids, rules=parts.rules),
        ask=partial(h01_reserve.ask, storage=enduring, stations=stations, clock=clock),
        remember=partial(h01_reserve.remember, storage=enduring),
        forget=partial(h01_reserve.forget, storage=enduring),
        propose=partial(h01_reserve.propose, storage=storage, stations=stations, clock=clock, ids=ids),
        ask_replacement=partial(h01_reserve.ask_replacement, storage=enduring, stations=stations, clock=clock),
        wish=partial(h02_cancel.wish, storage=storage, stations=stations, clock=clock, ids=ids),
        ask_cancel=partial(h02_cancel.ask_cancel, storage=enduring, stations=stations, clock=clock),
        keep=partial(h02_cancel.keep, storage=storage, clock=clock),
        hasten=partial(h02_cancel.hasten, storage=storage, stations=stations, clock=clock),
        get=partial(queries.reservation, storage=storage),
        page=partial(queries.reservations_page, storage=storage),
        history=partial(queries.history, storage=storage),
    )


def station_calls(
    parts: Parts,
    *,
    messages: web.Messages,
    last_heard: Callable[[StationId], datetime | None],
    refresh_credentials: Callable[[Collection[str]], Awaitable[None]],
    expect: Callable[[StationId, str, bytes], None],
    kept: Kept,
) -> web.StationCalls:
    """Charging Stations: the read side, provisioning, and raw calls.

    ``last_heard`` knows what is not stored yet: when stations were last heard is written once a minute.
    """
    storage, stations, clock = parts.storage, parts.stations, parts.clock

    # Whoever was given a password may connect with it at once: the answer waits for the gate.
    async def put(order: provision.PutStation, *, who: Actor) -> provision.StationPut:
        place = await kept.place(Kind.STATIONS)
        done = await provision.put_station(order, who=who, storage=storage, clock=clock, ids=parts.ids, place=place)
        await refresh_credentials([order.station_id])
        return done

    async def remove(station_id: str, *, who: Actor) -> None:
        await provision.remove_station(station_id, who=who, storage=storage, clock=clock)
        kept.leave(Kind.STATIONS)
        await refresh_credentials([station_id])

    async def page(*, limit: int | None = None, after: str | None = None) -> list[queries.StationView]:
        found = await queries.stations_page(storage=storage, stations=stations, limit=limit, after=after)
        return [_heard(view, last_heard(view.station.id)) for view in found]

    async def get(station_id: str) -> queries.StationView:
        view = await queries.station(station_id, storage=storage, stations=stations)
        return _heard(view, last_heard(view.station.id))

    return web.StationCalls(
        page=page,
        get=get,
        put=put,
        remove=remove,
        read_capabilities=read_capabilities(parts, storage=parts.storage),
        switch=partial(b05_set_variables.switch_reservations, storage=storage, variables=parts.variables, clock=clock),
        change_password=security.password_change(
            storage=storage,
            enduring=parts.enduring,
            variables=parts.variables,
            stations=stations,
            clock=clock,
            ids=parts.ids,
            refresh=refresh_credentials,
        ),
        security_events=partial(a04_security_events.page, storage=storage),
        messages=messages,
        schemas=_schemas,
        call=partial(
            operator_call.call,
            storage=storage,
            stations=stations,
            check=v201.check,
            payloads=v201.Payloads(),
            clock=clock,
            expect=expect,
        ),
    )


def _schemas() -> Mapping[str, bytes]:
    """Of what an operator may send."""
    known = v201.schemas().items()
    return {action: schema for action, schema in known if action not in operator_call.RESERVATION_ACTIONS}


def site_calls(parts: Parts) -> web.SiteCalls:
    """What is told of many stations and reservations at once."""
    storage, clock = parts.storage, parts.clock
    return web.SiteCalls(
        figures=partial(figures.figures, storage=storage, clock=clock),
        timeline=partial(timeline.timeline, storage=storage, stations=parts.stations, clock=clock),
    )


def _heard(view: queries.StationView, at: datetime | None) -> queries.StationView:
    stored = view.station.last_seen
    if at is None or (stored is not None and stored >= at):
        return view
    return replace(view, station=replace(view.station, last_seen=at))


def token_calls(storage: Storage, *, clock: Clock, ids: Ids, known: KnownTokens, kept: Kept) -> web.TokenCalls:
    """Registered IdTokens; those in memory are read again before whoever changed one is answered."""

    async def put(order: provision.TokenOrder, *, who: Actor) -> tuple[Token, bool]:
        place = await kept.place(Kind.TOKENS)
        done = await provision.put_token(order, who=who, storage=storage, clock=clock, place=place)
        known.forget(order.id_token.key)
        return done

    async def remove(id_token: IdToken, *, who: Actor) -> None:
        await provision.remove_token(id_token, who=who, storage=storage, clock=clock)
        kept.leave(Kind.TOKENS)
        known.forget(id_token.key)

    async def forget(id_token: IdToken, *, who: Actor) -> retention.Forgotten:
        done = await retention.forget(id_token, who=who, storage=storage, clock=clock, ids=ids)
        known.forget(id_token.key)
        return done

    return web.TokenCalls(
        page=partial(queries.tokens_page, storage=storage),
        get=partial(queries.token, storage=storage),
        put=put,
        remove=remove,
        forget=forget,
    )


def key_calls(storage: Storage, *, ring: KeyRing, clock: Clock, ids: Ids, kept: Kept) -> web.KeyCalls:
    """API keys; ``ring`` knows who holds one."""

    async def create(order: provision.KeyOrder, *, who: Actor) -> provision.KeyMade:
        place = await kept.place(Kind.KEYS)
        return await provision.create_key(order, who=who, storage=storage, clock=clock, ids=ids, place=place)

    # Whoever has revoked a key is told so when it opens nothing more here; other nodes hear of it by the event.
    async def revoke(key_id: int, *, who: Actor) -> ApiKey:
        revoked = await provision.revoke_key(key_id, who=who, storage=storage, clock=clock)
        ring.forget(key_id)
        kept.leave(Kind.KEYS)
        return revoked

    async def listed() -> list[ApiKey]:
        return ring.with_uses(await queries.keys(storage=storage))

    return web.KeyCalls(
        authenticate=ring.by_secret,
        by_id=ring.by_id,
        create=create,
        all=listed,
        revoke=revoke,
    )


def audit_calls(storage: Storage, *, clock: Clock) -> web.AuditCalls:
    """Who did what."""
    return web.AuditCalls(
        note=partial(audit.note, storage=storage, clock=clock), page=partial(audit.page, storage=storage)
    )
