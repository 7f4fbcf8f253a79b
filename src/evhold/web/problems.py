"""Errors as RFC 9457 problems: one table from what was raised to what the caller reads."""

import re
from dataclasses import dataclass, field
from typing import Final

import msgspec
from litestar import Response

from evhold.domain import errors as domain

#: Name -> (HTTP status, title). The type of a problem is ``/problems/NAME``, for ever.
PROBLEMS: Final[dict[str, tuple[int, str]]] = {
    "invalid-request": (400, "The request breaks a rule"),
    "unauthorized": (401, "A valid key or token is needed"),
    "forbidden": (403, "The caller may not do this"),
    "csrf-token-missing": (403, "A change by the session cookie needs the session's X-CSRF-Token"),
    "foreign-origin": (403, "The request comes from another site's page"),
    "not-found": (404, "There is no such address"),
    "station-unknown": (404, "The Charging Station is not provisioned"),
    "reservation-unknown": (404, "There is no such reservation"),
    "token-unknown": (404, "The IdToken is not registered"),
    "key-unknown": (404, "There is no such API key"),
    "webhook-unknown": (404, "There is no such webhook"),
    "delivery-unknown": (404, "The webhook has no such dead delivery"),
    "link-unknown": (404, "This link leads nowhere"),
    "method-not-allowed": (405, "The address does not know this method"),
    "reservation-refused": (409, "The Charging Station refused the reservation"),
    "reservation-ended": (409, "The reservation has ended"),
    "order-in-progress": (409, "Another order of this reservation is not settled yet"),
    "nothing-to-ask": (409, "No order of the reservation waits for its station"),
    "no-cancel-request": (409, "Nobody asked to cancel the reservation"),
    "cancel-in-progress": (409, "The cancel was already sent"),
    "evse-already-reserved": (409, "The EVSE is held by another reservation"),
    "reservations-not-supported": (409, "The Charging Station takes no reservations"),
    "unspecified-evse-not-supported": (409, "The Charging Station reserves named EVSEs only"),
    "token-not-accepted": (409, "The IdToken is not accepted"),
    "reservations-affected": (409, "Live reservations would end"),
    "goes-through-reservations": (409, "This action goes through /reservations"),
    "goes-through-password": (409, "A password is changed by POST /stations/{id}/password"),
    "password-change-pending": (
        409,
        "Two passwords of the Charging Station are valid, and it has not shown which it has",
    ),
    "security-profile-lowered": (409, "The Charging Station's lowest security profile only goes up"),
    "variable-refused": (409, "The Charging Station did not set the variable"),
    "token-in-use": (409, "The IdToken has reservations that have not ended"),
    "limit-reached": (409, "There are as many of these as may be kept"),
    "notify-not-installed": (409, "Driver messages need the extra notify"),
    "request-in-progress": (409, "The first request with this Idempotency-Key is still running"),
    "request-timeout": (408, "The request did not arrive in time"),
    "link-expired": (410, "This link has ended with its reservation"),
    "version-conflict": (412, "The object has changed"),
    "body-too-large": (413, "The body is too large"),
    "address-too-long": (414, "The address is too long"),
    "idempotency-key-reused": (422, "The Idempotency-Key was used with another body"),
    "rate-limited": (429, "Too many requests by one caller"),
    "too-many-failures": (429, "Too many wrong keys, tokens, links or sessions from one address"),
    "headers-too-large": (431, "The headers are too large"),
    "internal-error": (500, "A fault of ours"),
    "station-call-error": (502, "The Charging Station answered with an error"),
    "station-offline": (503, "The Charging Station is offline"),
    "station-busy": (503, "Too many calls wait for the Charging Station"),
    "storage-unavailable": (503, "The database can't be reached"),
    "issuer-unavailable": (503, "The issuer of bearer tokens can't be reached"),
    "too-many-streams": (503, "Too many event streams are open"),
    "station-silent": (504, "The Charging Station did not answer"),
}
#: What a domain refusal is called outside; their own data comes along by ``_more``.
BY_ERROR: Final[dict[str, str]] = {
    "StationUnknown": "station-unknown",
    "ReservationUnknown": "reservation-unknown",
    "TokenUnknown": "token-unknown",
    "TokenInUse": "token-in-use",
    "KeyUnknown": "key-unknown",
    "WebhookUnknown": "webhook-unknown",
    "DeliveryUnknown": "delivery-unknown",
    "LimitReached": "limit-reached",
    "NotifyNotInstalled": "notify-not-installed",
    "ReservationEnded": "reservation-ended",
    "OrderInProgress": "order-in-progress",
    "NothingToAsk": "nothing-to-ask",
    "NoCancelRequest": "no-cancel-request",
    "CancelInProgress": "cancel-in-progress",
    "EvseAlreadyReserved": "evse-already-reserved",
    "VersionConflict": "version-conflict",
    "ReservationsNotSupported": "reservations-not-supported",
    "UnspecifiedEvseNotSupported": "unspecified-evse-not-supported",
    "TokenNotAccepted": "token-not-accepted",
    "StationOffline": "station-offline",
    "StationBusy": "station-busy",
    "ReservationsAffected": "reservations-affected",
    "GoesThroughReservations": "goes-through-reservations",
    "PasswordChangePending": "password-change-pending",
    "GoesThroughPassword": "goes-through-password",
    "SecurityProfileLowered": "security-profile-lowered",
    "InvalidOrder": "invalid-request",
    "IdempotencyKeyReused": "idempotency-key-reused",
    "RequestInProgress": "request-in-progress",
}
RETRY_AFTER_S: Final = {
    "station-offline": "30",
    "station-busy": "5",
    "storage-unavailable": "5",
    "too-many-streams": "30",
}
MEDIA_TYPE: Final = "application/problem+json"
_ITEM: Final = re.compile(r"\[[^\]]*\]")
_AT: Final = re.compile(r" - at `(?:key in )?\$\.?(.*?)`$")
_NAMED: Final = re.compile(r"(?:required|unknown) field `([^`]*)`")


@dataclass(eq=False)
class Problem(Exception):
    """A request can't be answered as wished. ``more`` are the members beyond RFC 9457's own."""

    name: str
    detail: str = ""
    more: dict[str, object] = field(default_factory=dict)
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The HTTP status that belongs to the name."""
        return PROBLEMS[self.name][0]

    def body(self) -> bytes:
        """The problem document."""
        status, title = PROBLEMS[self.name]
        document = {"type": f"/problems/{self.name}", "title": title, "status": status}
        return msgspec.json.encode({**document, "detail": self.detail or title, **self.more})

    def all_headers(self) -> dict[str, str]:
        """Its own, and those that belong to its name."""
        headers = dict(self.headers)
        if self.name in RETRY_AFTER_S:
            headers.setdefault("Retry-After", RETRY_AFTER_S[self.name])
        if self.name == "unauthorized":
            headers.setdefault("WWW-Authenticate", 'Bearer realm="evhold"')
        return headers

    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """All of the answer's, for who answers below the framework."""
        headers = self.all_headers() | {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(self.body()))}
        return [(name.lower().encode(), value.encode()) for name, value in headers.items()]

    def response(self) -> Response[bytes]:
        """The answer that carries it."""
        return Response(self.body(), status_code=self.status, media_type=MEDIA_TYPE, headers=self.all_headers())


def invalid(*errors: tuple[str, str]) -> Problem:
    """The request breaks rules; each error is (field in the API's words, what is wrong)."""
    listed = [{"field": where, "message": message} for where, message in errors]
    detail = "; ".join(f"{where}: {message}" if where else message for where, message in errors)
    return Problem("invalid-request", detail, {"errors": listed})


def unreadable(error: Exception, *, whole: str = "body") -> Problem:
    """The text does not fit the type, as msgspec found; ``whole`` is named when the culprit is no single field."""
    text = str(error)
    at, named = _AT.search(text), _NAMED.search(text)
    message = _AT.sub("", text)
    path = [part for part in (at.group(1) if at else "", named.group(1) if named else "") if part and part != "..."]
    return invalid((_ITEM.sub("", ".".join(path)) or whole, message))


def of_domain(error: domain.DomainError) -> Problem:
    """The problem that a refusal of the domain is told as."""
    if isinstance(error, domain.InvalidOrder):
        return invalid((error.field, error.reason))
    return Problem(BY_ERROR.get(type(error).__name__, "internal-error"), str(error), _more(error))


def _more(error: domain.DomainError) -> dict[str, object]:
    match error:
        case domain.ReservationsNotSupported(variable=variable) | domain.UnspecifiedEvseNotSupported(variable=variable):
            return {"variable": variable}
        case domain.TokenNotAccepted(token_status=status):
            return {"tokenStatus": status}
        case domain.ReservationsAffected(reservation_ids=ids):
            return {"reservationIds": list(ids)}
        case domain.SecurityProfileLowered(profile=profile):
            return {"securityProfile": profile}
        case domain.ReservationEnded(state=state):
            return {"state": str(state)}
        case domain.VersionConflict(version=version):
            return {"version": version}
        case domain.LimitReached(limit=limit, most=most):
            return {"limit": limit, "most": most}
        case _:
            return {}
