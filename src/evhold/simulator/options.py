"""What a simulated charging station is like, and what it is given from outside."""

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from ssl import SSLContext
from typing import Literal

TxStartPoint = Literal["Authorized", "EVConnected", "PowerPathClosed", "ParkingBayOccupancy"]
Reports = Literal["status", "event", "both"]


@dataclass(frozen=True, slots=True)
class World:
    """What a station may not make for itself: time, ids and chance.

    Args:
        now: Aware UTC.
        new_id: A text that was never given before, at most 36 characters (message ids, transaction ids).
        rng: For reconnect jitter and for the drivers of a lively fleet.
    """

    now: Callable[[], datetime]
    new_id: Callable[[], str]
    rng: random.Random


@dataclass(frozen=True, slots=True)
class Misbehaviour:
    """Faults of real stations, each off by default.

    Args:
        never_answer: Actions that are carried out and never answered.
        answer_delay: Seconds by action for which the finished answer is held back.
        call_error: A CALLERROR code by action; the action is not carried out.
        close_on: Actions that make the socket close, neither carried out nor answered.
        update_before_status: ReservationStatusUpdate goes before the connector reports.
        no_update: ReservationStatusUpdate is never sent.
        clock_offset: Added to the true time: the station's own clock is wrong by it.
        rejects_same_id: A known reservation id is Rejected instead of replaced.
        drops_on_refused_replace: The old reservation is gone when its replacement is refused.
        reservation_id_on_plug_in: A transaction started by a cable names the EVSE's reservation without any token.
        password_after_reboot: A new BasicAuthPassword is answered RebootRequired, and used from the next boot on.
    """

    never_answer: frozenset[str] = frozenset()
    answer_delay: Mapping[str, float] = field(default_factory=dict)
    call_error: Mapping[str, str] = field(default_factory=dict)
    close_on: frozenset[str] = frozenset()
    update_before_status: bool = False
    no_update: bool = False
    clock_offset: timedelta = timedelta(0)
    rejects_same_id: bool = False
    drops_on_refused_replace: bool = False
    reservation_id_on_plug_in: bool = False
    password_after_reboot: bool = False


@dataclass(frozen=True, slots=True)
class StationOptions:
    """One station's hardware, configuration and habits.

    Args:
        station_id: As in the address and in Basic auth.
        password: Basic auth is left out without one.
        tls: For wss addresses: whom the station trusts, and its own certificate (security profile 3).
        serial_number: As BootNotification tells it; None: the first 25 characters of the id.
        evses: Number of EVSEs, with ids from 1.
        connector_types: Given to the EVSEs in turn, one connector each; `connectors` says it exactly.
        connectors: The connector types by EVSE, which win over `evses` and `connector_types`.
        available, enabled, non_evse_specific: ReservationCtrlr as configured; None: the station has no such variable.
        variables: Values by (component, variable) that win over all others in GetVariables, as text; None: Accepted without a value.
        connection_timeout_s: TxCtrlr.EVConnectionTimeOut.
        cache: Authorization Cache: a token that was authorized once is not asked for again.
        authorize_remote_start: RequestStartTransaction is followed by Authorize.
        offline_unknown: A token that nothing is known of may charge while the station is offline.
        queue_all: ReservationStatusUpdate is kept while offline, as TransactionEvents always are.
        offline_threshold_s: All connectors are reported after a longer absence, else the changed ones (B04).
        forget_on_reboot: Reservations do not survive a reboot.
        call_timeout_s: How long the station waits for an answer to its CALL.
        attempts: How often a TransactionEvent is sent before it is given up (E13).
        remember: Messages by action that `SimulatedStation.wait_for` can still find.
    """

    station_id: str = "SIM1"
    password: str | None = None
    tls: SSLContext | None = None
    serial_number: str | None = None
    evses: int = 2
    connector_types: tuple[str, ...] = ("cCCS2",)
    connectors: tuple[tuple[str, ...], ...] = ()
    vendor: str = "evhold"
    model: str = "Simulator"
    firmware: str = "1.0"
    available: bool | None = True
    enabled: bool | None = True
    non_evse_specific: bool | None = True
    variables: Mapping[tuple[str, str], str | None] = field(default_factory=dict)
    tx_start_point: TxStartPoint = "PowerPathClosed"
    connection_timeout_s: int = 120
    reports: Reports = "status"
    cache: bool = False
    authorize_remote_start: bool = False
    offline_unknown: bool = False
    queue_all: bool = False
    offline_threshold_s: float = 60.0
    forget_on_reboot: bool = False
    call_timeout_s: float = 30.0
    attempts: int = 3
    retry_s: float = 1.0
    backoff_s: float = 0.2
    backoff_limit_s: float = 30.0
    remember: int = 200
    misbehaviour: Misbehaviour = field(default_factory=Misbehaviour)

    def layout(self) -> tuple[tuple[str, ...], ...]:
        """The connector types of every EVSE, in the order of their ids."""
        if self.connectors:
            return self.connectors
        return tuple((self.connector_types[n % len(self.connector_types)],) for n in range(self.evses))
