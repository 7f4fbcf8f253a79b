"""H04, and H01.FR.16/17: a reservation ends unused, by the station's report, or by our own sweep when no report comes."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final, Literal

from evhold.domain.events import EXPIRING, ReservationChanged
from evhold.domain.facts import ReportedExpired, ReportedRemoved, SweepDue
from evhold.domain.transitions import Step
from evhold.domain.values import By, Heard, StationId
from evhold.usecases.ports import Clock, Orders, Rules, Storage, Timer
from evhold.usecases.settle import settle
from evhold.usecases.station_clock import station_now
from evhold.usecases.stores import Tx

BATCH: Final = 200
AT_LEAST_EVERY: Final = timedelta(seconds=60)
AT_MOST_EVERY: Final = timedelta(milliseconds=50)


async def report(
    station_id: StationId, reservation_id: int, status: Literal["Expired", "Removed"], *, heard: Heard, storage: Storage
) -> bool:
    """The station's report is stored; False: the id is none of this station's (row 42).

    Requirements: H04.FR.01, H01.FR.16, H01.FR.17
    """

    def work(tx: Tx) -> bool:
        known = tx.reservations.find(reservation_id, station_id) if reservation_id > 0 else None
        if known is None:
            return False
        fact = (
            ReportedExpired(heard.at)
            if status == "Expired"
            else ReportedRemoved(_by_the_later_clock(tx, station_id, heard.at))
        )
        settle(tx, known.id, fact, heard)
        return True

    return await storage.transact(work)


def _by_the_later_clock(tx: Tx, station_id: StationId, at: datetime) -> datetime:
    """The time by the station's clock where that is behind ours: until then it may hold what is past its expiry here."""
    return min(at, station_now(tx, station_id, at))


async def sweep(*, storage: Storage, clock: Clock, rules: Rules) -> datetime | None:
    """Every reservation whose expiry and grace have passed by its station's clock is Expired; when the next will be.

    The grace lets the station speak first: it decides with its own clock (beyond-the-guide 2.9). One batch a transaction,
    so that nobody waits long behind it.
    """

    def batch(tx: Tx) -> int:
        now = clock.now()
        due = tx.reservations.to_sweep(at=now, grace=rules.expiry_grace, limit=BATCH)
        for known in due:
            fact = SweepDue(station_now=station_now(tx, known.station_id, now))
            settle(tx, known.id, fact, Heard(at=now, by=By.CSMS))
        return len(due)

    while await storage.transact(batch) == BATCH:
        pass
    return await storage.read(lambda tx: tx.reservations.next_sweep(grace=rules.expiry_grace))


async def remind(*, storage: Storage, clock: Clock, rules: Rules) -> datetime | None:
    """Every reservation whose expiry has come near was told of (``reservation.expiring``); when the next will be.

    Once for each expiry that it ever has. Who reserves for less than that time, or has asked to cancel, is not reminded.
    """
    before = rules.expiring_before
    if not before:
        return None

    def batch(tx: Tx) -> int:
        now = clock.now()
        near = tx.reservations.to_remind(at=now, before=before, limit=BATCH)
        for known in near:
            reminded = replace(known, reminded_of=known.terms.expiry)
            told = ReservationChanged(name=EXPIRING, at=now, cause=None, reservation=reminded)
            is_news = known.terms.expiry - before > known.created_at and known.cancel_requested_at is None
            tx.reservations.save(Step(reservation=reminded, events=(told,) if is_news else ()))
        return len(near)

    while await storage.transact(batch) == BATCH:
        pass
    return await storage.read(lambda tx: tx.reservations.next_remind(before=before))


class Sweeper:
    """Sweeps and reminds when the next expiry comes, and at least once a minute; our own clock may step."""

    def __init__(self, *, storage: Storage, clock: Clock, orders: Orders, rules: Rules) -> None:
        self._storage = storage
        self._clock = clock
        self._orders = orders
        self._rules = rules
        self._timer: Timer | None = None
        self._at: datetime | None = None
        self._running = False
        #: The soonest that was expected while a sweep ran: it may have looked before.
        self._meanwhile: datetime | None = None
        self._stopped = False
        #: Seconds by which the last sweep came late, for the metrics.
        self.lag_s = 0.0

    def start(self) -> None:
        """The first sweep runs now."""
        self._wake()

    def stop(self) -> None:
        """No further sweep begins."""
        self._stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def expect(self, expiry: datetime) -> None:
        """A reservation lives until then: the next sweep comes no later."""
        before = self._rules.expiring_before
        is_ahead = bool(before) and expiry - before > self._clock.now()
        at = expiry - before if is_ahead else expiry + self._rules.expiry_grace
        if self._running:
            self._meanwhile = min(at, self._meanwhile or at)
        elif not self._stopped and (self._at is None or at < self._at):
            self._arm(at)

    def _arm(self, at: datetime | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        now = self._clock.now()
        self._at = max(min(at or now + AT_LEAST_EVERY, now + AT_LEAST_EVERY), now + AT_MOST_EVERY)
        self._timer = self._clock.call_at(self._clock.monotonic() + (self._at - now).total_seconds(), self._wake)

    def _wake(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._running or self._stopped:
            return
        if self._at is not None:
            self.lag_s = max(0.0, (self._clock.now() - self._at).total_seconds())
        self._running = True
        self._orders.start(self._run(), name="sweep")

    async def _run(self) -> None:
        at: datetime | None = None
        try:
            swept = await sweep(storage=self._storage, clock=self._clock, rules=self._rules)
            reminded = await remind(storage=self._storage, clock=self._clock, rules=self._rules)
            at = min((one for one in (swept, reminded) if one is not None), default=None)
        finally:
            self._running = False
            meanwhile, self._meanwhile = self._meanwhile, None
            if not self._stopped:
                self._arm(min((one for one in (at, meanwhile) if one is not None), default=None))
