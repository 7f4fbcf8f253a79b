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
#: The type of the empty token that a start button makes.
NO_AUTHORIZATION: Final = "NoAuthorization"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """One registered IdToken. ``group`` is its groupIdToken; a token is not its own group. ``notify``: where its driver is told."""

    id_token: IdToken
    status: TokenStatus = TokenStatus.ACCEPTED
    group: IdToken | None = None
    cache_expiry: datetime | None = None
    personal_message: str | None = None
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenInfo:
    """IdTokenInfoType: what Authorize and TransactionEvent are answered."""

    status: str
    group: IdToken | None = None
    cache_expiry: datetime | None = None
    personal_message: str | None = None


def token_info(token: Token | None, *, accept_unknown: bool) -> TokenInfo:
    """What a station is told about a token. H03.FR.08: with its groupIdToken, when it has one other than itself."""
    if token is None:
        return TokenInfo(status=TokenStatus.ACCEPTED if accept_unknown else UNKNOWN)
    group = token.group if token.group != token.id_token else None
    return TokenInfo(
        status=token.status, group=group, cache_expiry=token.cache_expiry, personal_message=token.personal_message
    )


def answer_about(id_token: IdToken, token: Token | None, *, accept_unknown: bool) -> TokenInfo:
    """What a station is told about what was presented; ``token`` is what is stored of it.

    A start button names nobody: the station was set to charge whoever comes, and is told Accepted (C02).
    """
    if token is None and id_token.type == NO_AUTHORIZATION:
        return TokenInfo(status=TokenStatus.ACCEPTED)
    return token_info(token, accept_unknown=accept_unknown)
