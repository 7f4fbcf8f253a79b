"""What guards the doors: the certificates of the stations' one, and who vouches for callers of the API."""

from pathlib import Path

from evhold.config import ConfigError
from evhold.domain.access import Role
from evhold.domain.identity import ClaimRules
from evhold.gateway.tls import Certificates, TlsFiles, TlsUnusable
from evhold.settings import Settings
from evhold.usecases.identities import Identities
from evhold.usecases.ports import Clock
from evhold.web.calls import BearerCalls


def certificates(settings: Settings) -> Certificates | None:
    """Those of the settings; None: stations connect by plain sockets.

    Raises:
        ConfigError: They can't be used.
    """
    if not settings.tls_cert:
        return None
    files = TlsFiles(
        certificates=tuple(Path(one) for one in settings.tls_cert),
        keys=tuple(Path(one) for one in settings.tls_key),
        client_ca=None if settings.tls_client_ca is None else Path(settings.tls_client_ca),
    )
    try:
        return Certificates(files)
    except TlsUnusable as error:
        raise ConfigError(error.option, error.reason) from error


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
