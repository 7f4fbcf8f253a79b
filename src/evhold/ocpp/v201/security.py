"""Block A: security events are acknowledged, certificates are not issued here."""

from typing import Any

from evhold.ocpp.router import Context, Route
from evhold.ocpp.v201 import convert
from evhold.ocpp.v201.messages import (
    SecurityEventNotificationRequest,
    SignCertificateRequest,
    SignCertificateResponse,
)


def routes() -> dict[str, Route[Any, Any]]:
    """Return the routes of block A."""

    def security_event_notification(request: SecurityEventNotificationRequest, context: Context) -> None:
        """Acknowledged (A04)."""

    def sign_certificate(request: SignCertificateRequest, context: Context) -> SignCertificateResponse:
        # A02: there is no certificate authority behind this CSMS.
        return SignCertificateResponse(status="Rejected")

    return {
        "SecurityEventNotification": convert.route("SecurityEventNotification", security_event_notification),
        "SignCertificate": convert.route("SignCertificate", sign_certificate),
    }
