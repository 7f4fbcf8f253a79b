"""A charging station that this project did not write: the PyPI package `ocpp` over `websockets`.

What it sends and gets is held against the official schemas by that package. It does what the test says and nothing else.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from ocpp.routing import on
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from csms import Csms
from ocpp.v201 import ChargePoint, call, call_result

VARIABLES = {"Available": "1", "Enabled": "TRUE", "NonEvseSpecific": "True"}
PATIENCE_S = 10.0


def stamp(seconds: float = 0.0) -> str:
    """A time that many seconds from now."""
    return (datetime.now(UTC) + timedelta(seconds=seconds)).isoformat().replace("+00:00", "Z")


class ForeignStation(ChargePoint):
    """A station with two EVSEs; `answers` says what it answers to the CSMS's CALLs, `asked` what it was asked."""

    def __init__(self, station_id: str, socket: ClientConnection) -> None:
        super().__init__(station_id, socket)
        self.socket = socket
        self.answers = {"ReserveNow": "Accepted", "CancelReservation": "Accepted"}
        self.early: list[str] = []
        self.asked: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.closes_on: set[str] = set()
        self.texts: list[str] = []

    async def route_message(self, raw_msg: str) -> None:
        """Keeps what came, as it was on the wire."""
        self.texts.append(raw_msg)
        await super().route_message(raw_msg)

    def last_id(self, action: str) -> str:
        """The message id of the last CALL of this action."""
        frames = [json.loads(text) for text in self.texts]
        return str([frame[1] for frame in frames if frame[0] == 2 and frame[2] == action][-1])

    async def until_asked(self, action: str) -> dict[str, Any]:
        """The payload of the next CALL of this action; others before it are passed over."""
        async with asyncio.timeout(PATIENCE_S):
            while True:
                name, payload = await self.asked.get()
                if name == action:
                    return payload

    # What the CSMS asks

    @on("ReserveNow")
    async def on_reserve_now(self, **terms: Any) -> call_result.ReserveNow:
        """As `answers` says; texts in `early` are sent before it, a reservationId 0 in them made the one asked for."""
        await self.asked.put(("ReserveNow", terms))
        for text in self.early:
            await self.socket.send(text.replace('"reservationId": 0,', f'"reservationId": {terms["id"]},'))
        if "ReserveNow" in self.closes_on:
            await self.socket.close()
        status = self.answers["ReserveNow"]
        info = None if status == "Accepted" else {"reason_code": "Test", "additional_info": "as told"}
        return call_result.ReserveNow(status=status, status_info=info)

    @on("CancelReservation")
    async def on_cancel_reservation(self, **payload: Any) -> call_result.CancelReservation:
        """As `answers` says; or the socket closes with the CALL unanswered."""
        await self.asked.put(("CancelReservation", payload))
        if "CancelReservation" in self.closes_on:
            await self.socket.close()
        return call_result.CancelReservation(status=self.answers["CancelReservation"])

    @on("GetVariables")
    def on_get_variables(self, get_variable_data: list[dict[str, Any]]) -> call_result.GetVariables:
        """ReservationCtrlr in the odd spellings of real stations, nothing else."""
        results = []
        for asked in get_variable_data:
            name = asked["variable"]["name"]
            known = asked["component"]["name"] == "ReservationCtrlr" and name in VARIABLES
            result = {"component": asked["component"], "variable": asked["variable"]}
            found = {"attribute_status": "Accepted", "attribute_value": VARIABLES[name]} if known else {}
            results.append({"attribute_status": "UnknownComponent", **result, **found})
        return call_result.GetVariables(get_variable_result=results)

    @on("GetBaseReport")
    def on_get_base_report(self, **_: Any) -> call_result.GetBaseReport:
        """It has none."""
        return call_result.GetBaseReport(status="NotSupported")

    @on("TriggerMessage")
    async def on_trigger_message(self, **payload: Any) -> call_result.TriggerMessage:
        """Accepted; the test sends what was asked for."""
        await self.asked.put(("TriggerMessage", payload))
        return call_result.TriggerMessage(status="Accepted")

    # What it says; a CALLERROR is raised

    async def say(self, payload: Any) -> Any:
        """The CSMS's answer to a CALL."""
        return await self.call(payload, suppress=False)

    async def boot(self) -> str:
        """The status that BootNotification is answered; Accepted is followed by the status of both connectors."""
        hardware = {"model": "Foreign", "vendor_name": "PyPI"}
        answer = await self.say(call.BootNotification(charging_station=hardware, reason="PowerUp"))
        if answer.status == "Accepted":
            for evse_id in (1, 2):
                await self.status(evse_id, "Available")
        return str(answer.status)

    async def authorize(self, token: str) -> Any:
        """The answer to Authorize."""
        return await self.say(call.Authorize(id_token={"id_token": token, "type": "ISO14443"}))

    async def status(self, evse_id: int, status: str) -> None:
        """A connector is in this status."""
        await self.say(
            call.StatusNotification(timestamp=stamp(), connector_status=status, evse_id=evse_id, connector_id=1)
        )

    async def notify_state(self, evse_id: int, status: str, *, component: str = "Connector") -> None:
        """AvailabilityState of a connector, or of a whole EVSE."""
        place = {"id": evse_id, "connector_id": 1} if component == "Connector" else {"id": evse_id}
        event = {
            "event_id": 1,
            "timestamp": stamp(),
            "trigger": "Delta",
            "actual_value": status,
            "event_notification_type": "CustomMonitor",
            "component": {"name": component, "evse": place},
            "variable": {"name": "AvailabilityState"},
        }
        await self.say(call.NotifyEvent(generated_at=stamp(), seq_no=0, event_data=[event]))

    async def update(self, reservation_id: int, status: str) -> None:
        """A reservation is Expired or Removed."""
        payload = call.ReservationStatusUpdate(reservation_id=reservation_id, reservation_update_status=status)
        assert await self.say(payload) == call_result.ReservationStatusUpdate()

    async def event(self, kind: str, transaction_id: str, seq_no: int, **more: Any) -> Any:
        """A TransactionEvent; `token` and `at` (seconds from now) for short."""
        token = more.pop("token", None)
        trigger = {"Started": "CablePluggedIn", "Updated": "Authorized", "Ended": "EVCommunicationLost"}[kind]
        state = more.pop("charging_state", "EVConnected")
        fields = {
            "event_type": kind,
            "timestamp": stamp(more.pop("at", 0.0)),
            "trigger_reason": trigger,
            "seq_no": seq_no,
            "transaction_info": {"transaction_id": transaction_id, "charging_state": state},
            "id_token": None if token is None else {"id_token": token, "type": "ISO14443"},
            **({"evse": {"id": 1, "connector_id": 1}} if kind == "Started" else {}),
        }
        return await self.say(call.TransactionEvent(**fields, **more))


def basic(station_id: str, password: str) -> dict[str, str]:
    """The header of Basic auth."""
    text = base64.b64encode(f"{station_id}:{password}".encode()).decode()
    return {"Authorization": f"Basic {text}"}


@asynccontextmanager
async def connected(csms: Csms, station_id: str, password: str) -> AsyncIterator[ForeignStation]:
    """The station on a socket; it has said nothing yet."""
    async with connect(
        f"{csms.stations}/{station_id}",
        subprotocols=["ocpp2.0.1"],
        additional_headers=basic(station_id, password),
        proxy=None,
    ) as socket:
        station = ForeignStation(station_id, socket)
        reading = asyncio.create_task(station.start())
        try:
            yield station
        finally:
            await socket.close()
            with suppress(ConnectionClosed):
                await reading


async def provisioned(csms: Csms, station_id: str, **fields: Any) -> str:
    """The password that the API made for a new station."""
    answer = await csms.request("PUT", f"/stations/{station_id}", json=fields)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["password"])


@asynccontextmanager
async def booted(csms: Csms, station_id: str) -> AsyncIterator[ForeignStation]:
    """A provisioned station that was Accepted and whose variables are known."""
    async with connected(csms, station_id, await provisioned(csms, station_id)) as station:
        assert await station.boot() == "Accepted"
        await csms.until_online(station_id)
        yield station


def raw_update(message_id: str, reservation_id: int, status: str) -> str:
    """A ReservationStatusUpdate as text."""
    payload = {"reservationId": reservation_id, "reservationUpdateStatus": status}
    return json.dumps([2, message_id, "ReservationStatusUpdate", payload])


def raw_status(message_id: str, evse_id: int, status: str) -> str:
    """A StatusNotification as text, for moments when the package would wait for the answer."""
    payload = {"timestamp": stamp(), "connectorStatus": status, "evseId": evse_id, "connectorId": 1}
    return json.dumps([2, message_id, "StatusNotification", payload])
