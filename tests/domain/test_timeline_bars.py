"""What a timeline draws of reservations, transactions and statuses."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from evhold.domain.connector import Connector
from evhold.domain.events import ConnectorChanged, StationPresence
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Station
from evhold.domain.timeline import Bar, Change, Kind, holds, joined, spans, use
from evhold.domain.timeline_rows import Drawing, Site, Window
from evhold.domain.transaction import Transaction
from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, Terms, TransactionId

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CS = StationId("CS1")
TOKEN = IdToken("AABB", "ISO14443")


def at(minutes: float) -> datetime:
    """So many minutes after noon."""
    return NOON + timedelta(minutes=minutes)


def reservation(state: State = State.ACTIVE, **given: object) -> Reservation:
    """Made at noon, for EVSE 1, until half past twelve."""
    terms = Terms(id_token=TOKEN, expiry=at(30), evse_id=EvseId(1))
    known = Reservation(
        id=ReservationId(7), station_id=CS, terms=terms, state=state, created_at=NOON, updated_at=NOON, was_active=True
    )
    return replace(known, **given)  # type: ignore[arg-type]  # the test names fields of its own


def drawn(known: Reservation, *states: tuple[float, State], offset: float = 0) -> list[tuple[datetime, object, bool]]:
    """Start, end and doubt of each hold."""
    changes = [Change(at(minutes), state) for minutes, state in states]
    bars = holds(known, changes, clock_offset=timedelta(minutes=offset))
    return [(bar.start, bar.end, bar.doubt) for bar in bars]


ACTIVE = ((0, State.PENDING), (1, State.ACTIVE))


def test_a_hold_begins_when_it_is_accepted_and_lasts_while_it_is_active() -> None:
    """The asking itself is no hold; the expiry is told apart."""
    assert drawn(reservation(), *ACTIVE) == [(at(1), None, False)]
    assert holds(reservation(), [Change(at(1), State.ACTIVE)], clock_offset=timedelta())[0].until == at(30)


def test_what_was_never_accepted_was_never_held() -> None:
    """Refused, and Failed."""
    for state in (State.REFUSED, State.FAILED):
        assert drawn(reservation(state), (0, State.PENDING), (1, state)) == []


def test_a_question_that_is_still_open_is_in_doubt() -> None:
    """Pending now, and Unconfirmed at any time."""
    assert drawn(reservation(State.PENDING), (0, State.PENDING)) == [(at(0), None, True)]
    states = ((0, State.PENDING), (1, State.UNCONFIRMED), (3, State.CANCELED))
    assert drawn(reservation(State.CANCELED), *states) == [(at(1), at(3), True)]


def test_a_wish_to_cancel_puts_a_live_hold_in_doubt_from_then_on() -> None:
    """Before it, it was sure."""
    wished = reservation(cancel_requested_at=at(5))
    assert drawn(wished, *ACTIVE) == [(at(1), at(5), False), (at(5), None, True)]
    assert drawn(reservation(cancel_requested_at=at(0)), *ACTIVE) == [(at(1), None, True)]


def test_a_state_that_comes_twice_is_one_bar() -> None:
    """History rows that change nothing."""
    assert drawn(reservation(), *ACTIVE, (2, State.ACTIVE)) == [(at(1), None, False)]


def test_a_hold_ends_at_its_expiry_though_the_news_came_later() -> None:
    """By the station's clock, which is five minutes ahead in the second case."""
    expired = (*ACTIVE, (31, State.EXPIRED))
    assert drawn(reservation(State.EXPIRED), *expired) == [(at(1), at(30), False)]
    assert drawn(reservation(State.EXPIRED), *expired, offset=5) == [(at(1), at(25), False)]


def test_a_hold_ends_with_its_use_though_the_news_came_later() -> None:
    """A station that was offline tells of it afterwards."""
    used = reservation(State.USED, used_at=at(10))
    assert drawn(used, *ACTIVE, (20, State.USED)) == [(at(1), at(10), False)]


def test_a_hold_may_come_back() -> None:
    """An unproven use that ended clean."""
    states = (*ACTIVE, (5, State.USED), (7, State.ACTIVE), (9, State.CANCELED))
    assert drawn(reservation(State.CANCELED), *states) == [(at(1), at(5), False), (at(7), at(9), False)]


def test_a_use_is_drawn_by_our_clock_with_the_reservation_that_it_used() -> None:
    """In doubt while nobody has shown the token."""
    running = Transaction(station_id=CS, transaction_id=TransactionId("T1"), started_at=at(12))
    bar = use(running, reservation(State.USED), clock_offset=timedelta(minutes=2))
    assert bar is not None
    assert (bar.start, bar.end, bar.reservation_id, bar.state, bar.doubt) == (at(10), None, 7, State.USED, True)
    proven = use(replace(running, ended_at=at(40)), reservation(State.USED, proven=True), clock_offset=timedelta())
    assert proven is not None
    assert (proven.end, proven.doubt) == (at(40), False)
    assert use(replace(running, started_at=None), None, clock_offset=timedelta()) is None


def test_spans_are_the_times_of_a_kind() -> None:
    """The last one goes on; the same again is one."""
    told = [(at(0), None), (at(1), Kind.FAULT), (at(2), Kind.FAULT), (at(3), None), (at(4), Kind.UNAVAILABLE)]
    assert [(bar.kind, bar.start, bar.end) for bar in spans(told)] == [
        (Kind.FAULT, at(1), at(3)),
        (Kind.UNAVAILABLE, at(4), None),
    ]


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ((0, 2), (1, 3), [(at(0), at(3))]),
        ((0, None), (1, 3), [(at(0), None)]),
        ((0, 2), (1, None), [(at(0), None)]),
        ((0, 2), (3, 4), [(at(0), at(2)), (at(3), at(4))]),
        ((0, 4), (1, 2), [(at(0), at(4))]),
    ],
)
def test_faults_of_two_connectors_are_one_where_they_overlap(
    first: tuple[float, float | None], second: tuple[float, float | None], expected: list[object]
) -> None:
    """An EVSE has one row."""
    bars = [Bar(kind=Kind.FAULT, start=at(a), end=None if b is None else at(b)) for a, b in (second, first)]
    assert [(bar.start, bar.end) for bar in joined(bars)] == expected


# Rows

WINDOW = Window(start=at(0), end=at(60), now=at(30))
PAST = Window(start=at(0), end=at(60), now=at(600))


def connector(number: int = 1, **given: object) -> Connector:
    """Connector 1 of an EVSE of CS1, Available."""
    known = Connector(
        station_id=CS, evse_id=EvseId(number), connector_id=ConnectorId(1), status="Available", since=NOON
    )
    return replace(known, **given)  # type: ignore[arg-type]  # the test names fields of its own


def seen(minutes: float, status: str, number: int = 1) -> ConnectorChanged:
    """A status of connector 1 of an EVSE."""
    return ConnectorChanged(
        at=at(minutes), station_id=CS, evse_id=EvseId(number), connector_id=ConnectorId(1), status=status, since=at(0)
    )


def bars_of(site: Site, window: Window = WINDOW, evse_id: int = 1) -> list[tuple[Kind, datetime, datetime | None]]:
    """The bars of an EVSE of CS1."""
    (row,) = [row for row in Drawing(site, window).rows(site.stations[0]) if row.id == evse_id]
    return [(bar.kind, bar.start, bar.end) for bar in row.bars]


def site(*connectors: Connector, online: bool = True, **given: object) -> Site:
    """CS1 alone."""
    there = {CS} if online else set()
    known = Station(id=CS, created_at=at(-900), last_seen=at(20))
    return Site(stations=[known], connectors={CS: list(connectors)}, online=there, **given)  # type: ignore[arg-type]  # likewise


def test_a_status_without_an_event_holds_since_it_was_reported() -> None:
    """Its connector did not change in the window."""
    faulted = connector(status="Faulted", since=at(-90))
    assert bars_of(site(faulted)) == [(Kind.FAULT, at(-90), None)]
    assert bars_of(site(faulted), PAST) == []


def test_statuses_are_as_told_and_what_was_the_case_before_counts() -> None:
    """A fault that had begun before the window, and one that lasts."""
    told = [seen(5, "Available"), seen(50, "Unavailable")]
    whole = site(connector(), before=[seen(-10, "Faulted")], events=told)
    assert bars_of(whole) == [(Kind.FAULT, at(-10), at(5)), (Kind.UNAVAILABLE, at(50), None)]
    assert bars_of(whole, PAST)[1] == (Kind.UNAVAILABLE, at(50), at(60))


def test_an_absence_is_on_every_evse() -> None:
    """As told; a station that is away now is, since it was told, or else since it was last heard."""
    gone = StationPresence(at=at(3), station_id=CS, online=False)
    back = StationPresence(at=at(9), station_id=CS, online=True)
    for number in (1, 2):
        assert bars_of(site(connector(), connector(2), events=[gone, back]), evse_id=number) == [
            (Kind.OFFLINE, at(3), at(9))
        ]
    assert bars_of(site(connector(), online=False, events=[gone])) == [(Kind.OFFLINE, at(3), None)]
    assert bars_of(site(connector(), online=False)) == [(Kind.OFFLINE, at(20), None)]


def test_a_node_that_fell_told_nobody() -> None:
    """Away though last told to be there: since it was last heard. There though last told to be away: up to now."""
    there = StationPresence(at=at(3), station_id=CS, online=True)
    away = StationPresence(at=at(4), station_id=CS, online=False)
    assert bars_of(site(connector(), online=False, events=[there])) == [(Kind.OFFLINE, at(20), None)]
    assert bars_of(site(connector(), events=[away])) == [(Kind.OFFLINE, at(4), at(30))]


def test_rows_are_by_evse_and_first_comes_what_names_none() -> None:
    """An EVSE that only a reservation names has a row too."""
    anywhere = reservation(terms=Terms(id_token=TOKEN, expiry=at(30)))
    third = reservation(id=ReservationId(8), terms=Terms(id_token=TOKEN, expiry=at(30), evse_id=EvseId(3)))
    whole = site(
        connector(2, type="cCCS2"),
        connector(1, status="Faulted"),
        connector(1, connector_id=ConnectorId(2), type="cType2"),
        reservations=[anywhere, third],
        changes={ReservationId(n): [Change(at(1), State.ACTIVE)] for n in (7, 8)},
    )
    rows = Drawing(whole, WINDOW).rows(whole.stations[0])
    assert [(row.id, row.types, row.status) for row in rows] == [
        (None, [], None),
        (1, ["cType2"], "Available"),
        (2, ["cCCS2"], "Available"),
        (3, [], None),
    ]
    assert [bar.reservation_id for row in rows for bar in row.bars if bar.kind is Kind.HELD] == [7, 8]


def test_a_transaction_finds_its_reservation_by_either_name() -> None:
    """By what was bound, and else by the id that the station gave."""
    bound = reservation(State.USED, transaction_id=TransactionId("T1"))
    for number, named in ((TransactionId("T1"), None), (TransactionId("T2"), ReservationId(7))):
        running = Transaction(
            station_id=CS, transaction_id=number, evse_id=EvseId(1), reservation_id=named, started_at=at(5)
        )
        whole = site(connector(), reservations=[bound], transactions=[running])
        (row,) = Drawing(whole, WINDOW).rows(whole.stations[0])
        assert [(bar.transaction_id, bar.reservation_id) for bar in row.bars] == [(number, 7)]


def test_what_lies_outside_the_window_is_left_out() -> None:
    """Over before it begins, or begun after its end."""
    early = Transaction(
        station_id=CS, transaction_id=TransactionId("T1"), evse_id=EvseId(1), started_at=at(-9), ended_at=at(-1)
    )
    late = replace(early, transaction_id=TransactionId("T2"), started_at=at(61), ended_at=None)
    assert bars_of(site(connector(), transactions=[early, late])) == []
