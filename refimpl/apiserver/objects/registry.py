"""Objects of all resources over one store: cached reads, compare-and-swap writes, watchers.

A write goes to the store first; the cache and the watchers learn of it only from the store's stream of events, so that
several API servers on one store see the same order.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

import attrs

from refimpl.api.errors import Object
from refimpl.api.fieldlabels import FieldReader
from refimpl.api.resources import NODES, OLDER, TABLE, Resource
from refimpl.apiserver.content import encoding
from refimpl.apiserver.objects.broadcast import Broadcaster
from refimpl.apiserver.objects.cache import Change, Entry, Key, ResourceCache
from refimpl.apiserver.strategy import Strategy
from refimpl.storage.base import Event, KeyValue, Mismatch, Store

PREFIX = "/registry/"
_PLACES = {NODES: "minions"}
"""Where etcd keeps what is not kept under its plural; error texts show the key."""


@attrs.define(eq=False)
class _Home:
    """Where the objects of one kept resource are.

    Attributes:
        resource: the row they are kept as.
        place: second part of their keys in the store.
        fields: reads what field selectors may ask for.
        cache: current objects and recent changes.
        broadcaster: who watches.
        followers: told of every change within the server.
    """

    resource: Resource
    place: str
    fields: FieldReader
    cache: ResourceCache = attrs.field(factory=lambda: ResourceCache(0))
    broadcaster: Broadcaster = attrs.field(factory=Broadcaster)
    followers: list[Callable[[Change], None]] = attrs.field(factory=list)

    def entry(self, key: Key, value: bytes, revision: int) -> Entry:
        """The entry of bytes at rest that nobody has decoded yet."""
        item = encoding.splice(value, revision)
        obj = encoding.decode(self.resource, item)
        return Entry(key, revision, item, obj["metadata"].get("labels") or {}, self.fields.read(obj))

    def old(self, event: Event) -> Entry | None:
        """The entry that an event of the past replaced."""
        before = event.previous
        return self.entry(_split(before.key)[1], before.value, before.revision) if before is not None else None


class Registry:
    """Cached, watched objects of every row of the table. It is the `Reader` of strategies and admission.

    Args:
        store: where objects are kept.
        strategies: the behaviour of each row.

    Attributes:
        revision: of the newest write that readers see.
    """

    def __init__(self, store: Store, strategies: Callable[[Resource], Strategy]) -> None:
        self._store = store
        self._strategies = strategies
        self.revision = 0
        self._by_place: dict[str, _Home] = {}
        self._homes: dict[Resource, _Home] = {}
        self._fresh: dict[str, tuple[bytes, dict[str, str], dict[str, str]]] = {}
        self._progress: list[tuple[int, asyncio.Future[None]]] = []
        for row in TABLE:
            if row.stored and strategies(row).stored_as is None:
                place = _PLACES.get(row, row.plural)
                place = row.qualified_plural if place in self._by_place else place
                home = _Home(row, place, FieldReader(strategies(row).fields))
                self._by_place[place] = self._homes[row] = home
        for row in (*TABLE, *OLDER):
            kept_as = strategies(row).stored_as
            if kept_as is not None:
                self._homes[row] = self._homes[kept_as]

    async def start(self) -> bool:
        """Loads everything from the store and follows it from there; returns whether there was anything."""
        await self._store.start()
        snapshot = self._store.subscribe(self._on_events)
        self.revision = snapshot.revision
        for home in self._by_place.values():
            home.cache = ResourceCache(snapshot.compacted)
            home.broadcaster = Broadcaster()
        self._load(snapshot.items)
        for event in snapshot.history:
            place, key = _split(event.key)
            found = self._by_place.get(place)
            if found is not None:
                new = found.entry(key, event.value, event.revision) if event.value is not None else None
                found.cache.remember(Change(event.revision, found.old(event), new, {}))
        return bool(snapshot.items)

    def _load(self, items: Iterable[KeyValue]) -> None:
        loaded: dict[str, list[Entry]] = {}
        for item in items:
            place, key = _split(item.key)
            home = self._by_place.get(place)
            if home is not None:
                loaded.setdefault(place, []).append(home.entry(key, item.value, item.revision))
        for place, entries in loaded.items():
            self._by_place[place].cache.load(entries)

    async def close(self) -> None:
        """Ends all watches and stops following the store."""
        self.end_watches()
        self._store.unsubscribe(self._on_events)
        await self._store.close()

    def end_watches(self) -> None:
        """Ends all watches."""
        for home in self._by_place.values():
            home.broadcaster.close()

    def begin_history(self) -> None:
        """Lets watches begin no earlier than now."""
        for home in self._by_place.values():
            home.cache.forget(self.revision)

    def census(self) -> Iterator[tuple[str, int, int]]:
        """For each kept resource its place in the store, how many objects there are, and how many watchers."""
        for place, home in self._by_place.items():
            yield place, len(home.cache.entries), home.broadcaster.watchers

    async def compact(self, revision: int) -> None:
        """Forgets states before a revision, here and in the store."""
        for home in self._by_place.values():
            home.cache.compact(revision)
        await self._store.compact(revision)

    def cache(self, resource: Resource) -> ResourceCache:
        """Where the entries of a row are; a row that is a view of another one shares its cache."""
        return self._homes[resource].cache

    def broadcaster(self, resource: Resource) -> Broadcaster:
        """Who watches a row."""
        return self._homes[resource].broadcaster

    def follow(self, resource: Resource, told: Callable[[Change], None]) -> None:
        """Has somebody within the server told of every change of a row, as it happens."""
        self._homes[resource].followers.append(told)

    def entry(self, resource: Resource, name: str, namespace: str = "") -> Entry | None:
        """One current entry."""
        return self._homes[resource].cache.entries.get((namespace, name))

    def entries(self, resource: Resource, namespace: str = "") -> Sequence[Entry]:
        """Current entries in list order, of one namespace or of all."""
        ordered = self._homes[resource].cache.ordered()
        if not namespace:
            return ordered
        return [entry for entry in ordered if entry.key[0] == namespace]

    def get(self, resource: Resource, name: str, namespace: str = "") -> Object | None:
        """See `strategy.Reader`."""
        entry = self.entry(resource, name, namespace)
        return self.decode(resource, entry.item) if entry is not None else None

    def fields(self, resource: Resource, name: str, namespace: str = "") -> Mapping[str, str] | None:
        """See `strategy.Reader`."""
        entry = self.entry(resource, name, namespace)
        return entry.fields if entry is not None else None

    def list(self, resource: Resource, namespace: str = "") -> Iterable[Object]:
        """See `strategy.Reader`."""
        for entry in self.entries(resource, namespace):
            yield self.decode(resource, entry.item)

    def strategy(self, resource: Resource) -> Strategy:
        """The behaviour of a row."""
        return self._strategies(resource)

    def is_view(self, resource: Resource) -> bool:
        """Whether the row shows objects that are kept as another row."""
        return self._homes[resource].resource is not resource

    def decode(self, resource: Resource, item: bytes) -> Object:
        """A private tree of an item of the row's cache, as the row shows it."""
        kept_as = self._homes[resource].resource
        obj = encoding.decode(kept_as, item)
        if kept_as is resource:
            return obj
        shown = self._strategies(resource).from_stored(obj)
        return {**shown, "kind": resource.kind, "apiVersion": resource.api_version}

    def item(self, resource: Resource, item: bytes) -> bytes:
        """An item of the row's cache as list item of the row."""
        if self._homes[resource].resource is resource:
            return item
        shown = self.decode(resource, item)
        return encoding.splice(encoding.encode_value(shown), int(shown["metadata"]["resourceVersion"]))

    def storage_key(self, resource: Resource, key: Key) -> str:
        """The key in the store."""
        place = self._homes[resource].place
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
        if home.resource is not resource:
            obj = self._strategies(resource).to_stored(obj)
        metadata = obj["metadata"]
        key = (metadata.get("namespace", ""), metadata["name"])
        value = encoding.encode_value(obj)
        storage_key = self.storage_key(resource, key)
        # What is known now need not be decoded again when the event comes back from the store.
        labels, fields = metadata.get("labels") or {}, home.fields.read(obj)
        self._fresh[storage_key] = (value, labels, fields)
        try:
            revision = await self._store.write(storage_key, value, expected)
        except Mismatch:
            self._fresh.pop(storage_key, None)
            raise
        if self.revision < revision:
            await self.reach(revision)
        written = home.cache.entries.get(key)
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
            self._progress.remove(waiting)

    def _on_events(self, events: Sequence[Event]) -> None:
        for event in events:
            self.revision = event.revision
            place, key = _split(event.key)
            home = self._by_place.get(place)
            if home is not None:
                change = Change(event.revision, home.cache.entries.get(key), self._new(home, key, event), {})
                home.cache.apply(change)
                home.broadcaster.publish(change)
                for told in home.followers:
                    told(change)
        for revision, reached in self._progress:
            if revision <= self.revision and not reached.done():
                reached.set_result(None)

    def _new(self, home: _Home, key: Key, event: Event) -> Entry | None:
        if event.value is None:
            return None
        fresh = self._fresh.pop(event.key, None)
        if fresh is None or fresh[0] is not event.value:
            return home.entry(key, event.value, event.revision)
        return Entry(key, event.revision, encoding.splice(event.value, event.revision), fresh[1], fresh[2])


def _split(key: str) -> tuple[str, Key]:
    """Place and object key of a store key."""
    place, _, rest = key[len(PREFIX) :].partition("/")
    namespace, _, name = rest.rpartition("/")
    return place, (namespace, name)
