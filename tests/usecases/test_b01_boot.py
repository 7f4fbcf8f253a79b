"""B01, B02, B03: connections open and close, boots are answered as provisioned."""

from dataclasses import replace

import pytest
from usecase_fakes import START, connected, connector, seconds

from evhold.domain.errors import SerialNumberMismatch
from evhold.domain.events import RegistryChanged, StationPresence
from evhold.domain.reservation import Reservation, State
from evhold.domain.station import Registration
from evhold.domain.transaction import Transaction
from evhold.domain.transitions import created
from evhold.domain.values import Heard, IdToken, Terms
from evhold.usecases import b01_boot
from evhold.usecases.b01_boot import BOOT_AGAIN_AFTER, Boot
from evhold.usecases.ports import Rules

ONLINE = StationPresence(at=START, station_id="CS1", online=True)
OFFLINE = StationPresence(at=START, station_id="CS1", online=False)
POWER_UP = Boot(vendor_name="Acme", model="One", reason="PowerUp", firmware_version="1.0", serial_number="S1")


async def boot(storage, clock, connection, boot=POWER_UP):
    """Boot the station of the connection."""
    return await b01_boot.boot(boot, connection, heard_at=clock.now(), storage=storage, clock=clock, rules=Rules())


def provision(storage, **given):
    """CS1 as given."""
    storage.now.stations.put(replace(storage.now.stations.get("CS1"), **given))


@pytest.mark.req("B01")
async def test_an_accepted_boot_stores_who_the_station_is_and_tells_that_it_is_online(storage, clock):
    """The row has vendor, model, firmware, serial number and times; the answer has our time and the Heartbeat interval."""
    connection = connected(registration=None)
    provision(storage, boot_status=None)

    answer = await boot(storage, clock, connection)

    stored = storage.now.stations.get("CS1")
    assert (answer.status, answer.interval, answer.current_time) == (Registration.ACCEPTED, seconds(300), START)
    assert (stored.vendor_name, stored.model, stored.firmware_version) == ("Acme", "One", "1.0")
    assert (stored.reported_serial_number, stored.booted_at, stored.last_seen) == ("S1", START, START)
    assert connection.registration == stored.boot_status == Registration.ACCEPTED
    assert storage.told == [ONLINE]


@pytest.mark.req("B02", "B03")
@pytest.mark.parametrize("policy", [Registration.PENDING, Registration.REJECTED])
async def test_a_boot_is_answered_as_the_station_is_provisioned(storage, clock, policy):
    """Pending and Rejected are answered, kept, and not online; the interval is when to boot again."""
    connection = connected(registration=None)
    provision(storage, registration=policy, boot_status=None)

    answer = await boot(storage, clock, connection)

    assert (answer.status, answer.interval) == (policy, BOOT_AGAIN_AFTER)
    assert storage.now.stations.get("CS1").boot_status is policy
    assert connection.registration == policy
    assert storage.told == []


async def test_a_station_that_was_accepted_and_no_more_is_goes_offline(storage, clock):
    """Online is told once it is not."""
    provision(storage, registration=Registration.REJECTED)

    await boot(storage, clock, connected())

    assert storage.told == [OFFLINE]


async def test_after_a_boot_every_first_report_counts_anew(storage, clock):
    """The station may have set its clock and lost its statuses."""
    connection = connected(reported={(1, 1)}, clock_samples=(seconds(3),), triggered={"BootNotification"})

    await boot(storage, clock, connection)

    assert (connection.reported, connection.clock_samples, connection.triggered) == (set(), (), set())
    assert storage.told == [ONLINE]


@pytest.mark.row(55)
async def test_a_boot_that_we_asked_for_is_no_restart(storage, clock):
    """Reason Triggered: what is known of connectors stays, and so does the time of the last boot."""
    provision(storage, booted_at=START - seconds(60))
    connection = connected(reported={(1, 1)})

    await boot(storage, clock, connection, replace(POWER_UP, reason="Triggered"))

    assert storage.now.stations.get("CS1").booted_at == START - seconds(60)
    assert connection.reported == {(1, 1)}
    assert storage.told == []


async def test_a_station_removed_meanwhile_is_rejected(storage, clock):
    """Nothing is stored for it."""
    storage.now.stations.remove("CS1")

    answer = await boot(storage, clock, connected())

    assert answer.status is Registration.REJECTED
    assert storage.tables.stations == {}


async def open_(storage, clock, connection):
    """Open the connection."""
    await b01_boot.open_connection(connection, version="2.0.1", storage=storage, clock=clock)


@pytest.mark.req("B01")
async def test_the_last_registration_holds_over_a_reconnect(storage, clock):
    """Without a boot, a station whose last one was accepted is online; its connection has the next number."""
    connection = connected(epoch=0, registration=None)
    await open_(storage, clock, connection)

    await open_(storage, clock, connection)

    assert (connection.registration, connection.epoch) == (Registration.ACCEPTED, 2)
    assert storage.now.stations.get("CS1").ocpp_version == "2.0.1"
    assert storage.told == [ONLINE, ONLINE]


async def test_an_unknown_station_is_registered_when_it_connects(storage, clock):
    """It is in the registry, without a registration, and not online until it boots."""
    connection = connected(station_id="NEW", registration=None, provisioned=False)

    await open_(storage, clock, connection)

    assert storage.now.stations.get("NEW").created_at == START
    assert connection.registration is None
    assert storage.told == [RegistryChanged(at=START, kind="station", key="NEW")]


async def test_an_opened_connection_remembers_what_is_stored(storage, clock):
    """Statuses, running transactions, those that are bound to a reservation, and the clock's offset."""
    provision(storage, clock_offset=seconds(30))
    plugged = connector(status="Occupied", since=START)
    storage.now.connectors.put(plugged)
    running = Transaction(station_id="CS1", transaction_id="T1")
    other = Transaction(station_id="CS1", transaction_id="T2")
    for one in (running, other, replace(other, transaction_id="T3", state="Ended")):
        storage.now.transactions.put(one)
    terms = Terms(id_token=IdToken("TAG", "ISO14443"), expiry=START)
    used = Reservation(
        id=1, station_id="CS1", terms=terms, state=State.USED, created_at=START, updated_at=START, transaction_id="T1"
    )
    storage.now.reservations.insert(created(used, Heard(at=START)))
    connection = connected()

    await open_(storage, clock, connection)

    assert connection.statuses == {(1, 1): plugged}
    assert connection.transactions == {"T1": running, "T2": other}
    assert connection.bound_transactions == {"T1"}
    assert connection.clock_offset == seconds(30)


async def close(storage, clock, connection, *, replaced=False):
    """Close the connection; the station was last heard ten seconds ago."""
    await b01_boot.close_connection(
        connection, last_heard=START - seconds(10), replaced=replaced, storage=storage, clock=clock
    )


async def test_a_closed_connection_tells_that_the_station_is_offline(storage, clock):
    """When it was last heard is stored."""
    connection = connected()
    await open_(storage, clock, connection)
    assert storage.told

    await close(storage, clock, connection)

    assert storage.now.stations.get("CS1").last_seen == START - seconds(10)
    assert storage.told == [OFFLINE]


async def test_a_replaced_connection_does_not_tell_offline(storage, clock):
    """Neither when it is said to be replaced, nor when a newer one has the greater number."""
    older, newer = connected(), connected()
    await open_(storage, clock, older)
    await open_(storage, clock, newer)
    assert storage.told

    await close(storage, clock, older)
    await close(storage, clock, newer, replaced=True)

    assert storage.told == []


async def test_a_station_that_was_not_accepted_was_never_online(storage, clock):
    """So its end tells nothing, and a removed station's end does not either."""
    provision(storage, boot_status=Registration.PENDING)
    connection = connected(registration=None)
    await open_(storage, clock, connection)

    await close(storage, clock, connection)
    await close(storage, clock, connected(station_id="GONE"))

    assert storage.told == []


async def test_a_heartbeat_is_answered_with_our_time_and_costs_no_row(storage, clock):
    """Last seen is written for many at once."""
    assert b01_boot.heartbeat(connected(), clock=clock) == START

    await b01_boot.seen({}, storage=storage)
    assert storage.writes == 0

    await b01_boot.seen({"CS1": START + seconds(5)}, storage=storage)
    assert storage.now.stations.get("CS1").last_seen == START + seconds(5)


# --- security profiles


@pytest.mark.req("B01.FR.11")
@pytest.mark.parametrize("told", ["SN-2", "sn-1", ""])
async def test_a_serial_number_that_is_not_the_certificates_is_refused(storage, clock, told):
    """Nothing of the boot is stored."""
    before = storage.now.stations.get("CS1")
    connection = replace(connected(registration=None), security_profile=3, common_name="SN-1")

    with pytest.raises(SerialNumberMismatch):
        await boot(storage, clock, connection, replace(POWER_UP, serial_number=told))
    assert storage.now.stations.get("CS1") == before


@pytest.mark.req("B01.FR.11")
@pytest.mark.parametrize(("name", "told"), [("SN-1", "SN-1"), ("SN-1", None), ("S" * 40, "S" * 25)])
async def test_a_serial_number_that_fits_or_is_left_out_boots(storage, clock, name, told):
    """BootNotification holds 25 characters of it, and need not tell it: the certificate was matched before."""
    connection = replace(connected(registration=None), security_profile=3, common_name=name)

    answer = await boot(storage, clock, connection, replace(POWER_UP, serial_number=told))
    assert answer.status is Registration.ACCEPTED


@pytest.mark.req("A05.FR.07")
@pytest.mark.parametrize(
    ("known", "came", "then"), [(None, 2, 2), (1, 2, 2), (2, 3, 3), (3, 3, 3), (None, 1, None), (0, 0, 0)]
)
async def test_an_accepted_boot_by_tls_raises_the_lowest_profile(storage, clock, known, came, then):
    """It never lowers it, and a plain connection is no step up; the caches are told of a change."""
    provision(storage, security_profile=known)
    connection = replace(connected(registration=None), security_profile=came)

    await boot(storage, clock, connection)

    assert storage.now.stations.get("CS1").security_profile == then
    assert (RegistryChanged(at=START, kind="station", key="CS1") in storage.told) == (known != then)


async def test_a_station_that_is_not_accepted_raises_nothing(storage, clock):
    """Pending is for finding out who this is."""
    provision(storage, registration=Registration.PENDING, security_profile=1)
    await boot(storage, clock, replace(connected(registration=None), security_profile=3))

    assert storage.now.stations.get("CS1").security_profile == 1
