"""B07: a station reports its device model; EVSEs, connectors, their types and the reservation variables are kept."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from evhold.domain.connector import Connector
from evhold.domain.station import Station
from evhold.domain.values import ConnectorId, EvseId
from evhold.domain.variables import ReportRow, Variable, with_variables
from evhold.usecases.ports import Connected, Storage
from evhold.usecases.stores import Tx


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One NotifyReport. ``is_last``: no part follows (``tbc`` false or left out)."""

    request_id: int
    rows: tuple[ReportRow, ...]
    is_last: bool


def wanted(station: Station) -> bool:
    """Whether its base report should be asked for: it was never read, or is that of another firmware."""
    return station.inventory_of != _inventory_of(station)


async def learn(report: Report, connected: Connected, *, storage: Storage) -> None:
    """New connectors and changed types are stored, and what the report says of capabilities.

    The last part of a report that we asked for (its request id is among ``connected.expected_reports``) also ends the
    asking, until the firmware changes. A connector's status is not taken from a report: it has no stamp there.
    """
    is_complete = report.is_last and report.request_id in connected.expected_reports
    changed = _changed_connectors(report.rows, connected)

    def work(tx: Tx) -> None:
        for connector in changed:
            tx.connectors.put(connector)
        before = tx.stations.get(connected.station_id)
        station = with_variables(before, _variables(report.rows))
        if is_complete:
            station = replace(station, inventory_of=_inventory_of(station))
        if station != before:
            tx.stations.put(station)

    await storage.transact(work)
    connected.statuses.update({(one.evse_id, one.connector_id): one for one in changed})
    if report.is_last:
        connected.expected_reports.discard(report.request_id)


def _inventory_of(station: Station) -> str:
    return station.firmware_version or ""


def _variables(rows: Iterable[ReportRow]) -> list[Variable]:
    return [Variable(component=row.component, variable=row.variable, value=row.value) for row in rows]


def _changed_connectors(rows: Iterable[ReportRow], connected: Connected) -> list[Connector]:
    types: dict[tuple[EvseId, ConnectorId], str | None] = {}
    for row in rows:
        if row.component.casefold() != "connector" or not row.evse_id or not row.connector_id:
            continue
        key = row.evse_id, row.connector_id
        types.setdefault(key, None)
        if row.variable.casefold() == "connectortype" and row.value:
            types[key] = row.value
    return [
        _with_type(connected, evse_id=key[0], connector_id=key[1], type_=type_)
        for key, type_ in types.items()
        if key not in connected.statuses or type_ not in (None, connected.statuses[key].type)
    ]


def _with_type(connected: Connected, *, evse_id: EvseId, connector_id: ConnectorId, type_: str | None) -> Connector:
    known = connected.statuses.get((evse_id, connector_id))
    if known is not None:
        return replace(known, type=type_)
    return Connector(station_id=connected.station_id, evse_id=evse_id, connector_id=connector_id, type=type_)
