"""The TLS side of a client: whom to trust, and what to show."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from refimpl.client.kubeconfig import Access


def tls_context(access: Access) -> ssl.SSLContext:
    """The TLS context for an API server.

    Raises:
        ValueError: a certificate or key cannot be used.
    """
    try:
        context = ssl.create_default_context(cadata=access.ca.decode() if access.ca else None)
    except (ssl.SSLError, UnicodeDecodeError) as error:
        raise ValueError(f"{access.server}: the certificate authority cannot be used: {error}") from error
    # Cluster authorities are often made without the extensions that Python 3.13 began to insist on.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if access.client_certificate is not None and access.client_key is not None:
        _load_pair(context, access.client_certificate, access.client_key, access.server)
    return context


def _load_pair(context: ssl.SSLContext, certificate: bytes, key: bytes, server: str) -> None:
    """OpenSSL reads certificate chains from files only; this one is private and lives for a moment."""
    with tempfile.TemporaryDirectory() as directory:
        pair = Path(directory) / "pair.pem"
        pair.touch(mode=0o600)
        pair.write_bytes(certificate + b"\n" + key)
        try:
            context.load_cert_chain(pair)
        except ssl.SSLError as error:
            raise ValueError(f"{server}: client certificate and key cannot be used: {error}") from error
