"""The informer: a local, always current copy of a collection, kept by list and watch.

Controllers never ask the API for what they can read from an informer. One informer has one list and one watch; any
number of handlers hear of every change, synchronously and in order, right after the cache was updated.

What it promises:

* after `synced`, the cache equals the collection as of `resource_version`, and follows it in order;
* when the watch ends, expires (410) or breaks, it resumes or re-lists by itself, with back-off, for ever;
* after a re-list, handlers are told the difference (added, changed, gone), never the same state twice.

Objects in the cache are shared: readers must not change them.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing

import attrs

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import Resource
from refimpl.client.client import Client
from refimpl.client.transport import Unreachable
from refimpl.clock import Clock

log = logging.getLogger(__name__)

Key = tuple[str, str]
"""Namespace (empty for cluster-scoped objects) and name."""

Handler = Callable[[Object | None, Object | None], None]
"""Called with the object before and after: (None, new) added, (old, new) changed, (old, None) gone."""

Index = Callable[[Object], Iterable[str]]
"""The values under which an object is found in an index."""

_BACKOFF_FIRST = 0.8
_BACKOFF_MAX = 30.0
_SHORT_WATCH = 1.0
"""A watch that brings nothing and ends within so many seconds counts as a failure, lest it be repeated in haste."""


def key_of(obj: Object) -> Key:
    """The cache key of an object."""
    metadata = obj["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


@attrs.define(eq=False)
class Informer:
    """A cached, watched collection; `run` keeps it current until cancelled.

    Args:
        client: where to list and watch.
        resource: the row of the table.
        clock: for back-off.
        namespace: only this namespace; None means all.
        label_selector: only objects with these labels.
        field_selector: only objects with these fields.
        indexes: named index functions for `by_index`.
    """

    client: Client
    resource: Resource
    clock: Clock
    namespace: str | None = None
    label_selector: str = ""
    field_selector: str = ""
    indexes: dict[str, Index] = attrs.field(factory=dict)
    synced: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    resource_version: str = attrs.field(default="", init=False)
    _objects: dict[Key, Object] = attrs.field(factory=dict, init=False)
    _indexed: dict[str, dict[str, dict[Key, Object]]] = attrs.field(init=False)
    _handlers: list[Handler] = attrs.field(factory=list, init=False)

    def __attrs_post_init__(self) -> None:
        self.indexes = dict(self.indexes)
        self._indexed = {name: {} for name in self.indexes}

    def add_handler(self, handler: Handler) -> None:
        """Registers a handler; it is told of the objects already known as added."""
        self._handlers.append(handler)
        for obj in list(self._objects.values()):
            handler(None, obj)

    def add_index(self, name: str, function: Index) -> None:
        """Adds an index, over the objects already known too; adding the same one again changes nothing.

        Raises:
            ValueError: the name already stands for another function.
        """
        known = self.indexes.setdefault(name, function)
        if known is not function:
            raise ValueError(f"{self.resource.plural}: index {name!r} already has another function")
        if name not in self._indexed:
            filed = self._indexed[name] = {}
            for key, obj in self._objects.items():
                for value in function(obj):
                    filed.setdefault(value, {})[key] = obj

    def get(self, name: str, namespace: str = "") -> Object | None:
        """The cached object, or None."""
        return self._objects.get((namespace, name))

    def list(self) -> Iterable[Object]:
        """All cached objects; the view changes with the cache, so take a copy before awaiting."""
        return self._objects.values()

    def by_index(self, index: str, value: str) -> Iterable[Object]:
        """The cached objects that the index function files under `value`."""
        return self._indexed[index].get(value, {}).values()

    async def run(self) -> None:
        """Lists and watches for ever."""
        backoff = _BACKOFF_FIRST
        while True:
            try:
                if not self.resource_version:
                    await self._relist()
                since = self.clock.monotonic()
                if await self._follow() or self.clock.monotonic() - since >= _SHORT_WATCH:
                    backoff = _BACKOFF_FIRST
                    continue
                log.info("%s: the watch ended at once without an event", self.resource.plural)
            except ApiError as error:
                if error.code == 410:
                    self.resource_version = ""
                log.warning("%s: list or watch refused: %s", self.resource.plural, error)
            except Unreachable as error:
                log.warning("%s: list or watch lost: %s", self.resource.plural, error)
            await self.clock.sleep(self.clock.jitter(backoff, 1.0))
            backoff = min(backoff * 2, _BACKOFF_MAX)

    async def _relist(self) -> None:
        listed = await self.client.list(
            self.resource,
            namespace=self.namespace,
            label_selector=self.label_selector,
            field_selector=self.field_selector,
        )
        fresh = {key_of(obj): self._named(obj) for obj in listed["items"]}
        for key in [key for key in self._objects if key not in fresh]:
            self._apply(key, None)
        for key, obj in fresh.items():
            known = self._objects.get(key)
            if known is None or known["metadata"]["resourceVersion"] != obj["metadata"]["resourceVersion"]:
                self._apply(key, obj)
        self.resource_version = listed["metadata"]["resourceVersion"]
        self.synced.set()

    async def _follow(self) -> int:
        """Follows one watch to its end; the number of events it brought."""
        count = 0
        events = self.client.watch(
            self.resource,
            namespace=self.namespace,
            resource_version=self.resource_version,
            label_selector=self.label_selector,
            field_selector=self.field_selector,
        )
        async with aclosing(events):
            async for event in events:
                if event.type != "BOOKMARK":
                    self._apply(key_of(event.object), None if event.type == "DELETED" else event.object)
                self.resource_version = event.resource_version
                count += 1
        return count

    def _named(self, item: Object) -> Object:
        """List items lack kind and apiVersion; cached objects have them, like watched ones."""
        return {"kind": self.resource.kind, "apiVersion": self.resource.api_version, **item}

    def _apply(self, key: Key, new: Object | None) -> None:
        old = self._objects.get(key)
        if old is not None:
            self._unindex(key, old)
        if new is not None:
            self._objects[key] = new
            self._index(key, new)
        elif old is None:
            return
        else:
            del self._objects[key]
        for handler in self._handlers:
            handler(old, new)

    def _index(self, key: Key, obj: Object) -> None:
        for name, function in self.indexes.items():
            for value in function(obj):
                self._indexed[name].setdefault(value, {})[key] = obj

    def _unindex(self, key: Key, obj: Object) -> None:
        for name, function in self.indexes.items():
            for value in function(obj):
                filed = self._indexed[name].get(value)
                if filed is not None:
                    filed.pop(key, None)
                    if not filed:
                        del self._indexed[name][value]


async def run_informers(*informers: Informer) -> None:
    """Runs several informers until cancelled; the failure of one ends all."""
    async with asyncio.TaskGroup() as group:
        for informer in informers:
            group.create_task(informer.run(), name=f"informer {informer.resource.plural}")
