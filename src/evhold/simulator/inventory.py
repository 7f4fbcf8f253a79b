"""The station's device model, as far as it has one: GetVariables, SetVariables, GetBaseReport (B05, B06, B07)."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from msgspec import UNSET

from evhold.ocpp.v201.datatypes import (
    ComponentType,
    DataEnumType,
    EVSEType,
    GetVariableDataType,
    GetVariableResultType,
    ReportDataType,
    SetVariableDataType,
    SetVariableResultType,
    SetVariableStatusEnumType,
    VariableAttributeType,
    VariableCharacteristicsType,
    VariableType,
)
from evhold.ocpp.v201.messages import NotifyReportRequest
from evhold.simulator.outbox import Outgoing
from evhold.simulator.station import Station

ROWS_A_MESSAGE = 10
STATES = "Available,Occupied,Reserved,Unavailable,Faulted"


@dataclass(frozen=True, slots=True)
class Row:
    """One variable with its Actual value, as text."""

    component: str
    variable: str
    value: str
    kind: DataEnumType
    evse_id: int | None = None
    connector_id: int | None = None
    mutability: Literal["ReadOnly", "ReadWrite"] = "ReadOnly"
    values: str | None = None

    def component_type(self) -> ComponentType:
        """The component with its EVSE and connector."""
        if self.evse_id is None:
            return ComponentType(name=self.component)
        connector_id = UNSET if self.connector_id is None else self.connector_id
        return ComponentType(name=self.component, evse=EVSEType(id=self.evse_id, connector_id=connector_id))


def rows(station: Station) -> Iterator[Row]:
    """Every variable that the station has."""
    options = station.options
    reservation = {
        "Available": options.available,
        "Enabled": station.enabled,
        "NonEvseSpecific": options.non_evse_specific,
    }
    for name, value in reservation.items():
        if value is not None:
            mutability: Literal["ReadOnly", "ReadWrite"] = "ReadWrite" if name == "Enabled" else "ReadOnly"
            yield Row("ReservationCtrlr", name, _text(value), "boolean", mutability=mutability)
    timeout = str(station.connection_timeout_s)
    yield Row("TxCtrlr", "EVConnectionTimeOut", timeout, "integer", mutability="ReadWrite")
    start_points = "Authorized,EVConnected,PowerPathClosed,ParkingBayOccupancy"
    yield Row("TxCtrlr", "TxStartPoint", station.transactions.start_point, "MemberList", values=start_points)
    yield from _hardware(station)


def _hardware(station: Station) -> Iterator[Row]:
    for evse in station.state.evses.values():
        statuses = [station.reporter.status_of(evse, connector) for connector in evse.connectors]
        whole = next((s for s in statuses if s != "Available"), "Available")
        yield Row("EVSE", "AvailabilityState", whole, "OptionList", evse.id, values=STATES)
        for connector, status in zip(evse.connectors, statuses, strict=True):
            place = (evse.id, connector.id)
            yield Row("Connector", "AvailabilityState", status, "OptionList", *place, values=STATES)
            yield Row("Connector", "ConnectorType", connector.type, "string", *place)


def get_variable(station: Station, asked: GetVariableDataType) -> GetVariableResultType:
    """Answer one variable of a GetVariables (B06)."""
    name = (asked.component.name, asked.variable.name)
    overrides = station.options.variables
    row = _find(station, asked.component, asked.variable)
    attribute = "Actual" if asked.attribute_type is UNSET else asked.attribute_type
    if attribute != "Actual":
        return GetVariableResultType(
            attribute_status="NotSupportedAttributeType",
            attribute_type=attribute,
            component=asked.component,
            variable=asked.variable,
        )
    value = overrides.get(name, None if row is None else row.value)
    known = any(one.component.casefold() == asked.component.name.casefold() for one in rows(station))
    missing: Literal["UnknownVariable", "UnknownComponent"] = "UnknownVariable" if known else "UnknownComponent"
    return GetVariableResultType(
        attribute_status=missing if row is None and name not in overrides else "Accepted",
        attribute_type="Actual",
        attribute_value=UNSET if value is None else value,
        component=asked.component,
        variable=asked.variable,
    )


def set_variable(station: Station, wanted: SetVariableDataType) -> SetVariableResultType:
    """Carry out one variable of a SetVariables (B05)."""
    return SetVariableResultType(
        attribute_status=_write(station, wanted), component=wanted.component, variable=wanted.variable
    )


def _write(station: Station, wanted: SetVariableDataType) -> SetVariableStatusEnumType:
    text = wanted.attribute_value
    if wanted.component.name == "SecurityCtrlr" and wanted.variable.name == "BasicAuthPassword":
        # A01: write-only, so that it stands in no list; the next connection uses it.
        return station.take_password(text)
    row = _find(station, wanted.component, wanted.variable)
    if row is None:
        return "UnknownVariable"
    if wanted.attribute_type not in (UNSET, "Actual"):
        return "NotSupportedAttributeType"
    if row.variable == "Enabled" and text.casefold() in ("true", "false"):
        station.enabled = text.casefold() == "true"
        return "Accepted"
    if row.variable == "EVConnectionTimeOut" and text.isdecimal():
        station.connection_timeout_s = int(text)
        return "Accepted"
    return "Rejected"


def base_report(station: Station, request_id: int, *, now: datetime) -> None:
    """Queue the NotifyReports that a GetBaseReport asks for (B07)."""
    everything = list(rows(station))
    parts = [everything[n : n + ROWS_A_MESSAGE] for n in range(0, len(everything), ROWS_A_MESSAGE)]
    for seq_no, part in enumerate(parts):
        request = NotifyReportRequest(
            request_id=request_id,
            generated_at=now,
            seq_no=seq_no,
            tbc=seq_no < len(parts) - 1,
            report_data=tuple(_reported(row) for row in part),
        )
        station.outbox.put(Outgoing("NotifyReport", request, asked=True), now=now)


def _reported(row: Row) -> ReportDataType:
    return ReportDataType(
        component=row.component_type(),
        variable=VariableType(name=row.variable),
        variable_attribute=(VariableAttributeType(value=row.value, mutability=row.mutability),),
        variable_characteristics=VariableCharacteristicsType(
            data_type=row.kind,
            supports_monitoring=False,
            values_list=UNSET if row.values is None else row.values,
        ),
    )


def _find(station: Station, component: ComponentType, variable: VariableType) -> Row | None:
    evse = None if component.evse is UNSET else component.evse
    evse_id = None if evse is None else evse.id
    connector_id = None if evse is None or evse.connector_id is UNSET else evse.connector_id
    for row in rows(station):
        names = (row.component.casefold(), row.variable.casefold())
        if names == (component.name.casefold(), variable.name.casefold()) and (row.evse_id, row.connector_id) == (
            evse_id,
            connector_id,
        ):
            return row
    return None


def _text(value: bool) -> str:
    return "true" if value else "false"
