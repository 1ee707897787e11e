"""Stored objects in the binary form that agents ask for."""

from __future__ import annotations

from functools import lru_cache

from refimpl.api import protobuf
from refimpl.api.errors import Object
from refimpl.api.protobuf.unknown import wrap
from refimpl.api.resources import Resource
from refimpl.apiserver.content import encoding


@lru_cache(maxsize=1024)
def message(resource: Resource, item: bytes) -> bytes:
    """A list item as message; remembered, for who changes an object is answered what watchers are told.

    Args:
        resource: the row that the item is one of.
        item: the encoded object in the form of a list item.
    """
    return protobuf.encode_item(resource.api_version, resource.kind, encoding.decode(resource, item))


def body(resource: Resource, item: bytes) -> bytes:
    """A list item as body of its own."""
    return wrap(resource.api_version, resource.kind, message(resource, item))


def list_body(resource: Resource, metadata: Object, items: list[bytes]) -> bytes:
    """A whole list as body."""
    messages = [message(resource, item) for item in items]
    return protobuf.encode_list(resource.api_version, resource.list_kind, metadata, messages)
