"""The same use cases on the real database: what they store can be read again."""

from collections.abc import AsyncIterator

import pytest
from usecase_fakes import (
    CLI,
    GROUP,
    START,
    TAG_A,
    CountedIds,
    MovedClock,
    ScriptedStations,
    connected,
    heard,
    reservation,
    seconds,
)

from evhold.adapters.sql.recorder import SqlRecorder
from evhold.adapters.sql.storage import SqlStorage, open_storage
from evhold.domain.access import Role
from evhold.domain.reservation import State
from evhold.domain.transaction import Event
from evhold.domain.transitions import created
from evhold.domain.values import Heard
from evhold.domain.variables import ReportRow, Variable
from evhold.usecases import (
    b01_boot,
    b06_get_variables,
    b07_base_report,
    c01_authorize,
    e01_transaction,
    g01_connector_status,
    h03_use,
    provision,
    queries,
)
from evhold.usecases.keyring import KeyRing
from evhold.usecases.known_tokens import KnownTokens
from evhold.usecases.ports import Rules

CLOCK = MovedClock()


@pytest.fixture
async def database(tmp_path) -> AsyncIterator[SqlStorage]:
    """A new SQLite file that knows CS1, TAG_A and its group."""
    storage = open_storage(f"sqlite:///{tmp_path}/evhold.db", clock=CLOCK)
    ids = CountedIds()
    await provision.put_station(provision.PutStation(station_id="CS1"), who=CLI, storage=storage, clock=CLOCK, ids=ids)
    await provision.put_token(provision.TokenOrder(id_token=TAG_A, group=GROUP), who=CLI, storage=storage, clock=CLOCK)
    yield storage
    await storage.close()


@pytest.fixture
async def online(database):
    """A connection of CS1 that was opened and booted."""
    connection = connected(epoch=0, registration=None)
    await b01_boot.open_connection(connection, version="2.0.1", storage=database, clock=CLOCK)
    boot = b01_boot.Boot(vendor_name="Acme", model="One", reason="PowerUp", firmware_version="1.0")
    await b01_boot.boot(boot, connection, heard_at=START, storage=database, clock=CLOCK, rules=Rules())
    return connection


async def view(database):
    """CS1 as the API shows it."""
    return await queries.station("cs1", storage=database, stations=ScriptedStations())


async def again(database, connection):
    """A new connection of the same station, the old one closed."""
    await b01_boot.close_connection(connection, last_heard=START, replaced=False, storage=database, clock=CLOCK)
    fresh = connected(epoch=0, registration=None)
    await b01_boot.open_connection(fresh, version="2.0.1", storage=database, clock=CLOCK)
    return fresh


async def test_a_registration_holds_over_a_reconnect(database, online):
    """The new connection has a greater number."""
    fresh = await again(database, online)

    assert fresh.registration == "Accepted"
    assert fresh.epoch > online.epoch > 0
    assert (await view(database)).station.firmware_version == "1.0"


async def test_statuses_types_and_capabilities_are_loaded_again(database, online):
    """Also the offset of the station's clock."""
    rows = (ReportRow(component="Connector", variable="ConnectorType", value="cCCS2", evse_id=1, connector_id=1),)
    online.expected_reports.add(7)
    await b07_base_report.learn(b07_base_report.Report(request_id=7, rows=rows, is_last=True), online, storage=database)
    enabled = Variable(component="ReservationCtrlr", variable="Enabled", value="false")
    await b06_get_variables.learn("CS1", [enabled], storage=database)
    recorder = SqlRecorder(database, now=CLOCK.now)
    for second, status in enumerate(["Available", "Occupied"]):
        await g01_connector_status.report(
            status,
            evse_id=1,
            connector_id=1,
            stamp=START + seconds(60 + second),
            connected=online,
            recorder=recorder,
            storage=database,
            at=START + seconds(second),
        )

    fresh = await again(database, online)
    shown = await view(database)

    assert (fresh.statuses, fresh.clock_offset) == (online.statuses, seconds(60))
    assert [(one.status, one.type) for one in shown.connectors] == [("Occupied", "cCCS2")]
    assert shown.station.capabilities.enabled is False
    assert not b07_base_report.wanted(shown.station)


async def test_a_use_is_stored_with_its_transaction_and_found_after_a_reconnect(database, online):
    """The proof comes over another connection."""
    await database.transact(lambda tx: tx.reservations.insert(created(reservation(1, evse_id=1), Heard(at=START))))
    recorder = SqlRecorder(database, now=CLOCK.now)

    async def report(connection, seq_no, **given):
        event = Event(
            station_id="CS1", transaction_id="T1", type="Updated", stamp=START, seq_no=seq_no, trigger="x", **given
        )
        return await e01_transaction.report(
            event,
            connection,
            at=START,
            heard=heard(),
            storage=database,
            recorder=recorder,
            rules=Rules(),
            consume=h03_use.consume,
        )

    await report(online, 0, reservation_id=1)
    fresh = await again(database, online)
    assert fresh.bound_transactions == {"T1"}

    info = await report(fresh, 1, id_token=TAG_A)

    used = await queries.reservation(1, storage=database)
    assert (used.state, used.proven, info.group) == (State.USED, True, GROUP)
    assert await report(fresh, 1, id_token=TAG_A) == info
    assert await queries.reservation(1, storage=database) == used


async def test_a_transaction_without_a_reservation_is_recorded(database, online):
    """And loaded again while it runs."""
    event = Event(station_id="CS1", transaction_id="T2", type="Started", stamp=START, seq_no=0, trigger="x")
    await e01_transaction.report(
        event,
        online,
        at=START,
        heard=heard(),
        storage=database,
        recorder=SqlRecorder(database, now=CLOCK.now),
        rules=Rules(),
        consume=h03_use.consume,
    )

    assert (await again(database, online)).transactions == online.transactions


async def test_tokens_and_keys_come_back_as_they_were_stored(database):
    """A driver's key with its tokens, revoked for good."""
    assert (
        await c01_authorize.authorize(TAG_A, tokens=KnownTokens(storage=database, clock=CLOCK), rules=Rules())
    ).group == GROUP
    order = provision.KeyOrder(name="app", role=Role.DRIVER, id_tokens=(TAG_A,))
    made = await provision.create_key(order, who=CLI, storage=database, clock=CLOCK, ids=CountedIds())

    ring = KeyRing(storage=database, clock=CLOCK)
    assert await ring.by_secret(made.secret) == made.key
    assert await KeyRing(storage=database, clock=CLOCK).by_id(made.key.id) == made.key
    await ring.store_uses()
    assert [one.last_used_at for one in await queries.keys(storage=database)] == [START]
    await provision.revoke_key(made.key.id, who=CLI, storage=database, clock=CLOCK)
    ring.forget(made.key.id)
    assert await ring.by_secret(made.secret) is None


async def test_a_removed_station_keeps_its_credentials_no_more(database):
    """It is unknown, and its password with it."""
    await provision.remove_station("CS1", who=CLI, storage=database, clock=CLOCK)

    assert await database.read(lambda tx: tx.stations.credentials()) == []
    assert await queries.stations_page(storage=database, stations=ScriptedStations()) == []
