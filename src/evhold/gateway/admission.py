"""Who may connect: a pure decision over the upgrade request and what is known of the station in memory."""

import base64
import binascii
import hmac
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import unquote_to_bytes

from evhold.domain.credentials import hash_password, is_station_id
from evhold.domain.station import Credentials
from evhold.domain.values import StationId

PATH_PREFIX: Final = "/ocpp/"

CredentialsOf = Callable[[str], Credentials | None]


@dataclass(frozen=True, slots=True)
class Admission:
    """The station may connect; ``provisioned`` is False for one that nobody knows and that is let in all the same."""

    station_id: StationId
    provisioned: bool = True


@dataclass(frozen=True, slots=True)
class Refusal:
    """The handshake ends with this HTTP answer; ``reason`` is for the log."""

    status: int
    reason: str
    headers: tuple[tuple[str, str], ...] = ()


_UNAUTHORIZED: Final = (("WWW-Authenticate", 'Basic realm="evhold", charset="UTF-8"'),)


@dataclass(frozen=True, slots=True)
class Gatekeeper:
    """Decides about handshakes.

    Args:
        credentials: Looks a station up by its case-folded id; reads memory only, for the handshake cannot wait.
        unknown_stations: Whether a station that nobody provisioned is refused or let in.
    """

    credentials: CredentialsOf
    unknown_stations: Literal["reject", "accept"] = "reject"

    def decide(self, path: str, *, headers: Mapping[str, str]) -> Admission | Refusal:
        """Return who connects, or the answer that refuses it: 404 for a bad or unknown id, 401 for wrong credentials.

        Args:
            path: The request's target, percent-encoded.
            headers: Looked up by the names of HTTP, in lower case.
        """
        station_id = _station_id_of(path)
        if station_id is None:
            return Refusal(404, "bad-path")
        known = self.credentials(station_id.casefold())
        if known is None:
            if self.unknown_stations == "reject":
                return Refusal(404, "unknown-station")
            if " " in station_id:
                return Refusal(404, "bad-station-id")
            return Admission(StationId(station_id), provisioned=False)
        if not self._may_enter(known, authorization=headers.get("authorization")):
            return Refusal(401, "wrong-credentials", _UNAUTHORIZED)
        return Admission(known.station_id)

    def _may_enter(self, known: Credentials, *, authorization: str | None) -> bool:
        if known.password_hash is None:
            # One that was let in unknown has no password: it stays welcome only as long as unknown ones are.
            return known.security_profile == 0 or self.unknown_stations == "accept"
        given = _basic_auth(authorization)
        if given is None:
            return False
        user, password = given
        digest = hash_password(known.password_salt or b"", password)
        return hmac.compare_digest(digest, known.password_hash) and user.casefold() == known.station_id.casefold()


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
