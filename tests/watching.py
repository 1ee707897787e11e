"""Waiting for what a live master shows: on its watches, with a deadline, never by sleeping."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import attrs

from refimpl.api.resources import NODES, PODS
from refimpl.client.client import Client
from refimpl.client.informer import Informer, run_informers
from refimpl.clock import Clock


@attrs.define(eq=False)
class Watching:
    """All nodes and pods, as the watches tell.

    Attributes:
        client: an administrator's.
        nodes: kept current.
        pods: of all namespaces.
        history: every state of every pod and node since the beginning.
    """

    client: Client
    nodes: Informer
    pods: Informer
    history: list[Any] = attrs.field(factory=list)
    _changed: asyncio.Event = attrs.field(factory=asyncio.Event)

    async def until(self, condition: Callable[[], Any], within: float, what: str = "") -> Any:
        """Waits until a condition on nodes and pods holds; what it gave then.

        Raises:
            AssertionError: it did not in time; the text has what was seen last.
        """
        try:
            async with asyncio.timeout(within):
                while True:
                    self._changed.clear()
                    if found := condition():
                        return found
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {within:g} s: {what or condition.__name__}; {self.shown()}") from None

    def condition(self, node: str, kind: str = "Ready") -> str:
        """The status of a node's condition; empty when it has none."""
        found = self.nodes.get(node) or {}
        conditions = found.get("status", {}).get("conditions") or []
        return next((str(each["status"]) for each in conditions if each["type"] == kind), "")

    def taints(self, node: str) -> set[tuple[str, str]]:
        """Keys and effects of a node's taints."""
        found = self.nodes.get(node) or {"spec": {}}
        return {(taint["key"], taint["effect"]) for taint in found["spec"].get("taints") or ()}

    def pods_on(self, node: str, *, leaving: bool = False) -> list[Any]:
        """The running pods of a node, or those that are to be gone."""
        return [
            pod
            for pod in self.pods.list()
            if pod["spec"].get("nodeName") == node
            and ("deletionTimestamp" in pod["metadata"]) == leaving
            and (leaving or pod["status"].get("phase") == "Running")
        ]

    def shown(self) -> str:
        """Everything in a line."""
        nodes = [f"{each['metadata']['name']} {self.condition(each['metadata']['name'])}" for each in self.nodes.list()]
        pods = [
            f"{pod['metadata']['name']} {pod['status'].get('phase')} on {pod['spec'].get('nodeName')}"
            f"{' leaving' if 'deletionTimestamp' in pod['metadata'] else ''}"
            for pod in self.pods.list()
        ]
        return f"nodes: {', '.join(nodes)}; pods: {', '.join(pods)}"

    def heard(self, old: Any, new: Any) -> None:
        """See `Informer.add_handler`."""
        self.history.append(new or old)
        self._changed.set()


@contextlib.asynccontextmanager
async def watching(client: Client, clock: Clock) -> AsyncIterator[Watching]:
    """Watches for the time of the block; both collections are known when it begins."""
    found = Watching(client, Informer(client, NODES, clock), Informer(client, PODS, clock))
    for informer in (found.nodes, found.pods):
        informer.add_handler(found.heard)
    task = asyncio.create_task(run_informers(found.nodes, found.pods))
    try:
        await found.nodes.synced.wait()
        await found.pods.synced.wait()
        yield found
        if task.done():
            task.result()
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
