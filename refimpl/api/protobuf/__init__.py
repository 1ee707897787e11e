"""`application/vnd.kubernetes.protobuf`: the binary form of API objects.

Objects are plain dicts here as everywhere; this package turns them into bytes and back by a table of field numbers
(`refimpl/api/data/protobuf-1.36.json.gz`), which is read on first use. What a typed server does with an object
(defaults of Go, canonical quantities) stays in `refimpl.api.typed`: `decode` returns what the bytes say, absent fields
absent.
"""

from __future__ import annotations

from refimpl.api.protobuf.envelope import DecodeError, decode, encode, encode_item, encode_list
from refimpl.api.protobuf.streams import LENGTH_BYTES, event_frame

MEDIA_TYPE = "application/vnd.kubernetes.protobuf"
STREAM_TYPE = f"{MEDIA_TYPE};stream=watch"

__all__ = [
    "LENGTH_BYTES",
    "MEDIA_TYPE",
    "STREAM_TYPE",
    "DecodeError",
    "decode",
    "encode",
    "encode_item",
    "encode_list",
    "event_frame",
]
