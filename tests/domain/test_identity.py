"""Whom claims are of: roles and IdTokens, wherever an identity provider puts them."""

from datetime import UTC, datetime

import pytest

from evhold.domain.access import Role
from evhold.domain.identity import LONGEST_SUBJECT, MOST_TOKENS, ClaimRules, Identity, Stranger, identity_of, shown
from evhold.domain.values import IdToken

ENDS = datetime(2030, 1, 1, tzinfo=UTC)


def read(claims: dict[str, object], rules: ClaimRules | None = None, issuer: str = "https://a") -> Identity | Stranger:
    """Of these claims of subject ``u``."""
    return identity_of({"sub": "u"} | claims, issuer=issuer, expires_at=ENDS, rules=rules or ClaimRules())


def role_of(claims: dict[str, object], rules: ClaimRules | None = None) -> Role | None:
    """The role, None for a stranger."""
    found = read(claims, rules)
    return found.role if isinstance(found, Identity) else None


@pytest.mark.parametrize(
    ("claims", "path", "role"),
    [
        ({"roles": ["operator"]}, "roles", Role.OPERATOR),
        ({"roles": "readonly"}, "roles", Role.READONLY),
        ({"scope": "openid operator email"}, "scope", Role.OPERATOR),
        ({"realm_access": {"roles": ["offline_access", "admin"]}}, "realm_access.roles", Role.ADMIN),
        ({"resource_access": {"my.client": {"roles": ["admin"]}}}, "resource_access.my.client.roles", Role.ADMIN),
        ({"https://evhold.example/roles": ["operator"]}, "https://evhold.example/roles", Role.OPERATOR),
        ({"a": {"b": 1}, "a.b": ["operator"]}, "a.b", Role.OPERATOR),
        ({"a": 1, "a.b": {"c": ["operator"]}}, "a.b.c", Role.OPERATOR),
        ({"roles": ["readonly", "admin", "operator", "driver"]}, "roles", Role.ADMIN),
        ({"roles": ["driver", "readonly"]}, "roles", Role.READONLY),
        ({"roles": ["Admin", "root", 5, None, ["admin"], {"admin": 1}]}, "roles", None),
        ({"roles": {"admin": True}}, "roles", None),
        ({"roles": True}, "roles", None),
        ({"roles": []}, "roles", None),
        ({"realm_access": ["admin"]}, "realm_access.roles", None),
        ({"realm_access": {}}, "realm_access.roles", None),
        ({}, "roles", None),
    ],
)
def test_roles_are_found_where_the_option_says(claims: dict[str, object], path: str, role: Role | None) -> None:
    """By name or by a path with dots; what means nothing is passed over, and of several roles the highest counts."""
    assert role_of(claims, ClaimRules(roles_claim=path)) == role


def test_a_mapping_takes_the_place_of_our_names() -> None:
    """Once values are named nothing else counts: a realm's own ``admin`` may mean anything."""
    rules = ClaimRules(roles={"cpo-ops": Role.OPERATOR, "cpo-night": Role.OPERATOR, "CPO Chief": Role.ADMIN})
    assert role_of({"roles": ["cpo-night"]}, rules) is Role.OPERATOR
    assert role_of({"roles": "CPO Chief"}, rules) is Role.ADMIN
    assert role_of({"roles": ["admin", "operator"]}, rules) is None


def test_a_driver_has_the_tokens_that_the_claim_names() -> None:
    """ISO14443 goes without saying; what can't be an IdToken is passed over, and so is what comes after a hundred."""
    rules = ClaimRules(tokens_claim="cards")

    def tokens(cards: object) -> tuple[IdToken, ...]:
        found = read({"roles": "driver", "cards": cards}, rules)
        return found.id_tokens if isinstance(found, Identity) else ()

    assert tokens("AABBCCDD") == (IdToken("AABBCCDD", "ISO14443"),)
    assert tokens(["DE-ABC-1:eMAID", "aabb", "AABB", "0:11:22:MacAddress"]) == (
        IdToken("DE-ABC-1", "eMAID"),
        IdToken("AABB", "ISO14443"),
        IdToken("0:11:22", "MacAddress"),
    )
    assert tokens(["", ":eMAID", "A:iso14443", "A" * 37, "A\n", "\x00", "A\ud800", 7, None, ["A"]]) == (
        IdToken("A", "ISO14443"),
    )
    assert len(tokens([f"A{number}" for number in range(MOST_TOKENS + 1)])) == MOST_TOKENS


def test_a_driver_without_tokens_is_a_stranger() -> None:
    """As a driver's key can't be made without any; and nobody else is given tokens."""
    found = read({"roles": ["driver"]})
    assert isinstance(found, Stranger)
    assert "evhold_tokens" in found.lack
    other = read({"roles": ["operator"], "evhold_tokens": ["AABB"]})
    assert isinstance(other, Identity)
    assert other.id_tokens == ()


def test_a_subject_is_shown_on_one_line_and_stays_itself() -> None:
    """What was cut or can't be printed has a digest, so that two subjects are never shown alike."""
    long = "x" * 500
    names = ["auth0|5f7c8ec7c33c6c004bbafe82", "a\nb", "a?b", "a\tb", long + "1", long + "2", "\ud800"]
    told = [shown(one) for one in names]
    assert told[0] == names[0]
    assert len(set(told)) == len(names)
    assert all(one.isprintable() and len(one) <= LONGEST_SUBJECT for one in told)


def test_a_digest_is_one_subject_of_one_issuer() -> None:
    """The same at every node; another for another subject or issuer, however their texts are cut."""
    digests = {
        read({"sub": sub, "roles": "admin"}, issuer=issuer).digest  # type: ignore[union-attr]
        for sub, issuer in (("u", "https://a"), ("v", "https://a"), ("u", "https://b"), ("", "https://au"))
    }
    assert len(digests) == 4
