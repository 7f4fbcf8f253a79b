"""TLS as OCPP's security profiles 2 and 3 ask for it, from files that may be changed while the server runs.

Nothing else of the program makes an SSLContext for stations.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from evhold.domain.security import Incidents
from evhold.gateway.node import log

# A00.FR.318, A00.FR.421: the four suites of the specification, and those that give an RSA certificate forward secrecy.
# Those with forward secrecy go first; the suites of TLS 1.3 are OpenSSL's.
CIPHERS: Final = ":".join(
    (
        *("ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-ECDSA-AES256-GCM-SHA384"),
        *("ECDHE-RSA-AES128-GCM-SHA256", "ECDHE-RSA-AES256-GCM-SHA384"),
        *("AES128-GCM-SHA256", "AES256-GCM-SHA384"),
        "@SECLEVEL=2",  # 112 bits at least: RSA from 2048, elliptic curves from 224
    )
)
#: Seconds between two looks at the files, at least.
LOOK_EVERY_S: Final = 2.0

_Stamp = tuple[tuple[int, int, int] | None, ...]


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates are.

    Args:
        certificates: PEM files, each a chain with the server's own certificate first: one, or one RSA and one ECDSA.
        keys: Theirs, in the same order; empty where the files of the certificates hold them.
        client_ca: Certificates of those who may sign a station's; None: security profile 3 is off.
    """

    certificates: tuple[Path, ...]
    keys: tuple[Path, ...] = ()
    client_ca: Path | None = None


@dataclass(eq=False)
class TlsUnusable(Exception):
    """The files make no TLS; ``option`` names the setting."""

    option: str
    reason: str

    def __str__(self) -> str:
        return f"{self.option}: {self.reason}"


def open_context(files: TlsFiles) -> ssl.SSLContext:
    """The context of the listener for stations.

    Raises:
        TlsUnusable: A file can't be read, or does not fit.

    Requirements: A00.FR.306, A00.FR.313, A00.FR.318, A00.FR.320, A00.FR.321, A00.FR.403, A00.FR.416, A00.FR.421
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    # A00.FR.313, A00.FR.416: TLS 1.2 or above.
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # A00.FR.321, A00.FR.424: no compression. No renegotiation either: whoever is let in stays who he was.
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    # Every connection by TLS 1.3 proves itself anew; a session of 1.2 ends with this context at the latest (docs/adr/0017).
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    # The transport's other way to OpenSSL holds two buffers of 256 kB a connection, and reads CPython's memory by its
    # layout; this one goes by the ssl module, with buffers as big as what is in them (docs/adr/0017).
    context._aiofastnet_force_fallback_ssl = True  # type: ignore[attr-defined]  # looked for by aiofastnet, pinned exactly
    for number, certificate in enumerate(files.certificates):
        _load_chain(context, certificate, key=files.keys[number] if files.keys else None)
    if files.client_ca is not None:
        _trust(context, files.client_ca)
    return context


def _load_chain(context: ssl.SSLContext, certificate: Path, *, key: Path | None) -> None:
    for option, path in (("--tls-cert", certificate), ("--tls-key", key)):
        if path is not None:
            _readable(option, path)
    try:
        # An empty password: OpenSSL must not ask for one at the terminal.
        context.load_cert_chain(certificate, key, password=lambda: b"")
    except ssl.SSLError as error:
        reason = f"no certificate with its key: {error.reason or 'not PEM'}"
        raise TlsUnusable("--tls-cert", f"{certificate}: {reason}") from None


def _trust(context: ssl.SSLContext, client_ca: Path) -> None:
    _readable("--tls-client-ca", client_ca)
    try:
        context.load_verify_locations(client_ca)
    except ssl.SSLError as error:
        raise TlsUnusable("--tls-client-ca", f"{client_ca}: no certificates: {error.reason or 'not PEM'}") from None
    # Profile 2 stays possible beside 3, station by station; who shows a certificate has to show a good one.
    context.verify_mode = ssl.CERT_OPTIONAL


def _readable(option: str, path: Path) -> None:
    try:
        with path.open("rb"):
            pass
    except OSError as error:
        raise TlsUnusable(option, f"{path}: {error.strerror}") from None


class Certificates:
    """The context in force. New files are taken as soon as they are seen; broken ones leave the old context.

    Args:
        files: Looked at again from time to time.

    Raises:
        TlsUnusable: They can't be used now.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._stamp = self._look()
        self.context = open_context(files)
        self._looked_at = float("-inf")

    def look(self, now: float) -> None:
        """Changed files are in force; ``now`` counts seconds, and too soon after the last look nothing is done."""
        if now - self._looked_at < LOOK_EVERY_S:
            return
        self._looked_at = now
        stamp = self._look()
        if stamp != self._stamp:
            self._stamp = stamp
            self.reload()

    def reload(self) -> bool:
        """The files are read anew; False, and an error in the log, when they are broken: the old ones stay in force."""
        try:
            self.context = open_context(self._files)
        except TlsUnusable as error:
            log.error("tls.reload-failed", option=error.option, reason=error.reason)
            return False
        log.info("tls.reloaded")
        return True

    def _look(self) -> _Stamp:
        files = self._files
        others = (*files.keys, files.client_ca) if files.client_ca is not None else files.keys
        return tuple(_stamp_of(path) for path in (*files.certificates, *others))


def _stamp_of(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def common_name(certificate: object) -> str | None:
    """The one CN of a verified certificate as ``getpeercert`` shows it; empty where it has none or several, None without one."""
    if not isinstance(certificate, dict) or not certificate:
        return None
    subject = certificate.get("subject", ())
    names = [value for part in subject for name, value in part if name == "commonName"]
    return str(names[0]) if len(names) == 1 else ""


def incident_of(error: OSError) -> tuple[Incidents | None, str]:
    """What a failed TLS handshake is noted as, and why it failed; None: no more than a line in the log."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return Incidents.BAD_CERTIFICATE, error.verify_message
    reason = (getattr(error, "reason", None) or type(error).__name__) if isinstance(error, ssl.SSLError) else "lost"
    kinds = {
        "UNSUPPORTED_PROTOCOL": Incidents.OLD_TLS,
        "VERSION_TOO_LOW": Incidents.OLD_TLS,
        "NO_SHARED_CIPHER": Incidents.WEAK_CIPHERS,
    }
    return kinds.get(reason), reason.lower().replace("_", " ")
