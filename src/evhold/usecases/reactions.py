"""Event -> follow-up order: what the CSMS sends on its own account, when a station is there to take it.

House rules (transitions: when orders go out after a reconnect):
- Orders go to stations whose last boot was answered Accepted: right after our answer, or, without a boot, after their
  first other CALL, or 5 s.
- Retractions first, then wishes, then the rest. Each order is stored before it is sent, with a message id of its own.
- All of it is idempotent: what is to be sent is read from the rows, never remembered here.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from evhold.domain.errors import DomainError
from evhold.domain.events import ConnectorChanged, Event, OrderDue, ReservationChanged
from evhold.domain.reservation import Reservation
from evhold.domain.station import Station
from evhold.domain.values import ConnectorId, EvseId, ReservationId, StationId
from evhold.usecases import b07_base_report, forgotten, ghosts
from evhold.usecases.asking import RESERVED, Asker
from evhold.usecases.due_orders import DueOrders
from evhold.usecases.ports import Clock, Connected, Ids, Orders, Requests, Rules, StationCommands, Storage, Timer

NO_BOOT_AFTER: Final = timedelta(seconds=5)
#: After a reconnect without a boot: how long the station has to report its connectors before it is asked for them.
RESYNC_AFTER: Final = timedelta(seconds=10)
#: A restore that a lost socket or our own restart cut short is taken up again while its boot is no older.
RESTORE_WITHIN: Final = timedelta(minutes=10)
REPORTS_AT_ONCE: Final = 5
REPORT_TIMEOUT: Final = timedelta(seconds=60)


def _nobody(ghost: ghosts.Ghost) -> None:
    """Nobody is told."""


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
    #: A live reservation's expiry by our clock, for the sweep.
    expect: Callable[[datetime], None]
    #: The operator should see this.
    tell_ghost: Callable[[ghosts.Ghost], None] = _nobody


class Reactions:
    """The follow-up orders of the stations whose sockets are on this node."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._asker = Asker(storage=world.storage, stations=world.stations, clock=world.clock, ids=world.ids)
        self._due = DueOrders(self._asker, wake_in=self._wake_in, settled=self._expect)
        self._connected: dict[StationId, Connected] = {}
        self._timers: dict[tuple[StationId, str], Timer] = {}
        self._waiting_reports: list[StationId] = []
        self._reporting: set[StationId] = set()
        #: Ids that a ghost hunt asked each connected station about already.
        self._hunted: dict[StationId, set[ReservationId]] = {}

    # The station comes and goes

    def opened(self, connected: Connected) -> None:
        """A socket is open and its context loaded: without a boot, orders go out after the first other CALL, or 5 s."""
        self._connected[connected.station_id] = connected
        self._later(connected.station_id, "no-boot", NO_BOOT_AFTER, lambda: self._without_boot(connected))
        self._suspect_all(connected)

    def closed(self, connected: Connected) -> None:
        """Its socket is gone; what is due waits for the next."""
        station_id = connected.station_id
        if self._connected.get(station_id) is connected:
            del self._connected[station_id]
            self._hunted.pop(station_id, None)
            for key in [key for key in self._timers if key[0] == station_id]:
                self._timers.pop(key).cancel()
            self._reporting.discard(station_id)
            self._next_report()

    def heard(self, connected: Connected) -> None:
        """A CALL other than BootNotification came: no boot will come first."""
        if (connected.station_id, "no-boot") in self._timers:
            self._without_boot(connected)

    def booted(self, connected: Connected, *, at: datetime, restarted: bool) -> None:
        """Our Accepted to a BootNotification is on its way: orders go out, variables are read, the forgotten is restored."""
        self._cancel(connected.station_id, "no-boot")
        self._cancel(connected.station_id, "resync")
        self._start(self._after_boot(connected), name="after-boot")
        self._suspect_all(connected)
        if restarted:
            self._restore_in(self._world.rules.restore_delay, connected, booted_at=at)
        else:
            # It booted before it was Accepted, perhaps.
            self._start(self._take_up_restore(connected), name="restore")

    def _without_boot(self, connected: Connected) -> None:
        self._cancel(connected.station_id, "no-boot")
        if connected.registration is None:
            # B01, B03: never seen before. It is asked to boot; until then nothing else is.
            self._start(self._world.requests.trigger_message(connected, "BootNotification"), name="trigger-boot")
        elif self._asker.is_there(connected.station_id):
            self._start(self._after_reconnect(connected), name="after-reconnect")
            self._later(connected.station_id, "resync", RESYNC_AFTER, lambda: self._resync(connected))
            self._start(self._take_up_restore(connected), name="restore")

    async def _after_boot(self, connected: Connected) -> None:
        await self._due.take_up(connected.station_id)
        told = await self._world.read_capabilities(connected.station_id)
        lacks = b07_base_report.wanted(told) if isinstance(told, Station) else None
        if lacks if lacks is not None else await self._lacks_inventory(connected.station_id):
            self._want_report(connected.station_id)

    async def _after_reconnect(self, connected: Connected) -> None:
        await self._due.take_up(connected.station_id)
        if await self._lacks_inventory(connected.station_id):
            # What its last boot should have told was cut off.
            await self._world.read_capabilities(connected.station_id)
            self._want_report(connected.station_id)

    async def _lacks_inventory(self, station_id: StationId) -> bool:
        station = await self._world.storage.read(lambda tx: tx.stations.find(station_id))
        return station is not None and b07_base_report.wanted(station)

    # Statuses after a reconnect

    def _resync(self, connected: Connected) -> None:
        if self._asker.is_there(connected.station_id):
            self._start(self._ask_statuses(connected), name="resync")

    async def _ask_statuses(self, connected: Connected) -> None:
        """B04.FR.01, B04.FR.02: only what changed need be reported again, and what changed unseen might be lost."""
        for key in sorted(connected.statuses):
            if key in connected.reported:
                continue
            asked = self._world.requests.trigger_message(
                connected, "StatusNotification", evse_id=EvseId(key[0]), connector_id=key[1]
            )
            if not await asked:
                # It can't, or won't: the others would fare no better.
                return

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
        station_id = connected.station_id
        request_id = int(self._world.ids.jitter() * 2**30) + 1
        connected.expected_reports.add(request_id)
        will_come = await self._world.requests.get_base_report(connected, request_id)
        if not will_come:
            connected.expected_reports.discard(request_id)
        if self._connected.get(station_id) is not connected:
            # What became of this connection is settled; a newer one has its own report.
            return
        if will_come:
            # A report that stops half-way must not hold up the others.
            self._later(station_id, "report", REPORT_TIMEOUT, lambda: self.report_ended(station_id))
        else:
            self.report_ended(station_id)

    # Committed events

    def on_event(self, event: Event) -> None:
        """One committed event: due orders are sent, expiries are expected, connectors Reserved for nothing are noticed."""
        match event:
            case OrderDue(reservation_id=reservation_id, asked=False):
                self._start(self._look_at(reservation_id), name="due-order")
            case ReservationChanged(reservation=known):
                self._expect(known)
                if not known.is_live and known.station_id in self._connected:
                    # What it explained has to be explained anew.
                    self._suspect_all(self._connected[known.station_id])
            case ConnectorChanged(station_id=station_id) if station_id in self._connected:
                self._suspect(self._connected[station_id], event.evse_id, event.connector_id, status=event.status)
            case _:
                pass

    def go(self, station_id: StationId) -> None:
        """What this station is due is sent now, one order after the other; right after a reconnect, once it has spoken."""
        if (station_id, "no-boot") not in self._timers and self._asker.is_there(station_id):
            self._start(self._due.run(station_id), name="due-orders")

    def _expect(self, known: Reservation) -> None:
        """The sweep comes in time for it, by the station's clock."""
        if known.is_live or known.keeps_claim:
            connected = self._connected.get(known.station_id)
            offset = connected.clock_offset if connected is not None else None
            self._world.expect(known.expiry - (offset or timedelta()))

    async def _look_at(self, reservation_id: ReservationId) -> None:
        """Row 44: closing an ask re-arms the sweep, also where that was no change to tell."""
        known = await self._world.storage.read(lambda tx: tx.reservations.get(reservation_id))
        self._expect(known)
        # Nothing is due while an ask is open: whoever closes it tells of what is due then. An order that is due later the run
        # sees among the others, and sets the timer for the first of them.
        if known.due is not None:
            self.go(known.station_id)

    # Restores (row 56)

    def _restore_in(self, delay: timedelta, connected: Connected, *, booted_at: datetime) -> None:
        self._later(connected.station_id, "restore", delay, lambda: self._restore(connected, booted_at))

    async def _take_up_restore(self, connected: Connected) -> None:
        """A restore that was cut short by a lost socket or by our restart is due again: row 55."""
        station = await self._world.storage.read(lambda tx: tx.stations.find(connected.station_id))
        booted_at = station.booted_at if station is not None else None
        is_recent = booted_at is not None and self._world.clock.now() - booted_at < RESTORE_WITHIN
        if booted_at is None or not is_recent or self._connected.get(connected.station_id) is not connected:
            return
        # Its connectors are reported in this connection first, asked for if need be.
        self._restore_in(self._world.rules.restore_delay + RESYNC_AFTER, connected, booted_at=booted_at)

    def _restore(self, connected: Connected, booted_at: datetime) -> None:
        if self._asker.is_there(connected.station_id):
            work = forgotten.restore(connected, booted_at=booted_at, asker=self._asker, settled=self._expect)
            self._start(work, name="restore")

    # Ghosts

    def _suspect_all(self, connected: Connected) -> None:
        for one in connected.statuses.values():
            self._suspect(connected, one.evse_id, one.connector_id, status=one.status)

    def _suspect(self, connected: Connected, evse_id: EvseId, connector_id: ConnectorId, *, status: str | None) -> None:
        """Row 57: it is wondered at when it has been Reserved for a while."""
        if status != RESERVED and not self._timers:
            return
        station_id, what = connected.station_id, f"ghost {evse_id}.{connector_id}"
        if status != RESERVED:
            self._cancel(station_id, what)
        elif (station_id, what) not in self._timers:
            self._later(
                station_id,
                what,
                ghosts.RESERVED_FOR,
                lambda: self._start(self._hunt(connected, evse_id, connector_id), name="ghost-hunt"),
            )

    async def _hunt(self, connected: Connected, evse_id: EvseId, connector_id: ConnectorId) -> None:
        if not self._asker.is_there(connected.station_id):
            return
        spared = self._hunted.setdefault(connected.station_id, set())
        ghost = await ghosts.hunt(
            connected, evse_id=evse_id, connector_id=connector_id, spared=spared, asker=self._asker
        )
        if ghost is None:
            return
        spared.update(ghost.asked)
        self._world.tell_ghost(ghost)
        if ghost.removed is not None:
            # There may be more than one.
            self._suspect_all(connected)

    # Small things

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
