"""Ends of asks that nobody waited for: answers that came late, and asks that a crash cut off."""

from collections.abc import Callable

from evhold.domain.facts import Fact, Silent
from evhold.domain.values import Ask, By, Frame, Heard, MessageId, StationId
from evhold.usecases.asking import with_reserved
from evhold.usecases.ports import Clock, Storage
from evhold.usecases.settle import settle
from evhold.usecases.stores import Tx


def _is_every(message_id: MessageId) -> bool:
    """Of one node, whoever asked before its start is gone."""
    return True


async def recover(*, storage: Storage, clock: Clock, is_lost: Callable[[MessageId], bool] = _is_every) -> int:
    """No ask of a life that has ended is open any more; each ended in silence (rows 7, 17, 52).

    Args:
        is_lost: Whether nobody waits any more for the answer to this message id.

    Returns:
        How many there were.
    """

    def work(tx: Tx) -> int:
        heard = Heard(at=clock.now(), by=By.CSMS)
        waiting = [(known.id, known.ask) for known in tx.reservations.with_open_ask() if known.ask is not None]
        lost = [(reservation_id, ask) for reservation_id, ask in waiting if is_lost(ask.message_id)]
        for reservation_id, ask in lost:
            settle(tx, reservation_id, Silent(ask=ask, reason="restart"), heard)
        return len(lost)

    return await storage.transact(work)


async def late_answer(
    station_id: StationId,
    message_id: str,
    *,
    fact_of: Callable[[Ask], Fact | None],
    frames: tuple[Frame, ...],
    storage: Storage,
    clock: Clock,
) -> bool:
    """An answer that came after its deadline, on a new socket or after our restart is still the station's word.

    Args:
        station_id: Who sent it; another station's message id means nothing.
        message_id: Of the ask.
        fact_of: Reads the answer by the kind of the ask; None: unreadable.
        frames: The answer's.

    Returns:
        False if no order to this station had this message id, or it was answered before.
    """

    def work(tx: Tx) -> bool:
        found = tx.reservations.find_ask(message_id)
        if found is None:
            return False
        reservation_id, asked_station, ask, answered = found
        fact = fact_of(ask) if asked_station == station_id and not answered else None
        if fact is None:
            return False
        fact = with_reserved(tx, tx.reservations.get(reservation_id), fact)
        settle(tx, reservation_id, fact, Heard(at=clock.now(), frames=frames))
        return True

    return await storage.transact(work)
