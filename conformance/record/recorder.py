"""Watches a target and writes every change into the log."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from functools import partial
from typing import Any

import attrs

from conformance.client import ApiClient, ApiRefused, is_list
from conformance.clock import SuiteClock
from conformance.kinds import Kind
from conformance.record.history import Gap, Object, ObjectEvent
from conformance.record.log import Log
from conformance.wire import NoAnswer

_WATCH_SECONDS = 290
_OVERTIME = 30
"""Seconds after the end of its time in which a server that is there closes a watch."""
_PAUSE = 0.25
_HASTY = 3
"""So many streams in a row that end at once mean that the server cannot watch; listing takes its place."""

Key = tuple[str, str]


class _Relist(Exception):
    """The watch cannot go on from where it was; the text says why."""


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
        self._broken: tuple[float, str] | None = None

    async def start(self) -> None:
        """The first list; afterwards nothing that happens is missed.

        Raises:
            ApiRefused: the target does not let the suite list this kind.
            NoAnswer: the target did not answer.
        """
        await self._list(relisted=False)

    async def run(self) -> None:
        """Watches until cancelled."""
        hasty = 0
        while True:
            began = self._clock.monotonic()
            try:
                await self._watch()
            except NoAnswer as error:
                self._broken = self._broken or (self._clock.monotonic(), str(error))
                await asyncio.sleep(_PAUSE)
            except _Relist as error:
                await self._again(str(error))
            except ApiRefused as error:
                await asyncio.sleep(_PAUSE)
                await self._again(str(error))
            else:
                hasty = hasty + 1 if self._clock.monotonic() - began < _PAUSE else 0
                if hasty:
                    await asyncio.sleep(_PAUSE)
                if hasty >= _HASTY:
                    await self._again("the watch ends as soon as it has begun")

    async def _watch(self) -> None:
        """Follows one stream to its end.

        Raises:
            _Relist: the position is no longer served, or the stream told something that is no event.
        """
        asked = self._clock.monotonic()
        stream = self._client.watch(
            self._feed.path,
            partial(self._catch_up, asked),
            resourceVersion=self._version,
            allowWatchBookmarks="true",
            timeoutSeconds=str(_WATCH_SECONDS),
            **self._feed.selectors,
        )
        try:
            async with asyncio.timeout(_WATCH_SECONDS + _OVERTIME), aclosing(stream):
                async for message in stream:
                    self._take_any(message)
        except TimeoutError:
            raise NoAnswer(f"the watch on {self._feed.path} outlived its time: nobody is there") from None

    def _take_any(self, message: Mapping[str, Any]) -> None:
        try:
            self._take(message)
        except (LookupError, AttributeError, TypeError) as error:
            raise _Relist(f"the watch told something that is no event: {error!r}") from error
        self._complete = self._clock.monotonic()

    def _take(self, message: Mapping[str, Any]) -> None:
        item = message["object"]
        if message["type"] == "ERROR":
            raise _Relist(f"the watch ended with an error: {item.get('message', item)}")
        self._version = item["metadata"]["resourceVersion"]
        if message["type"] != "BOOKMARK" and self._feed.concerns(item):
            self._note(str(message["type"]), item, relisted=False)

    def _catch_up(self, asked: float) -> None:
        """After a broken connection: what happened meanwhile arrives only now, and late is not missed."""
        if self._broken or self._clock.monotonic() > asked:
            since, reason = self._broken or (asked, "the watch took long to begin")
            self._log.gap(Gap(since, self._clock.monotonic(), self._feed.kind.name, reason, lossy=False))
            self._broken = None

    async def _again(self, reason: str) -> None:
        since = self._complete
        try:
            await self._list(relisted=True)
        except (ApiRefused, NoAnswer):
            await asyncio.sleep(_PAUSE)
            return
        self._log.gap(Gap(since, self._clock.monotonic(), self._feed.kind.name, reason, lossy=True))
        self._broken = None

    async def _list(self, *, relisted: bool) -> None:
        listing = await self._client.get(self._feed.path, **self._feed.selectors)
        if not is_list(listing):
            raise ApiRefused("GET", self._feed.path, 200, "", "that is no list")
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
