"""What can be told of an agent by looking at its objects alone, as in a cluster that is in use."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

from conformance.drive.scenarios.node.watched import agent_watched
from conformance.judge.agent import AgentSeen
from conformance.judge.conditions import all_conditions
from conformance.judge.quantities import amount
from conformance.record.history import Object, ObjectEvent
from conformance.scenario import judges
from conformance.verdict import NotExercised, Violation

INFO = ("kubeletVersion", "containerRuntimeVersion", "operatingSystem", "architecture", "kernelVersion", "osImage")
HEALTHY = {"Ready": "True", "MemoryPressure": "False", "DiskPressure": "False", "PIDPressure": "False"}


def _node(seen: AgentSeen) -> Object:
    node = seen.node.last
    if node is None:
        raise NotExercised("there is no Node", about=seen.node_name)
    return node


def _leases(seen: AgentSeen) -> tuple[ObjectEvent, ...]:
    """The Lease as it was, change by change, once there is nothing to wait for any more."""
    seen.needs("has_lease")
    begin = seen.mark("watched").at
    found = tuple(event for event in seen.lease.events if event.after is not None and event.at >= begin)
    if len(found) < 2:
        raise Violation(
            want="renewals of the Lease", got=f"{len(found)} in {seen.timing.renewal()} each", about=seen.node_name
        )
    return found


@judges("N-LSE-04", reads=agent_watched)
def test_the_lease_is_seen_to_be_renewed_in_time(seen: AgentSeen) -> Iterator[Violation]:
    window = seen.timing.renewal()
    for before, after in pairwise(_leases(seen)):
        if after.at - before.at not in window:
            want = f"a renewal {window} after the one before"
            yield Violation(want=want, got=f"{after.at - before.at:.2f} s", at=after.at, about=seen.node_name)


@judges("N-LSE-03", "N-LSE-02", reads=agent_watched)
def test_the_lease_is_seen_to_be_the_nodes_own(seen: AgentSeen) -> Iterator[Violation]:
    lease = _leases(seen)[-1].after or {}
    uid, owners = _node(seen)["metadata"]["uid"], lease["metadata"].get("ownerReferences") or []
    if [each.get("uid") for each in owners] != [uid]:
        yield Violation(want=f"one owner, the Node with uid {uid}", got=f"{owners}", about=seen.node_name)
    if lease["spec"].get("holderIdentity") != seen.node_name:
        got = f"{lease['spec'].get('holderIdentity')}"
        yield Violation(want=f"the holder {seen.node_name}", got=got, about=seen.node_name)


@judges("N-LSE-12", reads=agent_watched)
def test_renewals_are_seen_to_go_forward(seen: AgentSeen) -> Iterator[Violation]:
    times = [(event, str((event.after or {})["spec"].get("renewTime"))) for event in _leases(seen)]
    for (_, before), (event, after) in pairwise(times):
        if after <= before:
            yield Violation(want=f"a renewTime after {before}", got=after, at=event.at, about=seen.node_name)


@judges("N-CND-03", reads=agent_watched)
def test_a_healthy_node_is_seen_to_be_so(seen: AgentSeen) -> Iterator[Violation]:
    found = all_conditions(_node(seen))
    if found.get("Ready", {}).get("status") != "True":
        raise NotExercised("the node is not Ready", about=seen.node_name)
    for kind, status in HEALTHY.items():
        if kind == "PIDPressure" and seen.facts.minor < 13 and kind not in found:
            continue
        if found.get(kind, {}).get("status") != status:
            yield Violation(want=f"{kind}={status}", got=f"{dict(found.get(kind, {}))}", about=seen.node_name)


@judges("N-CND-05", reads=agent_watched)
def test_transitions_are_seen_only_with_changes(seen: AgentSeen) -> Iterator[Violation]:
    _node(seen)
    for before, after in pairwise(event for event in seen.node.events if event.after is not None):
        old, new = all_conditions(before.after), all_conditions(after.after)
        for kind in old.keys() & new.keys():
            moved = old[kind].get("lastTransitionTime") != new[kind].get("lastTransitionTime")
            if moved and old[kind].get("status") == new[kind].get("status"):
                want = f"lastTransitionTime of {kind} left alone while it stays {new[kind].get('status')}"
                yield Violation(want=want, got="it moved", at=after.at, about=seen.node_name)


@judges("N-INF-01", reads=agent_watched)
def test_node_info_is_seen_to_be_whole(seen: AgentSeen) -> None:
    info = _node(seen)["status"].get("nodeInfo") or {}
    lacking = [name for name in INFO if not info.get(name)]
    if lacking:
        raise Violation(want="a whole nodeInfo", got=f"no {', '.join(lacking)}", about=seen.node_name)


@judges("N-ALC-01", "N-CAP-01", reads=agent_watched)
def test_no_more_is_seen_to_be_given_than_there_is(seen: AgentSeen) -> Iterator[Violation]:
    status = _node(seen)["status"]
    capacity: Mapping[str, Any] = status.get("capacity") or {}
    allocatable: Mapping[str, Any] = status.get("allocatable") or {}
    for name in ("cpu", "memory", "pods"):
        if amount(capacity.get(name)) is None:
            yield Violation(want=f"an amount of {name}", got=f"{capacity.get(name)}", about=seen.node_name)
    for name, text in allocatable.items():
        most, given = amount(capacity.get(name)), amount(text)
        if most is None or given is None or not 0 <= given <= most:
            yield Violation(want=f"{name} from 0 to {capacity.get(name)}", got=f"{text}", about=seen.node_name)


@judges("N-ID-06", reads=agent_watched)
def test_the_node_is_seen_to_have_an_address(seen: AgentSeen) -> None:
    addresses = _node(seen)["status"].get("addresses") or []
    internal = [each["address"] for each in addresses if each["type"] == "InternalIP"]
    if not internal or ipaddress.ip_address(internal[0]).is_loopback:
        raise Violation(want="an InternalIP that others can reach", got=f"{addresses}", about=seen.node_name)
