"""What every Storage does for stations, connectors, transactions, tokens, keys and repeated requests."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evhold.adapters.clock import SystemClock
from evhold.adapters.sql.database import Database
from evhold.domain.access import Actor, ApiKey, AuditWanted, Role
from evhold.domain.authorization import Token, TokenStatus
from evhold.domain.connector import Connector
from evhold.domain.errors import IdempotencyKeyReused, KeyUnknown, RequestInProgress, StationUnknown, TokenUnknown
from evhold.domain.security import KEPT_OF_EACH, Origin, SecurityEvent
from evhold.domain.station import Capabilities, Credentials, Location, Registration, Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, TransactionId
from evhold.usecases.ports import Storage
from evhold.usecases.stores import IdempotentRequest, Remembered, Tx

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
STATION = StationId("CS-One")
REQUEST = IdempotentRequest(api_key_id=1, key="k", body_hash=b"a")


async def test_a_storage_is_a_port(storage: Database) -> None:
    """It fits where use cases want one."""
    port: Storage = storage
    assert await port.transact(lambda tx: 1) == 1
    assert await port.read(lambda tx: 2) == 2


# Stations


async def test_a_station_is_found_without_case_and_returned_as_provisioned(storage: Database) -> None:
    """Every field comes back."""
    station = Station(
        id=STATION,
        registration=Registration.REJECTED,
        security_profile=1,
        serial_number="sn",
        restore_after_boot=False,
        location=Location(name="Yard", latitude=52.5, longitude=13.25),
        vendor_name="V",
        model="M",
        firmware_version="1.2",
        reported_serial_number="rsn",
        ocpp_version="2.0.1",
        boot_status=Registration.PENDING,
        booted_at=NOON,
        last_seen=NOON + HOUR,
        capabilities=Capabilities(
            available=True, enabled=False, non_evse_specific=True, ev_connection_timeout=timedelta(seconds=45)
        ),
        inventory_of="1.2",
        clock_offset=timedelta(microseconds=-1),
        created_at=NOON,
    )
    assert await storage.transact(lambda tx: tx.stations.put(station)) is True
    assert await storage.read(lambda tx: tx.stations.find("cs-oNE")) == station
    renamed = replace(station, id=StationId("CS-ONE"), model="N", location=None)
    assert await storage.transact(lambda tx: tx.stations.put(renamed)) is False
    assert await storage.read(lambda tx: tx.stations.get("CS-ONE")) == replace(station, model="N", location=None)


async def test_an_unknown_station_is_unknown(storage: Database) -> None:
    """To get, to remove, to connect."""
    assert await storage.read(lambda tx: tx.stations.find("nobody")) is None
    for work in (
        lambda tx: tx.stations.get("nobody"),
        lambda tx: tx.stations.remove("nobody"),
        lambda tx: tx.stations.open_epoch("nobody"),
    ):
        with pytest.raises(StationUnknown):
            await storage.transact(work)


async def test_credentials_stay_unless_given(storage: Database) -> None:
    """And a removed station has none left when it comes back."""
    secret = Credentials(station_id=STATION, password_salt=b"salt", password_hash=b"hash", security_profile=1)
    station = Station(id=STATION, security_profile=1)
    await storage.transact(lambda tx: tx.stations.put(station, credentials=secret))
    await storage.transact(lambda tx: tx.stations.put(replace(station, model="M")))
    assert await storage.read(lambda tx: tx.stations.credentials()) == [secret]
    await storage.transact(lambda tx: tx.stations.remove(STATION))
    assert await storage.read(lambda tx: tx.stations.credentials()) == []
    assert await storage.transact(lambda tx: tx.stations.put(station)) is True
    assert await storage.read(lambda tx: tx.stations.credentials()) == [
        replace(secret, password_salt=None, password_hash=None)
    ]


async def test_epochs_grow_and_survive_a_put(storage: Database) -> None:
    """A stale copy of the station does not set them back."""
    await storage.transact(lambda tx: tx.stations.put(Station(id=STATION)))
    assert [await storage.transact(lambda tx: tx.stations.open_epoch(STATION)) for _ in range(3)] == [1, 2, 3]
    await storage.transact(lambda tx: tx.stations.put(Station(id=STATION)))
    assert await storage.transact(lambda tx: tx.stations.open_epoch(STATION)) == 4


async def test_stations_come_in_pages(storage: Database) -> None:
    """By id without case."""
    for name in ("b", "C", "A"):
        await storage.transact(lambda tx, name=name: tx.stations.put(Station(id=StationId(name))))  # type: ignore[misc]  # a default argument
    for wanted, expected in (
        (lambda tx: tx.stations.page(), ["A", "b", "C"]),
        (lambda tx: tx.stations.page(limit=2), ["A", "b"]),
        (lambda tx: tx.stations.page(limit=2, after="B"), ["C"]),
    ):
        assert [one.id for one in await storage.read(wanted)] == expected


async def test_last_seen_is_stored_for_many(storage: Database) -> None:
    """None at all is no error."""
    for name in ("a", "b"):
        await storage.transact(lambda tx, name=name: tx.stations.put(Station(id=StationId(name))))  # type: ignore[misc]  # a default argument
    await storage.transact(lambda tx: tx.stations.seen({}))
    await storage.transact(lambda tx: tx.stations.seen({StationId("a"): NOON, StationId("b"): NOON + HOUR}))
    assert [one.last_seen for one in await storage.read(lambda tx: tx.stations.page())] == [NOON, NOON + HOUR]


# Connectors


async def test_connectors_come_by_evse_and_number(storage: Database) -> None:
    """Of one station, or of all."""
    places = [("a", 2, 1), ("a", 1, 2), ("a", 1, 1), ("b", 1, 1)]
    made = [
        Connector(
            station_id=StationId(s), evse_id=EvseId(e), connector_id=ConnectorId(c), status="Available", since=NOON
        )
        for s, e, c in places
    ]

    def fill(tx: Tx) -> None:
        for one in made:
            tx.connectors.put(one)

    await storage.transact(fill)
    assert await storage.read(lambda tx: tx.connectors.of(StationId("a"))) == [made[2], made[1], made[0]]
    assert await storage.read(lambda tx: tx.connectors.of_all()) == {"a": [made[2], made[1], made[0]], "b": [made[3]]}
    await storage.transact(lambda tx: tx.connectors.put(replace(made[3], status="Faulted", since=NOON + HOUR)))
    assert (await storage.read(lambda tx: tx.connectors.of(StationId("b"))))[0].status == "Faulted"


# Transactions


async def test_transactions_are_kept_whole(storage: Database, clock: SystemClock) -> None:
    """Open ones are found; ``since`` goes by our clock."""
    made = Transaction(
        station_id=STATION,
        transaction_id=TransactionId("t"),
        state="Updated",
        evse_id=EvseId(1),
        id_token=IdToken("Ab", "Central"),
        ever_charged=True,
        started_at=NOON,
        last_stamp=NOON,
        energy_wh=0.1,
        seen=((0, 2), (4, 4)),
    )
    await storage.transact(lambda tx: tx.transactions.put(made))
    assert await storage.read(lambda tx: tx.transactions.find(STATION, TransactionId("t"))) == made
    assert await storage.read(lambda tx: tx.transactions.find(STATION, TransactionId("T"))) is None
    assert await storage.read(lambda tx: tx.transactions.open_at(STATION)) == [made]
    assert await storage.read(lambda tx: tx.transactions.since(STATION, NOON)) is True
    assert await storage.read(lambda tx: tx.transactions.since(STATION, NOON + HOUR)) is False
    ended = replace(made, state="Ended", ended_at=NOON + HOUR)
    await storage.transact(lambda tx: tx.transactions.put(ended))
    assert await storage.read(lambda tx: tx.transactions.open_at(STATION)) == []
    assert await storage.read(lambda tx: tx.transactions.find(STATION, TransactionId("t"))) == ended


# Tokens


async def test_tokens_with_addresses_of_their_drivers_are_known(storage: Database) -> None:
    """Among these, or among all."""
    told, quiet = IdToken("ABC", "Central"), IdToken("DEF", "Central")
    await storage.transact(lambda tx: tx.tokens.put(Token(id_token=quiet)))
    assert not await storage.read(lambda tx: tx.tokens.are_notified())
    await storage.transact(lambda tx: tx.tokens.put(Token(id_token=told, notify=("json://driver.example",))))
    assert await storage.read(lambda tx: tx.tokens.are_notified())
    assert await storage.read(lambda tx: tx.tokens.are_notified({quiet.key, told.key}))
    assert not await storage.read(lambda tx: tx.tokens.are_notified({quiet.key}))


async def test_tokens_are_found_without_case_and_by_type(storage: Database) -> None:
    """The last spelling is kept."""
    first = Token(
        id_token=IdToken("aBc", "Central"),
        status=TokenStatus.BLOCKED,
        group=IdToken("G", "Local"),
        cache_expiry=NOON,
        personal_message="Grüße",
    )
    assert await storage.transact(lambda tx: tx.tokens.put(first)) is True
    assert repr(await storage.read(lambda tx: tx.tokens.find(IdToken("ABC", "Central")))) == repr(first)
    assert await storage.read(lambda tx: tx.tokens.find(IdToken("ABC", "Local"))) is None
    assert await storage.transact(lambda tx: tx.tokens.put(Token(id_token=IdToken("ABC", "Central")))) is False
    assert [one.id_token.id_token for one in await storage.read(lambda tx: tx.tokens.page())] == ["ABC"]
    await storage.transact(lambda tx: tx.tokens.remove(IdToken("abc", "Central")))
    with pytest.raises(TokenUnknown):
        await storage.transact(lambda tx: tx.tokens.remove(IdToken("abc", "Central")))


async def test_tokens_come_in_pages(storage: Database) -> None:
    """By their key, from the one after the last."""
    names = [IdToken("b", "Central"), IdToken("a", "Local"), IdToken("a", "Central")]
    for name in names:
        await storage.transact(lambda tx, name=name: tx.tokens.put(Token(id_token=name)))  # type: ignore[misc]  # a default argument
    first = await storage.read(lambda tx: tx.tokens.page(limit=2))
    rest = await storage.read(lambda tx: tx.tokens.page(limit=2, after=first[-1].id_token.key))
    assert [one.id_token for one in first + rest] == [names[2], names[0], names[1]]


# Keys


async def test_keys_get_ids_of_their_own(storage: Database) -> None:
    """And can be revoked; an unknown one can't."""
    given = ApiKey(
        id=0, name="app", role=Role.DRIVER, key_hash=b"1", id_tokens=(IdToken("A", "Central"),), created_at=NOON
    )
    first = await storage.transact(lambda tx: tx.keys.insert(given))
    second = await storage.transact(lambda tx: tx.keys.insert(replace(given, key_hash=b"2")))
    assert first.id != second.id
    revoked = replace(first, revoked_at=NOON, last_used_at=NOON, expires_at=NOON + HOUR)
    await storage.transact(lambda tx: tx.keys.save(revoked))
    assert await storage.read(lambda tx: tx.keys.all()) == [revoked, second]
    with pytest.raises(KeyUnknown):
        await storage.transact(lambda tx: tx.keys.save(replace(given, id=99)))


# Repeated requests


async def test_a_repeat_gets_the_first_answer(storage: Database) -> None:
    """Status and body; another key, or another caller, is another request."""
    assert await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON)) is None
    await storage.transact(lambda tx: tx.idempotency.bind(REQUEST, ReservationId(7)))
    await storage.transact(lambda tx: tx.idempotency.finish(REQUEST, status=201, body=b"{}"))
    repeat = await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON + HOUR))
    assert repeat == Remembered(reservation_id=ReservationId(7), status=201, body=b"{}")
    for other in (replace(REQUEST, key="l"), replace(REQUEST, api_key_id=2)):
        assert await storage.transact(lambda tx, other=other: tx.idempotency.begin(other, at=NOON)) is None  # type: ignore[misc]  # a default argument


async def test_a_running_request_says_so(storage: Database) -> None:
    """Unbound: in progress. Bound to a reservation and not yet answered: status 0, the caller looks at the reservation."""
    await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON))
    with pytest.raises(RequestInProgress):
        await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON))
    await storage.transact(lambda tx: tx.idempotency.bind(REQUEST, ReservationId(7)))
    repeat = await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON))
    assert repeat == Remembered(reservation_id=ReservationId(7), status=0, body=b"")


async def test_another_body_under_the_same_key_is_refused(storage: Database) -> None:
    """Whether the first one is answered or not."""
    await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON))
    with pytest.raises(IdempotencyKeyReused):
        await storage.transact(lambda tx: tx.idempotency.begin(replace(REQUEST, body_hash=b"b"), at=NOON))


async def test_requests_are_forgotten(storage: Database) -> None:
    """After 24 hours, or when asked to."""
    await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON))
    almost = NOON + timedelta(hours=24, microseconds=-1)
    with pytest.raises(RequestInProgress):
        await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=almost))
    assert await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON + timedelta(hours=24))) is None
    await storage.transact(lambda tx: tx.idempotency.forget(REQUEST))
    assert await storage.transact(lambda tx: tx.idempotency.begin(REQUEST, at=NOON)) is None


async def test_the_audit_is_written(storage: Database) -> None:
    """Who, what, where and from which address; nothing where it is nobody's doing."""
    await storage.transact(
        lambda tx: tx.audit.add(at=NOON, who=Actor("key 1"), what="Reset", station_id=STATION, detail="Immediate")
    )
    await storage.transact(lambda tx: tx.audit.add(at=NOON, who=None, what="expire", station_id=None, detail=""))
    (row,) = await storage.read(lambda tx: tx.audit.page(AuditWanted()))
    assert (row.at, row.who, row.what) == (NOON, Actor("key 1"), "Reset")
    assert (row.station_id, row.detail) == (STATION, "Immediate")


async def test_the_audit_is_read_newest_first_and_by_time(storage: Database) -> None:
    """From a time on, before another one, a page at a time; and what is old is deleted, so many at a time."""
    who = Actor("key 1", "192.0.2.7")
    for minute in range(5):
        at = NOON + timedelta(minutes=minute)
        await storage.transact(
            lambda tx, at=at: tx.audit.add(at=at, who=who, what=f"{at.minute}", station_id=None, detail="")
        )

    async def told(**wanted: Any) -> list[str]:
        rows = await storage.read(lambda tx: tx.audit.page(AuditWanted(**wanted)))
        assert all(row.who == who for row in rows)
        return [row.what for row in rows]

    assert await told() == ["4", "3", "2", "1", "0"]
    assert await told(start=NOON + timedelta(minutes=1), end=NOON + timedelta(minutes=3)) == ["2", "1"]
    first = await storage.read(lambda tx: tx.audit.page(AuditWanted(limit=2)))
    assert await told(limit=2, before=first[-1].number) == ["2", "1"]
    before = NOON + timedelta(minutes=3)
    assert await storage.transact(lambda tx: tx.audit.prune(before=before, limit=2)) == 2
    assert await told() == ["4", "3", "2"]
    assert await storage.transact(lambda tx: tx.audit.prune(before=before, limit=2)) == 1
    assert await told() == ["4", "3"]


# Secrets


async def test_a_secret_is_settled_once(storage: Database) -> None:
    """The first one stays, whatever comes after; others have their own."""
    assert await storage.read(lambda tx: tx.secrets.find("signing")) is None
    assert await storage.transact(lambda tx: tx.secrets.settle("signing", "first")) == "first"
    assert await storage.transact(lambda tx: tx.secrets.settle("signing", "second")) == "first"
    assert await storage.transact(lambda tx: tx.secrets.settle("other", "third")) == "third"
    assert await storage.read(lambda tx: tx.secrets.find("signing")) == "first"


# Security


async def test_security_events_come_newest_first_and_are_bounded(storage: Database) -> None:
    """Of one station, of all and of nobody; of each no more than the newest are kept, and none for too long."""

    def event(number: int, station_id: StationId | None = STATION) -> SecurityEvent:
        at = NOON + number * HOUR
        return SecurityEvent(station_id=station_id, type=f"T{number}", origin=Origin.CSMS, at=at, remote="::1", count=2)

    def work(tx: Tx) -> None:
        for number in range(KEPT_OF_EACH + 3):
            tx.security_events.add(event(number))
        tx.security_events.add(replace(event(0, None), origin=Origin.STATION, told_at=NOON, tech_info="x", remote=None))

    await storage.transact(work)
    mine = await storage.read(lambda tx: tx.security_events.page(station_id=STATION, limit=1000))
    assert [one.type for one in mine] == [f"T{number}" for number in reversed(range(3, KEPT_OF_EACH + 3))]
    assert replace(mine[0], number=0) == event(KEPT_OF_EACH + 2)
    newest = await storage.read(lambda tx: tx.security_events.page(station_id=None, limit=2))
    assert [one.station_id for one in newest] == [None, STATION]
    assert (newest[0].origin, newest[0].told_at, newest[0].tech_info) == (Origin.STATION, NOON, "x")
    after = await storage.read(lambda tx: tx.security_events.page(station_id=STATION, limit=1, before=mine[0].number))
    assert after == mine[1:2]
    newest_at = NOON + (KEPT_OF_EACH + 2) * HOUR
    assert await storage.transact(lambda tx: tx.security_events.prune(before=newest_at, limit=400)) == 400
    assert await storage.transact(lambda tx: tx.security_events.prune(before=newest_at, limit=400)) == 100
    assert await storage.read(lambda tx: tx.security_events.page(station_id=None, limit=1000)) == mine[:1]


async def test_a_second_password_is_kept_beside_the_first(storage: Database) -> None:
    """Of one station alone; whoever stores credentials without it takes it away."""
    secret = Credentials(
        station_id=STATION, password_salt=b"s", password_hash=b"h", serial_number="SN", next_salt=b"t", next_hash=b"i"
    )
    station = Station(id=STATION, serial_number="SN")
    await storage.transact(lambda tx: tx.stations.put(station, credentials=secret))
    await storage.transact(lambda tx: tx.stations.put(Station(id=StationId("other"))))
    assert await storage.read(lambda tx: tx.stations.credentials([STATION])) == [secret]
    one = replace(secret, next_salt=None, next_hash=None)
    await storage.transact(lambda tx: tx.stations.put(station, credentials=one))
    assert await storage.read(lambda tx: tx.stations.credentials([STATION])) == [one]
