"""Whole objects as they are sent: the envelope and what is in it."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from refimpl.api.errors import Object
from refimpl.api.protobuf import types
from refimpl.api.protobuf.decoder import decode_struct
from refimpl.api.protobuf.encoder import encoder
from refimpl.api.protobuf.unknown import unwrap, wrap
from refimpl.api.protobuf.wire import LENGTH, WireError, tag, varint

_LIST_METADATA, _ITEMS = tag(1, LENGTH), tag(2, LENGTH)


class DecodeError(ValueError):
    """A body that cannot be read.

    Attributes:
        kind: of the object, when that much could be read; empty otherwise.
        api_version: likewise.
    """

    def __init__(self, why: str, api_version: str = "", kind: str = "") -> None:
        super().__init__(why)
        self.api_version = api_version
        self.kind = kind


def decode(data: bytes, api_version: str = "", kind: str = "", *, also: Collection[str] = ()) -> Object:
    """The object in a body, as the bytes say: absent fields are absent, nothing is defaulted or made canonical.

    Args:
        data: the body.
        api_version: counts when the body does not say.
        kind: counts when the body does not say.
        also: other versions of the kind that look alike.

    Returns:
        The object; only `kind` and `apiVersion` when that kind has no binary form.

    Raises:
        DecodeError: the body is no object.
    """
    try:
        found = unwrap(data)
    except WireError as wrong:
        raise DecodeError(str(wrong)) from None
    expected = api_version
    api_version, kind = found.api_version or api_version, found.kind or kind
    struct = types.of_kind(expected if api_version in also else api_version, kind)
    if struct is None:
        # The caller knows better what to say about a kind that it does not expect.
        return {"apiVersion": api_version, "kind": kind}
    try:
        obj = decode_struct(struct, found.raw)
    except WireError as wrong:
        raise DecodeError(str(wrong), api_version, kind) from None
    except RecursionError:
        raise DecodeError("objects are nested too deeply", api_version, kind) from None
    return {**obj, "apiVersion": api_version, "kind": kind}


def encode(obj: Object) -> bytes | None:
    """An object as body; None when its kind has no binary form (a Table)."""
    api_version, kind = obj.get("apiVersion", ""), obj.get("kind", "")
    struct = types.of_kind(api_version, kind)
    return None if struct is None else wrap(api_version, kind, encoder(struct)(obj))


def encode_item(api_version: str, kind: str, obj: Object) -> bytes:
    """An object as it stands in a list: without an envelope.

    Raises:
        KeyError: its kind has no binary form.
    """
    struct = types.of_kind(api_version, kind)
    if struct is None:
        raise KeyError(f"{api_version} {kind}")
    return encoder(struct)(obj)


def encode_list(api_version: str, kind: str, metadata: Object, items: Iterable[bytes]) -> bytes:
    """A list of encoded items as body.

    Args:
        api_version: of the list.
        kind: of the list, e.g. `NodeList`.
        metadata: of the list.
        items: as `encode_item` makes them.
    """
    head = encoder(types.struct(types.LIST_META))(metadata)
    parts = [_LIST_METADATA, varint(len(head)), head]
    for item in items:
        parts += (_ITEMS, varint(len(item)), item)
    return wrap(api_version, kind, b"".join(parts))
