"""The certificate with which a kubelet serves: self-signed, made once, kept with its files.

Source: kubelet 1.36 does the same without `--tls-cert-file` (`kubelet.crt`, `kubelet.key` in `--cert-dir`).
"""

from __future__ import annotations

import ipaddress
import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

_VALID: Final = timedelta(days=365)
_LATE: Final = timedelta(days=30)


def serving_pair(directory: Path, address: str, now: datetime) -> tuple[Path, Path]:
    """Files with certificate and key for an address; those that are there are used while they are good.

    Args:
        directory: where they are kept.
        address: the IP address served.
        now: UTC.
    """
    certificate, key = directory / "kubelet.crt", directory / "kubelet.key"
    if not (key.exists() and certificate.exists() and _is_good(certificate, address, now)):
        directory.mkdir(parents=True, exist_ok=True)
        _make(certificate, key, address, now)
    return certificate, key


def _is_good(path: Path, address: str, now: datetime) -> bool:
    from cryptography import x509

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
        names = found.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, x509.ExtensionNotFound):
        return False
    addresses = [str(name) for name in names.get_values_for_type(x509.IPAddress)]
    return address in addresses and found.not_valid_after_utc > now + _LATE


def _make(certificate: Path, key: Path, address: str, now: datetime) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    private = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"kubelet@{address}")])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address)), x509.DNSName("localhost")])
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(private.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID)
        .add_extension(names, critical=False)
        .sign(private, hashes.SHA256())
    )
    certificate.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    content = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    descriptor = os.open(key, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
