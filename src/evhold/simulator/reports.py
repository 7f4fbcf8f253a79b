"""How the station tells the status of its connectors: StatusNotification, NotifyEvent, or both."""

from datetime import datetime

from msgspec import Struct

from evhold.ocpp.v201.datatypes import ComponentType, ConnectorStatusEnumType, EventDataType, EVSEType, VariableType
from evhold.ocpp.v201.messages import NotifyEventRequest, StatusNotificationRequest
from evhold.simulator.options import Reports
from evhold.simulator.outbox import Outbox, Outgoing
from evhold.simulator.reservations import evse_status
from evhold.simulator.state import Connector, Evse, StationState


class Reporter:
    """Remembers what the CSMS was told and tells what has changed since.

    Args:
        state: The station's; `reported` of its connectors is kept here.
        outbox: Where the messages go.
        reports: By which messages.
    """

    def __init__(self, state: StationState, outbox: Outbox, *, reports: Reports) -> None:
        self._state = state
        self._outbox = outbox
        self._reports = reports
        self._event_id = 0

    def changes(self, now: datetime) -> None:
        """Tell every connector whose status is not the one that the CSMS was told last."""
        if not self._outbox.online or not self._outbox.registered:
            return  # B01, B04: told afresh after the boot or reconnect, as it is then
        for evse in self._state.evses.values():
            for connector in evse.connectors:
                status = self.status_of(evse, connector)
                if status != connector.reported:
                    self._tell(evse, connector, status, now=now)

    def forget(self) -> None:
        """Let `changes` tell every connector, changed or not."""
        for evse in self._state.evses.values():
            for connector in evse.connectors:
                connector.reported = None

    def status_of(self, evse: Evse, connector: Connector) -> ConnectorStatusEnumType:
        """The connector's own status; of an occupied EVSE only the connector with the cable is Occupied."""
        status = evse_status(self._state, evse)
        if status == "Faulted":
            return status
        if not connector.operative:
            return "Unavailable"
        if status == "Occupied" and evse.plugged != connector.id:
            return "Available"
        return status

    def status_notification(self, evse: Evse, connector: Connector, *, now: datetime) -> None:
        """Send the connector's status by StatusNotification whatever was told before (F06)."""
        status = self.status_of(evse, connector)
        request = _notification(evse, connector, status, now)
        self._outbox.put(Outgoing("StatusNotification", request, asked=True), now=now)

    def problem(self, evse: Evse, *, now: datetime) -> None:
        """Tell that the EVSE has, or no longer has, a fault; only by NotifyEvent, so only where that is in use."""
        if self._reports == "status":
            return
        event = EventDataType(
            event_id=self._next_event_id(),
            timestamp=now,
            trigger="Alerting",
            actual_value="true" if evse.faulted else "false",
            cleared=not evse.faulted,
            event_notification_type="HardWiredNotification",
            component=ComponentType(name="EVSE", evse=EVSEType(id=evse.id)),
            variable=VariableType(name="Problem"),
        )
        self._outbox.put(Outgoing("NotifyEvent", _events(event, now)), now=now)

    def _tell(self, evse: Evse, connector: Connector, status: ConnectorStatusEnumType, *, now: datetime) -> None:
        connector.reported = status

        def then(answer: Struct | None, _: datetime) -> None:
            # What the CSMS has not taken is told again after the next connect.
            if answer is None and connector.reported == status:
                connector.reported = None

        if self._reports != "event":
            self._outbox.put(Outgoing("StatusNotification", _notification(evse, connector, status, now), then), now=now)
        if self._reports != "status":
            event = self._availability(evse, connector, status, now=now)
            self._outbox.put(Outgoing("NotifyEvent", _events(event, now), then), now=now)

    def _availability(
        self, evse: Evse, connector: Connector, status: ConnectorStatusEnumType, *, now: datetime
    ) -> EventDataType:
        return EventDataType(
            event_id=self._next_event_id(),
            timestamp=now,
            trigger="Delta",
            actual_value=status,
            event_notification_type="HardWiredNotification",
            component=ComponentType(name="Connector", evse=EVSEType(id=evse.id, connector_id=connector.id)),
            variable=VariableType(name="AvailabilityState"),
        )

    def _next_event_id(self) -> int:
        event_id, self._event_id = self._event_id, self._event_id + 1
        return event_id


def _notification(
    evse: Evse, connector: Connector, status: ConnectorStatusEnumType, now: datetime
) -> StatusNotificationRequest:
    return StatusNotificationRequest(
        timestamp=now,
        connector_status=status,
        evse_id=evse.id,
        connector_id=connector.id,
    )


def _events(event: EventDataType, now: datetime) -> NotifyEventRequest:
    return NotifyEventRequest(generated_at=now, seq_no=0, event_data=(event,))
