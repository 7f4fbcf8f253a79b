"""The table of options: name, how a value is written, and its help. Flags, variables and keys of the file are made from it."""

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Final, Literal

from evhold.domain.access import Role
from evhold.domain.networks import is_safe
from evhold.settings import Address

PREFIX: Final = "EVHOLD_"
_SERVER: Final = re.compile(
    r"postgresql://([^/?#@\s]+@)?(\[[0-9A-Fa-f:]+\]|[^/?#@:\[\]\s]*)(:\d{1,5})?/[^/?#\s]+(\?[^\s#]*)?"
)
_ADDRESS: Final = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.%]+)\]|(?P<host>[^:\[\]\s]*)):(?P<port>\d{1,5})")


def _text(value: object) -> str:
    if not isinstance(value, str) or not value.strip():
        raise ValueError("is a text")
    return value.strip()


def _address(value: object) -> Address:
    found = _ADDRESS.fullmatch(_text(value))
    if found is None or int(found["port"]) > 65535:
        raise ValueError("is HOST:PORT, such as 127.0.0.1:8080")
    return Address(found["six"] or found["host"] or "0.0.0.0", int(found["port"]))


def _seconds(value: object) -> float:
    try:
        seconds = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        seconds = math.nan
    if not 0 <= seconds <= 86_400:
        raise ValueError("is a number of seconds, 0 to 86400")
    return seconds


def _timeout(value: object) -> float:
    seconds = _seconds(value)
    if seconds <= 0:
        raise ValueError("is a number of seconds above 0")
    return seconds


def _rate(value: object) -> float:
    try:
        rate = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    except ValueError:
        rate = math.nan
    if not 1 <= rate <= 1_000_000:
        raise ValueError("is a number a second, 1 to 1000000")
    return rate


def _count(value: object) -> int:
    text = str(value)
    if isinstance(value, bool) or not (text.isascii() and text.isdigit() and len(text) < 10):
        raise ValueError("is a whole number, not negative")
    return int(text)


def _some(value: object) -> int:
    count = _count(value)
    if count < 1:
        raise ValueError("is a whole number above 0")
    return count


def _policy(value: object) -> Literal["reject", "accept"]:
    if value == "reject" or value == "accept":  # two comparisons narrow the type, a set does not
        return value
    raise ValueError("is reject or accept")


def _flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    known = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
    if not isinstance(value, str) or value.strip().lower() not in known:
        raise ValueError("is true or false")
    return known[value.strip().lower()]


def _key(value: object) -> str:
    text = _text(value)
    if len(text) < 16 or not re.fullmatch(r"[\x21-\x7e]+", text):
        raise ValueError("has 16 or more characters, without spaces")
    return text


def _database(value: object) -> str:
    text = _text(value)
    if text.startswith("postgresql://"):
        if find_spec("asyncpg") is None:
            raise ValueError("names PostgreSQL, which needs the extra cluster: pip install 'evhold[cluster]'")
        if not _SERVER.fullmatch(text):
            raise ValueError("is postgresql://USER@HOST/DATABASE, with special characters as %XX")
        return text
    # Two slashes would name a host and no file: a database that lives in memory and is lost.
    if not re.fullmatch(r"sqlite:///[^?]+(\?.*)?", text):
        raise ValueError("is sqlite:///FILE or postgresql://USER@HOST/DATABASE")
    return text


def _nats(value: object) -> str:
    text = _text(value)
    if find_spec("nats") is None:
        raise ValueError("needs the extra cluster: pip install 'evhold[cluster]'")
    if not all(re.fullmatch(r"(nats|tls|ws|wss)://\S+", one) for one in text.split(",")):
        raise ValueError("is nats://HOST:PORT, several with commas between")
    return text


def _networks(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else str(value).split(",")
    try:
        return tuple(str(ipaddress.ip_network(str(one).strip())) for one in listed)
    except ValueError:
        raise ValueError("is a list of networks such as 10.0.0.0/8") from None


def _origins(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else str(value).split(",")
    origins = tuple(str(one).strip() for one in listed)
    if not all(one == "*" or re.fullmatch(r"https?://[^/?#@\s*]+", one) for one in origins):
        raise ValueError("is a list of origins such as https://app.example, or *")
    return origins


def _files(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else _text(value).split(",")
    files = tuple(_text(one) for one in listed)
    if not 1 <= len(files) <= 2:
        raise ValueError("is a file, or two of RSA and ECDSA with a comma between")
    return files


def _issuer(value: object) -> str:
    text = _text(value)
    if find_spec("joserfc") is None:
        raise ValueError("needs the extra oidc: pip install 'evhold[oidc]'")
    if not re.fullmatch(r"https?://[^/?#@\s]+(/[^?#\s]*)?", text):
        raise ValueError("is the issuer's address, as its tokens name it in iss")
    if not is_safe(text):
        raise ValueError("is https://..., or http://... of this machine")
    return text


def _texts(value: object) -> tuple[str, ...]:
    listed = value if isinstance(value, list) else _text(value).split(",")
    if not listed:
        raise ValueError("names nothing")
    return tuple(_text(one) for one in listed)


def _roles(value: object) -> tuple[tuple[str, str], ...]:
    pairs = [one.partition("=") for one in _texts(value)]
    roles = {str(role) for role in Role}
    if not all(role.strip() in roles and meant.strip() for role, _, meant in pairs):
        raise ValueError("is a list of ROLE=VALUE; roles are " + ", ".join(Role))
    if len({meant.strip() for _, _, meant in pairs}) < len(pairs):
        raise ValueError("names a value twice")
    return tuple((role.strip(), meant.strip()) for role, _, meant in pairs)


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. ``parse`` takes a text, or what TOML has, and raises ValueError with words that go after the name."""

    name: str
    parse: Callable[[object], object]
    metavar: str
    help: str

    @property
    def field(self) -> str:
        """Its name in Settings and in the file."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Its environment variable."""
        return PREFIX + self.field.upper()

    @property
    def is_flag(self) -> bool:
        """It takes no value on the command line."""
        return self.parse is _flag


OPTIONS: Final = (
    Option("api", _address, "HOST:PORT", "REST, page, /metrics [127.0.0.1:8080]"),
    Option("stations", _address, "HOST:PORT", "OCPP-J: ws://HOST:PORT/ocpp/{stationId} [127.0.0.1:9000]"),
    Option("database", _database, "URL", "[sqlite:///evhold.db]"),
    Option("nats", _nats, "URL", "several nodes, which needs PostgreSQL [none: one process]"),
    Option("admin-key", _key, "KEY", "made at the first start and printed once"),
    Option("unknown-stations", _policy, "reject|accept", "stations that nobody provisioned [reject]"),
    Option("unknown-tokens", _policy, "reject|accept", "tokens that nobody registered [reject]"),
    Option("call-timeout", _timeout, "SECONDS", "wait for a station's answer [30]"),
    Option("expiry-grace", _seconds, "SECONDS", "after the expiry, before our own sweep says Expired [30]"),
    Option(
        "expiring-before", _seconds, "SECONDS", "before the expiry, when reservation.expiring is told; 0: never [300]"
    ),
    Option("restore-delay", _seconds, "SECONDS", "after a boot, before a forgotten reservation is restored [60]"),
    Option("max-stations", _count, "N", "more are refused with 503 [20000]"),
    Option("accepts-per-second", _rate, "N", "new connections; more are told to come again [500]"),
    Option("connections-per-address", _some, "N", "station sockets of one address; none on loopback [5000]"),
    Option("handshakes-at-once", _some, "N", "station sockets without an answer; of an address a quarter [1000]"),
    Option("handshake-timeout", _timeout, "SECONDS", "for TLS, and again for the request [10]"),
    Option("messages-per-second", _rate, "N", "of one station, over half a minute; 4 KiB count as one [200]"),
    Option("max-message", _some, "KIB", "of one message of a station, inflated [512]"),
    Option("max-unread", _some, "KIB", "that may wait for a station that does not read [1024]"),
    Option("station-queue", _some, "N", "calls that may wait for one station; more: 503 station-busy [16]"),
    Option("stations-kept", _some, "N", "provisioned or let in unknown; a new one more is refused [2000000]"),
    Option("tokens-kept", _some, "N", "registered [20000000]"),
    Option("keys-kept", _some, "N", "API keys that are valid [100000]"),
    Option("webhooks-kept", _some, "N", "of which each looks at every event [100]"),
    Option("keep-history", _count, "DAYS", "then what has ended is deleted, its history too; 0: kept for ever [0]"),
    Option("drain", _seconds, "SECONDS", "over which stations are sent away at the end [5]"),
    Option("frame-log", _count, "MIB", "recent OCPP frames kept in memory [64]"),
    Option("keep-audit", _some, "DAYS", "who did what (GET /audit) is deleted after so long [365]"),
    Option("keep-security-events", _some, "DAYS", "GET /security-events; of each station 500 at most [90]"),
    Option("rate-limit", _count, "N", "requests a second by one key; more are answered 429; 0: no limit [2000]"),
    Option(
        "failed-logins", _some, "N", "wrong keys, links, sessions, station passwords a minute by address, then 429 [20]"
    ),
    Option("request-timeout", _timeout, "SECONDS", "for a request to arrive whole, else 408 [20]"),
    Option("trusted-proxy", _networks, "CIDR", "whose X-Forwarded-For and -Proto are believed [none]"),
    Option("cors-origin", _origins, "ORIGIN", "other sites' pages that may call the API with a key [none]"),
    Option("webhook-allow", _networks, "CIDR", "private networks that webhooks may reach [none]"),
    Option("insecure", _flag, "", "accept unknown stations or plain Basic auth beyond loopback"),
    Option("tls-cert", _files, "FILE", "stations connect by TLS alone, --api stays plain: security profile 2 [none]"),
    Option("tls-key", _files, "FILE", "the certificate's key [in the certificate's file]"),
    Option("tls-client-ca", _text, "FILE", "who signs stations' certificates: security profile 3 too [none]"),
    Option("oidc-issuer", _issuer, "URL", "whose OpenID Connect access tokens the API takes beside its keys [none]"),
    Option("oidc-audience", _texts, "TEXT", "whom these tokens are for: one of their aud has to be one of these"),
    Option("oidc-roles-claim", _text, "NAME", "where their roles are; dots lead inside, realm_access.roles [roles]"),
    Option("oidc-role", _roles, "ROLE=VALUE", "which values mean which role [called as ours: admin, operator, ...]"),
    Option("oidc-tokens-claim", _text, "NAME", "where a driver's IdTokens are, each TOKEN:TYPE [evhold_tokens]"),
)
