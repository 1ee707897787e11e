"""GET of an object or a collection."""

from __future__ import annotations

from collections.abc import Sequence

import attrs

from refimpl.api.errors import expired, not_found
from refimpl.apiserver import encoding
from refimpl.apiserver.cache import Entry, TooOld
from refimpl.apiserver.call import Answer, Call
from refimpl.apiserver.selection import select


@attrs.frozen
class Listing:
    """What a list request found.

    Attributes:
        revision: as of which.
        entries: in list order.
        continuation: token for the rest; empty when there is none.
        remaining: how many objects the rest has; None when unknown.
    """

    revision: int
    entries: Sequence[Entry]
    continuation: str = ""
    remaining: int | None = None


def get(call: Call) -> Answer:
    """Reads one object.

    Raises:
        ApiError: 404.
    """
    target = call.target
    entry = call.registry.entry(target.resource, target.name, target.namespace)
    if entry is None:
        raise not_found(target.resource, target.name)
    return Answer(200, item=call.registry.item(target.resource, entry.item))


def find(call: Call) -> Listing:
    """Reads a collection."""
    selection = select(call)
    cache = call.registry.cache(call.target.resource)
    try:
        entries: Sequence[Entry] = cache.ordered()
    except TooOld:
        raise expired("The resourceVersion for the provided list is too old.") from None
    if selection.selective or selection.namespace:
        entries = [entry for entry in entries if selection.matches(entry)]
    return Listing(call.registry.revision, entries)


def encode_list(call: Call, listing: Listing) -> bytes:
    """The list object on the wire."""
    resource = call.target.resource
    metadata: dict[str, object] = {"resourceVersion": str(listing.revision)}
    if listing.continuation:
        metadata["continue"] = listing.continuation
    if listing.remaining is not None:
        metadata["remainingItemCount"] = listing.remaining
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        resource.list_kind.encode(),
        resource.api_version.encode(),
        encoding.encode(metadata),
    )
    if call.registry.is_view(resource):
        items = [call.registry.item(resource, entry.item) for entry in listing.entries]
    else:
        items = [entry.item for entry in listing.entries]
    return b"".join((head, b",".join(items), b"]}"))
