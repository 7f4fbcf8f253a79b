"""Event -> follow-up order: what the CSMS sends on its own account, when a station is there to take it.

House rules (transitions: when orders go out after a reconnect):
- Orders go to stations whose last boot was answered Accepted: right after our answer, or, without a boot, after their
  first other CALL, or 5 s.
- Retractions first, then wishes, then the rest. Each order is stored before it is sent, with a message id of its own.
- All of it is idempotent: what is to be sent is read from the rows, never remembered here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from evhold.domain.errors import DomainError
from evhold.domain.events import Event, OrderDue, ReservationChanged
from evhold.domain.reservation import Due, Reservation, State, with_ask
from evhold.domain.transitions import asked
from evhold.domain.values import Ask, AskKind, MessageId, ReservationId, StationId
from evhold.usecases import b07_base_report
from evhold.usecases.forgotten import forgotten
from evhold.usecases.late import with_reserved
from evhold.usecases.ports import (
    CancelAnswer,
    Clock,
    Connected,
    Ids,
    Orders,
    Requests,
    ReserveAnswer,
    Rules,
    StationCommands,
    Storage,
    Stream,
    Timer,
)
from evhold.usecases.settle import heard_answer, settle
from evhold.usecases.stores import Tx

NO_BOOT_AFTER: Final = timedelta(seconds=5)
REPORTS_AT_ONCE: Final = 5
_ORDER: Final = {Due.RETRACT: 0, Due.CANCEL: 1, Due.CLEAN_UP: 2, Due.UNDO: 3, Due.RENEW: 4}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """The ports that reactions act through."""

    storage: Storage
    stations: StationCommands
    requests: Requests
    clock: Clock
    ids: Ids
    orders: Orders
    rules: Rules
    #: GetVariables for ReservationCtrlr and TxCtrlr, learned into the station's row.
    read_capabilities: Callable[[StationId], Awaitable[object]]
    #: A live reservation's expiry, for the sweep.
    expect: Callable[[datetime], None]


class Reactions:
    """The follow-up orders of the stations whose sockets are on this node."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._connected: dict[StationId, Connected] = {}
        self._going: set[StationId] = set()
        self._again: set[StationId] = set()
        self._timers: dict[tuple[StationId, str], Timer] = {}
        self._waiting_reports: list[StationId] = []
        self._reporting: set[StationId] = set()

    # The station comes and goes

    def opened(self, connected: Connected) -> None:
        """A socket is open and its context loaded: without a boot, orders go out after the first other CALL, or 5 s."""
        self._connected[connected.station_id] = connected
        self._later(connected.station_id, "no-boot", NO_BOOT_AFTER, lambda: self._without_boot(connected))

    def closed(self, connected: Connected) -> None:
        """Its socket is gone; what is due waits for the next."""
        if self._connected.get(connected.station_id) is connected:
            del self._connected[connected.station_id]
            for key in [key for key in self._timers if key[0] == connected.station_id]:
                self._timers.pop(key).cancel()
            self._reporting.discard(connected.station_id)
            self._next_report()

    def heard(self, connected: Connected) -> None:
        """A CALL other than BootNotification came: no boot will come first."""
        if (connected.station_id, "no-boot") in self._timers:
            self._without_boot(connected)

    def booted(self, connected: Connected, *, at: datetime, restarted: bool) -> None:
        """Our Accepted to a BootNotification is on its way: orders go out, variables are read, the forgotten is restored."""
        self._cancel(connected.station_id, "no-boot")
        self._start(self._after_boot(connected), name="after-boot")
        if restarted:
            delay = self._world.rules.restore_delay
            self._later(connected.station_id, "restore", delay, lambda: self._restore_due(connected, at))

    def _without_boot(self, connected: Connected) -> None:
        self._cancel(connected.station_id, "no-boot")
        if connected.registration is None:
            # B01, B03: never seen before. It is asked to boot; until then nothing else is.
            self._start(self._world.requests.trigger_message(connected, "BootNotification"), name="trigger-boot")
        elif self._is_there(connected.station_id):
            self.go(connected.station_id)

    async def _after_boot(self, connected: Connected) -> None:
        await self._run(connected.station_id)
        await self._world.read_capabilities(connected.station_id)
        station = await self._world.storage.read(lambda tx: tx.stations.find(connected.station_id))
        if station is not None and b07_base_report.wanted(station):
            self._want_report(connected.station_id)

    # Base reports: at most five at a time, never in a storm

    def report_ended(self, station_id: StationId) -> None:
        """Its last NotifyReport came: the next station is asked."""
        self._cancel(station_id, "report")
        self._reporting.discard(station_id)
        self._next_report()

    def _want_report(self, station_id: StationId) -> None:
        if station_id not in self._waiting_reports and station_id not in self._reporting:
            self._waiting_reports.append(station_id)
        self._next_report()

    def _next_report(self) -> None:
        while self._waiting_reports and len(self._reporting) < REPORTS_AT_ONCE:
            station_id = self._waiting_reports.pop(0)
            connected = self._connected.get(station_id)
            if connected is not None:
                self._reporting.add(station_id)
                self._start(self._ask_report(connected), name="base-report")

    async def _ask_report(self, connected: Connected) -> None:
        request_id = int(self._world.ids.jitter() * 2**30) + 1
        connected.expected_reports.add(request_id)
        if await self._world.requests.get_base_report(connected, request_id):
            # A report that stops half-way must not hold up the others.
            self._later(
                connected.station_id, "report", timedelta(seconds=60), lambda: self.report_ended(connected.station_id)
            )
        else:
            connected.expected_reports.discard(request_id)
            self.report_ended(connected.station_id)

    # Due orders

    async def follow(self, stream: Stream) -> None:
        """Reads the committed events for ever: due orders are sent, expiries are expected."""
        async for told in stream.follow(after=None):
            if told is not None:
                self.on_event(told.event)

    def on_event(self, event: Event) -> None:
        """One committed event."""
        match event:
            case OrderDue(station_id=station_id, not_before=not_before):
                wait = not_before - self._world.clock.now()
                if wait > timedelta():
                    self._wake_in(station_id, wait)
                else:
                    self.go(station_id)
            case ReservationChanged(reservation=known) if known.is_live or known.keeps_claim:
                self._world.expect(known.expiry)
            case _:
                pass

    def go(self, station_id: StationId) -> None:
        """What this station is due is sent now, one order after the other."""
        if self._is_there(station_id):
            self._start(self._run(station_id), name="due-orders")

    async def _run(self, station_id: StationId) -> None:
        if station_id in self._going:
            self._again.add(station_id)
            return
        self._going.add(station_id)
        try:
            while await self._send_all(station_id) or station_id in self._again:
                self._again.discard(station_id)
        finally:
            self._going.discard(station_id)
            self._again.discard(station_id)

    async def _send_all(self, station_id: StationId) -> bool:
        """Every order that is due now was sent; whether to look again."""
        if not self._is_there(station_id):
            return False
        now = self._world.clock.now()
        waiting = await self._world.storage.read(lambda tx: tx.reservations.due_at(station_id))
        later = [known.retry_at for known in waiting if known.retry_at is not None and known.retry_at > now]
        ready = [known for known in waiting if known.retry_at is None or known.retry_at <= now]
        if later:
            self._wake_in(station_id, min(later) - now)
        for known in sorted(ready, key=lambda one: _ORDER[one.due] if one.due else 9):
            await self._send(known.id)
        return bool(ready)

    async def _send(self, reservation_id: ReservationId) -> None:
        message_id = self._world.ids.message_id()
        opened = await self._world.storage.transact(lambda tx: self._open(tx, reservation_id, message_id))
        if opened is not None:
            await self._ask(opened)

    def _open(self, tx: Tx, reservation_id: ReservationId, message_id: MessageId) -> Reservation | None:
        """The due order as an open ask, committed before it is sent; None if nothing is due any more."""
        known = tx.reservations.get(reservation_id)
        now = self._world.clock.now()
        if (due := known.due) is None or (known.retry_at is not None and known.retry_at > now):
            return None
        if due in (Due.CLEAN_UP, Due.UNDO, Due.RENEW) and now >= known.terms.expiry:
            # Past its expiry the station holds it no more: nothing to clean up, nothing to ask for.
            tx.reservations.save(asked(replace(known, follow=None, retry_at=None, version=known.version + 1)))
            return None
        terms = None if due.ask_kind.is_cancel else known.terms
        ask = Ask(message_id=message_id, kind=due.ask_kind, terms=terms, sent_at=now)
        opened = with_ask(known, ask)
        tx.reservations.save(asked(opened))
        return opened

    async def _ask(self, opened: Reservation) -> None:
        world, ask = self._world, opened.ask
        assert ask is not None
        answer: ReserveAnswer | CancelAnswer
        if ask.kind.is_cancel:
            answer, frames = await world.stations.cancel_reservation(opened.station_id, opened.id, ask)
        else:
            answer, frames = await world.stations.reserve_now(opened.station_id, opened.id, ask)
        heard = heard_answer(answer, frames, at=world.clock.now())
        await world.storage.transact(lambda tx: settle(tx, opened.id, with_reserved(tx, opened, answer), heard))

    # Restores (row 56)

    def _restore_due(self, connected: Connected, booted_at: datetime) -> None:
        if self._is_there(connected.station_id):
            self._start(self._restore(connected, booted_at), name="restore")

    async def _restore(self, connected: Connected, booted_at: datetime) -> None:
        station_id = connected.station_id
        candidates = await self._world.storage.read(lambda tx: forgotten(tx, connected, booted_at=booted_at))
        for reservation_id in candidates:
            message_id = self._world.ids.message_id()
            opened = await self._world.storage.transact(
                lambda tx, wanted=reservation_id, ask_id=message_id: self._open_restore(tx, wanted, ask_id)  # type: ignore[misc]  # mypy takes a lambda's defaults for arguments
            )
            if opened is not None and self._is_there(station_id):
                await self._ask(opened)

    def _open_restore(self, tx: Tx, reservation_id: ReservationId, message_id: MessageId) -> Reservation | None:
        known = tx.reservations.get(reservation_id)
        now = self._world.clock.now()
        if (
            known.state is not State.ACTIVE
            or known.ask is not None
            or known.due is not None
            or now >= known.terms.expiry
        ):
            return None
        opened = with_ask(known, Ask(message_id=message_id, kind=AskKind.RESTORE, terms=known.terms, sent_at=now))
        tx.reservations.save(asked(opened))
        return opened

    # Small things

    def _is_there(self, station_id: StationId) -> bool:
        presence = self._world.stations.presence(station_id)
        return presence.online and presence.registered

    def _start(self, work: Awaitable[object], *, name: str) -> None:
        async def run() -> None:
            try:
                await work
            except DomainError:
                # The reservation or the station is gone meanwhile: nothing is due any more.
                return

        self._world.orders.start(run(), name=name)

    def _wake_in(self, station_id: StationId, wait: timedelta) -> None:
        self._later(station_id, "retry", wait, lambda: self.go(station_id))

    def _later(self, station_id: StationId, what: str, wait: timedelta, call: Callable[[], None]) -> None:
        self._cancel(station_id, what)

        def run() -> None:
            self._timers.pop((station_id, what), None)
            call()

        at = self._world.clock.monotonic() + max(wait.total_seconds(), 0.0)
        self._timers[station_id, what] = self._world.clock.call_at(at, run)

    def _cancel(self, station_id: StationId, what: str) -> None:
        timer = self._timers.pop((station_id, what), None)
        if timer is not None:
            timer.cancel()
