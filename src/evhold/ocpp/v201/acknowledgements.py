"""What stations send and nothing here makes use of: each gets the smallest answer that is true, so that none stumbles."""

from typing import Any, Final

from msgspec import Struct

from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import (
    DataTransferResponse,
    Get15118EVCertificateResponse,
    GetCertificateStatusResponse,
    NotifyEVChargingNeedsResponse,
    NotifyEVChargingScheduleResponse,
)

_ANSWERS: Final[dict[str, Struct | None]] = {
    # P01: no vendor's extension is spoken here.
    "DataTransfer": DataTransferResponse(status="UnknownVendorId"),
    # M01, M06: no ISO 15118 infrastructure behind this CSMS.
    "Get15118EVCertificate": Get15118EVCertificateResponse(status="Failed", exi_response=""),
    "GetCertificateStatus": GetCertificateStatusResponse(status="Failed"),
    # K15: no charging schedule will follow. The EV's own schedule was read, which is all that Accepted says.
    "NotifyEVChargingNeeds": NotifyEVChargingNeedsResponse(status="Rejected"),
    "NotifyEVChargingSchedule": NotifyEVChargingScheduleResponse(status="Accepted"),
    "ClearedChargingLimit": None,
    "FirmwareStatusNotification": None,
    "LogStatusNotification": None,
    "MeterValues": None,
    "NotifyChargingLimit": None,
    "NotifyCustomerInformation": None,
    "NotifyDisplayMessages": None,
    "NotifyMonitoringReport": None,
    "PublishFirmwareStatusNotification": None,
    "ReportChargingProfiles": None,
}


def routes() -> dict[str, Route[Any, Any]]:
    """Return the routes of everything that is only acknowledged."""
    return {action: _acknowledged(action, answer) for action, answer in _ANSWERS.items()}


def _acknowledged(action: str, answer: Struct | None) -> Route[Any, Any]:
    def handle(request: Struct, context: Context) -> Struct | None:
        return answer

    return convert.route(action, handle)
