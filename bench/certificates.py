"""The certificate of a server under test, by an authority of its own."""

from pathlib import Path

import trustme


def tls_options(folder: Path) -> list[str]:
    """What makes evhold a server with TLS: its options, with their files in ``folder``."""
    made = trustme.CA().issue_cert("127.0.0.1")
    certificate, key = folder / "cert.pem", folder / "key.pem"
    certificate.write_bytes(b"".join(one.bytes() for one in made.cert_chain_pems))
    key.write_bytes(made.private_key_pem.bytes())
    return ["--tls-cert", str(certificate), "--tls-key", str(key)]
