"""Random lives of one reservation: whatever comes, in whatever order, some things never happen."""

from dataclasses import replace
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from lives import (
    AT,
    EXPIRY,
    FOREIGN,
    LIVE,
    RESERVED,
    TX,
    TX2,
    ask,
    heard,
    minutes,
    names,
    pending,
    terms,
)

from evhold.domain import facts as f
from evhold.domain.reservation import Phase, Reservation, State, with_ask
from evhold.domain.transitions import advance, created
from evhold.domain.values import Ask, AskKind, EvseId

CODES = st.sampled_from(["InternalError", "GenericError", "NotSupported", "SecurityError"])
MATCHES = st.sampled_from(f.Match)
TRANSACTIONS = st.sampled_from([TX, TX2])
STAMPS = st.integers(min_value=-30, max_value=200).map(lambda count: AT + minutes(count))
STILL_RESERVED = st.booleans()
#: What may make a reservation Active that was not: an Accepted, a use given back, a late refusal of its replacement.
ACTIVATES = (f.Accepted, f.TransactionEnded, f.Refused, f.Errored)


class Life(RuleBasedStateMachine):
    """One reservation, its station and its driver, all of them moody."""

    def __init__(self) -> None:
        super().__init__()
        self.now: datetime = AT
        self.known: Reservation = created(pending(), heard()).reservation
        assert self.known.ask is not None
        #: Orders that left and were not answered yet, the open one among them.
        self.unanswered: list[Ask] = [self.known.ask]
        self.sent = 1

    # What we do

    @precondition(lambda self: self.known.due is not None)
    @rule()
    def send_what_is_due(self) -> None:
        """The order is opened, whenever its time comes."""
        due = self.known.due
        assert due is not None
        self.now = max(self.now, self.known.retry_at or self.now)
        self._open(due.ask_kind)

    @precondition(lambda self: self.known.state is State.ACTIVE and self.known.ask is None and self.known.due is None)
    @rule()
    def restore(self) -> None:
        """The station seems to have forgotten it."""
        self._open(AskKind.RESTORE)

    @rule(evse=st.sampled_from([1, 2, 3, None]), hours=st.integers(1, 3))
    def order_replacement(self, evse: int | None, hours: int) -> None:
        """New terms, if it is free for them."""
        self.sent += 1
        of = terms(evse, expiry=EXPIRY + timedelta(hours=hours))
        order = ask(AskKind.REPLACE, number=self.sent, of=of, sent_at=self.now)
        before = self.known
        self._take(f.ReplaceOrdered(ask=order))
        if self.known.ask == order:
            assert before.phase is Phase.ACTIVE
            self.unanswered.append(order)
        else:
            assert self.known == before

    @rule()
    def order_cancel(self) -> None:
        """A driver's wish."""
        self._take(f.CancelOrdered())

    @rule()
    def keep_after_all(self) -> None:
        """The wish is dropped, if it never left."""
        self._take(f.CancelWithdrawn())

    @rule(count=st.integers(1, 60))
    def wait(self, count: int) -> None:
        """Time passes."""
        self.now += minutes(count)

    @precondition(lambda self: self.now >= self.known.expiry)
    @rule()
    def sweep(self) -> None:
        """The expiry has passed."""
        self._take(f.SweepDue(station_now=self.now))

    # What the station does

    @precondition(lambda self: self.unanswered)
    @rule(data=st.data(), code=CODES, still_reserved=STILL_RESERVED)
    def answer(self, data: st.DataObject, code: str, still_reserved: bool) -> None:
        """Any order that was not answered before, the open one or an older one."""
        order = data.draw(st.sampled_from(self.unanswered))
        answers: list[f.Fact] = [f.Errored(ask=order, code=code, still_reserved=still_reserved)]
        if order.kind.is_cancel:
            answers += [f.CancelAccepted(ask=order), f.CancelRejected(ask=order, station_now=self.now)]
        else:
            answers += [f.Accepted(ask=order), f.Refused(ask=order, status="Occupied", still_reserved=still_reserved)]
        self.unanswered.remove(order)
        self._take(data.draw(st.sampled_from(answers)))

    @precondition(lambda self: self.known.ask is not None)
    @rule(left=st.booleans())
    def lose(self, left: bool) -> None:
        """The open order ends without an answer; if it left, one may still come."""
        order = self.known.ask
        assert order is not None
        if not left:
            self.unanswered.remove(order)
        reason = "timeout" if left else "station-offline"
        self._take(f.Silent(ask=order, reason=reason) if left else f.NeverLeft(ask=order, reason=reason))

    @rule(is_expired=st.booleans())
    def report(self, is_expired: bool) -> None:
        """Expired or Removed."""
        self._take(f.ReportedExpired(self.now) if is_expired else f.ReportedRemoved(self.now))

    @rule(tx=TRANSACTIONS, match=MATCHES, stamp=STAMPS)
    def name(self, tx: str, match: f.Match, stamp: datetime) -> None:
        """A TransactionEvent carries the id."""
        token = {f.Match.RESERVED: RESERVED, f.Match.FOREIGN: FOREIGN}.get(match)
        fact = f.TransactionNamed(
            transaction_id=TX if tx == TX else TX2, stamp=stamp, match=match, evse_id=EvseId(1), id_token=token
        )
        self._take(fact)

    @rule(tx=TRANSACTIONS, is_reserved=st.booleans(), stamp=STAMPS)
    def show_token(self, tx: str, is_reserved: bool, stamp: datetime) -> None:
        """A later event shows a token."""
        match, token = (f.Match.RESERVED, RESERVED) if is_reserved else (f.Match.FOREIGN, FOREIGN)
        self._take(f.TokenSeen(transaction_id=TX if tx == TX else TX2, match=match, id_token=token, stamp=stamp))

    @rule(tx=TRANSACTIONS, clean=st.booleans())
    def end_transaction(self, tx: str, clean: bool) -> None:
        """The car leaves."""
        self._take(f.TransactionEnded(transaction_id=TX if tx == TX else TX2, clean=clean))

    # What always holds

    @invariant()
    def at_most_one_order_at_a_time(self) -> None:
        """Nothing is due while an ask is open."""
        assert self.known.ask is None or self.known.due is None

    @invariant()
    def claims_are_held_by_what_may_be_served(self) -> None:
        """By what lives, and by an unproven use that keeps its own."""
        if self.known.state not in LIVE:
            assert not self.known.claims or (self.known.phase is Phase.USED_UNPROVEN and self.known.keeps_claim)
        elif self.known.terms.evse_id is not None:
            assert self.known.terms.evse_id in self.known.claims

    @invariant()
    def a_use_is_bound(self) -> None:
        """Used names its transaction, and nothing else does."""
        assert (self.known.transaction_id is not None) is (self.known.state is State.USED)

    @invariant()
    def an_open_replacement_is_shown(self) -> None:
        """While it is asked for, and where it may be in force."""
        if self.known.state is State.ACTIVE and self.known.ask is not None and self.known.ask.kind is AskKind.REPLACE:
            assert self.known.replacement == self.known.ask.terms

    def _open(self, kind: AskKind) -> None:
        self.sent += 1
        order = ask(kind, number=self.sent, of=self.known.terms, sent_at=self.now)
        self.known = with_ask(self.known, order)
        self.unanswered.append(order)

    def _take(self, fact: f.Fact) -> None:
        before = self.known
        step = advance(before, fact, heard(self.now))
        after = self.known = step.reservation
        again = advance(after, fact, heard(self.now))
        assert (again.reservation, again.events) == (after, ())
        assert after.version == before.version + step.changed
        assert step.changed is (replace(after, updated_at=before.updated_at) != before)
        if after.state is not before.state:
            assert step.transition is not None
            assert (step.transition.from_state, step.transition.to_state) == (before.state, after.state)
            assert names(step.events)
        self._check_claims(before, fact)
        self._check_ends(before, fact)

    def _check_claims(self, before: Reservation, fact: f.Fact) -> None:
        # No fact takes a claim, so none can meet another's.
        if not isinstance(fact, f.ReplaceOrdered):
            assert self.known.claims <= before.claims
        # Terms are in force by the station's word alone.
        if self.known.terms != before.terms:
            assert isinstance(fact, f.Accepted)
            assert fact.ask.terms == self.known.terms

    def _check_ends(self, before: Reservation, fact: f.Fact) -> None:
        after = self.known
        if before.phase in (Phase.REFUSED, Phase.FAILED_CLOSED):
            assert after.phase is before.phase
        if before.phase is Phase.CANCELED_CLOSED and after.phase is not before.phase:
            assert isinstance(fact, f.TransactionNamed)
            assert fact.match is f.Match.RESERVED
        if before.phase is Phase.USED_PROVEN and after.phase is not before.phase:
            assert isinstance(fact, f.CancelAccepted)
        if before.confirmed:
            assert after.confirmed
        if after.phase is Phase.ACTIVE and before.phase is not Phase.ACTIVE:
            assert isinstance(fact, ACTIVATES)
            assert before.phase in (Phase.PENDING, Phase.UNCONFIRMED, Phase.USED_UNPROVEN)


TestLife = Life.TestCase
#: Sixty lives in the ordinary run; as many as the profile says in a larger one.
_size = settings().max_examples
TestLife.settings = settings(max_examples=60 if _size <= 100 else _size, stateful_step_count=40)
