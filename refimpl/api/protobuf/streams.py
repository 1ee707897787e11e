"""Watch streams: frames of a length and a `WatchEvent`, whose object has an envelope of its own.

Source: apimachinery 1.36 `runtime/serializer/protobuf` (`LengthDelimitedFramer`, `RawSerializer`).
"""

from __future__ import annotations

from typing import Final

from refimpl.api.protobuf.wire import LENGTH, tag, varint

LENGTH_BYTES: Final = 4
"""Bytes of a frame's length, most significant first."""

_TYPE, _OBJECT, _RAW = tag(1, LENGTH), tag(2, LENGTH), tag(1, LENGTH)


def event_frame(kind: str, obj: bytes) -> bytes:
    """One event of a watch.

    Args:
        kind: `ADDED`, `MODIFIED`, `DELETED`, `BOOKMARK` or `ERROR`.
        obj: the object as body.
    """
    name = kind.encode()
    extension = b"".join((_RAW, varint(len(obj)), obj))
    event = b"".join((_TYPE, varint(len(name)), name, _OBJECT, varint(len(extension)), extension))
    return len(event).to_bytes(LENGTH_BYTES) + event
