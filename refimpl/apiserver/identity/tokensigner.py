"""Tokens of service accounts: signed statements (JWT) of who somebody is, for whom, and until when.

Source: kube-apiserver 1.36 `pkg/serviceaccount` (claims.go, jwt.go); RFC 7515, RFC 7519.
"""

from __future__ import annotations

import hashlib
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from pathlib import Path
from random import Random
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from refimpl.api.errors import Object
from refimpl.apiserver.identity import pki

ISSUER: Final = "https://kubernetes.default.svc"
_BYTES: Final = 32
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
"""Of the curve P-256: private keys are the numbers below it."""

_ALGORITHM: Final = ec.ECDSA(hashes.SHA256(), deterministic_signing=True)


class TokenSigner:
    """Signs claims, and knows its own signatures.

    Args:
        key: the private key.
    """

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key
        public = key.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        self._head = _packed({"alg": "ES256", "kid": _text(hashlib.sha256(public).digest())})

    @classmethod
    def made(cls, random: Random) -> TokenSigner:
        """A signer with a key of a clock's randomness: the same for the same seed."""
        return cls(ec.derive_private_key(random.randrange(1, _ORDER), ec.SECP256R1()))

    @classmethod
    def kept(cls, path: Path) -> TokenSigner:
        """The signer whose key is in a file, which is made when missing: tokens stay good over a restart."""
        if path.exists():
            key = serialization.load_pem_private_key(path.read_bytes(), None)
            assert isinstance(key, ec.EllipticCurvePrivateKey)
            return cls(key)
        made = ec.generate_private_key(ec.SECP256R1())
        packed = made.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        pki.write_private(path, packed)
        return cls(made)

    def sign(self, claims: Object) -> str:
        """The token that states some claims."""
        stated = f"{self._head}.{_packed(claims)}"
        first, second = decode_dss_signature(self._key.sign(stated.encode(), _ALGORITHM))
        return f"{stated}.{_text(first.to_bytes(_BYTES) + second.to_bytes(_BYTES))}"

    def claims(self, token: str) -> Object | None:
        """What a token of this signer's states; None for any other text."""
        stated, _, signature = token.rpartition(".")
        head, _, body = stated.partition(".")
        if head != self._head:
            return None
        try:
            raw = _bytes(signature)
            halves = (int.from_bytes(raw[:_BYTES]), int.from_bytes(raw[_BYTES:]))
            self._key.public_key().verify(encode_dss_signature(*halves), stated.encode(), _ALGORITHM)
            claims: Object = json.loads(_bytes(body))
        except (InvalidSignature, ValueError):
            return None
        return claims


def _packed(value: Object) -> str:
    return _text(json.dumps(value, separators=(",", ":")).encode())


def _text(value: bytes) -> str:
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return urlsafe_b64decode(text + "=" * (-len(text) % 4))
