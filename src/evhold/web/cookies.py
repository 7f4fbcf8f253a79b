"""The session cookie: it names an API key and its own end, and is signed; nothing of it is stored."""

import hmac
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from evhold.usecases.signing import Signer

NAME: Final = "evhold_session"
LIFETIME: Final = timedelta(hours=12)
CSRF_HEADER: Final = "X-CSRF-Token"
_COOKIE: Final = "session cookie 2"
_CSRF: Final = "csrf token 1"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_UNIT: Final = timedelta(microseconds=1)
_DIGITS: Final = 17


@dataclass(frozen=True, slots=True)
class Session:
    """What a cookie of ours says.

    Args:
        id: What it is called where it is noted that it ended.
        key_id: The API key that signed in.
        ends: When the cookie is worth nothing any more.
        csrf: The token that a page which can read it was given along with the cookie.
    """

    id: str
    key_id: int
    ends: datetime
    csrf: str


def issue(key_id: int, *, signer: Signer, now: datetime) -> str:
    """A cookie's value for this key, good for 12 hours. Its end is told to the microsecond: no two are the same session."""
    content = f"{key_id}.{(now + LIFETIME - _EPOCH) // _UNIT}"
    return f"{content}.{_text(signer.sign(content.encode(), purpose=_COOKIE))}"


def read(value: str, *, signer: Signer) -> Session | None:
    """The session of a cookie's value, which may have ended; None for one that we did not sign."""
    content, _, given = value.rpartition(".")
    wanted = _text(signer.sign(content.encode(), purpose=_COOKIE))
    if not hmac.compare_digest(wanted.encode(), given.encode()):
        return None
    key_id, _, ends = content.partition(".")
    if not (_is_number(key_id) and _is_number(ends)):
        return None
    return Session(content, int(key_id), _EPOCH + int(ends) * _UNIT, csrf_of(value, signer=signer))


def csrf_of(value: str, *, signer: Signer) -> str:
    """The token that goes with this cookie."""
    return _text(signer.sign(value.encode(), purpose=_CSRF))


def is_same(given: str | None, wanted: str) -> bool:
    """Whether the texts are equal, in a time that does not tell how far they are."""
    return given is not None and hmac.compare_digest(given.encode(), wanted.encode())


def values_in(header: str) -> Iterator[str]:
    """The values of every cookie of our name in a Cookie header, whatever else stands there."""
    for pair in header.split(";"):
        name, _, value = pair.partition("=")
        if name.strip() == NAME:
            yield value.strip().strip('"')


def setting(value: str, *, secure: bool) -> str:
    """The Set-Cookie header that keeps the value; an empty one takes the cookie away."""
    age = int(LIFETIME.total_seconds()) if value else 0
    return f"{NAME}={value}; Path=/; Max-Age={age}; HttpOnly; SameSite=Strict" + ("; Secure" if secure else "")


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= _DIGITS


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode().rstrip("=")
