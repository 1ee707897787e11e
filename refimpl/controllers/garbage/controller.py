"""The loops of the garbage collector.

Source: kube-controller-manager 1.36 `garbagecollector.go`.
"""

from __future__ import annotations

import asyncio
from functools import partial

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import is_terminating, owners
from refimpl.api.resources import EVENTS, EVENTS_V1, TABLE, Resource, by_kind
from refimpl.client.workqueue import WorkQueue
from refimpl.controllers.garbage import verdict
from refimpl.controllers.garbage.graph import FOREGROUND, ORPHAN, Graph, Item, Wake, facts
from refimpl.controllers.garbage.verdict import Delete, Forget, Owner, without_finalizer, without_owners
from refimpl.controllers.runner import ControllerContext
from refimpl.controllers.workloads.changes import split
from refimpl.controllers.workloads.workers import run_workers

IGNORED = (EVENTS, EVENTS_V1)
"""Events come in masses, expire by themselves and own nothing."""


def collected() -> tuple[Resource, ...]:
    """The resources whose objects may own and be owned."""
    needed = {"delete", "list", "watch"}
    return tuple(row for row in TABLE if needed <= set(row.verbs) and row not in IGNORED)


class GarbageCollector:
    """Deletes what lost its owners, and finishes foreground and orphaning deletions.

    Args:
        context: of the manager.
        concurrent_syncs: how many objects are worked on at a time.
    """

    name = "garbage-collector-controller"

    def __init__(self, context: ControllerContext, *, concurrent_syncs: int = 20) -> None:
        self._client = context.client
        self._concurrent_syncs = concurrent_syncs
        self._graph = Graph()
        self._examine: WorkQueue[str] = WorkQueue(context.clock)
        self._release: WorkQueue[str] = WorkQueue(context.clock)
        for resource in collected():
            informer = context.informers.informer(resource)
            informer.add_handler(split(partial(self._changed, resource)))

    async def run(self) -> None:
        """Works until cancelled."""
        async with asyncio.TaskGroup() as group:
            group.create_task(run_workers(self._examine, self.examine, self.name, self._concurrent_syncs))
            group.create_task(run_workers(self._release, self.release, self.name, self._concurrent_syncs))

    async def examine(self, uid: str) -> None:
        """Looks whether an object may stay.

        Raises:
            ApiError, Unreachable: refused; to be tried again.
        """
        item = self._graph.get(uid)
        if item is None:
            return
        obj = await self._read(item.resource, item.namespace, item.name)
        if obj is None or obj["metadata"]["uid"] != uid:
            if item.ghost:
                self._wake(self._graph.remove(uid))
            return
        if item.ghost:
            self._wake(self._graph.add(item.resource, obj))
            return
        if is_terminating(obj):
            if item.waits:
                await self._finish_foreground(item, obj)
            return
        states = await self._states(item, obj)
        match verdict.judge(obj, states, has_dependents=bool(item.dependents)):
            case Delete(propagation):
                await self._delete(item, obj, propagation)
            case Forget(uids):
                await self._patch(item, without_owners(obj, uids))

    async def release(self, uid: str) -> None:
        """Frees the dependents of an owner that is deleted without them, then lets it go.

        Raises:
            ApiError, Unreachable: refused; to be tried again.
        """
        item = self._graph.get(uid)
        if item is None or not item.orphans:
            return
        for dependent in self._graph.dependents(item):
            obj = await self._read(dependent.resource, dependent.namespace, dependent.name)
            if obj is None or obj["metadata"]["uid"] != dependent.uid:
                continue
            if any(one["uid"] == uid for one in owners(obj)):
                await self._patch(dependent, without_owners(obj, [uid]))
        owner = await self._read(item.resource, item.namespace, item.name)
        if owner is not None and owner["metadata"]["uid"] == uid:
            await self._patch(item, without_finalizer(owner, ORPHAN))

    async def _finish_foreground(self, item: Item, obj: Object) -> None:
        blocking = self._graph.waiting_dependents(item)
        if not blocking:
            await self._patch(item, without_finalizer(obj, FOREGROUND))
            return
        for dependent in blocking:
            if not dependent.terminating:
                self._examine.add(dependent.uid)

    async def _states(self, item: Item, obj: Object) -> dict[str, Owner]:
        return {one["uid"]: await self.state_of(one, item.namespace) for one in owners(obj)}

    async def state_of(self, reference: Object, namespace: str) -> Owner:
        """Reads an owner live: the cache may be behind, and a wrong "absent" would delete what is in use.

        A kind that the API does not serve, and a namespaced owner of a cluster-scoped object, cannot be judged and
        count as there.
        """
        resource = by_kind(reference["apiVersion"], reference["kind"])
        if resource is None or (resource.namespaced and not namespace):
            return Owner.SOLID
        owner = await self._read(resource, namespace if resource.namespaced else "", reference["name"])
        if owner is None or owner["metadata"]["uid"] != reference["uid"]:
            return Owner.ABSENT
        waits = is_terminating(owner) and FOREGROUND in (owner["metadata"].get("finalizers") or ())
        return Owner.WAITING if waits else Owner.SOLID

    async def _read(self, resource: Resource, namespace: str, name: str) -> Object | None:
        try:
            return await self._client.get(resource, name, namespace=namespace or None)
        except ApiError as error:
            if error.code == 404:
                return None
            raise

    async def _delete(self, item: Item, obj: Object, propagation: str) -> None:
        """Deletes exactly the state that was judged: neither another object nor one with other owners."""
        metadata = obj["metadata"]
        try:
            await self._client.delete(
                item.resource,
                item.name,
                namespace=item.namespace or None,
                uid=item.uid,
                resource_version=metadata["resourceVersion"],
                propagation=propagation,
            )
        except ApiError as error:
            if error.code != 404:
                raise

    async def _patch(self, item: Item, patch: Object) -> None:
        try:
            await self._client.patch(item.resource, item.name, patch, namespace=item.namespace or None, kind="merge")
        except ApiError as error:
            if error.code != 404:
                raise

    def _changed(self, resource: Resource, old: Object | None, new: Object | None) -> None:
        if new is None:
            if old is not None:
                self._wake(self._graph.remove(old["metadata"]["uid"]))
        elif old is None or facts(old) != facts(new):
            self._wake(self._graph.add(resource, new))

    def _wake(self, wake: Wake) -> None:
        for uid in wake.examine:
            self._examine.add(uid)
        for uid in wake.release:
            self._release.add(uid)
