"""Who writes to a server that is going to be killed, and who watches it; both enter what they are told in a ledger."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import msgspec

from bench.ledger import Ledger, Mark
from bench.wire import JSON, Answer, Connection, Lost, Target

CATCH_UP_WITHIN = 30.0
"""Seconds in which a watch that resumes must have shown everything."""
STRATEGIC = "application/strategic-merge-patch+json"
Body = dict[str, Any]


@attrs.frozen(eq=False)
class Kind:
    """Something to write: how it carries a mark.

    Attributes:
        collection: its URL.
        put: the fields that carry the mark.
        read: the mark of an object.
        patched: it is changed by PATCH of its status, otherwise by PUT.
        deleted: objects of the kind are deleted now and then.
    """

    collection: str
    put: Callable[[Mark], Body]
    read: Callable[[Body], Mark]
    patched: bool = False
    deleted: bool = False


KINDS = (
    Kind(
        "/api/v1/namespaces/default/configmaps",
        lambda mark: {"data": {"mark": mark}},
        lambda obj: str((obj.get("data") or {}).get("mark", "")),
        deleted=True,
    ),
    Kind(
        "/apis/coordination.k8s.io/v1/namespaces/default/leases",
        lambda mark: {"spec": {"holderIdentity": mark}},
        lambda obj: str((obj.get("spec") or {}).get("holderIdentity", "")),
    ),
    Kind(
        "/api/v1/nodes",
        lambda mark: {"status": {"conditions": [{"type": "Ready", "status": "True", "message": mark}]}},
        lambda obj: str(obj["status"]["conditions"][0]["message"]),
        patched=True,
    ),
)


def is_ours(obj: Body) -> bool:
    """Whether an object was made here."""
    return str(obj["metadata"]["name"]).startswith("w")


class Writer:
    """Writes to its own objects, one write after the other, until the connection ends.

    Args:
        name: begins the names of its objects.
        target: the server.
        ledger: where answers are entered.
    """

    def __init__(self, name: str, target: Target, ledger: Ledger) -> None:
        self._name = name
        self._target = target
        self._ledger = ledger
        self._count = 0

    async def run(self) -> None:
        """Works until the server is killed."""
        try:
            connection = await Connection.open(self._target)
            while True:
                self._count += 1
                kind = KINDS[self._count % len(KINDS)]
                await self._write(connection, kind, f"{kind.collection}/{self._name}-{self._count // 3 % 3}")
        except Lost:
            self._ledger.unanswered += 1
        except OSError:
            return

    async def _write(self, connection: Connection, kind: Kind, path: str) -> None:
        known = self._ledger.object(path)
        gone = bool(kind.deleted and known.mark and self._count % 4 == 0)
        mark = "" if gone else f"{self._name}:{self._count}"
        floor = self._ledger.begin(path, mark)
        if gone:
            answer = await connection.request("DELETE", path)
        elif known.mark:
            answer = await self._change(connection, kind, path, mark, known.revision)
        else:
            metadata = {"name": path.rpartition("/")[2]}
            answer = await connection.request("POST", kind.collection, encode({"metadata": metadata, **kind.put(mark)}))
        self._enter(answer, path, mark, floor)

    async def _change(self, connection: Connection, kind: Kind, path: str, mark: Mark, revision: int) -> Answer:
        if kind.patched:
            return await connection.request("PATCH", f"{path}/status", encode(kind.put(mark)), STRATEGIC)
        metadata = {"name": path.rpartition("/")[2], "resourceVersion": str(revision)}
        return await connection.request("PUT", path, encode({"metadata": metadata, **kind.put(mark)}), JSON)

    def _enter(self, answer: Answer, path: str, mark: Mark, floor: int) -> None:
        if answer.status >= 300:
            self._ledger.refused(path, mark)
            self._ledger.faults.append(f"{path}: a write was answered with {answer.status}: {answer.body[:300]!r}")
            return
        obj: Body = msgspec.json.decode(answer.body)
        self._ledger.acknowledge(path, mark, revision_of(obj) if mark else 0, floor)


class Follower:
    """Watches one kind, over all restarts.

    Args:
        kind: what is watched.
        target: the server.
        ledger: where events are entered.
    """

    def __init__(self, kind: Kind, target: Target, ledger: Ledger) -> None:
        self._kind = kind
        self._target = target
        self._ledger = ledger
        self._revision = 0
        self._checked = 0
        self._seen: set[int] = set()

    async def run(self) -> None:
        """Follows until the server is killed."""
        try:
            connection = await Connection.open(self._target)
            await self._follow(connection, until=None)
        except OSError:
            return

    async def catch_up(self) -> None:
        """After a restart: resumes, and sees whether everything that was acknowledged is shown."""
        due = self._ledger.since(self._kind.collection, self._checked)
        last = max(due, default=0)
        if last > self._revision:
            connection = await Connection.open(self._target)
            try:
                async with asyncio.timeout(CATCH_UP_WITHIN):
                    if await self._follow(connection, until=last):
                        self._ledger.resumed += 1
                    else:
                        due = {}
            except TimeoutError:
                self._ledger.faults.append(
                    f"{self._kind.collection}: a watch from {self._revision} never came to {last}"
                )
            connection.close()
        for revision in sorted(due.keys() - self._seen):
            self._ledger.faults.append(f"{due[revision]} at {revision} was never shown by a watch")
        self._seen.clear()
        self._checked = self._revision = max(self._ledger.newest, self._revision)

    async def _follow(self, connection: Connection, until: int | None) -> bool:
        """Enters events up to a revision, or to the end of the stream; False when the server has forgotten."""
        stream = connection.follow(f"{self._kind.collection}?watch=1&resourceVersion={self._revision}")
        while until is None or self._revision < until:
            lines = await stream.lines()
            if not lines:
                return True
            for line in lines:
                event: Body = msgspec.json.decode(line)
                if event["type"] == "ERROR":
                    self._expired(event["object"])
                    return False
                self._enter(event)
        return True

    def _enter(self, event: Body) -> None:
        obj = event["object"]
        revision = revision_of(obj)
        if revision <= self._revision:
            self._ledger.faults.append(f"{self._kind.collection}: event {revision} after {self._revision}")
        self._revision = revision
        self._ledger.followed += 1
        if is_ours(obj):
            self._seen.add(revision)
            path = f"{self._kind.collection}/{obj['metadata']['name']}"
            self._ledger.shown(path, "" if event["type"] == "DELETED" else self._kind.read(obj), revision)

    def _expired(self, status: Body) -> None:
        if status.get("code") == 410:
            self._ledger.expired += 1
        else:
            self._ledger.faults.append(f"{self._kind.collection}: a watch was told {status}")


async def judge_lists(connection: Connection, kind: Kind, ledger: Ledger) -> None:
    """Compares a whole collection with the ledger."""
    answer = await connection.request("GET", kind.collection)
    listed: Body = msgspec.json.decode(answer.body)
    ledger.now_at(int(listed["metadata"]["resourceVersion"]))
    there: Mapping[str, Body] = {
        f"{kind.collection}/{item['metadata']['name']}": item for item in listed["items"] if is_ours(item)
    }
    for path in sorted({*ledger.paths(kind.collection), *there}):
        item = there.get(path)
        ledger.found(path, kind.read(item) if item else "", revision_of(item) if item else 0)


def revision_of(obj: Body) -> int:
    """The resourceVersion of an object."""
    return int(obj["metadata"]["resourceVersion"])


def encode(body: Body) -> bytes:
    """JSON."""
    return msgspec.json.encode(body)
