"""Block A: security events are kept, certificates are not issued here."""

from collections.abc import Awaitable
from datetime import datetime
from typing import Any, Protocol

from evhold.ocpp.masking import mask_text
from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import (
    SecurityEventNotificationRequest,
    SignCertificateRequest,
    SignCertificateResponse,
)
from evhold.usecases.ports import Connected


class SecurityEventTold(Protocol):
    """`a04_security_events.told`, bound."""

    def __call__(
        self, kind: str, connected: Connected, /, *, happened_at: datetime, tech_info: str | None, heard_at: datetime
    ) -> Awaitable[None]: ...


def routes(*, told: SecurityEventTold) -> dict[str, Route[Any, Any]]:
    """Return the routes of block A."""

    async def security_event_notification(request: SecurityEventNotificationRequest, context: Context) -> None:
        # A04: acknowledged when it is stored. What stations say beside may quote a frame.
        said = convert.known(request.tech_info)
        info = None if said is None else mask_text(said)
        await told(request.type, context, happened_at=request.timestamp, tech_info=info, heard_at=context.heard_at)

    def sign_certificate(request: SignCertificateRequest, context: Context) -> SignCertificateResponse:
        # A02: there is no certificate authority behind this CSMS.
        return SignCertificateResponse(status="Rejected")

    return {
        "SecurityEventNotification": convert.route("SecurityEventNotification", security_event_notification),
        "SignCertificate": convert.route("SignCertificate", sign_certificate),
    }
