"""Whom the token of an identity provider speaks for, read from claims whose signature was checked; pure."""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from evhold.domain.access import Role
from evhold.domain.values import IdToken

ROLES_CLAIM: Final = "roles"
TOKENS_CLAIM: Final = "evhold_tokens"
#: A driver's tokens: more are passed over.
MOST_TOKENS: Final = 100
#: A subject is shown whole up to here.
LONGEST_SUBJECT: Final = 80
#: The first that somebody has is theirs. Who may see everything outranks whom it is only their own that is shown.
_RANK: Final = (Role.ADMIN, Role.OPERATOR, Role.READONLY, Role.DRIVER)
_LONGEST_TOKEN: Final = 36
_KINDS: Final = frozenset(
    {"Central", "eMAID", "ISO14443", "ISO15693", "KeyCode", "Local", "MacAddress", "NoAuthorization"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Somebody whom the issuer vouches for, with a role here. ``subject`` is one person or program of that issuer."""

    issuer: str
    subject: str
    role: Role
    id_tokens: tuple[IdToken, ...] = ()
    expires_at: datetime

    @property
    def called(self) -> str:
        """What the audit calls them."""
        return f"oidc:{shown(self.subject)}"

    @property
    def digest(self) -> str:
        """32 characters that stand for this subject of this issuer, and for nobody else."""
        whole = f"{len(self.issuer)}:{self.issuer}{self.subject}".encode(errors="surrogatepass")
        return hashlib.blake2b(whole, digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stranger:
    """Somebody whom the issuer vouches for, and who may do nothing here; ``lack`` says what is missing."""

    subject: str
    lack: str
    expires_at: datetime

    @property
    def called(self) -> str:
        """What they are called where they are counted."""
        return f"oidc:{shown(self.subject)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimRules:
    """How claims are read.

    Args:
        roles_claim: The claim with the roles: its name, or the names on the way to it with dots between.
        tokens_claim: Likewise that of a driver's IdTokens, each ``TOKEN:TYPE``, or ``TOKEN`` of type ISO14443.
        roles: Which value of the roles claim means which role; empty: the roles are called as ours are.
    """

    roles_claim: str = ROLES_CLAIM
    tokens_claim: str = TOKENS_CLAIM
    roles: Mapping[str, Role] = field(default_factory=dict)

    @property
    def meanings(self) -> Mapping[str, Role]:
        """The role of each value that means one."""
        return self.roles or {str(role): role for role in Role}


def identity_of(
    claims: Mapping[str, object], *, issuer: str, expires_at: datetime, rules: ClaimRules
) -> Identity | Stranger:
    """Whom these claims are of. Values that mean nothing here are passed over; of several roles the highest counts."""
    subject, meanings = str(claims["sub"]), rules.meanings
    theirs = {meanings[text] for text in _texts(_at(claims, rules.roles_claim)) if text in meanings}
    role = next((one for one in _RANK if one in theirs), None)
    if role is None:
        lack = f"the token's claim {rules.roles_claim} names no role here"
        return Stranger(subject=subject, lack=lack, expires_at=expires_at)
    id_tokens = _id_tokens(_at(claims, rules.tokens_claim)) if role is Role.DRIVER else ()
    if role is Role.DRIVER and not id_tokens:
        # As a driver's key, which can't be made without any.
        lack = f"the token's claim {rules.tokens_claim} names no IdToken of the driver"
        return Stranger(subject=subject, lack=lack, expires_at=expires_at)
    return Identity(issuer=issuer, subject=subject, role=role, id_tokens=id_tokens, expires_at=expires_at)


def shown(subject: str) -> str:
    """The subject on one line, with a digest in place of its end where it is long."""
    plain = "".join(one if one.isprintable() else "?" for one in subject)
    if len(plain) <= LONGEST_SUBJECT and plain == subject:
        return plain
    digest = hashlib.blake2b(subject.encode(errors="surrogatepass"), digest_size=8).hexdigest()
    return f"{plain[: LONGEST_SUBJECT - 17]}~{digest}"


def _at(claims: object, path: str) -> object:
    """The claim at this path; None: there is none. A name may have dots itself, as those that are addresses do."""
    if not isinstance(claims, Mapping):
        return None
    if path in claims:
        return claims[path]
    for end in (number for number, one in enumerate(path) if one == "."):
        if path[:end] in claims and (found := _at(claims[path[:end]], path[end + 1 :])) is not None:
            return found
    return None


def _texts(value: object) -> Iterator[str]:
    """The texts of a claim: a list of them, or one, which may be several with spaces between as in ``scope``."""
    if isinstance(value, str):
        yield value
        yield from value.split()
    elif isinstance(value, list):
        yield from (one for one in value if isinstance(one, str))


def _id_tokens(value: object) -> tuple[IdToken, ...]:
    listed = [value] if isinstance(value, str) else value if isinstance(value, list) else []
    found = (_id_token(one) for one in listed[:MOST_TOKENS] if isinstance(one, str))
    return tuple(dict.fromkeys(one for one in found if one is not None))


def _id_token(text: str) -> IdToken | None:
    # From the end: some tokens are written with colons themselves.
    name, colon, kind = text.strip().rpartition(":")
    if not colon:
        name, kind = kind, "ISO14443"
    if not (name and name.isprintable() and len(name) <= _LONGEST_TOKEN and kind in _KINDS):
        return None
    return IdToken(name, kind)
