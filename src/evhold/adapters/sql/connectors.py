"""Connectors and their last status (ports.Connectors)."""

from typing import Any, Final

from sqlalchemy import Connection, Insert, bindparam, delete, select
from sqlalchemy.engine import Dialect

from evhold.adapters.sql.prepared import Prepared
from evhold.adapters.sql.tables import connectors, names_of
from evhold.adapters.sql.upsert import upsert
from evhold.domain.connector import Connector
from evhold.domain.values import ConnectorId, EvseId, StationId

c = connectors.c
_ALL: Final = select(connectors).order_by(c.station_id, c.evse_id, c.connector_id)
_OF_ALL: Final = Prepared(_ALL)
_OF: Final = Prepared(_ALL.where(c.station_id == bindparam("station")))
_REMOVE: Final = Prepared(delete(connectors).where(c.station_id == bindparam("station")))


def put_connector(dialect: Dialect) -> Insert:
    """The upsert. A type that was learned once stays: status reports do not carry it."""
    return upsert(connectors, dialect=dialect, keep_known=frozenset({"type"}))


_PUT: Final = Prepared(put_connector, names_of(connectors))


def row_of(connector: Connector) -> dict[str, Any]:
    """All columns."""
    return {
        "station_id": connector.station_id,
        "evse_id": connector.evse_id,
        "connector_id": connector.connector_id,
        "status": connector.status,
        "type": connector.type,
        "since": connector.since,
    }


class ConnectorStore:
    """ports.Connectors."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def of(self, station_id: StationId) -> list[Connector]:
        """By EVSE and connector."""
        return [_connector(row) for row in _OF.rows(self._connection, {"station": station_id})]

    def of_all(self) -> dict[StationId, list[Connector]]:
        """Of every station that has any."""
        found: dict[StationId, list[Connector]] = {}
        for row in _OF_ALL.rows(self._connection):
            found.setdefault(StationId(row.station_id), []).append(_connector(row))
        return found

    def put(self, connector: Connector) -> None:
        """Stored, without an event."""
        _PUT.run(self._connection, row_of(connector))

    def remove_of(self, station_id: StationId) -> None:
        """None is left of this station."""
        _REMOVE.run(self._connection, {"station": station_id})


def _connector(row: Any) -> Connector:
    return Connector(
        station_id=StationId(row.station_id),
        evse_id=EvseId(row.evse_id),
        connector_id=ConnectorId(row.connector_id),
        status=row.status,
        type=row.type,
        since=row.since,
    )
