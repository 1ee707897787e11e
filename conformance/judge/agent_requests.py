"""What the agent asked of the master, sorted by purpose."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from typing import Any

from conformance.judge.agent import AgentSeen, sent_body
from conformance.record.history import Exchange, Object
from conformance.verdict import NotExercised

_AT_ONCE = 0.12
_BY_ITSELF = (0.95, 1.05)

NODES = "/api/v1/nodes"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
WRITES = "POST|PUT|PATCH|DELETE"

Exchanges = tuple[Exchange, ...]


def registrations(seen: AgentSeen) -> Exchanges:
    """Every try to create a Node."""
    return seen.requests("POST", NODES)


def registration(seen: AgentSeen) -> Any:
    """The Node with which the agent registered, as it was sent; where none was accepted, the first one.

    Raises:
        NotExercised: it never tried to create one.
    """
    tries = registrations(seen)
    if not tries:
        raise NotExercised("the agent never tried to create a Node", about=seen.node_name)
    return sent_body(next((each for each in tries if each.status == 201), tries[0]))


def node_writes(seen: AgentSeen) -> Exchanges:
    """Every write to any Node, its status included."""
    return seen.requests(WRITES, f"{NODES}(/.*)?")


def status_writes(seen: AgentSeen, *, failed: bool = False) -> Exchanges:
    """Writes of the Node's status: those that worked, or those that failed."""
    return tuple(x for x in seen.requests("PUT|PATCH", seen.node_path("status")) if (x.status != 200) == failed)


def lease_creations(seen: AgentSeen) -> Exchanges:
    """Every try to create a Lease."""
    return seen.requests("POST", "/apis/coordination.k8s.io/.*/leases")


def new_lease(seen: AgentSeen) -> Any:
    """The Lease as the agent first sent it, whatever the answer was.

    Raises:
        NotExercised: it never sent one.
    """
    for each in lease_creations(seen):
        return sent_body(each)
    raise NotExercised("the agent never sent a Lease to create", about=seen.node_name)


def lease_writes(seen: AgentSeen) -> Exchanges:
    """Every write of the Lease that worked: its creation and its renewals."""
    made = [x for x in lease_creations(seen) if x.status == 201]
    return tuple(sorted((*made, *renewals(seen)), key=lambda x: x.sent))


def renewals(seen: AgentSeen) -> Exchanges:
    """Every renewal of the Lease that worked."""
    return tuple(x for x in seen.requests("PUT|PATCH", seen.lease_path()) if x.status == 200)


def since(exchanges: Iterable[Exchange], at: float, until: float = float("inf")) -> Exchanges:
    """Those sent between two moments."""
    return tuple(x for x in exchanges if at <= x.sent <= until)


def tries(asked: Iterable[Exchange]) -> tuple[Exchange, ...]:
    """Requests without those that a client library repeats by itself when its connection broke.

    HTTP clients do so at once, client-go (1.20 `rest/request.go`, for GET) every second up to ten times:
    none of this is a decision of the agent.
    """
    found: list[Exchange] = []
    for each in asked:
        before = found[-1] if found else None
        again = before is not None and before.status == 0 and each.connection != before.connection
        after = each.sent - before.answered if before is not None else 0
        if again and (after < _AT_ONCE or _BY_ITSELF[0] < after < _BY_ITSELF[1]):
            found[-1] = each
        else:
            found.append(each)
    return tuple(found)


def bursts(exchanges: Iterable[Exchange], apart: float) -> list[list[Exchange]]:
    """Requests that follow each other closely, together: a pause longer than `apart` begins the next burst."""
    found: list[list[Exchange]] = []
    for each in exchanges:
        if found and each.sent - found[-1][-1].sent <= apart:
            found[-1].append(each)
        else:
            found.append([each])
    return found


def written_name(exchange: Exchange) -> str:
    """Name of the Node that a write is for; empty for one that writes all of them."""
    match = re.match(NODES + r"/([^/?]+)", exchange.path)
    if match:
        return match[1]
    return str(((sent_body(exchange) or {}).get("metadata") or {}).get("name", ""))


def answered_version(exchange: Exchange) -> str | None:
    """The resourceVersion in the answer; None when the answer was kept only in part."""
    try:
        version: Object = json.loads(exchange.response)["metadata"]
    except (ValueError, KeyError):
        return None
    return str(version.get("resourceVersion"))
