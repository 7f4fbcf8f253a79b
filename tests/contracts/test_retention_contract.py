"""What every Storage does with what is not to be kept: a token's traces, and what ended long ago."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from evhold.adapters.clock import SystemIds
from evhold.adapters.sql.database import Database
from evhold.adapters.sql.tables import metadata
from evhold.adapters.sql.tx import SqlTx
from evhold.domain.access import Actor, ApiKey, Role
from evhold.domain.authorization import Token
from evhold.domain.errors import ReservationUnknown, TokenInUse
from evhold.domain.facts import Accepted, CancelAccepted, CancelOrdered, Fact
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Station
from evhold.domain.transaction import Transaction
from evhold.domain.transitions import advance, created
from evhold.domain.values import (
    Ask,
    AskKind,
    By,
    EvseId,
    Frame,
    Heard,
    IdToken,
    MessageId,
    ReservationId,
    StationId,
    Terms,
    TransactionId,
)
from evhold.domain.webhooks import Webhook
from evhold.usecases import retention
from evhold.usecases.stores import IdempotentRequest, Tx
from evhold.usecases.traces import SESSION, Kind

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HERE = StationId("CS-1")
TOKEN, OTHER = IdToken("DEADBEEF42", "ISO14443"), IdToken("CAFEBABE77", "ISO14443")
MASKED = "******EF42"
ADDRESS = "mailto://who@example.org"


@pytest.fixture
async def site(storage: Database) -> Database:
    """A station."""
    await storage.transact(lambda tx: tx.stations.put(Station(id=HERE)))
    return storage


async def reserved(
    site: Database, number: int, id_token: IdToken, *, evse_id: int = 1, at: datetime = NOON, ends: bool = True
) -> Reservation:
    """A reservation, Active, or canceled; its frames are kept."""
    terms = Terms(id_token=id_token, expiry=at + timedelta(hours=1), evse_id=EvseId(evse_id))
    ask = Ask(message_id=MessageId(f"m{number}"), kind=AskKind.RESERVE, terms=terms, sent_at=at)
    shown = "*" * (len(id_token.id_token) - 4) + id_token.id_token[-4:]
    text = '[2,"m","ReserveNow",{"idToken":{"idToken":"' + shown + '","type":"ISO14443"}}]'
    frame = Frame("CSMS", at, text)
    known = Reservation(
        id=ReservationId(number),
        station_id=HERE,
        terms=terms,
        state=State.PENDING,
        created_at=at,
        updated_at=at,
        ask=ask,
        reserves_sent=1,
        notify=(ADDRESS if id_token == TOKEN else "mailto://other@example.org",),
    )
    await site.transact(lambda tx: tx.reservations.insert(created(known, Heard(at=at, by=By.DRIVER))))
    heard = Heard(at=at, by=By.STATION, frames=(frame,))
    known = await _told(site, known, Accepted(ask=ask), heard)
    if ends:
        await _told(site, known, CancelOrdered(), Heard(at=at))
        cancel = Ask(message_id=MessageId(f"c{number}"), kind=AskKind.CANCEL, terms=None, sent_at=at)
        known = await _told(site, known, CancelAccepted(ask=cancel), Heard(at=at))
    return known


async def _told(site: Database, known: Reservation, fact: Fact, heard: Heard) -> Reservation:
    def work(tx: Tx) -> Reservation:
        step = advance(tx.reservations.get(known.id), fact, heard)
        tx.reservations.save(step)
        return step.reservation

    return await site.transact(work)


async def everything(site: Database) -> str:
    """All rows of all tables, as text."""

    def look(tx: Tx) -> str:
        assert isinstance(tx, SqlTx)
        return "\n".join(
            f"{table.name}: {tuple(row)}"
            for table in metadata.sorted_tables
            for row in tx.connection.execute(select(table))
        )

    return await site.read(look)


async def test_nothing_names_a_forgotten_token_any_more(site: Database) -> None:
    """Reservations, asks, history, transactions, answers kept, events, keys, webhooks: a pseudonym; others are as they were."""
    await reserved(site, 1, TOKEN)
    await reserved(site, 2, OTHER, evse_id=2)
    request = IdempotentRequest(api_key_id=1, key="k", body_hash=b"h")

    def more(tx: Tx) -> None:
        tx.tokens.put(Token(id_token=TOKEN, notify=(ADDRESS,)))
        for number, token in enumerate((TOKEN, OTHER)):
            tx.transactions.put(
                Transaction(
                    transaction_id=TransactionId(f"T{number}"),
                    station_id=HERE,
                    id_token=token,
                    ended_at=NOON,
                    started_at=NOON,
                )
            )
        tx.audit.add(at=NOON, who=Actor("a"), what="put token", station_id=None, detail=f"{TOKEN.masked} Accepted")
        tx.idempotency.begin(request, at=NOON)
        tx.idempotency.bind(request, ReservationId(1))
        tx.idempotency.finish(request, status=201, body=b'{"idToken":"DEADBEEF42"}')
        key = ApiKey(id=0, name="d", role=Role.DRIVER, key_hash=b"x", id_tokens=(TOKEN, OTHER), created_at=NOON)
        tx.keys.insert(key)

    await site.transact(more)
    before = await everything(site)
    assert before.count("DEADBEEF42") > 5
    assert MASKED in before

    spelled = IdToken("deadbeef42", "ISO14443")
    done = await retention.forget(spelled, who=Actor("dpo"), storage=site, clock=_Clock(), ids=SystemIds())

    assert (done.reservations, done.transactions) == (1, 1)
    after = await everything(site)
    assert "deadbeef" not in after.lower()
    assert MASKED not in after
    assert ADDRESS not in after
    assert after.count("other@example.org") == before.count("other@example.org") > 0
    assert after.count("CAFEBABE77") == before.count("CAFEBABE77")
    kept = await site.read(lambda tx: (tx.reservations.get(1), tx.reservations.history(1)))
    assert kept[0].terms.id_token.id_token == done.pseudonym
    assert kept[0].state is State.CANCELED
    assert done.pseudonym in kept[1][1].frames[0].text
    assert f"forget token', None, '{done.pseudonym}'" in after


async def test_a_token_with_a_live_reservation_is_not_forgotten(site: Database) -> None:
    """It is needed; nothing is changed. One of another type is another's."""
    await reserved(site, 1, TOKEN, ends=False)
    before = await everything(site)
    with pytest.raises(TokenInUse) as refused:
        await retention.forget(TOKEN, who=Actor("dpo"), storage=site, clock=_Clock(), ids=SystemIds())
    assert refused.value.reservation_ids == [1]
    assert await everything(site) == before
    done = await retention.forget(
        replace(TOKEN, type="eMAID"), who=Actor("dpo"), storage=site, clock=_Clock(), ids=SystemIds()
    )
    assert (done.reservations, done.transactions) == (0, 0)


async def test_what_ended_long_ago_is_deleted(site: Database) -> None:
    """With history, asks, transactions and audit; what is newer or lives stays, and an id is not given again."""
    late = NOON + timedelta(days=10)
    await reserved(site, 1, TOKEN)
    await reserved(site, 2, TOKEN, ends=False)
    await reserved(site, 3, TOKEN, evse_id=2, at=late)

    def more(tx: Tx) -> None:
        for name, ended in (("over", NOON), ("running", None)):
            tx.transactions.put(
                Transaction(transaction_id=TransactionId(name), station_id=HERE, started_at=NOON, ended_at=ended)
            )

    await site.transact(more)
    highest = await site.transact(lambda tx: tx.reservations.next_id())

    # Transactions are stored at noon by the clock of the contract.
    assert await retention.prune(before=NOON + timedelta(days=1), storage=site) == 2

    with pytest.raises(ReservationUnknown):
        await site.read(lambda tx: tx.reservations.get(1))
    assert (await site.read(lambda tx: tx.reservations.get(2))).state is State.ACTIVE
    assert (await site.read(lambda tx: tx.reservations.get(3))).state is State.CANCELED
    left = await everything(site)
    assert "'over'" not in left
    assert "'running'" in left
    assert not any(line.startswith(("history: ", "asks: ")) and "'m1'" in line for line in left.splitlines())
    assert await site.transact(lambda tx: tx.reservations.next_id()) == highest + 1
    assert await retention.prune(before=NOON + timedelta(days=1), storage=site) == 0


class _Clock:
    def now(self) -> datetime:
        return NOON

    def monotonic(self) -> float:
        return 0.0

    def call_at(self, at: float, call: object, /) -> object:
        raise NotImplementedError


async def test_what_is_kept_is_counted_no_further_than_asked(site: Database) -> None:
    """Stations that are there, tokens, valid keys, webhooks; the rows of removed ones do not count."""

    def keep(tx: SqlTx) -> None:
        for number in (2, 3):
            tx.stations.put(Station(id=StationId(f"CS-{number}")))
        tx.stations.remove(StationId("CS-3"))
        tx.tokens.put(Token(id_token=TOKEN))
        for number in range(3):
            made = ApiKey(id=0, name="", role=Role.READONLY, key_hash=bytes([number]), created_at=NOON)
            stored = tx.keys.insert(made)
        tx.keys.save(replace(stored, revoked_at=NOON))
        tx.keys.insert(replace(made, key_hash=b"old", expires_at=NOON))
        for number in range(4):
            tx.webhooks.insert(
                Webhook(id=0, url=f"https://example.org/{number}", events=("*",), secret="s", created_at=NOON)
            )

    await site.transact(keep)
    counts = await site.read(lambda tx: {kind: tx.retention.count(kind, most=100, at=NOON) for kind in Kind})
    assert counts == {Kind.STATIONS: 2, Kind.TOKENS: 1, Kind.KEYS: 2, Kind.WEBHOOKS: 4}
    assert await site.read(lambda tx: tx.retention.count(Kind.WEBHOOKS, most=3, at=NOON)) == 3


async def test_the_ends_of_sessions_are_forgotten_in_their_time(site: Database) -> None:
    """What is kept under another name stays, whatever it says."""

    def keep(tx: SqlTx) -> None:
        for hours in (1, 2, 3):
            tx.secrets.settle(f"{SESSION}1.{hours}", (NOON + timedelta(hours=hours)).isoformat())
        tx.secrets.settle("ended", "2000")

    await site.transact(keep)
    before = NOON + timedelta(hours=2, minutes=30)
    assert await site.transact(lambda tx: tx.retention.prune_sessions(before=before)) == 2
    names = ("ended", *(f"{SESSION}1.{hours}" for hours in (1, 2, 3)))
    found = await site.read(lambda tx: [tx.secrets.find(name) is not None for name in names])
    assert found == [True, False, False, True]


async def test_keys_that_ended_long_ago_are_gone(site: Database) -> None:
    """Revoked or expired before; valid ones and those that ended since stay."""
    day = timedelta(days=1)
    ends = {"valid": (None, None), "later": (None, NOON + day), "revoked": (NOON, None), "expired": (None, NOON)}

    def keep(tx: SqlTx) -> None:
        for name, (revoked, expires) in ends.items():
            made = ApiKey(id=0, name=name, role=Role.READONLY, key_hash=name.encode(), created_at=NOON - day)
            stored = tx.keys.insert(replace(made, expires_at=expires))
            tx.keys.save(replace(stored, revoked_at=revoked))

    await site.transact(keep)
    assert await retention.prune_keys(before=NOON, storage=site) == 0
    assert await retention.prune_keys(before=NOON + timedelta(seconds=1), storage=site) == 2
    assert await site.read(lambda tx: [one.name for one in tx.keys.all()]) == ["valid", "later"]
