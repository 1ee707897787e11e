"""The envelope around an object: four bytes of magic and a `runtime.Unknown` with its kind and its bytes.

Source: apimachinery 1.36 `runtime/serializer/protobuf`.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

import attrs

from refimpl.api.protobuf.wire import LENGTH, WireError, parts, sized, tag, varint

MAGIC: Final = b"k8s\x00"
_TYPE_META, _RAW = tag(1, LENGTH), tag(2, LENGTH)
_API_VERSION, _KIND = tag(1, LENGTH), tag(2, LENGTH)
_REST: Final = tag(3, LENGTH) + b"\x00" + tag(4, LENGTH) + b"\x00"
"""Content encoding and content type, which nobody uses."""


@attrs.frozen
class Unknown:
    """An object whose kind is known and whose bytes are still to be read.

    Attributes:
        api_version: empty when the sender did not say.
        kind: empty when the sender did not say.
        raw: the object's message.
    """

    api_version: str
    kind: str
    raw: bytes


def wrap(api_version: str, kind: str, raw: bytes) -> bytes:
    """A message with its envelope."""
    return b"".join((MAGIC, _type_meta(api_version, kind), _RAW, varint(len(raw)), raw, _REST))


@lru_cache(maxsize=512)
def _type_meta(api_version: str, kind: str) -> bytes:
    return _TYPE_META + sized(_API_VERSION + sized(api_version.encode()) + _KIND + sized(kind.encode()))


def unwrap(data: bytes) -> Unknown:
    """What is in an envelope.

    Raises:
        WireError: it is none.
    """
    if not data:
        raise WireError("empty data")
    if not data.startswith(MAGIC):
        expected = " ".join(map(str, MAGIC))
        raise WireError(f"provided data does not appear to be a protobuf message, expected prefix [{expected}]")
    if len(data) == len(MAGIC):
        raise WireError("empty body")
    found = parts(data[len(MAGIC) :])
    names, raw = parts(_bytes(found.get(1))), _bytes(found.get(2))
    return Unknown(_bytes(names.get(1)).decode(errors="replace"), _bytes(names.get(2)).decode(errors="replace"), raw)


def _bytes(value: bytes | int | None) -> bytes:
    return value if isinstance(value, bytes) else b""
