"""A bearer token's signature and claims (usecases.identities.Check)."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from joserfc.errors import ClaimError, JoseError, UnsupportedAlgorithmError
from joserfc.jwa import JWSAlgModel
from joserfc.jws import CompactSignature, JWSRegistry, extract_compact, validate_compact
from joserfc.jwt import JWTClaimsRegistry

from evhold.adapters.oidc.keys import IssuerKeys, Key
from evhold.domain.identity import ClaimRules, Identity, Stranger, identity_of
from evhold.usecases.identities import BearerInvalid
from evhold.usecases.ports import Clock

MOST_BYTES: Final = 8 * 1024
#: How far the issuer's clock may be from ours.
LEEWAY_S: Final = 30
#: Those that need the issuer's private key. None whose key is a shared secret, for ours is public.
ALGORITHMS: Final = frozenset(
    {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519", "Ed448"}
)
#: An access token is called so, or not at all (RFC 9068); what is called otherwise is meant for something else.
_TYPES: Final = frozenset({"jwt", "at+jwt", "application/at+jwt", "application/jwt"})
_LAST: Final = datetime(9999, 1, 1, tzinfo=UTC)


class _Registry(JWSRegistry):
    """The library's, but for ours of the algorithms; header parameters that nobody knows are passed over."""

    max_header_length = MOST_BYTES
    max_signature_length = MOST_BYTES

    def get_alg(self, name: str) -> JWSAlgModel:
        """One that is allowed; without the library's word that EdDSA has got a second name."""
        if name not in ALGORITHMS:
            raise UnsupportedAlgorithmError(name)
        return self.algorithms[name]


_REGISTRY: Final = _Registry(strict_check_header=False)


class BearerTokens:
    """Looks at the tokens of one issuer.

    Args:
        keys: The issuer's.
        issuer: As they name it.
        audiences: For one of these they have to be.
        rules: How claims are read.
        clock: Ours.
    """

    def __init__(
        self, keys: IssuerKeys, *, issuer: str, audiences: tuple[str, ...], rules: ClaimRules, clock: Clock
    ) -> None:
        self._keys = keys
        self._issuer = issuer
        self._audiences = audiences
        self._rules = rules
        self._clock = clock

    async def __call__(self, bearer: str) -> Identity | Stranger:
        """Whom the token speaks for, or spoke for: that it has ended is for others to see.

        Raises:
            BearerInvalid: It proves nothing.
            IssuerAway: The keys can't be had.
        """
        signed = _opened(bearer)
        claims = _claims(signed)
        # Nobody asks the issuer for what another one made; what is said here counts once the signature is right.
        if claims.get("iss") != self._issuer:
            raise BearerInvalid("the token is of another issuer")
        header = signed.headers()
        key = await self._keys.find(header.get("kid"), alg=header["alg"])
        if key is None:
            raise BearerInvalid("the issuer has no such key")
        if not _is_signed(signed, key):
            raise BearerInvalid("the token's signature is wrong")
        ends = self._checked(claims)
        return identity_of(claims, issuer=self._issuer, expires_at=ends, rules=self._rules)

    def _checked(self, claims: dict[str, Any]) -> datetime:
        """When the token ends, its claims being for us and of now; BearerInvalid where they are not."""
        if "cnf" in claims:
            raise BearerInvalid("the token is bound to a key (cnf), which is not looked at here")
        whose = JWTClaimsRegistry(
            now=int(self._clock.now().timestamp()),
            leeway=LEEWAY_S,
            iss={"essential": True, "value": self._issuer},
            aud={"essential": True, "values": list(self._audiences)},
            sub={"essential": True},
        )
        ends = _end_of(claims)
        try:
            # Whether it has ended is not asked here: then it is no guess, and needs to be looked at but once.
            whose.validate({name: value for name, value in claims.items() if name != "exp"})
        except ClaimError as error:
            raise BearerInvalid(
                f"the token's claim {error.claim} is missing, or is not for us or not for now"
            ) from None
        return ends


def _opened(bearer: str) -> CompactSignature:
    """The token's parts, nothing of them proven."""
    if len(bearer) > MOST_BYTES:
        raise BearerInvalid(f"the token has more than {MOST_BYTES} bytes")
    try:
        signed = extract_compact(bearer.encode(), None, _REGISTRY)
        header: object = signed.headers()
        if not isinstance(header, dict) or "crit" in header or "b64" in header:
            raise BearerInvalid("the token's header asks for what is not known here")
        _REGISTRY.check_header(header)
        _REGISTRY.get_alg(header["alg"])
    except (JoseError, ValueError, TypeError, AttributeError, RecursionError):
        raise BearerInvalid("the token can't be read, or its algorithm is not taken") from None
    if str(header.get("typ", "JWT")).lower() not in _TYPES:
        raise BearerInvalid("the token is no access token (typ)")
    return signed


def _claims(signed: CompactSignature) -> dict[str, Any]:
    try:
        claims: object = json.loads(signed.payload)
    except (ValueError, RecursionError):
        claims = None
    if not isinstance(claims, dict):
        raise BearerInvalid("the token's claims can't be read")
    return claims


def _is_signed(signed: CompactSignature, key: Key) -> bool:
    try:
        return validate_compact(signed, key, registry=_REGISTRY)
    except (JoseError, ValueError, TypeError):
        return False


def _end_of(claims: dict[str, Any]) -> datetime:
    exp = claims.get("exp")
    if isinstance(exp, bool) or not isinstance(exp, int | float) or exp != exp:
        raise BearerInvalid("the token does not say when it ends (exp)")
    try:
        return datetime.fromtimestamp(exp, UTC) + timedelta(seconds=LEEWAY_S)
    except (OverflowError, ValueError, OSError):
        return _LAST if exp > 0 else datetime.fromtimestamp(0, UTC)
