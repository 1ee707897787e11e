"""The envelope around an object: four bytes of magic and a `runtime.Unknown` with its kind and its bytes.

Source: apimachinery 1.36 `runtime/serializer/protobuf`.
"""

from __future__ import annotations

from typing import Final

import attrs

from refimpl.api.protobuf.wire import LENGTH, WireError, fields, tag, varint

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
    version, name = api_version.encode(), kind.encode()
    type_meta = b"".join((_API_VERSION, varint(len(version)), version, _KIND, varint(len(name)), name))
    return b"".join((MAGIC, _TYPE_META, varint(len(type_meta)), type_meta, _RAW, varint(len(raw)), raw, _REST))


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
    type_meta = raw = b""
    for number, _, value in fields(data[len(MAGIC) :]):
        if number == 1 and isinstance(value, bytes):
            type_meta = value
        elif number == 2 and isinstance(value, bytes):
            raw = value
    names = {number: _text(value) for number, _, value in fields(type_meta)}
    return Unknown(names.get(1, ""), names.get(2, ""), raw)


def _text(value: bytes | int) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else ""
