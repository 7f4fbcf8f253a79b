"""The orders that reservations wait to send: retractions, wishes, then the rest, one after the other for each station."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Final

from evhold.domain.effects import FIRST_RETRY
from evhold.domain.reservation import Due, Reservation
from evhold.domain.transitions import asked
from evhold.domain.values import ReservationId, StationId
from evhold.usecases.asking import Asker, Wanted
from evhold.usecases.station_clock import station_now
from evhold.usecases.stores import Tx

#: Row 55. What is to be canceled goes before what is to be reserved again.
_ORDER: Final[dict[Due | None, int]] = {Due.RETRACT: 0, Due.CANCEL: 1, Due.CLEAN_UP: 2, Due.UNDO: 3, Due.RENEW: 4}


class DueOrders:
    """Sends what is due. What that is stands in the rows; nothing of it is remembered here.

    Args:
        asker: Asks the station.
        wake_in: Look again at this station after so long.
        settled: A reservation as it is after its order has ended.
    """

    def __init__(
        self,
        asker: Asker,
        *,
        wake_in: Callable[[StationId, timedelta], None],
        settled: Callable[[Reservation], None],
    ) -> None:
        self._asker = asker
        self._wake_in = wake_in
        self._settled = settled
        self._going: set[StationId] = set()
        self._again: set[StationId] = set()

    async def take_up(self, station_id: StationId) -> None:
        """The station is registered anew: what waited minutes for its next turn waits 5 s at most, then all is sent.

        Not at once: a station that dies of an order would be asked again at every reconnect.
        """

        def hasten(tx: Tx) -> None:
            soon = self._asker.clock.now() + FIRST_RETRY
            for known in tx.reservations.due_at(station_id):
                if known.retry_at is not None and known.retry_at > soon:
                    tx.reservations.save(asked(replace(known, retry_at=soon, version=known.version + 1)))

        # Mostly there is nothing, and in a storm of boots that is all there is time to find out.
        if await self._asker.storage.read(lambda tx: tx.reservations.due_at(station_id)):
            await self._asker.storage.transact(hasten)
            await self.run(station_id)

    async def run(self, station_id: StationId) -> None:
        """What this station is due was sent; where that is under way already, it will look again at its end."""
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
        if not self._asker.is_there(station_id):
            return False
        waiting = await self._asker.storage.read(lambda tx: tx.reservations.due_at(station_id))
        now = self._asker.clock.now()
        later = [known.retry_at for known in waiting if known.retry_at is not None and known.retry_at > now]
        ready = [known for known in waiting if known.retry_at is None or known.retry_at <= now]
        if later:
            self._wake_in(station_id, min(later) - now)
        for known in sorted(ready, key=lambda one: _ORDER[one.due]):
            if not self._asker.is_there(station_id):
                return False
            ended = await self._asker.order(partial(self._choose, reservation_id=known.id))
            if ended is not None:
                self._settled(ended.reservation)
        return bool(ready)

    def _choose(self, tx: Tx, *, reservation_id: ReservationId) -> Wanted | None:
        known = tx.reservations.get(reservation_id)
        now = self._asker.clock.now()
        if (due := known.due) is None or (known.retry_at is not None and known.retry_at > now):
            return None
        by_station = station_now(tx, known.station_id, now)
        if due in (Due.CLEAN_UP, Due.UNDO, Due.RENEW) and min(now, by_station) >= known.expiry:
            # Past its expiry by both clocks the station holds it no more: nothing to clean up, nothing to ask for.
            tx.reservations.save(asked(replace(known, follow=None, retry_at=None, version=known.version + 1)))
            return None
        return Wanted(known, due.ask_kind)
