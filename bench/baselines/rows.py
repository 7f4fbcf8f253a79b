"""The rows that baseline (b) keeps: the same columns with the same values as evhold's, made by hand."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from bench.baselines.wire import Status, TransactionEvent

Row = tuple[Any, ...]

CONNECTORS: Final = ("station_id", "evse_id", "connector_id", "status", "type", "since")
OUTBOX: Final = ("name", "kind", "station_id", "reservation_id", "at", "body")
TRANSACTIONS: Final = (
    *(
        "station_id",
        "transaction_id",
        "state",
        "evse_id",
        "connector_id",
        "reservation_id",
        "id_token",
        "id_token_type",
    ),
    *("token_accepted", "ever_charged", "remote_start_id", "started_at", "ended_at", "last_stamp", "stopped_reason"),
    *("energy_wh", "seen", "stored_at"),
)
KEYS: Final = {"connectors": CONNECTORS[:3], "transactions": TRANSACTIONS[:2]}


class _Changed(msgspec.Struct, frozen=True, gc=False):
    at: datetime
    station_id: str
    evse_id: int
    connector_id: int
    status: str
    since: datetime
    type: str | None = None


_encode: Final = msgspec.json.Encoder().encode


def of_status(station_id: str, status: Status) -> tuple[Row, Row]:
    """The connector's row, and its event's; times are datetimes."""
    at = datetime.now(UTC)
    told = _Changed(at, station_id, status.evse_id, status.connector_id, status.connector_status, status.timestamp)
    row = (station_id, status.evse_id, status.connector_id, status.connector_status, None, status.timestamp)
    return row, ("connector.status", "ConnectorChanged", station_id, None, at, _encode(told).decode())


def of_transaction(station_id: str, event: TransactionEvent) -> Row:
    """The transaction's row; of the meter values the energy."""
    info, evse, meters = event.transaction_info, event.evse, event.meter_value
    energy = [
        one.value
        for meter in (meters if isinstance(meters, list) else ())
        for one in meter.sampled
        if one.measurand == "Energy.Active.Import.Register"
    ]
    evse_id, connector_id = (None, None) if isinstance(evse, msgspec.UnsetType) else (evse.id, evse.connector_id)
    return (
        *(station_id, info.transaction_id, "Charging", evse_id, connector_id, None, None, None),
        *(False, info.charging_state == "Charging", None, None, None, event.timestamp, None),
        *(energy[-1] if energy else None, f"[[{event.seq_no},{event.seq_no}]]", datetime.now(UTC)),
    )
