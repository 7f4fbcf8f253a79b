"""Security events: what stations tell of themselves (A04), and what is noted of those who stand at the door."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from evhold.domain.values import StationId

LONGEST_TYPE: Final = 50
LONGEST_INFO: Final = 255
#: How many are kept of each station, and of those whose station nobody knows.
KEPT_OF_EACH: Final = 500


class Origin(StrEnum):
    """Who noted it."""

    STATION = "station"
    CSMS = "csms"


class Incidents(StrEnum):
    """The types of what the CSMS notes; OCPP's own names where there is one."""

    WRONG_CREDENTIALS = "FailedToAuthenticateAtCsms"
    BAD_CERTIFICATE = "InvalidChargingStationCertificate"
    OLD_TLS = "InvalidTLSVersion"
    WEAK_CIPHERS = "InvalidTLSCipherSuite"
    PROFILE_TOO_LOW = "SecurityProfileTooLow"
    RECONFIGURED = "ReconfigurationOfSecurityParameters"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecurityEvent:
    """One event, or several alike of one minute.

    Args:
        station_id: None where nobody knows which station it was: TLS failed before a name was told.
        type: As OCPP names it.
        at: When we noted it, or when the first of them; aware UTC, our clock.
        told_at: When it happened, by the station's clock; None for our own.
        remote: The other end's address; None for what a station told.
        count: How many alike.
        number: Grows with every row; 0 before it is stored.
    """

    station_id: StationId | None
    type: str
    origin: Origin
    at: datetime
    told_at: datetime | None = None
    tech_info: str | None = None
    remote: str | None = None
    count: int = 1
    number: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Incident:
    """What the gateway noted just now of a peer; ``remote`` is its address without the port."""

    type: Incidents
    station_id: StationId | None
    detail: str
    remote: str
