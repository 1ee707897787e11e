"""Objects of all resources over one store: cached reads, compare-and-swap writes, watchers.

A write goes to the store first; the cache and the watchers learn of it only from the store's stream of events, so that
several API servers on one store see the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence

from refimpl.api.errors import Object
from refimpl.api.resources import NODES, TABLE, Resource
from refimpl.apiserver import encoding
from refimpl.apiserver.broadcast import Broadcaster
from refimpl.apiserver.cache import Change, Entry, Key, ResourceCache
from refimpl.apiserver.strategy import Strategy
from refimpl.storage.base import Event, Store

PREFIX = "/registry/"
_PLACES = {NODES: "minions"}
"""Where etcd keeps what is not kept under its plural; error texts show the key."""


class Registry:
    """Cached, watched objects of every row of the table. It is the `Reader` of strategies and admission.

    Args:
        store: where objects are kept.
        strategies: the behaviour of each row.
    """

    def __init__(self, store: Store, strategies: Callable[[Resource], Strategy]) -> None:
        self._store = store
        self._strategies = strategies
        self.revision = 0
        self._caches: dict[str, ResourceCache] = {}
        self._broadcasters: dict[str, Broadcaster] = {}
        self._kept: dict[str, Resource] = {}
        self._homes: dict[Resource, Resource] = {}
        self._places: dict[Resource, str] = {}
        for row in TABLE:
            home = strategies(row).stored_as or row
            self._homes[row] = home
            if row.stored and home is row:
                place = _PLACES.get(row, row.plural)
                place = row.qualified_plural if place in self._kept else place
                self._kept[place] = row
                self._places[row] = place
        self._fresh: dict[str, tuple[bytes, dict[str, str], dict[str, str]]] = {}
        self._progress: list[tuple[int, asyncio.Future[None]]] = []

    async def start(self) -> None:
        """Loads everything from the store and follows it from there."""
        await self._store.start()
        snapshot = self._store.subscribe(self._on_events)
        self.revision = snapshot.revision
        for plural in self._kept:
            self._caches[plural] = ResourceCache(snapshot.compacted)
            self._broadcasters[plural] = Broadcaster()
        loaded: dict[str, list[Entry]] = {plural: [] for plural in self._kept}
        for item in snapshot.items:
            plural, key = _split(item.key)
            if plural in loaded:
                loaded[plural].append(self._entry(plural, key, item.value, item.revision))
        for plural, entries in loaded.items():
            self._caches[plural].load(entries)
        for event in snapshot.history:
            plural, key = _split(event.key)
            if plural in loaded:
                self._caches[plural].remember(self._change(plural, key, event))

    async def close(self) -> None:
        """Ends all watches and stops following the store."""
        self.end_watches()
        self._store.unsubscribe(self._on_events)
        await self._store.close()

    def end_watches(self) -> None:
        """Ends all watches."""
        for broadcaster in self._broadcasters.values():
            broadcaster.close()

    def begin_history(self) -> None:
        """Lets watches begin no earlier than now."""
        for cache in self._caches.values():
            cache.forget(self.revision)

    async def compact(self, revision: int) -> None:
        """Forgets what happened up to a revision, here and in the store."""
        for cache in self._caches.values():
            cache.forget(revision)
        await self._store.compact(revision)

    def cache(self, resource: Resource) -> ResourceCache:
        """Where the entries of a row are; a row that is a view of another one shares its cache."""
        return self._caches[self._places[self._homes[resource]]]

    def broadcaster(self, resource: Resource) -> Broadcaster:
        """Who watches a row."""
        return self._broadcasters[self._places[self._homes[resource]]]

    def entry(self, resource: Resource, name: str, namespace: str = "") -> Entry | None:
        """One current entry."""
        return self.cache(resource).entries.get((namespace, name))

    def entries(self, resource: Resource, namespace: str = "") -> Sequence[Entry]:
        """Current entries in list order, of one namespace or of all."""
        ordered = self.cache(resource).ordered()
        if not namespace:
            return ordered
        return [entry for entry in ordered if entry.key[0] == namespace]

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """See `strategy.Reader`."""
        entry = self.entry(resource, name, namespace)
        return self.decode(resource, entry.item) if entry is not None else None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """See `strategy.Reader`."""
        for entry in self.entries(resource, namespace):
            yield self.decode(resource, entry.item)

    def strategy(self, resource: Resource) -> Strategy:
        """The behaviour of a row."""
        return self._strategies(resource)

    def is_view(self, resource: Resource) -> bool:
        """Whether the row shows objects that are kept as another row."""
        return self._homes[resource] is not resource

    def decode(self, resource: Resource, item: bytes) -> Object:
        """A private tree of an item of the row's cache, as the row shows it."""
        home = self._homes[resource]
        obj = encoding.decode(home, item)
        if home is resource:
            return obj
        shown = self._strategies(resource).from_stored(obj)
        return {**shown, "kind": resource.kind, "apiVersion": resource.api_version}

    def item(self, resource: Resource, item: bytes) -> bytes:
        """An item of the row's cache as list item of the row."""
        if self._homes[resource] is resource:
            return item
        shown = self.decode(resource, item)
        return encoding.splice(encoding.encode_value(shown), int(shown["metadata"]["resourceVersion"]))

    def storage_key(self, resource: Resource, key: Key) -> str:
        """The key in the store."""
        place = self._places[self._homes[resource]]
        return f"{PREFIX}{place}/{key[0]}/{key[1]}" if resource.namespaced else f"{PREFIX}{place}/{key[1]}"

    async def write(self, resource: Resource, obj: Object, expected: int) -> Entry:
        """Stores an object.

        Args:
            resource: the row it is written through.
            obj: the whole object; its `metadata.resourceVersion` is ignored.
            expected: revision that is replaced; 0 for a new object.

        Returns:
            The entry that was written.

        Raises:
            Mismatch: the stored object has another revision.
        """
        home = self._homes[resource]
        if home is not resource:
            obj = self._strategies(resource).to_stored(obj)
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        value = encoding.encode_value(obj)
        storage_key = self.storage_key(resource, key)
        labels = metadata.get("labels") or {}
        fields = self._fields(home, obj)
        self._fresh[storage_key] = (value, labels, fields)
        revision = await self._store.write(storage_key, value, expected)
        await self.reach(revision)
        written = self.cache(resource).entries.get(key)
        if written is not None and written.revision == revision:
            return written
        return Entry(key, revision, encoding.splice(value, revision), labels, fields)

    async def remove(self, resource: Resource, entry: Entry) -> int:
        """Deletes an object at a known revision; returns the revision of the deletion.

        Raises:
            Mismatch: the stored object has another revision.
        """
        revision = await self._store.write(self.storage_key(resource, entry.key), None, entry.revision)
        await self.reach(revision)
        return revision

    async def reach(self, revision: int) -> None:
        """Waits until the cache has taken in everything up to a revision."""
        if self.revision >= revision:
            return
        reached: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        waiting = (revision, reached)
        self._progress.append(waiting)
        try:
            await reached
        finally:
            if waiting in self._progress:
                self._progress.remove(waiting)

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            self.revision = event.revision
            plural, key = _split(event.key)
            cache = self._caches.get(plural)
            if cache is None:
                continue
            change = self._follow(cache, plural, key, event)
            cache.apply(change)
            self._broadcasters[plural].publish(change)
        if self._progress:
            self._release()

    def _follow(self, cache: ResourceCache, plural: str, key: Key, event: Event) -> Change:
        new = None
        if event.value is not None:
            fresh = self._fresh.pop(event.key, None)
            if fresh is not None and fresh[0] is event.value:
                item = encoding.splice(event.value, event.revision)
                new = Entry(key, event.revision, item, fresh[1], fresh[2])
            else:
                new = self._entry(plural, key, event.value, event.revision)
        return Change(event.revision, cache.entries.get(key), new, {})

    def _change(self, plural: str, key: Key, event: Event) -> Change:
        old = event.previous
        return Change(
            event.revision,
            self._entry(plural, key, old.value, old.revision) if old is not None else None,
            self._entry(plural, key, event.value, event.revision) if event.value is not None else None,
            {},
        )

    def _entry(self, plural: str, key: Key, value: bytes, revision: int) -> Entry:
        resource = self._kept[plural]
        item = encoding.splice(value, revision)
        obj = encoding.decode(resource, item)
        return Entry(key, revision, item, obj["metadata"].get("labels") or {}, self._fields(resource, obj))

    def _fields(self, resource: Resource, obj: Object) -> dict[str, str]:
        return {name: getter(obj) for name, getter in self._strategies(resource).fields.items()}

    def _release(self) -> None:
        for revision, reached in self._progress:
            if revision <= self.revision and not reached.done():
                reached.set_result(None)


def _split(key: str) -> tuple[str, Key]:
    """Plural and object key of a store key."""
    plural, _, rest = key[len(PREFIX) :].partition("/")
    namespace, _, name = rest.rpartition("/")
    return plural, (namespace, name)
