"""Who may connect: a pure decision over the upgrade request, the link it came by, and what is known of the station in memory."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from evhold.domain.credentials import hash_password, is_station_id
from evhold.domain.security import Incidents
from evhold.domain.station import Credentials
from evhold.domain.values import StationId

PATH_PREFIX: Final = "/ocpp/"
#: OCPP's security profiles: a password over a plain socket, the same over TLS, a certificate.
BASIC, TLS, MUTUAL_TLS = 1, 2, 3

CredentialsOf = Callable[[str], Credentials | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """How the request came.

    Args:
        is_tls: Over TLS.
        common_name: The CN of the client's certificate, whose path was verified; None without one, empty when it has no one CN.
        remote: The other end's address, without the port.
    """

    is_tls: bool = False
    common_name: str | None = None
    remote: str = ""


PLAIN: Final = Link()


@dataclass(frozen=True, slots=True)
class Admission:
    """The station may connect.

    Args:
        station_id: As provisioned.
        provisioned: False for one that nobody knows and that is let in all the same.
        security_profile: By which it was let in; 0: nothing was asked of it.
        common_name: Of its certificate.
        password: Which one it proved, while two are valid (A01).
        offer: The salt of the new one of these two.
    """

    station_id: StationId
    provisioned: bool = True
    security_profile: int = 0
    common_name: str | None = None
    password: Literal["old", "new"] | None = None
    offer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Refusal:
    """The handshake ends with this HTTP answer.

    Args:
        status: Of HTTP.
        reason: For the log.
        headers: Of the answer.
        incident: What is kept as a security event of the provisioned station ``station_id``.
    """

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()
    incident: Incidents | None = None
    station_id: StationId | None = None


#: There are as many stations as may be kept.
_FULL: Final = Refusal(503, "stations-kept", (("Retry-After", "300"),))
_UNAUTHORIZED: Final = (("WWW-Authenticate", 'Basic realm="evhold", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Decides about handshakes.

    Args:
        credentials: Looks a station up by its case-folded id; reads memory only, for the handshake cannot wait.
        unknown_stations: Whether a station that nobody provisioned is refused or let in.
        has_room: Whether one more of these may be kept.
    """

    credentials: CredentialsOf
    unknown_stations: Literal["reject", "accept"] = "reject"
    has_room: Callable[[], bool] = lambda: True

    def decide(self, path: str, *, headers: Mapping[str, str], link: Link = PLAIN) -> Admission | Refusal:
        """Return who connects, or the answer that refuses it.

        404 for a bad or unknown id, 401 for wrong credentials, 403 for another station's certificate or too low a profile,
        503 for an unknown one where there is no room.

        Args:
            path: The request's target, percent-encoded.
            headers: Looked up by the names of HTTP, in lower case.
            link: How it came.

        Requirements: A00.FR.002, A00.FR.204, A00.FR.303, A00.FR.405, A05.FR.07
        """
        station_id = _station_id_of(path)
        if station_id is None:
            return Refusal(404, "bad-path")
        known = self.credentials(station_id.casefold())
        if known is None:
            return self._unknown(station_id, link)
        found = self._by_certificate(known, link) if link.common_name is not None else None
        found = found or self._by_password(known, authorization=headers.get("authorization"), link=link)
        # A05.FR.07: a lower profile than the station has, or ever had, is let in no more.
        if isinstance(found, Admission) and found.security_profile < (known.security_profile or 0):
            incident = Incidents.PROFILE_TOO_LOW
            return Refusal(403, f"profile-too-low-{found.security_profile}", (), incident, known.station_id)
        return found

    def _unknown(self, station_id: str, link: Link) -> Admission | Refusal:
        if self.unknown_stations == "reject":
            return Refusal(404, "unknown-station")
        if " " in station_id:
            return Refusal(404, "bad-station-id")
        if link.common_name is not None and link.common_name.casefold() != station_id.casefold():
            return Refusal(403, "certificate-of-another")
        if not self.has_room():
            return _FULL
        if link.common_name is None:
            return Admission(StationId(station_id), provisioned=False)
        return Admission(StationId(station_id), False, MUTUAL_TLS, link.common_name)

    def _by_certificate(self, known: Credentials, link: Link) -> Admission | Refusal:
        # A00.FR.405: the CN is the station's serial number; where none was provisioned, its id.
        name = link.common_name or ""
        serial = known.serial_number
        is_its_own = name == serial if serial is not None else name.casefold() == known.station_id.casefold()
        if not is_its_own:
            return Refusal(403, "certificate-of-another", (), Incidents.BAD_CERTIFICATE, known.station_id)
        return Admission(known.station_id, security_profile=MUTUAL_TLS, common_name=name)

    def _by_password(self, known: Credentials, *, authorization: str | None, link: Link) -> Admission | Refusal:
        proved = _proved(known, authorization=authorization)
        if proved is None and self._is_let_in_without(known):
            return Admission(known.station_id)
        if proved is None:
            return Refusal(401, "wrong-credentials", _UNAUTHORIZED, Incidents.WRONG_CREDENTIALS, known.station_id)
        profile = TLS if link.is_tls else BASIC
        if known.next_hash is None:
            return Admission(known.station_id, security_profile=profile)
        return Admission(known.station_id, security_profile=profile, password=proved, offer=known.next_salt)

    def _is_let_in_without(self, known: Credentials) -> bool:
        # One that was let in unknown has no password: it stays welcome only as long as unknown ones are.
        is_unknown = known.security_profile is None and self.unknown_stations == "accept"
        return known.password_hash is None and (known.security_profile == 0 or is_unknown)


def _proved(known: Credentials, *, authorization: str | None) -> Literal["old", "new"] | None:
    """Which password the header holds; None: neither, or another station's name."""
    given = _basic_auth(authorization)
    if given is None or given[0].casefold() != known.station_id.casefold():
        return None
    if _fits(given[1], salt=known.password_salt, stored=known.password_hash):
        return "old"
    return "new" if _fits(given[1], salt=known.next_salt, stored=known.next_hash) else None


def _fits(password: str, *, salt: bytes | None, stored: bytes | None) -> bool:
    return stored is not None and hmac.compare_digest(hash_password(salt or b"", password), stored)


def _station_id_of(path: str) -> str | None:
    target, _, _ = path.partition("?")
    if not target.startswith(PATH_PREFIX):
        return None
    try:
        station_id = unquote_to_bytes(target[len(PATH_PREFIX) :]).decode("ascii")
    except UnicodeError:
        return None
    return station_id if is_station_id(station_id) else None


def _basic_auth(header: str | None) -> tuple[str, str] | None:
    scheme, _, encoded = (header or "").strip().partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(encoded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
