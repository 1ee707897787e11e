"""Short names for contents: what `pod-template-hash` and `controller-revision-hash` are made of."""

from __future__ import annotations

from typing import Any

import msgspec

_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_FNV_OFFSET = 2166136261
_FNV_PRIME = 16777619


def fnv32a(data: bytes) -> int:
    """The 32-bit FNV-1a hash."""
    value = _FNV_OFFSET
    for byte in data:
        value = ((value ^ byte) * _FNV_PRIME) & 0xFFFFFFFF
    return value


def content_hash(content: Any, collisions: int | None = None) -> str:
    """A short text for a JSON value, the same for equal values in whatever order their keys are.

    It has the form of Kubernetes' hashes (FNV-1a, an alphabet without vowels) but not their values: those depend on
    Go's printed form of structures, and nobody may rely on them.

    Args:
        content: a JSON value.
        collisions: how many different values had this hash before; changes the result.
    """
    data = msgspec.json.encode(content, order="deterministic")
    if collisions:
        data += str(collisions).encode()
    return "".join(_ALPHABET[ord(digit) % len(_ALPHABET)] for digit in str(fnv32a(data)))
