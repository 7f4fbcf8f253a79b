"""What is true at the station: EVSEs, connectors, cables, tokens, transactions, reservations. Pure data."""

from dataclasses import dataclass, field
from datetime import datetime

from evhold.ocpp.v201.datatypes import IdTokenType

POWER_W = 11_000


@dataclass(slots=True)
class Connector:
    """`reported` is the status that the CSMS was told last; None: it has to be told anew."""

    id: int
    type: str
    operative: bool = True
    reported: str | None = None


@dataclass(slots=True)
class Transaction:
    """`charging_since` is None while no energy flows; `token_told` once a TransactionEvent carried the idToken."""

    id: str
    token: IdTokenType | None = None
    token_told: bool = False
    seq_no: int = 0
    remote_start_id: int | None = None
    charging_since: datetime | None = None


@dataclass(slots=True)
class Evse:
    """One EVSE.

    `plugged` is the connector that holds a cable. `token` is the accepted one, from its presentation to the end of charging.
    `taken` says that no reservation may count on this EVSE: a car stands at it that no reservation kept out, or a token was accepted.
    `untold` is the consumed reservation that no TransactionEvent has named yet (H01.FR.15).
    """

    id: int
    connectors: list[Connector]
    operative: bool = True
    faulted: bool = False
    plugged: int | None = None
    token: IdTokenType | None = None
    group: IdTokenType | None = None
    taken: bool = False
    untold: int | None = None
    connect_by: datetime | None = None
    transaction: Transaction | None = None
    remote_start_id: int | None = None
    becomes_inoperative: bool = False
    meter_wh: float = 1000.0

    @property
    def in_service(self) -> bool:
        """Neither Faulted nor Unavailable."""
        return not self.faulted and not self.unavailable

    @property
    def unavailable(self) -> bool:
        """Made Inoperative as a whole, or every connector of it was."""
        return not self.operative or not any(connector.operative for connector in self.connectors)


@dataclass(frozen=True, slots=True)
class Reservation:
    """What an accepted ReserveNow asked for; `expires` is aware UTC."""

    id: int
    token: IdTokenType
    expires: datetime
    evse_id: int | None = None
    connector_type: str | None = None
    group: IdTokenType | None = None


@dataclass(slots=True)
class StationState:
    """EVSEs by id; reservations by id, oldest first."""

    evses: dict[int, Evse]
    reservations: dict[int, Reservation] = field(default_factory=dict)

    @classmethod
    def of_layout(cls, layout: tuple[tuple[str, ...], ...]) -> "StationState":
        """A fresh station with one EVSE for each row and one connector for each type in it, ids from 1."""
        evses = {}
        for evse_id, types in enumerate(layout, start=1):
            evses[evse_id] = Evse(evse_id, [Connector(n, kind) for n, kind in enumerate(types, start=1)])
        return cls(evses)


def same_token(one: IdTokenType | None, other: IdTokenType | None) -> bool:
    """Whether both are tokens and the same one: compared without case, together with the type."""
    if one is None or other is None:
        return False
    return one.type == other.type and one.id_token.casefold() == other.id_token.casefold()


def token_key(token: IdTokenType) -> tuple[str, str]:
    """Equal for tokens that `same_token` calls the same."""
    return token.type, token.id_token.casefold()
