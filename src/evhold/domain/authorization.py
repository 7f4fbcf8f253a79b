"""Tokens that we know, and what a station is told about them (C01, H03)."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from evhold.domain.values import IdToken


class TokenStatus(StrEnum):
    """The AuthorizationStatusEnumType values that a stored token can have."""

    ACCEPTED = "Accepted"
    BLOCKED = "Blocked"
    EXPIRED = "Expired"
    INVALID = "Invalid"


UNKNOWN: Final = "Unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One registered IdToken. ``group`` is its groupIdToken; a token is not its own group."""

    id_token: IdToken
    status: TokenStatus = TokenStatus.ACCEPTED
    group: IdToken | None = None
    cache_expiry: datetime | None = None
    personal_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """IdTokenInfoType: what Authorize and TransactionEvent are answered."""

    status: str
    group: IdToken | None = None
    cache_expiry: datetime | None = None
    personal_message: str | None = None


def token_info(token: Token | None, *, accept_unknown: bool) -> TokenInfo:
    """What a station is told about a token. H03.FR.08: with its groupIdToken, when it has one."""
    if token is None:
        return TokenInfo(status=TokenStatus.ACCEPTED if accept_unknown else UNKNOWN)
    return TokenInfo(
        status=token.status, group=token.group, cache_expiry=token.cache_expiry, personal_message=token.personal_message
    )
