"""A walk over every phase, every fact and every kind of ask: the table has no hole and no surprise."""

import ast
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args

import pytest
from lives import (
    ASKS,
    CANCEL,
    KEEP,
    LIVE,
    NEW,
    REPORTS,
    SWEEP,
    TX2,
    WISH,
    accepted,
    ask,
    asking,
    cancel_accepted,
    cancel_rejected,
    errored,
    heard,
    in_phase,
    minutes,
    named,
    names,
    never_left,
    refused,
    seen,
    silent,
    transaction_ended,
    wishing,
)

from evhold.domain import facts as f
from evhold.domain.reservation import Due, End, Phase, Reservation, State
from evhold.domain.transitions import TRANSITIONS, UNLISTED, Row, advance, find_row
from evhold.domain.values import Ask, AskKind

ROWS = range(1, 60)
#: Rows without an entry in the table, and why.
ELSEWHERE = {
    1: "created(): there is no reservation before it",
    21: "the use case refuses the order; the table leaves an end as it is",
    24: "row 22, with the report first",
    42: "the use cases find whose fact it is before it gets here",
    48: "the use case refuses the order; the table leaves the reservation as it is",
    55: "no fact speaks of a boot; an open ask meets it as silence",
    57: "no fact speaks of a connector's status",
    58: "what fits no row",
}
TOLD = {
    "accepted",
    "refused",
    "unconfirmed",
    "used",
    "reactivated",
    "expired",
    "canceled",
    "removed",
    "failed",
    "replaced",
    "due",
}
MATCHES = tuple(f.Match)
CLOSED = [phase for phase in Phase if in_phase(phase).confirmed]


def orders() -> Iterator[Ask]:
    """One ask of each kind that is open in the walk, and one of each that is not."""
    for kind, first in ASKS.items():
        yield first
        yield ask(kind, number=9, of=first.terms or NEW)


def facts() -> Iterator[f.Fact]:
    """Every fact, in every shade that a guard looks at."""
    for order in orders():
        yield from (silent(order), never_left(order), errored(order), errored(order, "NotSupported"))
        yield errored(order, "SecurityError", still_reserved=True)
        if order.kind.is_cancel:
            yield from (cancel_accepted(order), cancel_rejected(order))
        else:
            yield from (accepted(order), refused(order), refused(order, still_reserved=True))
    yield from (*REPORTS, SWEEP, WISH, KEEP, f.ReplaceOrdered(ask=ask(AskKind.REPLACE, number=7, of=NEW)))
    for match in MATCHES:
        yield from (named(match), named(match, tx=TX2), named(match, stamp=NEW.expiry))
        if match is not f.Match.NONE:
            yield from (seen(match), seen(match, tx=TX2))
    for clean in (True, False):
        yield from (transaction_ended(clean=clean), transaction_ended(clean=clean, tx=TX2))


def lives(phase: Phase) -> Iterator[Reservation]:
    """Reservations of one phase with everything that a guard looks at, one after the other."""
    plain = in_phase(phase)
    yield from (plain, wishing(plain), replace(plain, cancel_in_doubt=True), replace(plain, accepted_kept=True))
    yield replace(plain, was_active=not plain.was_active)
    yield replace(plain, cancel_sent_at=CANCEL.sent_at + minutes(1), retry_at=NEW.expiry)
    yield replace(plain, used_at=CANCEL.sent_at - minutes(1))
    if phase is not Phase.PENDING:
        yield from (asking(plain, order) for order in ASKS.values() if order.kind is not AskKind.RESERVE)
    if phase in (Phase.ACTIVE, Phase.UNCONFIRMED, Phase.USED_UNPROVEN):
        replacing = replace(plain, replacement=NEW, reserves_sent=2)
        yield from (replacing, asking(replacing, ASKS[AskKind.REPLACE]))
        yield replace(asking(replacing, ASKS[AskKind.REPLACE]), held_report=State.EXPIRED)
    if phase is Phase.ACTIVE:
        yield from (
            replace(plain, was_replaced=True),
            replace(plain, follow=Due.UNDO),
            replace(plain, follow=Due.RENEW),
        )
    if phase is Phase.USED_UNPROVEN:
        yield from (replace(plain, keeps_claim=False), replace(plain, cause="unproven", keeps_claim=False))
        yield replace(plain, keeps_claim=False, came_from=End(State.REMOVED, "unknown-at-station"))


def walk(phase: Phase) -> Iterator[tuple[Reservation, f.Fact]]:
    """Every pair of one phase."""
    every = list(facts())
    yield from ((before, fact) for before in lives(phase) for fact in every)


def is_news(before: Reservation, fact: f.Fact) -> bool:
    """Silence about an ask that is no longer open is none."""
    late = not isinstance(fact, f.OfAsk) or before.ask is None or before.ask.message_id != fact.ask.message_id
    return not (isinstance(fact, f.Silent | f.NeverLeft) and late)


def row_of(before: Reservation, fact: f.Fact) -> Row:
    """The row that is taken."""
    closes = isinstance(fact, f.OfAsk) and before.ask is not None and before.ask.message_id == fact.ask.message_id
    return find_row(replace(before, ask=None) if closes else before, fact)


def test_the_walk_meets_every_kind_of_fact():
    """No fact is left out of it."""
    assert {type(fact) for fact in facts()} == set(get_args(f.Fact))


@pytest.mark.parametrize("phase", Phase)
def test_every_pair_lands_where_its_row_says(phase):
    """Nothing raises; a pair without a row changes nothing but the ask that it closes."""
    for before, fact in walk(phase):
        after = advance(before, fact, heard()).reservation
        if not is_news(before, fact):
            assert after == before
            continue
        row = row_of(before, fact)
        assert after.phase in row.to if row is not UNLISTED else after.phase is phase, (row.number, before, fact)
        if row is UNLISTED:
            assert (after.claims, after.cause, after.terms) == (before.claims, before.cause, before.terms)


@pytest.mark.parametrize("phase", Phase)
def test_the_same_fact_twice_changes_nothing_the_second_time(phase):
    """Stations repeat themselves, and so do we after a crash."""
    for before, fact in walk(phase):
        once = advance(before, fact, heard()).reservation
        twice = advance(once, fact, heard())
        assert (twice.reservation, twice.changed, twice.events) == (once, False, ()), (before, fact)


@pytest.mark.parametrize("phase", Phase)
def test_versions_grow_by_one_and_events_are_the_contracts(phase):
    """What changes is told under a name that the outward contract knows, the order that is due last."""
    for before, fact in walk(phase):
        step = advance(before, fact, heard())
        assert step.reservation.version == before.version + step.changed
        told = names(step.events)
        assert set(told) <= TOLD
        assert "due" not in told[:-1]
        assert len(told) <= 2
        if step.reservation.state is not before.state:
            assert told[:1] != ["due"]
            assert told


@pytest.mark.parametrize("phase", Phase)
def test_no_fact_takes_a_claim(phase):
    """Only orders do, and they can be refused; no end holds one."""
    for before, fact in walk(phase):
        after = advance(before, fact, heard()).reservation
        # Terms that were never proposed, or were answered before, can't be accepted: an ask is answered once.
        unheard = isinstance(fact, f.Accepted) and fact.ask.terms not in (before.terms, before.replacement)
        if not isinstance(fact, f.ReplaceOrdered) and not unheard:
            assert after.claims <= before.claims, (before, fact)
        if after.state not in LIVE and after.phase is not Phase.USED_UNPROVEN:
            assert not after.claims


@pytest.mark.parametrize("phase", CLOSED)
def test_a_closed_end_never_lives_again(phase):
    """At most it is corrected to a proven use, and a proven use to a cancel."""
    for before, fact in walk(phase):
        after = advance(before, fact, heard()).reservation
        corrected = Phase.CANCELED_CLOSED if phase is Phase.USED_PROVEN else Phase.USED_PROVEN
        if phase is Phase.CANCELED_CLOSED or phase in (Phase.EXPIRED_CLOSED, Phase.REMOVED_CLOSED, Phase.USED_PROVEN):
            assert after.phase in (phase, corrected), (before, fact)
        else:
            assert after.phase is phase, (before, fact)


@pytest.mark.parametrize("phase", Phase)
def test_no_order_is_due_while_one_is_open(phase):
    """At most one open ask a reservation."""
    for before, fact in walk(phase):
        after = advance(before, fact, heard()).reservation
        assert after.due is None or after.ask is None


def test_every_row_of_the_table_is_walked():
    """None is hidden behind an earlier one."""
    walked = {id(row_of(before, fact)) for phase in Phase for before, fact in walk(phase) if is_news(before, fact)}
    assert [row for row in TRANSITIONS if id(row) not in walked] == []


def test_every_row_declares_where_it_leads():
    """The docs are drawn from it."""
    assert [row.number for row in TRANSITIONS if not row.to] == []


def test_every_number_is_in_the_table_or_has_its_reason():
    """Fifty-eight rows, each once accounted for."""
    in_table = {row.number for row in TRANSITIONS}
    assert in_table | ELSEWHERE.keys() == set(ROWS)
    assert not in_table & ELSEWHERE.keys()


def test_every_row_has_a_test():
    """Marked by its number."""
    marked: set[int] = set()
    for path in Path(__file__).parent.glob("test_*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) == "pytest.mark.row":
                marked.update(ast.literal_eval(argument) for argument in node.args)
    assert set(ROWS) - marked == set()
