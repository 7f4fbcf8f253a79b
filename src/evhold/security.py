"""What guards the stations' door: the certificates of the settings."""

from pathlib import Path

from evhold.config import ConfigError
from evhold.gateway.tls import Certificates, TlsFiles, TlsUnusable
from evhold.settings import Settings


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
