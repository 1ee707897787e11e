"""The ledger: what the suite created, and how it is taken away again, touching nothing else."""

from __future__ import annotations

import asyncio
from typing import Any

import attrs

from conformance.client import ApiClient, ApiRefused
from conformance.clock import SuiteClock
from conformance.kinds import POD, Kind
from conformance.naming import FINALIZER, RUN_LABEL
from conformance.wire import NoAnswer

_PATIENCE = 60.0
_PATIENCE_WITH_SILENCE = 10.0
_PAUSE = 0.3


@attrs.frozen
class Created:
    """One object the suite created.

    Attributes:
        kind: of the object.
        namespace: empty for cluster-scoped objects.
        name: its name.
        uid: deletion insists on it; empty while the answer to its creation has not come.
    """

    kind: Kind
    namespace: str
    name: str
    uid: str

    def __str__(self) -> str:
        place = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind.name} {place}{self.name}"


class Ledger:
    """Objects created and not yet deleted, in order of creation.

    Args:
        run: the run's identifier.
        selector: label selector for the pods that controllers make out of the ledger's workloads.
    """

    def __init__(self, run: str, selector: str) -> None:
        self._run = run
        self._selector = selector
        self._entries: dict[str, Created] = {}
        self._troubles: dict[str, str] = {}
        self._unheard: set[str] = set()

    def intend(self, kind: Kind, namespace: str, name: str) -> None:
        """Enters an object before its creation is requested: the answer may never come."""
        entry = Created(kind, namespace if kind.namespaced else "", name, "")
        self._entries[str(entry)] = entry

    def add(self, kind: Kind, created: Any) -> None:
        """Enters an object as the API returned it."""
        metadata = created["metadata"]
        entry = Created(kind, metadata.get("namespace", ""), metadata["name"], metadata.get("uid", ""))
        self._entries[str(entry)] = entry

    def __len__(self) -> int:
        return len(self._entries)

    async def clean_up(self, client: ApiClient, clock: SuiteClock) -> list[str]:
        """Deletes everything, workloads first, then pods, nodes, leases, the namespace last.

        Returns:
            What could not be deleted, with the reason; empty when all is gone.
        """
        ranks = sorted({entry.kind.rank for entry in self._entries.values()} | {POD.rank})
        for rank in ranks:
            await self._delete(client, [entry for entry in self._entries.values() if entry.kind.rank == rank])
            if rank == POD.rank:
                await _sweep_pods(client, self._selector)
        return await self._gone(client, clock)

    async def _delete(self, client: ApiClient, entries: list[Created]) -> None:
        """Asks for deletions, several at a time, and remembers what stood in the way."""
        gate = asyncio.Semaphore(8)
        answers = await asyncio.gather(*(_delete(client, entry, self._run, gate) for entry in entries))
        for entry, (trouble, passing) in zip(entries, answers, strict=True):
            self._troubles[str(entry)] = trouble
            self._unheard.discard(str(entry))
            if passing:
                self._unheard.add(str(entry))

    async def _gone(self, client: ApiClient, clock: SuiteClock) -> list[str]:
        """Waits until everything really is gone, and asks again for what nobody has begun to delete.

        Pods that a controller still made meanwhile are removed too.
        """
        began = clock.monotonic()
        waiting = sorted(self._entries.values(), key=lambda entry: entry.kind.rank)
        while waiting:
            there = await asyncio.gather(*(_state(client, entry, self._run) for entry in waiting))
            waiting = [entry for entry, state in zip(waiting, there, strict=True) if state != "gone"]
            waited = clock.monotonic() - began
            silent = all(state.startswith("no answer") for state in there)
            if waiting and waited > (_PATIENCE_WITH_SILENCE if silent else _PATIENCE):
                states = (state for state in there if state != "gone")
                return [self._left(entry, state, waited) for entry, state in zip(waiting, states, strict=True)]
            if waiting:
                await self._delete(client, [entry for entry in waiting if str(entry) in self._unheard])
                await _sweep_pods(client, self._selector)
                await asyncio.sleep(_PAUSE)
        self._entries.clear()
        return []

    def _left(self, entry: Created, state: str, waited: float) -> str:
        """What is said of an object that could not be removed."""
        trouble = self._troubles.get(str(entry))
        return f"{entry}: {trouble}" if trouble else f"{entry}: {state} after {waited:.0f} s"


async def _delete(client: ApiClient, entry: Created, run: str, gate: asyncio.Semaphore) -> tuple[str, bool]:
    """Asks for one deletion.

    Returns:
        Why it failed, empty when it did not; and whether it is worth asking again.
    """
    path = entry.kind.path(entry.namespace, entry.name)
    try:
        async with gate:
            uid = entry.uid or await _own_uid(client, path, run)
            if uid:
                options: dict[str, Any] = {"propagationPolicy": "Background", "preconditions": {"uid": uid}}
                if entry.kind is POD:
                    options["gracePeriodSeconds"] = 0
                await client.delete(path, options)
    except ApiRefused as error:
        if error.status not in (404, 409):
            return str(error), error.status >= 500
    except NoAnswer as error:
        return str(error), True
    return "", False


async def _own_uid(client: ApiClient, path: str, run: str) -> str:
    """The uid of an object whose creation was requested; empty when it is not the run's."""
    metadata = (await client.get(path))["metadata"]
    return str(metadata["uid"]) if metadata.get("labels", {}).get(RUN_LABEL) == run else ""


async def _state(client: ApiClient, entry: Created, run: str) -> str:
    """What became of an object: `gone`, or why it is not."""
    try:
        metadata = (await client.get(entry.kind.path(entry.namespace, entry.name)))["metadata"]
    except ApiRefused as error:
        return "gone" if error.status == 404 else f"answered {error.status}"
    except NoAnswer as error:
        return str(error)
    own = metadata.get("uid") == entry.uid if entry.uid else metadata.get("labels", {}).get(RUN_LABEL) == run
    if not own:
        return "gone"
    return "still being deleted" if "deletionTimestamp" in metadata else "still there"


async def _sweep_pods(client: ApiClient, selector: str) -> None:
    """Force-deletes the pods that carry the run's labels: those that controllers made are in no ledger.

    The suite's own finalizer is taken off; those of others are not its business.
    """
    try:
        pods = (await client.get(POD.path(), labelSelector=selector)).get("items") or []
    except (ApiRefused, NoAnswer):
        return
    for pod in pods:
        metadata = pod["metadata"]
        path = POD.path(metadata["namespace"], metadata["name"])
        options = {"gracePeriodSeconds": 0, "preconditions": {"uid": metadata["uid"]}}
        try:
            if FINALIZER in metadata.get("finalizers", ()):
                kept = [entry for entry in metadata["finalizers"] if entry != FINALIZER]
                await client.patch(path, {"metadata": {"uid": metadata["uid"], "finalizers": kept}})
            await client.delete(path, options)
        except (ApiRefused, NoAnswer):
            continue
