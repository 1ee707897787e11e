"""GET of an object or a collection."""

from __future__ import annotations

import asyncio
from bisect import bisect_left
from collections.abc import Sequence

import attrs

from refimpl.api.errors import Object, bad_request, expired, failure, not_found
from refimpl.apiserver.content import encoding
from refimpl.apiserver.objects.cache import Entry, ResourceCache, TooOld
from refimpl.apiserver.objects.registry import Registry
from refimpl.apiserver.verbs import continuation, listoptions
from refimpl.apiserver.verbs.call import Answer, Call
from refimpl.apiserver.verbs.continuation import ANY_REVISION, Continuation
from refimpl.apiserver.verbs.listoptions import ListOptions
from refimpl.apiserver.verbs.selection import Selection, select

FRESHNESS_WAIT = 3.0
"""Seconds a read waits for a version that this server has not seen yet."""


@attrs.frozen
class Listing:
    """What a list request found.

    Attributes:
        revision: as of which.
        entries: in list order.
        token: continues the list; empty at its end.
        remaining: how many objects the rest has; None when unknown.
    """

    revision: int
    entries: Sequence[Entry]
    token: str = ""
    remaining: int | None = None


async def get(call: Call) -> Answer:
    """Reads one object.

    Raises:
        ApiError: 404, and what a bad `resourceVersion` costs.
    """
    target = call.target
    if call.request.query:
        await _check_get(call)
    entry = call.registry.entry(target.resource, target.name, target.namespace)
    if entry is None:
        raise not_found(target.resource, target.name)
    return Answer(200, item=call.registry.item(target.resource, entry.item))


async def _check_get(call: Call) -> None:
    if call.flag("export"):
        raise bad_request("the export parameter, deprecated since v1.14, is no longer supported")
    options = ListOptions(version=call.request.parameter("resourceVersion") or "")
    try:
        revision = options.revision()
    except ValueError as wrong:
        raise failure(500, "", str(wrong)) from None
    await wait_for(call.registry, revision)


async def wait_for(registry: Registry, revision: int) -> None:
    """Waits until the server has seen a revision.

    Raises:
        ApiError: 504, it has not come.
    """
    if revision <= registry.revision:
        return
    try:
        async with asyncio.timeout(FRESHNESS_WAIT):
            await registry.reach(revision)
    except TimeoutError:
        raise listoptions.too_large(revision, registry.revision) from None


async def find(call: Call) -> Listing:
    """Reads a collection."""
    options = listoptions.read(call, watch=False)
    selection = select(call)
    if options == ListOptions():
        return Listing(call.registry.revision, chosen(call, selection))
    return await _page(call, options, selection)


async def _page(call: Call, options: ListOptions, selection: Selection) -> Listing:
    cache = call.registry.cache(call.target.resource)
    if options.token:
        if options.version not in {"", "0"}:
            raise bad_request("specifying resource version is not allowed when using continue")
        where = continuation.decode(options.token)
        revision, entries = _continued(call.registry, cache, where)
        entries = entries[_position(call, entries, where.start) :]
    else:
        revision, entries = await _at_version(call, options, cache)
    if not selection.everything:
        entries = [entry for entry in entries if selection.matches(entry)]
    limit = 0 if options.version == "0" else options.limit
    if not limit or len(entries) <= limit:
        return Listing(revision, entries)
    token = continuation.encode(revision, _place(call, entries[limit - 1]))
    remaining = None if selection.selective else len(entries) - limit
    return Listing(revision, entries[:limit], token, remaining)


def _continued(registry: Registry, cache: ResourceCache, where: Continuation) -> tuple[int, Sequence[Entry]]:
    if where.revision == ANY_REVISION:
        return registry.revision, cache.ordered()
    try:
        return where.revision, cache.at(where.revision)
    except TooOld:
        raise continuation.expired(where.start) from None


async def _at_version(call: Call, options: ListOptions, cache: ResourceCache) -> tuple[int, Sequence[Entry]]:
    try:
        revision = options.revision()
    except ValueError as wrong:
        raise listoptions.bad_list_version(wrong) from None
    await wait_for(call.registry, revision)
    exact = options.match == "Exact" or (not options.match and options.limit)
    if not revision or not exact:
        return call.registry.revision, cache.ordered()
    try:
        return revision, cache.at(revision)
    except TooOld:
        raise expired("The resourceVersion for the provided list is too old.") from None


def chosen(call: Call, selection: Selection) -> Sequence[Entry]:
    """The current entries that are selected, in list order."""
    cache = call.registry.cache(call.target.resource)
    kind, value = selection.interest
    if kind in {"name", "cluster name"} and (kind == "name" or not call.target.resource.namespaced):
        namespace, _, name = value.rpartition("/")
        entry = cache.entries.get((namespace, name))
        return [entry] if entry is not None and selection.matches(entry) else []
    if selection.everything:
        return cache.ordered()
    return [entry for entry in cache.ordered() if selection.matches(entry)]


def _place(call: Call, entry: Entry) -> str:
    """Where an entry stands in this list: its key below the request's path."""
    namespace, name = entry.key
    return name if call.target.namespace or not namespace else f"{namespace}/{name}"


def _position(call: Call, entries: Sequence[Entry], start: bytes) -> int:
    """Index of the first entry of a page."""
    prefix = call.target.namespace
    if not prefix:
        return bisect_left(entries, start, key=lambda entry: _place(call, entry).encode())
    absolute = f"{prefix}/".encode() + start
    return bisect_left(entries, absolute, key=lambda entry: f"{entry.key[0]}/{entry.key[1]}".encode())


def list_metadata(listing: Listing) -> Object:
    """The `metadata` of a list."""
    metadata: Object = {"resourceVersion": str(listing.revision)}
    if listing.token:
        metadata["continue"] = listing.token
    if listing.remaining is not None:
        metadata["remainingItemCount"] = listing.remaining
    return metadata


def encode_list(call: Call, listing: Listing) -> bytes:
    """The list object on the wire."""
    resource = call.target.resource
    head = b'{"kind":"%b","apiVersion":"%b","metadata":%b,"items":[' % (
        resource.list_kind.encode(),
        resource.api_version.encode(),
        encoding.encode(list_metadata(listing)),
    )
    if call.registry.is_view(resource):
        items = [call.registry.item(resource, entry.item) for entry in listing.entries]
    else:
        items = [entry.item for entry in listing.entries]
    return b"".join((head, b",".join(items), b"]}\n"))
