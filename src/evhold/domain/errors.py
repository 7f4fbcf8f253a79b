"""Refusals of the domain. Each carries data and builds its text.

DomainError
    StationUnknown, ReservationUnknown, TokenUnknown, TokenInUse, KeyUnknown
    ReservationEnded, OrderInProgress, EvseAlreadyReserved, VersionConflict
    NothingToAsk, NoCancelRequest, CancelInProgress
    ReservationsNotSupported, UnspecifiedEvseNotSupported, TokenNotAccepted
    StationOffline, StationBusy, ReservationsAffected, GoesThroughReservations
    WebhookUnknown, DeliveryUnknown, NotifyNotInstalled, LimitReached
    SerialNumberMismatch, SecurityProfileLowered, PasswordChangePending, GoesThroughPassword
    InvalidOrder
    IdempotencyKeyReused, RequestInProgress
"""

from dataclasses import dataclass

from evhold.domain.values import EvseId, IdToken, ReservationId, StationId


class DomainError(Exception):
    """An order was refused; nothing was changed, unless the class says otherwise."""


@dataclass(eq=False)
class StationUnknown(DomainError):
    """Nobody provisioned this station."""

    station_id: str

    def __str__(self) -> str:
        return f"Charging Station {self.station_id} is not provisioned"


@dataclass(eq=False)
class ReservationUnknown(DomainError):
    """No reservation has this id, or it is not for the asker to see."""

    reservation_id: int

    def __str__(self) -> str:
        return f"there is no reservation {self.reservation_id}"


@dataclass(eq=False)
class TokenUnknown(DomainError):
    """Nobody registered this IdToken."""

    id_token: IdToken

    def __str__(self) -> str:
        return "this IdToken is not registered"


@dataclass(eq=False)
class TokenInUse(DomainError):
    """The token's traces are still needed: it has reservations that have not ended."""

    reservation_ids: list[ReservationId]

    def __str__(self) -> str:
        return f"this IdToken has {len(self.reservation_ids)} reservations that have not ended"


@dataclass(eq=False)
class KeyUnknown(DomainError):
    """No API key has this id."""

    key_id: int

    def __str__(self) -> str:
        return f"there is no key {self.key_id}"


@dataclass(eq=False)
class WebhookUnknown(DomainError):
    """No webhook has this id."""

    webhook_id: int

    def __str__(self) -> str:
        return f"there is no webhook {self.webhook_id}"


@dataclass(eq=False)
class DeliveryUnknown(DomainError):
    """The webhook has no delivery of this number that could be sent again."""

    number: int

    def __str__(self) -> str:
        return f"there is no dead delivery {self.number} of this webhook"


@dataclass(eq=False)
class LimitReached(DomainError):
    """There are as many as may be kept. ``limit``: the option that says how many, without its dashes."""

    limit: str
    most: int

    def __str__(self) -> str:
        return f"--{self.limit} {self.most}: there are as many as may be kept"


@dataclass(eq=False)
class NotifyNotInstalled(DomainError):
    """Addresses were given to tell the driver at, and the extra that sends there is not there."""

    def __str__(self) -> str:
        return "driver messages need the extra notify: pip install 'evhold[notify]'"


@dataclass(eq=False)
class ReservationEnded(DomainError):
    """It ended; nothing was sent (row 21)."""

    reservation_id: ReservationId
    state: str

    def __str__(self) -> str:
        return f"reservation {self.reservation_id} has ended: {self.state}"


@dataclass(eq=False)
class OrderInProgress(DomainError):
    """Another ask or a wish to cancel is open, or its outcome is unknown (row 48)."""

    reservation_id: ReservationId

    def __str__(self) -> str:
        return f"reservation {self.reservation_id} waits for another order to be answered"


@dataclass(eq=False)
class NothingToAsk(DomainError):
    """No order of it waits to be sent."""

    reservation_id: ReservationId

    def __str__(self) -> str:
        return f"reservation {self.reservation_id} has no order that waits for its station"


@dataclass(eq=False)
class NoCancelRequest(DomainError):
    """Nobody wants it canceled."""

    reservation_id: ReservationId

    def __str__(self) -> str:
        return f"nobody asked to cancel reservation {self.reservation_id}"


@dataclass(eq=False)
class CancelInProgress(DomainError):
    """A CancelReservation may have reached the station: its answer decides (row 59)."""

    reservation_id: ReservationId

    def __str__(self) -> str:
        return f"the cancel of reservation {self.reservation_id} was already sent"


@dataclass(eq=False)
class EvseAlreadyReserved(DomainError):
    """The claims table refused a second live reservation of the EVSE."""

    station_id: StationId
    evse_id: EvseId

    def __str__(self) -> str:
        return f"EVSE {self.evse_id} of {self.station_id} is held by another reservation"


@dataclass(eq=False)
class VersionConflict(DomainError):
    """``If-Match`` named another version than the stored one."""

    reservation_id: ReservationId
    version: int

    def __str__(self) -> str:
        return f"reservation {self.reservation_id} is at version {self.version} now"


@dataclass(eq=False)
class ReservationsNotSupported(DomainError):
    """A ReservationCtrlr variable is known to be false; ``variable`` names it."""

    variable: str

    def __str__(self) -> str:
        return f"the Charging Station takes no reservations: {self.variable} is false"


@dataclass(eq=False)
class UnspecifiedEvseNotSupported(DomainError):
    """ReservationCtrlr.NonEvseSpecific is known to be false (H01.FR.19)."""

    variable: str

    def __str__(self) -> str:
        return f"the Charging Station reserves named EVSEs only: {self.variable} is false"


@dataclass(eq=False)
class TokenNotAccepted(DomainError):
    """The IdToken is blocked, expired, invalid, or unknown where unknown ones are refused."""

    token_status: str

    def __str__(self) -> str:
        return f"the IdToken is not accepted: {self.token_status}"


@dataclass(eq=False)
class StationOffline(DomainError):
    """The station can't be asked now. With ``reservation_id``: a row was written, and is Failed."""

    station_id: StationId
    reservation_id: ReservationId | None = None

    def __str__(self) -> str:
        return f"Charging Station {self.station_id} is offline"


@dataclass(eq=False)
class StationBusy(DomainError):
    """The queue of the station is full. With ``reservation_id``: a row was written, and is Failed."""

    station_id: StationId
    reservation_id: ReservationId | None = None

    def __str__(self) -> str:
        return f"too many calls wait for Charging Station {self.station_id}"


@dataclass(eq=False)
class ReservationsAffected(DomainError):
    """An Inoperative would end these live reservations (beyond-the-guide 2.19)."""

    reservation_ids: list[ReservationId]

    def __str__(self) -> str:
        return f"{len(self.reservation_ids)} live reservations would end"


@dataclass(eq=False)
class GoesThroughReservations(DomainError):
    """ReserveNow and CancelReservation are not for raw calls: nobody would know of what they make."""

    action: str

    def __str__(self) -> str:
        return f"{self.action} goes through /reservations"


@dataclass(eq=False)
class InvalidOrder(DomainError):
    """An order breaks a rule; ``field`` names the culprit in the API's words."""

    field: str
    reason: str

    def __str__(self) -> str:
        return f"{self.field}: {self.reason}"


@dataclass(eq=False)
class IdempotencyKeyReused(DomainError):
    """An Idempotency-Key came again with another body."""

    def __str__(self) -> str:
        return "this Idempotency-Key was used with another body"


@dataclass(eq=False)
class RequestInProgress(DomainError):
    """The first request under this Idempotency-Key has no outcome yet."""

    def __str__(self) -> str:
        return "the first request with this Idempotency-Key is still running"


@dataclass(eq=False)
class SerialNumberMismatch(DomainError):
    """A station told another serial number than its certificate's."""

    def __str__(self) -> str:
        return "the serial number is not the one of the certificate"


@dataclass(eq=False)
class SecurityProfileLowered(DomainError):
    """A station's lowest security profile can't be lowered."""

    profile: int

    def __str__(self) -> str:
        return (
            f"its lowest security profile is {self.profile}, and only goes up;"
            " to begin anew, remove the station and provision it again"
        )


@dataclass(eq=False)
class PasswordChangePending(DomainError):
    """Two passwords of the station are valid: it has not shown yet which one it has."""

    station_id: StationId

    def __str__(self) -> str:
        return (
            f"Charging Station {self.station_id} has not shown yet which of two passwords it has: it will when it connects"
            " by the new one, or restarts; until then only the new one may be offered again"
        )


@dataclass(eq=False)
class GoesThroughPassword(DomainError):
    """A raw call would set a password that nobody here knows."""

    def __str__(self) -> str:
        return "a password is changed by POST /stations/{id}/password, or the station would be locked out"
