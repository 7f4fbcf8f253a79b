"""The variables of a station's device model that decide about reservations, as they were read, set or reported."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from evhold.domain.station import Capabilities, Station
from evhold.domain.values import ConnectorId, EvseId

ACCEPTED: Final = "Accepted"
#: Statuses that say that the variable does not exist at this station: unknown, not No (beyond-the-guide 2.8).
MISSING: Final = frozenset({"UnknownComponent", "UnknownVariable"})
_LONGEST_TIMEOUT_S: Final = 366 * 24 * 3600


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """One variable's Actual attribute. ``value`` None: not told; in a wish to read it means nothing.

    ``status`` is GetVariables' or SetVariables' own; a report's row is Accepted.
    """

    component: str
    variable: str
    value: str | None = None
    status: str = ACCEPTED


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRow:
    """One variable of a NotifyReport, its Actual attribute; ``evse_id`` and ``connector_id`` where the component has them."""

    component: str
    variable: str
    value: str | None = None
    evse_id: EvseId | None = None
    connector_id: ConnectorId | None = None


CAPABILITY_VARIABLES: Final = (
    Variable(component="ReservationCtrlr", variable="Available"),
    Variable(component="ReservationCtrlr", variable="Enabled"),
    Variable(component="ReservationCtrlr", variable="NonEvseSpecific"),
    Variable(component="TxCtrlr", variable="EVConnectionTimeOut"),
)


def boolean(text: str | None) -> bool | None:
    """What a station means by its text; None where nobody can know. Some write ``1``, ``True`` or ``TRUE``."""
    return {"true": True, "1": True, "false": False, "0": False}.get((text or "").strip().casefold())


def seconds(text: str | None) -> timedelta | None:
    """A duration in seconds, written as a number; None where it is none."""
    try:
        number = float((text or "").strip())
    except ValueError:
        return None
    return timedelta(seconds=number) if 0 <= number <= _LONGEST_TIMEOUT_S else None


def learned(known: Capabilities, variables: Iterable[Variable]) -> Capabilities:
    """What is known after these answers.

    A value that can't be read, one that is left out, and a variable that the station does not have are unknown. Any other
    status (Rejected, RebootRequired, ...) says nothing about the value in force, and changes nothing.
    """
    for one in variables:
        if one.status != ACCEPTED and one.status not in MISSING:
            continue
        text = one.value if one.status == ACCEPTED else None
        match (one.component.casefold(), one.variable.casefold()):
            case ("reservationctrlr", "available"):
                known = replace(known, available=boolean(text))
            case ("reservationctrlr", "enabled"):
                known = replace(known, enabled=boolean(text))
            case ("reservationctrlr", "nonevsespecific"):
                known = replace(known, non_evse_specific=boolean(text))
            case ("txctrlr", "evconnectiontimeout"):
                known = replace(known, ev_connection_timeout=seconds(text))
            case _:
                pass
    return known


def with_variables(station: Station, variables: Iterable[Variable]) -> Station:
    """The station with the capabilities that these answers leave known."""
    capabilities = learned(station.capabilities, variables)
    return station if capabilities == station.capabilities else replace(station, capabilities=capabilities)
