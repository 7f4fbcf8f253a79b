"""The firehose: durable when awaited, in order of arrival, one bad row harming nobody else."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sql_examples import HOUR, NOON, ONLY_SQLITE, STATION, MovedClock, activate, changed, connector, provision
from sqlalchemy import select

from evhold.adapters.sql.database import Database
from evhold.adapters.sql.recorder import MAX_ROWS, SqlRecorder
from evhold.adapters.sql.tables import metadata
from evhold.adapters.sql.tx import SqlTx
from evhold.domain.errors import InvalidOrder
from evhold.domain.events import StationPresence
from evhold.domain.station import Capabilities, Credentials, Location, Registration, Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import ConnectorId, EvseId, IdToken, ReservationId, StationId, TransactionId
from evhold.usecases.ports import StorageAway, Told
from evhold.usecases.stores import Tx


@pytest.fixture
def recorder(storage: Database, clock: MovedClock) -> SqlRecorder:
    """On the test's database."""
    return SqlRecorder(storage, now=clock.now)


FULL_TRANSACTION = Transaction(
    station_id=STATION,
    transaction_id=TransactionId("t-1"),
    state="Ended",
    evse_id=EvseId(1),
    connector_id=ConnectorId(2),
    reservation_id=ReservationId(7),
    id_token=IdToken("Ab", "Central"),
    token_accepted=True,
    ever_charged=True,
    remote_start_id=3,
    started_at=NOON,
    ended_at=NOON + HOUR,
    last_stamp=NOON + HOUR,
    stopped_reason="Local",
    energy_wh=12.5,
    seen=((0, 4), (6, 6)),
)
FULL_STATION = Station(
    id=STATION,
    registration=Registration.PENDING,
    security_profile=2,
    serial_number="s",
    restore_after_boot=False,
    location=Location(name="Here", latitude=1.5, longitude=-2.5),
    vendor_name="V",
    model="M",
    firmware_version="1",
    reported_serial_number="r",
    ocpp_version="2.0.1",
    boot_status=Registration.ACCEPTED,
    booted_at=NOON,
    last_seen=NOON,
    capabilities=Capabilities(available=True, enabled=False, ev_connection_timeout=timedelta(seconds=90)),
    inventory_of="1",
    clock_offset=timedelta(seconds=-3),
    created_at=NOON,
)


async def told_of(storage: Database) -> list[Told]:
    """All events, in order."""
    await storage.number()
    return await storage.look(lambda tx: tx.outbox.after(0, limit=2 * MAX_ROWS))


async def rows_of(storage: Database, table: str) -> list[dict[str, Any]]:
    """Everything in a table."""

    def read(tx: SqlTx) -> list[dict[str, Any]]:
        return [dict(row) for row in tx.connection.execute(select(metadata.tables[table])).mappings()]

    return await storage.look(read)


async def test_what_was_awaited_is_stored_with_its_event(storage: Database, recorder: SqlRecorder) -> None:
    """Row and event are there when the awaitable ends."""
    known = connector(1)
    await recorder.connector(known, changed(known))
    assert await storage.read(lambda tx: tx.connectors.of(STATION)) == [known]
    told = await told_of(storage)
    assert [one.event for one in told] == [changed(known)]


async def test_answers_come_in_order_of_arrival(storage: Database, recorder: SqlRecorder) -> None:
    """Of many stations, over several batches; their events are numbered in that order too."""
    arrived: list[int] = []

    async def report(number: int) -> None:
        known = connector(number)
        await recorder.connector(known, changed(known))
        arrived.append(number)

    await asyncio.gather(*(report(number) for number in range(1, MAX_ROWS + 100)))
    assert arrived == list(range(1, MAX_ROWS + 100))
    told = await told_of(storage)
    assert [one.event.evse_id for one in told] == arrived  # type: ignore[union-attr]  # connectors only


async def test_of_one_connector_the_last_status_stays(storage: Database, recorder: SqlRecorder) -> None:
    """All its changes are told."""
    reports = [connector(1, status=status) for status in ("Available", "Occupied", "Reserved")]
    await asyncio.gather(*(recorder.connector(one, changed(one)) for one in reports))
    assert await storage.read(lambda tx: tx.connectors.of(STATION)) == [reports[-1]]
    told = await told_of(storage)
    assert [one.event for one in told] == [changed(one) for one in reports]


async def test_one_bad_row_harms_nobody_else(storage: Database, recorder: SqlRecorder, kind: str) -> None:
    """Its batch fails, its members run singly, and it alone hears of it."""
    refused = OverflowError if kind == "sqlite" else InvalidOrder
    good = [connector(1), connector(2), connector(3)]
    bad = connector(2**70)
    reports = [good[0], good[1], bad, good[2]]
    outcomes = await asyncio.gather(*(recorder.connector(one, changed(one)) for one in reports), return_exceptions=True)
    assert [type(one) for one in outcomes] == [type(None), type(None), refused, type(None)]
    assert await storage.read(lambda tx: tx.connectors.of(STATION)) == good
    told = await told_of(storage)
    assert [one.event for one in told] == [changed(one) for one in good]
    await recorder.connector(connector(4), changed(connector(4)))


@ONLY_SQLITE
async def test_a_storage_that_is_away_is_told_to_all(storage: Database, recorder: SqlRecorder) -> None:
    """Nothing is stored, nothing is told, and it goes on when the storage is back."""

    await storage.write(lambda tx: tx.connection.exec_driver_sql("PRAGMA query_only = ON") and None)
    reports = [connector(1), connector(2)]
    outcomes = await asyncio.gather(*(recorder.connector(one, changed(one)) for one in reports), return_exceptions=True)
    assert [type(one) for one in outcomes] == [StorageAway, StorageAway]
    await recorder.connector(connector(3), changed(connector(3)))
    assert await storage.read(lambda tx: tx.connectors.of(STATION)) == [connector(3)]
    assert len(await told_of(storage)) == 1


async def test_load_makes_batches(storage: Database, recorder: SqlRecorder) -> None:
    """A lone row goes at once; what comes while a batch is on its way shares the next one, which is bounded."""
    sizes: list[int] = []
    write = recorder._write
    recorder._write = lambda batch: (sizes.append(len(batch)), write(batch))[1]  # type: ignore[method-assign]  # to look at the batches
    first = recorder.connector(connector(1), changed(connector(1)))
    await first
    many = [recorder.connector(connector(n), changed(connector(n))) for n in range(2 * MAX_ROWS + 10)]
    await asyncio.gather(*many)
    assert sizes == [1, MAX_ROWS, MAX_ROWS, 10]


@pytest.mark.parametrize("update", [False, True])
async def test_both_forms_store_the_same(storage: Database, recorder: SqlRecorder, update: bool) -> None:
    """What the driver's text stores is what the statement of the tables stores, inserted or updated."""
    with_type = replace(connector(1), type="cType2")
    bare = Transaction(station_id=STATION, transaction_id=TransactionId("t-1"))

    async def by_statements() -> None:
        def work(tx: Tx) -> None:
            if update:
                tx.connectors.put(connector(1, status="Faulted"))
                tx.transactions.put(bare)
            tx.connectors.put(with_type)
            tx.transactions.put(FULL_TRANSACTION)
            tx.outbox.add(changed(with_type))
            tx.stations.put(FULL_STATION)
            tx.outbox.add(StationPresence(at=NOON, station_id=STATION, online=True))

        await storage.transact(work)

    async def by_recorder() -> None:
        if update:
            await recorder.connector(connector(1, status="Faulted"), changed(connector(1, status="Faulted")))
            await recorder.transaction(bare)
            await storage.write(lambda tx: tx.connection.exec_driver_sql("DELETE FROM outbox") and None)
        await recorder.connector(with_type, changed(with_type))
        await recorder.transaction(FULL_TRANSACTION)
        await recorder.station(FULL_STATION, [StationPresence(at=NOON, station_id=STATION, online=True)])

    tables = ("connectors", "transactions", "stations", "outbox")
    stored = []
    for way in (by_statements, by_recorder):
        await way()
        found = {name: await rows_of(storage, name) for name in tables}
        stored.append(
            {name: [{k: v for k, v in row.items() if k != "seq"} for row in rows] for name, rows in found.items()}
        )
        for name in tables:
            await storage.write(lambda tx, gone=name: tx.connection.exec_driver_sql(f"DELETE FROM {gone}") and None)  # type: ignore[misc]  # a default argument
    assert stored[0] == stored[1]
    assert all(len(rows) >= 1 for rows in stored[0].values())


async def test_a_known_type_survives_a_status_without_one(storage: Database, recorder: SqlRecorder) -> None:
    """Status reports carry no type; the inventory does."""
    await storage.transact(lambda tx: tx.connectors.put(replace(connector(1), type="cCCS2")))
    await recorder.connector(connector(1, status="Occupied"), changed(connector(1, status="Occupied")))
    assert [one.type for one in await storage.read(lambda tx: tx.connectors.of(STATION))] == ["cCCS2"]


async def test_what_is_provisioned_survives_a_boot(storage: Database, recorder: SqlRecorder) -> None:
    """A station's report changes what it reports, not its registration, location, credentials or epoch."""
    await storage.transact(
        lambda tx: tx.stations.put(
            Station(id=STATION, serial_number="by hand", epoch=4),
            credentials=Credentials(station_id=STATION, password_salt=b"s", password_hash=b"h"),
        )
    )
    await recorder.station(FULL_STATION, [])
    stored = await storage.read(lambda tx: tx.stations.get(STATION))
    assert (stored.registration, stored.serial_number, stored.location) == (Registration.ACCEPTED, "by hand", None)
    assert (stored.epoch, stored.vendor_name, stored.boot_status) == (4, "V", Registration.ACCEPTED)
    assert stored.capabilities == FULL_STATION.capabilities
    credentials = await storage.read(lambda tx: tx.stations.credentials())
    assert [one.password_hash for one in credentials] == [b"h"]


async def test_a_learned_clock_moves_the_sweep(storage: Database, recorder: SqlRecorder) -> None:
    """As a stored station does."""
    station = await provision(storage)
    await provision(storage, station=Station(id=StationId("CS-2")))
    await storage.transact(activate)
    await recorder.station(replace(station, clock_offset=timedelta(minutes=5)), [])
    await recorder.station(Station(id=StationId("CS-2"), clock_offset=timedelta(minutes=9)), [])
    by_now = NOON + HOUR - timedelta(minutes=5)
    assert await storage.read(lambda tx: tx.reservations.next_sweep(grace=timedelta())) == by_now
    assert await storage.read(lambda tx: tx.reservations.next_remind(before=timedelta())) == by_now
