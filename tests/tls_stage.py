"""Certificates of an authority of the tests' own: for a server, and for stations."""

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

import trustme

from evhold.gateway.tls import TlsFiles


@cache
def authority() -> trustme.CA:
    """The authority that signs servers and stations, one for all tests."""
    return trustme.CA(organization_name="Hold Power")


@cache
def stranger() -> trustme.CA:
    """Another one, which nobody here trusts."""
    return trustme.CA(organization_name="Somebody Else")


@dataclass(frozen=True)
class Folder:
    """The server's files: what an operator hands to --tls-cert, --tls-key and --tls-client-ca."""

    path: Path

    @property
    def files(self) -> TlsFiles:
        return TlsFiles((self.path / "cert.pem",), (self.path / "key.pem",), self.path / "ca.pem")

    def issue(self, ca: trustme.CA | None = None, *, trusted: trustme.CA | None = None, **more) -> trustme.LeafCert:
        """A fresh server certificate and the authority of stations are in the files."""
        made = (ca or authority()).issue_cert("127.0.0.1", "localhost", **more)
        (self.path / "cert.pem").write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
        (self.path / "key.pem").write_bytes(made.private_key_pem.bytes())
        (self.path / "ca.pem").write_bytes((trusted or authority()).cert_pem.bytes())
        return made


def station_tls(
    name: str | None = None,
    *,
    by: trustme.CA | None = None,
    expired: bool = False,
    trusts: trustme.CA | None = None,
) -> ssl.SSLContext:
    """What a station connects with: the authority that it trusts, and its certificate of this common name."""
    context = ssl.create_default_context()
    context.load_verify_locations(cadata=(trusts or authority()).cert_pem.bytes().decode())
    if name is not None:
        ended = datetime.now(UTC) - timedelta(days=1) if expired else None
        issuer = by or authority()
        made = issuer.issue_cert(common_name=name, not_after=ended) if ended else issuer.issue_cert(common_name=name)
        made.configure_cert(context)
    return context
