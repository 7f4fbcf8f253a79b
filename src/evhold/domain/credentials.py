"""What stations are called, and how their passwords and the API's keys are kept."""

import hashlib
import re
from typing import Final

MAX_STATION_ID: Final = 48
SHORTEST_PASSWORD: Final = 16
LONGEST_PASSWORD: Final = 64
#: What BasicAuthPassword holds: a passwordString (A00.FR.205, A00.FR.304).
LONGEST_OCPP_PASSWORD: Final = 40
_OCPP_PASSWORD: Final = re.compile(r"[A-Za-z0-9*\-_=:+|@.]{16,40}")

# identifierString of the specification without the colon, which ends the user name of Basic auth; a space is let through.
_STATION_ID: Final = re.compile(r"[A-Za-z0-9*\-_=+|@.](?:[A-Za-z0-9*\-_=+|@. ]*[A-Za-z0-9*\-_=+|@.])?")


def is_station_id(text: str) -> bool:
    """Whether a Charging Station can be provisioned under this id."""
    return len(text) <= MAX_STATION_ID and _STATION_ID.fullmatch(text) is not None


def is_ocpp_password(text: str) -> bool:
    """Whether a station can be given this password over OCPP."""
    return _OCPP_PASSWORD.fullmatch(text) is not None


def hash_password(salt: bytes, password: str) -> bytes:
    """The hash under which a station's password is kept: BLAKE2b keyed with the salt (1 to 64 bytes).

    It is fast on purpose: these passwords are made by machines, and a thousand stations reconnect at once.
    """
    return hashlib.blake2b(password.encode(), key=salt, digest_size=32).digest()


def hash_key(secret: str) -> bytes:
    """The hash under which an API key is kept; the key itself has 128 bits or more, so it needs no salt."""
    return hashlib.blake2b(secret.encode(), digest_size=32, person=b"evhold-api-key").digest()
