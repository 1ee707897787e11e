"""Collections are listed, whole and in pages, and watched from many a point."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import aclosing
from typing import Any

from conformance.client import ApiRefused
from conformance.drive.stage import Stage
from conformance.kinds import POD
from conformance.naming import DOMAIN
from conformance.scenario import scenario
from conformance.timing import Timing
from conformance.wire import NoAnswer

COLOR = f"{DOMAIN}/color"
COLORS: Mapping[str, str | None] = {"a": "red", "b": "blue", "c": "red", "d": None}
"""What the pods that are there from the beginning say of themselves."""
SELECTED: Mapping[str, tuple[str, ...]] = {
    f"{COLOR}=red": ("a", "c"),
    f"{COLOR}!=red": ("b", "d"),
    f"{COLOR} in (red,blue)": ("a", "b", "c"),
    f"{COLOR} notin (red)": ("b", "d"),
    COLOR: ("a", "b", "c"),
    f"!{COLOR}": ("d",),
    f"{COLOR},{COLOR}!=red": ("b",),
}
"""Label selectors, with the roles of those that they select."""
LIMIT = 1
"""As many objects a page is asked to have at most; few, so that a page too large is not the whole list."""
LASTS = 5
"""Seconds for which watches are asked for; a server that sends bookmarks sends one shortly before the end."""
FORGOTTEN = "1"
"""A version from the beginning of the target's history."""
STEP = f"{DOMAIN}/step"
INITIAL = "k8s.io/initial-events-end"
_STEPS_EVERY = 0.5
_MANY = 20


def _longest(timing: Timing) -> float:
    return 2 * LASTS + 10 * timing.slack


@scenario(watches=(POD,), longest=_longest)
async def reading(stage: Stage) -> None:
    """Pods that nobody binds are listed by labels and in pages, while one comes and one goes, and watched.

    Roles: `a` to `d` are there from the beginning, `a` changes again and again; `d` goes and `e` comes between two
    pages of a list.
    """
    for role, color in COLORS.items():
        await stage.pod(role, schedulerName="nobody", labels={COLOR: color} if color else {})
    for selector in SELECTED:
        found = await stage.client.get(_path(stage), labelSelector=f"{stage.naming.selector},{selector}")
        stage.mark(f"list by {selector}", roles=_roles(stage, found))
    whole = await stage.client.get(_path(stage), labelSelector=stage.naming.selector)
    await _pages(stage)
    await asyncio.gather(
        _follow(stage, "from the list on", resourceVersion=whole["metadata"]["resourceVersion"]),
        _follow(stage, "from a forgotten version on", resourceVersion=FORGOTTEN),
        _follow(stage, "with bookmarks", resourceVersion=await _version(stage), allowWatchBookmarks="true"),
        _follow(stage, "with the state first", **_STATE_FIRST),
        _changes(stage),
    )


_STATE_FIRST = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}


async def _pages(stage: Stage) -> None:
    """A list is read page by page; after the first page one pod comes and one goes."""
    query = {"labelSelector": stage.naming.selector, "limit": str(LIMIT)}
    token = ""
    for number in range(_MANY):
        more = {"continue": token} if token else {}
        answer = await stage.client.ask("GET", _path(stage), query={**query, **more})
        if answer.status != 200:
            stage.mark("a page is refused", status=answer.status, body=answer.body)
            return
        token = answer.body["metadata"].get("continue") or ""
        version = answer.body["metadata"].get("resourceVersion")
        stage.mark(f"page {number}", roles=_roles(stage, answer.body), version=version, last=not token)
        if not number:
            await stage.pod("e", schedulerName="nobody")
            await stage.delete(POD, "d", grace=0)
        if not token:
            return


async def _version(stage: Stage) -> str:
    """The version of a list that is read now."""
    found = await stage.client.get(_path(stage), labelSelector=stage.naming.selector)
    return str(found["metadata"]["resourceVersion"])


async def _changes(stage: Stage) -> None:
    """One pod changes for longer than the watches last."""
    for step in range(int((LASTS + 1) / _STEPS_EVERY)):
        answer = await stage.patch(POD, "a", {"metadata": {"labels": {STEP: str(step)}}})
        stage.mark(f"version of step {step}", version=answer["metadata"]["resourceVersion"])
        await stage.hold(_STEPS_EVERY)


async def _follow(stage: Stage, name: str, **query: str) -> None:
    """Marks what a watch told until the server ended it."""
    told: list[Mapping[str, Any]] = []
    refused, began = 0, stage.clock.monotonic()
    try:
        async with asyncio.timeout(LASTS + 2 * stage.timing.slack):
            await _listen(stage, query, told)
    except (NoAnswer, TimeoutError):
        pass  # how long it lasted says so
    except ApiRefused as error:
        refused = error.status
    since, seconds = query.get("resourceVersion", ""), stage.clock.monotonic() - began
    stage.mark(f"watch {name}", told=told, refused=refused, since=since, seconds=seconds)


async def _listen(stage: Stage, query: Mapping[str, str], told: list[Mapping[str, Any]]) -> None:
    query = {"labelSelector": stage.naming.selector, "timeoutSeconds": str(LASTS), **query}
    async with aclosing(stage.client.watch(_path(stage), None, **query)) as events:
        async for event in events:
            told += [_short(stage, event)]


def _short(stage: Stage, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """What matters of an event."""
    shown = event["object"]
    metadata = shown.get("metadata") or {}
    return {
        "type": event["type"],
        "role": str(metadata.get("name") or "").removeprefix(stage.naming.prefix),
        "version": metadata.get("resourceVersion"),
        "initial": INITIAL in (metadata.get("annotations") or {}),
        "code": shown.get("code") if event["type"] == "ERROR" else None,
    }


def _path(stage: Stage) -> str:
    return POD.path(stage.naming.namespace)


def _roles(stage: Stage, found: Mapping[str, Any]) -> list[str]:
    prefix = stage.naming.prefix
    return sorted(item["metadata"]["name"].removeprefix(prefix) for item in found.get("items") or [])
