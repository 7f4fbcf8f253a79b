"""What must be true, whatever happened: what the CSMS believes against what was true at the stations.

House rules
- The calm checks hold once all is reachable and quiet, while reservations still live; the final ones after the last expiry.
- What a station's own nature forbids (it refuses CancelReservation, it never tells) is excused by name, and counted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence

from sim_excuses import SWEPT_BY_A_WRONG_CLOCK, cannot_cancel, untold, unused
from sim_play import Play, station_of
from sim_station import Truth

from evhold.adapters.sql.tx import SqlTx
from evhold.domain.events import ReservationChanged
from evhold.domain.reservation import Phase, Reservation, State, Transition
from evhold.domain.values import StationId
from evhold.usecases.stores import ReservationFilter

TOLD: dict[State, str] = {
    State.ACTIVE: "reservation.accepted",
    State.UNCONFIRMED: "reservation.unconfirmed",
    State.USED: "reservation.used",
    State.EXPIRED: "reservation.expired",
    State.CANCELED: "reservation.canceled",
    State.REMOVED: "reservation.removed",
    State.REFUSED: "reservation.refused",
    State.FAILED: "reservation.failed",
}
OPEN_ENDS = {Phase.EXPIRED_OPEN, Phase.REMOVED_OPEN, Phase.FAILED_OPEN, Phase.CANCELED_OPEN}


class Book:
    """Everything that is stored, read once."""

    def __init__(self, play: Play) -> None:
        self.play = play
        with play.engine.connect() as connection:
            tx = SqlTx(connection, now=lambda: play.world.now)
            self.reservations, _ = tx.reservations.page(ReservationFilter(limit=100_000))
            self.history = {known.id: tx.reservations.history(known.id) for known in self.reservations}
            stored = tx.outbox.after(0, limit=1_000_000)
            self.events = [told.event for told in stored]
            self.last_event = stored[-1].seq if stored else 0
            self.seen = {
                (station.id, one.transaction_info.transaction_id): tx.transactions.find(
                    station.id,
                    one.transaction_info.transaction_id,  # type: ignore[arg-type]
                )
                for station in play.stations
                for one in station.acknowledged
            }
            self.connectors = {station.id: tx.connectors.of(station.id) for station in play.stations}  # type: ignore[arg-type]
        self.by_id = {known.id: known for known in self.reservations}

    def told_of(self, reservation_id: int) -> list[ReservationChanged]:
        """The events of one reservation's changes, in order; a reminder changes nothing."""
        return [
            event
            for event in self.events
            if isinstance(event, ReservationChanged)
            and event.reservation.id == reservation_id
            and event.name != "reservation.expiring"
        ]

    def truth(self, known: Reservation) -> Truth:
        """What really happened to it."""
        return station_of(self.play, known.station_id).truth_of(known.id)


def calm(book: Book, excused: Counter[str]) -> Iterator[str]:
    """All is reachable and quiet; expiries may still lie ahead."""
    yield from always(book)
    excused.update(excuse for _, _, excuse in book.play.heard.wrong_ends if excuse is not None)
    for known in book.reservations:
        station = station_of(book.play, known.station_id)
        is_held = known.id in station.station.state.reservations
        if known.state in (State.PENDING, State.UNCONFIRMED):
            excuse = cannot_cancel(station)
            if known.state is State.PENDING or excuse is None:
                yield f"{_name(known)} is left {known.state}"
            else:
                excused[excuse] += 1
        elif known.state is State.ACTIVE and not is_held:
            excuse = untold(known, book.truth(known), station, clock_steps=book.play.site.clock_steps)
            if excuse is None:
                yield f"{_name(known)} is called Active, and its station does not hold it: {book.truth(known).ends}"
            else:
                excused[excuse] += 1
        elif is_held and known.state is not State.ACTIVE and known.phase is not Phase.USED_UNPROVEN:
            is_swept = known.phase is Phase.EXPIRED_OPEN and book.play.site.clock_steps
            excuse = SWEPT_BY_A_WRONG_CLOCK if is_swept else cannot_cancel(station)
            if excuse is None:
                yield f"{_name(known)} is called {known.phase}, and its station holds it"
            else:
                excused[excuse] += 1
    yield from _unknown_holds(book)
    yield from _connectors(book)
    yield from _nodes(book)


def final(book: Book, excused: Counter[str]) -> Iterator[str]:
    """Nothing lives any more."""
    yield from always(book)
    for known in book.reservations:
        truth = book.truth(known)
        if known.is_live:
            yield f"{_name(known)} is left {known.state} after its expiry"
        elif not truth.was_held and not _may_never_have_been(known):
            yield f"{_name(known)} is called {known.phase}, and was never held: {truth}"
        elif known.state is State.USED and not truth.told:
            yield f"{_name(known)} is called Used, and nobody used it: {truth}"
        elif truth.reported and known.phase in OPEN_ENDS and not known.was_replaced and known.reserves_sent == 1:
            yield f"{_name(known)} is called {known.phase}, and its station told its end: {truth}"
        elif not known.was_replaced and known.reserves_sent == 1 and _is_misreported(known, truth):
            yield f"{_name(known)} is called {known.phase}, and its station told otherwise: {truth}"
        elif truth.is_proven and known.state is not State.USED:
            excuse = unused(known, truth)
            if excuse is None:
                yield f"{_name(known)} is called {known.phase}, and its driver used it: {truth}"
            else:
                excused[excuse] += 1
    yield from _unknown_holds(book)


def always(book: Book) -> Iterator[str]:
    """True at every moment."""
    play = book.play
    yield from (f"the program's own fault: {fault}" for fault in play.site.faults)
    yield from (f"an order failed: {failure}" for failure in play.heard.failures)
    given = Counter(play.heard.ids)
    yield from (f"the id {one} was given {count} times" for one, count in given.items() if count > 1)
    yield from (f"the reservation {one} is gone" for one in play.heard.answered if one not in book.by_id)
    used = Counter(play.heard.keys)
    yield from (f"the Idempotency-Key {key} made {count} reservations" for key, count in used.items() if count > 1)
    for known, name, excuse in play.heard.wrong_ends:
        if excuse is None:
            yield f"{_name(known)} was told as {name} at {known.updated_at:%H:%M:%S}, and its station held it then"
    yield from _double_booked(book)
    yield from _never_active(book)
    yield from _acknowledged(book)
    for known in book.reservations:
        yield from _history(known, book.history[known.id], book.told_of(known.id))


def _double_booked(book: Book) -> Iterator[str]:
    claims = Counter((known.station_id, evse_id) for known in book.reservations for evse_id in known.claims)
    yield from (f"{place} is claimed {count} times" for place, count in claims.items() if count > 1)
    for station in book.play.stations:
        held = Counter(one.evse_id for one in station.station.state.reservations.values() if one.evse_id is not None)
        yield from (f"{station.id}: EVSE {evse_id} is reserved twice" for evse_id, count in held.items() if count > 1)


def _never_active(book: Book) -> Iterator[str]:
    told = [(one, "201") for one in book.play.heard.active]
    told += [
        (event.reservation.id, event.name)
        for event in book.events
        if isinstance(event, ReservationChanged) and event.name in ("reservation.accepted", "reservation.reactivated")
    ]
    for reservation_id, how in told:
        known = book.by_id.get(reservation_id)  # type: ignore[call-overload]
        if known is not None and not book.truth(known).was_held:
            yield f"{_name(known)} was told to be Active ({how}), and never was"


def _acknowledged(book: Book) -> Iterator[str]:
    for station in book.play.stations:
        for one in station.acknowledged:
            known = book.seen[station.id, one.transaction_info.transaction_id]
            if known is None or not known.has_seen(one.seq_no):
                yield f"{station.id}: the event {one.transaction_info.transaction_id}/{one.seq_no} is missing"
        for reservation_id, truth in station.truth.items():
            rows = book.history.get(reservation_id, [])  # type: ignore[call-overload]
            for status in set(truth.reported):
                stored = sum(row.fact == f"Reported{status}" for row in rows)
                if stored < truth.reported.count(status):
                    yield f"{station.id}: the report {status} of {reservation_id} is missing"


def _history(known: Reservation, rows: Sequence[Transition], told: Sequence[ReservationChanged]) -> Iterator[str]:
    """Every transition is there once, and told once."""
    state: State | None = None
    expected: list[str] = []
    for row in rows:
        if row.from_state is not state:
            yield f"{_name(known)}: the history jumps from {state} to {row.from_state}"
        if row.to_state is not row.from_state and row.from_state is not None:
            back = row.from_state is State.USED and row.to_state is State.ACTIVE
            expected.append("reservation.reactivated" if back else TOLD[row.to_state])
        state = row.to_state
    if state is not known.state:
        yield f"{_name(known)}: the history ends in {state}"
    versions = [event.reservation.version for event in told]
    if versions != sorted(set(versions)):
        yield f"{_name(known)}: events are told twice, or in disorder: {versions}"
    if _without_more([event.name for event in told], expected) is None:
        yield f"{_name(known)}: told {[event.name for event in told]}, not {expected}"


def _without_more(told: Sequence[str], expected: Sequence[str]) -> list[str] | None:
    """The events that stand for no change of state, or None if another one is missing, wrong or too much."""
    more: list[str] = []
    left = list(expected)
    for name in told:
        if left and (name == left[0] or (name == "reservation.replaced" and left[0] == TOLD[State.ACTIVE])):
            left.pop(0)
        elif name in ("reservation.replaced", "reservation.used"):
            more.append(name)
        else:
            return None
    return None if left else more


def _unknown_holds(book: Book) -> Iterator[str]:
    for station in book.play.stations:
        for reservation_id in station.station.state.reservations:
            known = book.by_id.get(reservation_id)  # type: ignore[call-overload]
            if known is None or known.station_id != station.id:
                yield f"{station.id} holds {reservation_id}, which nobody knows"


def _connectors(book: Book) -> Iterator[str]:
    for station in book.play.stations:
        for one in book.connectors[station.id]:
            evse = station.station.state.evses[one.evse_id]
            true = station.station.reporter.status_of(evse, evse.connectors[one.connector_id - 1])
            if one.status != true:
                yield f"{station.id}: connector {one.evse_id}/{one.connector_id} is {true}, and is called {one.status}"


def _nodes(book: Book) -> Iterator[str]:
    """Every node knows where every station is, and has told every event once."""
    site = book.play.site
    for node in site.nodes if site.are_many else ():
        assert node.app is not None
        for station in book.play.stations:
            presence = node.app.parts.stations.presence(StationId(station.id))
            if (presence.online and presence.registered) is not station.is_online:
                yield f"{node} says {presence} of {station.id}"
    for (number, life), told in site.streams.items():
        if told != list(range(told[0], told[0] + len(told))):
            yield f"node {number} in its life {life} told {told}"
        if life == site.nodes[number - 1].lives and told[-1] != book.last_event:
            yield f"node {number} has told up to {told[-1]} of {book.last_event}"


def is_behind(book: Book) -> bool:
    """A node has not told the last event yet."""
    site = book.play.site
    now = [told[-1] for (number, life), told in site.streams.items() if life == site.nodes[number - 1].lives]
    return any(last != book.last_event for last in now)


def _may_never_have_been(known: Reservation) -> bool:
    return known.state in (State.REFUSED, State.FAILED, State.CANCELED) or known.phase is Phase.EXPIRED_OPEN


def _is_misreported(known: Reservation, truth: Truth) -> bool:
    ends = {*truth.reported, "Canceled", "Used"}
    return bool(truth.reported) and known.state.value not in ends


def _name(known: Reservation) -> str:
    return f"{known.station_id}/{known.id}"
