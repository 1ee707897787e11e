"""Certificates and kubeconfigs of a cluster, kept in a directory and used again at the next start.

    ca.crt ca.key                   signs everything else
    apiserver.crt apiserver.key     what the server shows, for the names and addresses it is reached under
    admin.crt admin.key             a client certificate; others likewise

Keys are readable by their owner only.
"""

from __future__ import annotations

import base64
import ipaddress
import os
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import attrs
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from refimpl.api.http import User
from refimpl.clock import Clock

_LIFETIME = timedelta(days=365)
_CA_LIFETIME = timedelta(days=3650)
_RENEW_BEFORE = timedelta(days=30)
_BACKDATED = timedelta(minutes=5)
CLUSTER_NAMES = (
    "kubernetes",
    "kubernetes.default",
    "kubernetes.default.svc",
    "kubernetes.default.svc.cluster.local",
    "localhost",
)
"""Names under which pods and people on the machine reach the server."""


@attrs.frozen
class Tls:
    """Files that a TLS server needs.

    Attributes:
        certificate: of the server, PEM.
        key: of the certificate, PEM.
        client_ca: signs client certificates; None asks for none.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None


@attrs.frozen
class Pair:
    """A certificate and its key, as PEM files."""

    certificate: Path
    key: Path


class Authority:
    """The certificate authority of one cluster.

    Args:
        directory: where everything is kept; made when missing.
        clock: for validity times and serial numbers.
    """

    def __init__(self, directory: Path, clock: Clock) -> None:
        self._directory = directory
        self._clock = clock
        directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.pair = self._existing("ca") or self._make_authority()
        self._key = serialization.load_pem_private_key(self.pair.key.read_bytes(), None)
        self._certificate = x509.load_pem_x509_certificate(self.pair.certificate.read_bytes())

    def serving(self, hosts: Iterable[str]) -> Tls:
        """The server's certificate for host names and addresses; a kept one is used when it covers them all."""
        names = _alternative_names((*hosts, *CLUSTER_NAMES))
        kept = self._existing("apiserver")
        if kept is None or not _covers(kept, names):
            subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "kube-apiserver")])
            kept = self._issue("apiserver", subject, ExtendedKeyUsageOID.SERVER_AUTH, names)
        return Tls(kept.certificate, kept.key, self.pair.certificate)

    def client(self, name: str, user: User) -> Pair:
        """A client certificate that proves a user: name and groups are its subject.

        Args:
            name: of the files.
            user: who it is for; `system:authenticated` is not a group of the certificate.
        """
        groups = [group for group in user.groups if group != "system:authenticated"]
        attributes = [x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups]
        subject = x509.Name([*attributes, x509.NameAttribute(NameOID.COMMON_NAME, user.name)])
        kept = self._existing(name)
        if kept is not None and _read(kept).subject == subject:
            return kept
        return self._issue(name, subject, ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _existing(self, name: str) -> Pair | None:
        """A kept pair that is still good for a while and, but for the authority itself, signed by this authority."""
        pair = self._pair(name)
        if not (pair.certificate.exists() and pair.key.exists()):
            return None
        certificate = _read(pair)
        if certificate.not_valid_after_utc < self._clock.now() + _RENEW_BEFORE:
            return None
        if name != "ca" and certificate.issuer != self._certificate.subject:
            return None
        return pair

    def _pair(self, name: str) -> Pair:
        return Pair(self._directory / f"{name}.crt", self._directory / f"{name}.key")

    def _make_authority(self) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        # A new authority must not be mistaken for the one whose certificates are still around.
        name = f"node-contract-{self._clock.name_suffix(8)}"
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        usage = _key_usage(authority=True)
        builder = (
            _builder(subject, subject, key.public_key(), self._clock.now(), _CA_LIFETIME)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return _write(self._pair("ca"), builder.sign(key, hashes.SHA256()), key)

    def _issue(
        self,
        name: str,
        subject: x509.Name,
        purpose: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
    ) -> Pair:
        key = ec.generate_private_key(ec.SECP256R1())
        public = key.public_key()
        builder = (
            _builder(subject, self._certificate.subject, public, self._clock.now(), _LIFETIME)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._certificate.public_key()),  # type: ignore[arg-type]
                critical=False,
            )
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())  # type: ignore[arg-type]
        return _write(self._pair(name), certificate, key)


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, now: datetime, lifetime: timedelta
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _BACKDATED)
        .not_valid_after(now + lifetime)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=authority,
        crl_sign=authority,
        encipher_only=False,
        decipher_only=False,
    )


def _alternative_names(hosts: Sequence[str]) -> x509.SubjectAlternativeName:
    return x509.SubjectAlternativeName([_general_name(host) for host in dict.fromkeys(hosts)])


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _covers(pair: Pair, names: x509.SubjectAlternativeName) -> bool:
    shown = _read(pair).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return set(names) <= set(shown)


def _read(pair: Pair) -> x509.Certificate:
    return x509.load_pem_x509_certificate(pair.certificate.read_bytes())


def _write(pair: Pair, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> Pair:
    encoded = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    write_private(pair.key, encoded)
    pair.certificate.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return pair


def write_private(path: Path, content: bytes) -> None:
    """Writes a file that only its owner may read, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    partial.replace(path)


def kubeconfig(
    server: str, *, ca: Path | None = None, client: Pair | None = None, token: str = "", name: str = "node-contract"
) -> bytes:
    """A kubeconfig with everything in it, so that it can be copied elsewhere.

    Args:
        server: URL of the API server.
        ca: authority of its certificate.
        client: certificate and key to show.
        token: bearer token to send.
        name: of cluster, user and context.
    """
    cluster: dict[str, str] = {"server": server}
    if ca is not None:
        cluster["certificate-authority-data"] = _data(ca)
    user: dict[str, str] = {"token": token} if token else {}
    if client is not None:
        user |= {"client-certificate-data": _data(client.certificate), "client-key-data": _data(client.key)}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": name, "cluster": cluster}],
        "users": [{"name": name, "user": user}],
        "contexts": [{"name": name, "context": {"cluster": name, "user": name}}],
        "current-context": name,
    }
    return yaml.safe_dump(config, sort_keys=False).encode()


def _data(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
