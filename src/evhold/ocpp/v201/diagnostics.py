"""Block N: events of the device model. A connector's AvailabilityState is its status by another way (N07, G01)."""

from collections.abc import Awaitable, Iterator
from typing import Any, Final, get_args

from msgspec import UnsetType

from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.datatypes import ConnectorStatusEnumType, EventDataType
from evhold.ocpp.v201.messages import NotifyEventRequest

_STATUSES: Final = frozenset(get_args(ConnectorStatusEnumType))


def routes(*, report: convert.StatusReport) -> dict[str, Route[Any, Any]]:
    """Return the routes of block N that mean something here."""

    def tell(event: EventDataType, context: Context) -> Awaitable[None] | None:
        where = event.component.evse
        if isinstance(where, UnsetType) or isinstance(where.connector_id, UnsetType) or not _is_status(event):
            # Every component and trigger is accepted; the EVSE's and the station's own states are not a connector's.
            return None
        return report(
            event.actual_value,
            evse_id=convert.integer(where.id, field="evse.id"),
            connector_id=convert.integer(where.connector_id, field="evse.connectorId"),
            stamp=convert.utc(event.timestamp),
            connected=context,
            at=context.heard_at,
        )

    async def finish(first: Awaitable[None], rest: Iterator[EventDataType], context: Context) -> None:
        await first
        for event in rest:
            # One after the other: each has to see what the one before it stored.
            told = tell(event, context)
            if told is not None:
                await told

    def notify_event(request: NotifyEventRequest, context: Context) -> Awaitable[None] | None:
        events = iter(request.event_data)
        for event in events:
            told = tell(event, context)
            if told is not None:
                return finish(told, events, context)
        return None

    return {"NotifyEvent": convert.route("NotifyEvent", notify_event)}


def _is_status(event: EventDataType) -> bool:
    # Names of components and variables compare without case.
    return (
        event.component.name.casefold() == "connector"
        and event.variable.name.casefold() == "availabilitystate"
        and event.actual_value in _STATUSES
    )
