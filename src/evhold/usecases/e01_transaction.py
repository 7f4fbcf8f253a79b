"""E01-E13: a TransactionEvent is folded into its transaction, and answered about its token.

House rules
- An event that names a reservation, or whose transaction is bound to one, is stored in one transaction with what it
  means for the reservation (``consume``). All others go the recorder's quick way.
- The same transactionId and seqNo again changes nothing, and is answered the same (E13).
"""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Final, Protocol

from evhold.domain.authorization import Token, TokenInfo, TokenStatus, answer_about
from evhold.domain.station import Station
from evhold.domain.transaction import Event, Transaction, fold
from evhold.domain.transitions import Step
from evhold.domain.values import Heard
from evhold.usecases import station_clock
from evhold.usecases.ports import Connected, Recorder, Rules, Storage, Stored
from evhold.usecases.stores import Tx

#: How many transactions a connection remembers; any other is read again.
REMEMBERED: Final = 64


class Consume(Protocol):
    """H03: what an event means for reservations."""

    def __call__(
        self, tx: Tx, event: Event, /, *, transaction: Transaction, station: Station, heard: Heard
    ) -> Sequence[Step]: ...


@dataclass(frozen=True, slots=True)
class _Known:
    transaction: Transaction | None
    is_bound: bool
    token: Token | None


def report(
    event: Event,
    connected: Connected,
    *,
    at: datetime,
    heard: Callable[[], Heard],
    storage: Storage,
    recorder: Recorder,
    rules: Rules,
    consume: Consume,
) -> Stored | Awaitable[TokenInfo | None]:
    """The event is stored, with what it means for a reservation.

    Args:
        event: As it came; its station is the connection's.
        connected: Remembers the transaction from now on.
        at: When it came, by our clock.
        heard: Makes the Heard; called only where a reservation may be concerned.
        storage: For events that may concern a reservation, and for what is not remembered.
        recorder: For all others.
        rules: Whether unknown tokens are accepted.
        consume: ``h03_use.consume``.

    Returns:
        What the station is told about the event's idToken, None when it has none; or, where that is all there is to
        wait for, the end of the storing.

    Requirements: E01.FR.11, E01.FR.12, E01.FR.13, E02.FR.02, E02.FR.03, E03.FR.02, E03.FR.03, E04.FR.01, E04.FR.02, E13
    """
    stored = _record(event, connected, recorder=recorder)
    if stored is None:
        return _report(
            event,
            connected,
            at=at,
            heard=heard,
            storage=storage,
            recorder=recorder,
            rules=rules,
            consume=consume,
        )
    offset = None if event.offline else station_clock.learn(connected, event.stamp - at)
    return stored if offset is None else _store_clock(stored, connected, offset, storage=storage)


def _record(event: Event, connected: Connected, *, recorder: Recorder) -> Stored | None:
    """What most events are: the next one of a transaction that is remembered and concerns no reservation. None: it is not."""
    known = connected.transactions.get(event.transaction_id)
    if known is None or event.id_token is not None or event.transaction_id in connected.bound_transactions:
        return None
    if _names_reservation(event) or known.has_seen(event.seq_no):
        return None
    transaction = fold(known, event, token_accepted=False)

    stored = recorder.transaction(transaction)
    # Before whoever waits for it is answered.
    stored.add_done_callback(partial(_remember_stored, connected, transaction))
    return stored


def _remember_stored(connected: Connected, transaction: Transaction, done: Stored) -> None:
    if done.exception() is None:
        _remember(connected, transaction, is_bound=False)


async def _store_clock(stored: Stored, connected: Connected, offset: timedelta, *, storage: Storage) -> None:
    await stored
    await station_clock.store(connected, offset, storage=storage)


async def _report(
    event: Event,
    connected: Connected,
    *,
    at: datetime,
    heard: Callable[[], Heard],
    storage: Storage,
    recorder: Recorder,
    rules: Rules,
    consume: Consume,
) -> TokenInfo | None:
    known = await _known(event, connected, storage=storage)
    info = _answer(event, known.token, rules)
    if _names_reservation(event) or known.is_bound:
        transaction, is_bound = await storage.transact(_consuming(event, heard=heard, rules=rules, consume=consume))
        _remember(connected, transaction, is_bound=is_bound)
    elif known.transaction is None or not known.transaction.has_seen(event.seq_no):
        transaction = fold(known.transaction, event, token_accepted=_is_accepted(info))
        await recorder.transaction(transaction)
        _remember(connected, transaction, is_bound=False)
    await _learn_clock(event, connected, at=at, storage=storage)
    return info


async def _learn_clock(event: Event, connected: Connected, *, at: datetime, storage: Storage) -> None:
    """After the event was judged, and never from one made offline: its stamp says nothing of the clock now."""
    offset = None if event.offline else station_clock.learn(connected, event.stamp - at)
    if offset is not None:
        await station_clock.store(connected, offset, storage=storage)


def _names_reservation(event: Event) -> bool:
    # Row 42: stations send 0 and negative numbers for "none".
    return event.reservation_id is not None and event.reservation_id > 0


def _answer(event: Event, token: Token | None, rules: Rules) -> TokenInfo | None:
    # E01.FR.11, E01.FR.12, E02.FR.02, E03.FR.02: an event with an idToken is answered as Authorize is.
    if event.id_token is None:
        return None
    return answer_about(event.id_token, token, accept_unknown=rules.accept_unknown_tokens)


def _is_accepted(info: TokenInfo | None) -> bool:
    return info is not None and info.status == TokenStatus.ACCEPTED


async def _known(event: Event, connected: Connected, *, storage: Storage) -> _Known:
    """What is remembered of the transaction and its token, or else stored; most events need no look into the database."""
    remembered = connected.transactions.get(event.transaction_id)
    is_bound = event.transaction_id in connected.bound_transactions
    if remembered is not None and event.id_token is None:
        return _Known(remembered, is_bound, None)

    def look(tx: Tx) -> _Known:
        token = tx.tokens.find(event.id_token) if event.id_token is not None else None
        if remembered is not None:
            return _Known(remembered, is_bound, token)
        stored = tx.transactions.find(event.station_id, event.transaction_id)
        bound = stored is not None and tx.reservations.bound_to(event.station_id, event.transaction_id) is not None
        return _Known(stored, bound, token)

    return await storage.read(look)


def _consuming(
    event: Event, *, heard: Callable[[], Heard], rules: Rules, consume: Consume
) -> Callable[[Tx], tuple[Transaction, bool]]:
    """The work that folds the event and lets it meet its reservation; nothing of it rests on memory."""

    def work(tx: Tx) -> tuple[Transaction, bool]:
        known = tx.transactions.find(event.station_id, event.transaction_id)
        if known is None or not known.has_seen(event.seq_no):
            token = tx.tokens.find(event.id_token) if event.id_token is not None else None
            known = fold(known, event, token_accepted=_is_accepted(_answer(event, token, rules)))
            tx.transactions.put(known)
            station = tx.stations.get(event.station_id)
            consume(tx, event, transaction=known, station=station, heard=heard())
        bound = tx.reservations.bound_to(event.station_id, event.transaction_id)
        return known, bound is not None

    return work


def _remember(connected: Connected, transaction: Transaction, *, is_bound: bool) -> None:
    """The transaction is the one remembered last; the one that was quiet longest is forgotten when they are too many."""
    known = connected.transactions
    known.pop(transaction.transaction_id, None)
    known[transaction.transaction_id] = transaction
    if is_bound:
        connected.bound_transactions.add(transaction.transaction_id)
    else:
        connected.bound_transactions.discard(transaction.transaction_id)
    if len(known) > REMEMBERED:
        oldest = next(iter(known))
        del known[oldest]
        connected.bound_transactions.discard(oldest)
