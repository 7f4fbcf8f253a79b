"""B01, B02, B03: a station connects, boots, is heard, and goes.

House rules
- What a connection remembers is loaded before its first CALL is handled, and changed only after the commit.
- The registration that a station was last answered holds over reconnects and our restarts (B01, B02, B03).
- A boot changes no reservation by itself (row 55); what follows from it is sent by the reactions.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from evhold.domain.access import Actor
from evhold.domain.connector import Connector
from evhold.domain.errors import SerialNumberMismatch
from evhold.domain.events import RegistryChanged, StationPresence
from evhold.domain.station import Registration, Station
from evhold.domain.transaction import Transaction
from evhold.domain.values import StationId, TransactionId
from evhold.usecases.ports import Clock, Connected, Rules, Storage
from evhold.usecases.stores import Tx

#: When a station whose boot was not Accepted should ask again.
BOOT_AGAIN_AFTER: Final = timedelta(seconds=60)
#: What BootNotification can hold of it.
LONGEST_SERIAL_NUMBER: Final = 25
#: The lowest security profile that is kept by itself: a plain connection is no step up from anything.
FIRST_OF_TLS: Final = 2
#: A BootNotification that we asked for: the station did not restart (row 55).
TRIGGERED: Final = "Triggered"


@dataclass(frozen=True, slots=True, kw_only=True)
class Boot:
    """A BootNotificationRequest. ``reason`` as in BootReasonEnumType."""

    vendor_name: str
    model: str
    reason: str
    firmware_version: str | None = None
    serial_number: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BootAnswer:
    """``interval`` is that of Heartbeats when Accepted, else the time to wait before the next BootNotification."""

    status: Registration
    interval: timedelta
    current_time: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class _Opened:
    epoch: int
    station: Station
    connectors: list[Connector]
    running: list[Transaction]
    bound: set[TransactionId]


async def open_connection(
    connected: Connected, *, version: str, storage: Storage, clock: Clock, numbered: bool = False
) -> None:
    """The connection has its number, and remembers what is stored of its station; an unknown station is registered.

    A station whose last boot was Accepted is told to be online.

    Args:
        connected: Filled in place.
        version: OCPP's, such as ``2.0.1``.
        storage: One transaction.
        clock: Ours.
        numbered: It has its number already, among many nodes.

    Requirements: B01, B02, B03
    """

    def work(tx: Tx) -> _Opened:
        at = clock.now()
        station = tx.stations.find(connected.station_id)
        if station is None:
            station = Station(id=connected.station_id, created_at=at)
            tx.outbox.add(RegistryChanged(at=at, kind="station", key=station.id))
        station = replace(station, ocpp_version=version, last_seen=at)
        tx.stations.put(station)
        if station.is_registered:
            tx.outbox.add(StationPresence(at=at, station_id=station.id, online=True))
        running = tx.transactions.open_at(station.id)
        return _Opened(
            epoch=connected.epoch if numbered else tx.stations.open_epoch(station.id),
            station=station,
            connectors=tx.connectors.of(station.id),
            running=running,
            bound={
                one.transaction_id
                for one in running
                if tx.reservations.bound_to(station.id, one.transaction_id) is not None
            },
        )

    opened = await storage.transact(work)
    # Ids compare without case: whatever the station spelled, rows are kept under the provisioned one.
    connected.station_id = opened.station.id
    connected.epoch = opened.epoch
    connected.registration = opened.station.boot_status
    connected.statuses = {(one.evse_id, one.connector_id): one for one in opened.connectors}
    connected.transactions = {one.transaction_id: one for one in opened.running}
    connected.bound_transactions = opened.bound
    connected.clock_offset = opened.station.clock_offset or None


async def boot(
    boot: Boot, connected: Connected, *, heard_at: datetime, storage: Storage, clock: Clock, rules: Rules
) -> BootAnswer:
    """The boot is stored and answered as the station was provisioned (B01, B02, B03).

    An accepted boot tells that the station is online, again too where it was online before its restart.

    Args:
        boot: What the station says of itself.
        connected: Its registration is set; after a restart every connector's next report counts.
        heard_at: By our clock.
        storage: One transaction.
        clock: Gives the station its time.
        rules: The interval of Heartbeats.

    Raises:
        SerialNumberMismatch: It is not the one of the station's certificate; nothing is stored.

    Requirements: B01, B02, B03, B01.FR.11, B01.FR.13, B11.FR.05, A05.FR.07
    """
    # B01.FR.11: by profile 3, the serial number is the certificate's. It may be left out: the CN was matched before.
    name = connected.common_name
    if name is not None and boot.serial_number not in (None, name, name[:LONGEST_SERIAL_NUMBER]):
        raise SerialNumberMismatch
    restarted = boot.reason != TRIGGERED

    def work(tx: Tx) -> Registration:
        station = tx.stations.find(connected.station_id)
        if station is None:  # removed while it was connected
            return Registration.REJECTED
        status = station.registration
        tx.stations.put(_booted(_raised(tx, station, connected, at=heard_at), boot, at=heard_at, restarted=restarted))
        was_online = connected.registration == Registration.ACCEPTED
        is_online = status is Registration.ACCEPTED
        if is_online != was_online or (is_online and restarted):
            tx.outbox.add(StationPresence(at=heard_at, station_id=station.id, online=is_online))
        return status

    status = await storage.transact(work)
    connected.registration = status
    connected.triggered.discard("BootNotification")
    if restarted:
        # Its clock may have been set, and its connectors are as it says now.
        connected.reported.clear()
        connected.clock_samples = ()
    interval = rules.heartbeat_interval if status is Registration.ACCEPTED else BOOT_AGAIN_AFTER
    return BootAnswer(status=status, interval=interval, current_time=clock.now())


def _raised(tx: Tx, station: Station, connected: Connected, *, at: datetime) -> Station:
    """The station with the profile by which it came, where that is a higher one than it ever had."""
    profile = connected.security_profile
    is_higher = profile >= FIRST_OF_TLS and profile > (station.security_profile or 0)
    if not is_higher or station.registration is not Registration.ACCEPTED:
        return station
    # A05.FR.07: from now on it is not let in by a lower one.
    detail = f"{station.security_profile or 0} to {profile}"
    tx.audit.add(at=at, who=Actor("station"), what="raise security profile", station_id=station.id, detail=detail)
    tx.outbox.add(RegistryChanged(at=at, kind="station", key=station.id))
    return replace(station, security_profile=profile)


def _booted(station: Station, boot: Boot, *, at: datetime, restarted: bool) -> Station:
    return replace(
        station,
        vendor_name=boot.vendor_name,
        model=boot.model,
        firmware_version=boot.firmware_version,
        reported_serial_number=boot.serial_number,
        boot_status=station.registration,
        booted_at=at if restarted else station.booted_at,
        last_seen=at,
    )


def heartbeat(connected: Connected, *, clock: Clock) -> datetime:
    """Our time, for the station's clock; nothing is stored."""
    return clock.now()


async def close_connection(
    connected: Connected, *, last_heard: datetime, replaced: bool, storage: Storage, clock: Clock, owned: bool = False
) -> None:
    """When the station was last heard is stored, and that it is offline is told.

    Args:
        connected: The connection that ended, opened before.
        last_heard: By our clock.
        replaced: A newer connection took its place: the station is not offline.
        storage: One transaction.
        clock: Ours.
        owned: Among many nodes: its number is in the table of owners, unless another one took its place.
    """

    def work(tx: Tx) -> None:
        counted = tx.nodes.disown(connected.station_id, epoch=connected.epoch) if owned else not replaced
        station = tx.stations.find(connected.station_id)
        if station is None:
            return
        tx.stations.seen({station.id: last_heard})
        # A newer connection, at another node perhaps, has a greater number.
        is_last = counted and station.epoch == connected.epoch
        if is_last and connected.registration == Registration.ACCEPTED:
            tx.outbox.add(StationPresence(at=clock.now(), station_id=station.id, online=False))

    await storage.transact(work)


async def seen(at: dict[StationId, datetime], *, storage: Storage) -> None:
    """When these stations were last heard is stored, in one transaction."""
    if at:
        await storage.transact(lambda tx: tx.stations.seen(at))
