"""Block G: connectors' statuses by StatusNotification."""

from collections.abc import Awaitable
from typing import Any

from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import ChangeAvailabilityRequest, StatusNotificationRequest, decode
from evhold.usecases.ports import AvailabilityChange


def routes(*, report: convert.StatusReport) -> dict[str, Route[Any, Any]]:
    """Return the routes of block G's statuses."""

    def status_notification(request: StatusNotificationRequest, context: Context) -> Awaitable[None] | None:
        return report(
            request.connector_status,
            evse_id=convert.integer(request.evse_id, field="evseId"),
            connector_id=convert.integer(request.connector_id, field="connectorId"),
            stamp=convert.utc(request.timestamp),
            connected=context,
            at=context.heard_at,
        )

    return {"StatusNotification": convert.route("StatusNotification", status_notification)}


def availability_change(payload: bytes) -> AvailabilityChange:
    """Return what a ChangeAvailability asks for; its payload was checked before."""
    request = decode(payload, ChangeAvailabilityRequest)
    return AvailabilityChange(
        operative=request.operational_status == "Operative", evse_id=convert.evse(request.evse)[0]
    )
