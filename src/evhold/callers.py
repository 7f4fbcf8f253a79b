"""Who vouches for callers of the API beside its own keys: an identity provider, where the settings name one."""

from evhold.domain.access import Role
from evhold.domain.identity import ClaimRules
from evhold.settings import Settings
from evhold.usecases.identities import Identities
from evhold.usecases.ports import Clock
from evhold.web.calls import BearerCalls


def bearers(settings: Settings, *, clock: Clock) -> BearerCalls | None:
    """What looks at bearer tokens of the settings' issuer, who is not asked before one comes; None: there is none."""
    if settings.oidc_issuer is None:
        return None
    # Not before it is asked for: the library is an extra.
    from evhold.adapters.oidc.fetch import HttpFetch  # noqa: PLC0415
    from evhold.adapters.oidc.keys import DISCOVERY, IssuerKeys  # noqa: PLC0415
    from evhold.adapters.oidc.tokens import BearerTokens  # noqa: PLC0415

    issuer = settings.oidc_issuer
    keys = IssuerKeys(issuer, clock=clock, fetch=HttpFetch())
    rules = ClaimRules(
        roles_claim=settings.oidc_roles_claim,
        tokens_claim=settings.oidc_tokens_claim,
        roles={meant: Role(role) for role, meant in settings.oidc_role},
    )
    check = BearerTokens(keys, issuer=issuer, audiences=settings.oidc_audience, rules=rules, clock=clock)
    return BearerCalls(
        identify=Identities(check, clock=clock), discovery=issuer.rstrip("/") + DISCOVERY, close=keys.close
    )
