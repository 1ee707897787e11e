"""An agent does what it is told by flags and files, and no more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Any

from conformance.drive.scenarios.node import odd_flags as parts
from conformance.drive.scenarios.node.odd_flags import (
    DEVICE,
    HEALTHY,
    OFTEN,
    UNHEALTHY,
    WITHHELD,
    agent_devices,
    agent_odd_flags,
    agent_withheld,
)
from conformance.judge import agent_pods as pods
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.judge.conditions import condition, status, turned
from conformance.judge.quantities import amount, same
from conformance.record.history import Object
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

ADOPTS = 32
"""Minor version from which a registration that is forbidden leads to a look at the Node."""
PROVIDED = "alpha.kubernetes.io/provided-node-ip"
UNINITIALIZED = "node.cloudprovider.kubernetes.io/uninitialized"
NAMES = 5


def _part(seen: AgentSeen, name: str) -> tuple[float, float, Object | None]:
    """When a part of the scenario began and ended, and the Node at its end."""
    over = seen.mark(f"{name} over")
    return seen.mark(f"{name} begins").at, over.at, over.facts["node"]


def _registered(seen: AgentSeen, name: str) -> Mapping[str, Any]:
    begin, over, _ = _part(seen, name)
    for each in wire.since(wire.registrations(seen), begin, over):
        if each.status == 201:
            body: Mapping[str, Any] = sent_body(each)
            return body
    raise NotExercised("the agent did not register", about=seen.node_name)


def _amounts(node: Object | None, field: str) -> dict[str, Decimal]:
    listed = pods.status(node).get(field) or {}
    return {name: amount(text) or Decimal(0) for name, text in listed.items()}


@judges("N-X-02", reads=agent_odd_flags)
def test_a_forbidden_registration_ends_nothing(seen: AgentSeen) -> Iterator[Violation]:
    begin, over, node = _part(seen, parts.FORBIDDEN)
    refused = [x for x in wire.since(wire.registrations(seen), begin, over) if x.status == 403]
    if not refused:
        raise NotExercised("the agent did not try to register", about=seen.node_name)
    if not seen.mark(f"{parts.FORBIDDEN} over").facts["alive"]:
        yield Violation(want="an agent that lives on", got="it ended", at=over, about=seen.node_name)
    if seen.facts.minor >= ADOPTS:
        read = wire.since(seen.requests("GET", seen.node_path()), refused[0].answered, over)
        if not read or not (pods.status(node).get("nodeInfo") or {}).get("kubeletVersion"):
            got = f"{len(read)} GETs, status {sorted(pods.status(node))}"
            yield Violation(want="the existing Node read and filled", got=got, at=begin, about=seen.node_name)
    elif len(refused) < 2:
        yield Violation(want="the registration tried again", got="one try", at=begin, about=seen.node_name)


@judges("N-X-04", reads=agent_odd_flags)
def test_an_address_of_another_machine_is_not_told(seen: AgentSeen) -> Iterator[Violation]:
    begin, over, node = _part(seen, parts.FOREIGN_ADDRESS)
    if node is None:
        yield Violation(want="a node that registers all the same", got="none", at=begin, about=seen.node_name)
    if not seen.mark(f"{parts.FOREIGN_ADDRESS} over").facts["alive"]:
        yield Violation(want="an agent that lives on", got="it ended", at=over, about=seen.node_name)
    for each in wire.since(wire.node_writes(seen), begin, over):
        listed = ((sent_body(each) or {}).get("status") or {}).get("addresses") or ()
        if any(address.get("address") == parts.FOREIGN for address in listed):
            got = f"{listed}"
            yield Violation(want=f"no address {parts.FOREIGN}", got=got, at=each.sent, about=seen.node_name)


@judges("N-X-05", reads=agent_odd_flags)
def test_a_clouds_node_waits_for_its_cloud(seen: AgentSeen) -> Iterator[Violation]:
    node, given = _registered(seen, parts.CLOUD), seen.mark("cloud registered").facts["address"]
    taint = {"key": UNINITIALIZED, "value": "true", "effect": "NoSchedule"}
    taints = (node.get("spec") or {}).get("taints") or []
    if taint not in taints:
        yield Violation(want=f"the taint {UNINITIALIZED}", got=f"{taints}", about=seen.node_name)
    annotation = (node["metadata"].get("annotations") or {}).get(PROVIDED)
    if given and annotation != given:
        yield Violation(want=f"annotation {PROVIDED}={given}", got=f"{annotation}", about=seen.node_name)
    begin, over = seen.mark("addresses by cloud").at, seen.mark(f"{parts.CLOUD} over").at
    for each in wire.since(wire.node_writes(seen), begin, over):
        listed = ((sent_body(each) or {}).get("status") or {}).get("addresses")
        if each.method != "DELETE" and listed and not _same(listed):
            want = "the addresses that the cloud controller gave"
            yield Violation(want=want, got=f"{listed}", at=each.sent, about=seen.node_name)


def _same(listed: list[Mapping[str, Any]]) -> bool:
    """Whether a write of addresses leaves those of the cloud: a PUT writes all there is."""
    return [{"type": each.get("type"), "address": each.get("address")} for each in listed] == parts.CLOUDS


@judges("N-X-07", reads=agent_odd_flags)
def test_images_are_told_in_moderation(seen: AgentSeen) -> Iterator[Violation]:
    _, _, node = _part(seen, parts.NO_EVICTION)
    if seen.facts.expected.get("images") == "none":
        raise Unsupported("there are no images where the agent runs its containers")
    images = pods.status(node).get("images") or []
    if not images:
        raise NotExercised("the node tells of no images", about=seen.node_name)
    if len(images) > parts.IMAGES:
        yield Violation(want=f"at most {parts.IMAGES} images", got=f"{len(images)}", about=seen.node_name)
    sizes = [int(each.get("sizeBytes") or 0) for each in images]
    if sizes != sorted(sizes, reverse=True):
        yield Violation(want="the largest images first", got=f"{sizes}", about=seen.node_name)
    _, _, other = _part(seen, parts.FOREIGN_ADDRESS)
    for each in (*images, *(pods.status(other).get("images") or ())):
        names = each.get("names") or []
        digests = ["@" in name for name in names]
        if len(names) > NAMES or digests != sorted(digests, reverse=True):
            want = f"at most {NAMES} names of an image, digests first"
            yield Violation(want=want, got=f"{names}", about=seen.node_name)


@judges("N-X-11", reads=agent_odd_flags)
def test_eviction_thresholds_can_be_left_out(seen: AgentSeen) -> Iterator[Violation]:
    _, _, node = _part(seen, parts.NO_EVICTION)
    capacity, allocatable = _amounts(node, "capacity"), _amounts(node, "allocatable")
    if not capacity:
        raise NotExercised("the agent did not register", about=seen.node_name)
    pages = sum((value for name, value in capacity.items() if name.startswith("hugepages-")), Decimal(0))
    for name, want in capacity.items():
        left = want - (pages if name == "memory" else 0)
        if allocatable.get(name) != left:
            yield Violation(want=f"allocatable {name} {left}", got=f"{allocatable.get(name)}", about=seen.node_name)


@judges("N-ALC-06", reads=agent_odd_flags)
def test_nobody_reserves_more_than_there_is(seen: AgentSeen) -> Iterator[Violation]:
    begin, over, _ = _part(seen, parts.TOO_MUCH)
    if seen.mark(f"{parts.TOO_MUCH} over").facts["alive"]:
        yield Violation(want="an agent that refuses to run", got="it runs", at=over, about=seen.node_name)
    for event in seen.node.since(begin).until(over).events:
        negative = [name for name, value in _amounts(event.after, "allocatable").items() if value < 0]
        if negative or status(event.after, "Ready") == "True":
            got = f"Ready {status(event.after, 'Ready')}, below zero: {negative}"
            yield Violation(want="no Ready node, nothing below zero", got=got, at=event.at, about=seen.node_name)


@judges("N-HB-09", reads=agent_odd_flags)
def test_a_file_that_says_how_often_to_look_says_how_often_to_tell(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("kubelet_config")
    idle, over = seen.mark(f"{parts.BY_FILE} idle").at, seen.mark(f"{parts.BY_FILE} over").at
    writes = [x.sent for x in wire.since(wire.status_writes(seen), idle, over)]
    # The interval after a change may be drawn, up to one and a half of what is set.
    latest = OFTEN * 1.5 + OFTEN * (1 + seen.timing.jitter) + seen.timing.slack
    for before, after in pairwise((idle, *writes, over)):
        if after - before > latest:
            got = f"none for {after - before:.1f} s"
            yield Violation(want=f"a status every {latest:.1f} s", got=got, at=after, about=seen.node_name)


@judges("N-HB-09", reads=agent_odd_flags)
def test_a_flag_that_says_how_often_to_look_says_no_more(seen: AgentSeen) -> None:
    seen.needs("kubelet_config")
    idle, over = seen.mark(f"{parts.BY_FLAG} idle").at, seen.mark(f"{parts.BY_FLAG} over").at
    writes = wire.since(wire.status_writes(seen), idle, over)
    if seen.timing.node_status_report_frequency / 2 <= over - idle:
        raise NotExercised("a report is due so soon anyhow", about=seen.node_name)
    if len(writes) > 1:
        got = f"{len(writes)} writes in {over - idle:.0f} s"
        raise Violation(want="no status while nothing changes", got=got, at=idle, about=seen.node_name)


@judges("N-CAP-07", reads=agent_devices)
def test_devices_are_counted(seen: AgentSeen) -> Iterator[Violation]:
    for name, want in (("plugin comes", (HEALTHY + UNHEALTHY, HEALTHY)), ("plugin goes", (0, 0))):
        by = seen.mark(name).at + seen.timing.status_tick().latest
        node = seen.node.state_at(by)
        got = [(pods.status(node).get(field) or {}).get(DEVICE) for field in ("capacity", "allocatable")]
        if not all(same(text, str(number)) for text, number in zip(got, want, strict=True)):
            text = f"{want[0]} of {DEVICE} in capacity, {want[1]} in allocatable"
            yield Violation(want=text, got=f"{got[0]}, {got[1]}", at=by, about=seen.node_name)


@judges("N-X-10", reads=agent_withheld)
def test_a_node_that_does_not_know_itself_is_not_ready(seen: AgentSeen) -> Iterator[Violation]:
    node, known = seen.mark("withheld").facts["node"], seen.mark("known").at
    if node is None or WITHHELD in _amounts(node, "capacity"):
        raise NotExercised(f"the agent knew its {WITHHELD}", about=seen.node_name)
    ready = condition(node, "Ready") or {}
    text = f"missing node capacity for resources: {WITHHELD}"
    if ready.get("status") != "False" or text not in str(ready.get("message")):
        got = f"{ready.get('status')}: {ready.get('message')}"
        yield Violation(want=f"Ready False: {text}", got=got, about=seen.node_name)
    if turned(seen.node.since(known), "Ready", "True") is None:
        yield Violation(want="Ready True when it is known", got="it is not", at=known, about=seen.node_name)
