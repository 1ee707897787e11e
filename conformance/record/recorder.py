"""Watches a target and writes every change into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import attrs

from conformance.client import ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.kinds import Kind
from conformance.record.history import Gap, Object, ObjectEvent
from conformance.record.log import Log
from conformance.wire import NoAnswer

_WATCH_SECONDS = 290
_PAUSE = 0.5

Key = tuple[str, str]


@attrs.frozen
class Feed:
    """One thing to watch.

    Attributes:
        kind: of the objects.
        namespace: where; empty for everywhere.
        labels: label selector, or empty.
        names: only objects whose subject's name starts like this; empty for all.
    """

    kind: Kind
    namespace: str = ""
    labels: str = ""
    names: str = ""

    @property
    def path(self) -> str:
        """The collection's URL path."""
        return self.kind.path(self.namespace)

    @property
    def selectors(self) -> dict[str, str]:
        """The label selector as query parameters."""
        return {"labelSelector": self.labels} if self.labels else {}

    def concerns(self, item: Mapping[str, Any]) -> bool:
        """Whether an object is one the feed is for; Events cannot be selected by label."""
        subject = (item.get("involvedObject") or item["metadata"]).get("name", "")
        return str(subject).startswith(self.names)


class Recorder:
    """Follows one feed for the whole session: lists, watches, resumes where the watch broke off.

    After a 410 (or when a server keeps closing the watch at once) it lists again, writes the differences as relisted
    events and notes a gap.
    """

    def __init__(self, feed: Feed, *, client: ApiClient, log: Log, clock: SuiteClock) -> None:
        self._feed = feed
        self._client = client
        self._log = log
        self._clock = clock
        self._known: dict[Key, Object] = {}
        self._version = ""
        self._complete = 0.0

    async def start(self) -> None:
        """The first list; afterwards nothing that happens is missed.

        Raises:
            ApiRefused: the target does not let the suite list this kind.
            NoAnswer: the target did not answer.
        """
        await self._list(relisted=False)

    async def run(self) -> None:
        """Watches until cancelled."""
        while True:
            began = self._clock.monotonic()
            try:
                expired = await self._watch()
            except NoAnswer:
                await asyncio.sleep(_PAUSE)
                continue
            except ApiRefused as error:
                expired = True
                if error.status != 410:
                    await asyncio.sleep(_PAUSE)
            if expired or self._clock.monotonic() - began < _PAUSE:
                await self._again("the watch had expired" if expired else "the watch ended at once")

    async def _watch(self) -> bool:
        """Follows one stream to its end; True when its position is no longer served."""
        stream = self._client.watch(
            self._feed.path,
            resourceVersion=self._version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(_WATCH_SECONDS),
            **self._feed.selectors,
        )
        async for message in stream:
            item = message.get("object") or {}
            if message.get("type") == "ERROR":
                return True
            self._version = item.get("metadata", {}).get("resourceVersion", self._version)
            self._complete = self._clock.monotonic()
            if message.get("type") != "BOOKMARK" and self._feed.concerns(item):
                self._note(str(message["type"]), item, relisted=False)
        return False

    async def _again(self, reason: str) -> None:
        since = self._complete
        try:
            await self._list(relisted=True)
        except (ApiRefused, NoAnswer):
            await asyncio.sleep(_PAUSE)
            return
        self._log.gap(Gap(since, self._clock.monotonic(), self._feed.kind.name, reason))

    async def _list(self, *, relisted: bool) -> None:
        listing = await self._client.get(self._feed.path, **self._feed.selectors)
        items = {_key(item): item for item in listing.get("items") or [] if self._feed.concerns(item)}
        for key in [key for key in self._known if key not in items]:
            self._note("DELETED", self._known[key], relisted=relisted)
        for key, item in items.items():
            before = self._known.get(key)
            if before is None or before["metadata"]["resourceVersion"] != item["metadata"]["resourceVersion"]:
                self._note("ADDED" if before is None else "MODIFIED", item, relisted=relisted)
        self._version = str(listing["metadata"].get("resourceVersion", ""))
        self._complete = self._clock.monotonic()

    def _note(self, change: str, item: Object, *, relisted: bool) -> None:
        key = _key(item)
        before = self._known.pop(key, None)
        if change != "DELETED":
            self._known[key] = item
        metadata = item["metadata"]
        self._log.event(
            ObjectEvent(
                at=self._clock.moment(),
                type=change,
                kind=self._feed.kind.name,
                namespace=metadata.get("namespace", ""),
                name=metadata["name"],
                uid=metadata.get("uid", ""),
                resource_version=metadata.get("resourceVersion", ""),
                before=item if change == "DELETED" else before,
                after=None if change == "DELETED" else item,
                relisted=relisted,
            )
        )


def _key(item: Object) -> Key:
    return (item["metadata"].get("namespace", ""), item["metadata"]["name"])
