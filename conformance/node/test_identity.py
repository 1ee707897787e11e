"""An agent says which node it is."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from conformance.drive.scenarios.node.flags import PROVIDER, agent_flags
from conformance.drive.scenarios.node.foreign_edits import ADDRESSES, LABEL, agent_foreign_edits
from conformance.drive.scenarios.node.start import agent_start
from conformance.judge import agent_requests as wire
from conformance.judge.agent import AgentSeen, sent_body
from conformance.scenario import judges
from conformance.verdict import NotExercised, Unsupported, Violation

SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
RUNNING_REPAIR = 36
"""Minor version from which a running agent is known to repair its labels."""
ALWAYS_TOLD = 27
"""Minor version from which a new podCIDR is followed by a status write; see kubelet 1.20 fastStatusUpdateOnce."""


@judges("N-ID-01", reads=agent_flags)
def test_the_name_is_in_lower_case_and_stays(seen: AgentSeen) -> None:
    names = [wire.written_name(x) for x in wire.registrations(seen)]
    if not names:
        raise NotExercised("the agent did not try to register", about=seen.node_name)
    if any(not SUBDOMAIN.fullmatch(name) or name != seen.node_name for name in names):
        raise Violation(want=f"{seen.node_name} at every start", got=f"{names}", about=seen.node_name)


@judges("N-ID-02", reads=agent_start)
def test_the_hostname_is_a_label(seen: AgentSeen) -> None:
    got = wire.registration(seen)["metadata"].get("labels", {}).get("kubernetes.io/hostname")
    if got != seen.node_name:
        raise Violation(want=f"kubernetes.io/hostname={seen.node_name}", got=f"{got}", about=seen.node_name)


@judges("N-ID-03", reads=agent_foreign_edits)
def test_system_and_architecture_are_labels(seen: AgentSeen) -> Iterator[Violation]:
    node = wire.registration(seen)
    labels, info = node["metadata"].get("labels") or {}, node["status"].get("nodeInfo") or {}
    prefixes = ("beta.kubernetes.io", "kubernetes.io") if seen.facts.minor >= 14 else ("beta.kubernetes.io",)
    for prefix in prefixes:
        for name, field in (("os", "operatingSystem"), ("arch", "architecture")):
            want, got = info.get(field), labels.get(f"{prefix}/{name}")
            if not want or got != want:
                yield Violation(want=f"{prefix}/{name}={want}, as nodeInfo has it", got=f"{got}", about=seen.node_name)
    if seen.facts.minor < RUNNING_REPAIR:
        return
    by = seen.mark("label edited").at + seen.timing.status_tick().latest
    got = (seen.node.state_at(by) or {}).get("metadata", {}).get("labels", {}).get(LABEL)
    if got != info.get("operatingSystem"):
        yield Violation(want=f"{LABEL} repaired while it runs", got=f"{got}", at=by, about=seen.node_name)


@judges("N-ID-04", reads=agent_start)
def test_given_labels_are_registered(seen: AgentSeen) -> Iterator[Violation]:
    seen.needs("takes_labels")
    labels = wire.registration(seen)["metadata"].get("labels") or {}
    for name, value in seen.mark("agent starts").facts["labels"].items():
        if labels.get(name) != value:
            yield Violation(want=f"label {name}={value}", got=f"{labels.get(name)}", about=seen.node_name)


@judges("N-ID-05", reads=agent_flags)
def test_the_provider_id_is_registered(seen: AgentSeen) -> None:
    got = wire.registration(seen).get("spec", {}).get("providerID")
    if got != PROVIDER:
        raise Violation(want=f"spec.providerID {PROVIDER}", got=f"{got}", about=seen.node_name)


@judges("N-ID-06", reads=agent_start)
def test_there_is_an_address_to_be_reached_at(seen: AgentSeen) -> Iterator[Violation]:
    entries = wire.registration(seen)["status"].get("addresses") or []
    internal = [entry["address"] for entry in entries if entry["type"] == "InternalIP"]
    if not internal:
        yield Violation(want="an InternalIP", got=f"{entries}", about=seen.node_name)
    for text in internal:
        address = ipaddress.ip_address(text)
        if address.is_loopback or address.is_multicast or address.is_unspecified or address.is_link_local:
            yield Violation(want="an address others can reach", got=text, about=seen.node_name)
    if not any(entry["type"] == "Hostname" for entry in entries):
        yield Violation(want="a Hostname among the addresses", got=f"{entries}", about=seen.node_name)


@judges("N-ID-07", reads=agent_start)
def test_addresses_are_internal_ip_then_hostname(seen: AgentSeen) -> Iterator[Violation]:
    want = ["InternalIP", "Hostname"] if seen.facts.minor >= 8 else ["LegacyHostIP", "InternalIP", "Hostname"]
    entries = wire.registration(seen)["status"].get("addresses") or []
    if [entry["type"] for entry in entries] != want:
        yield Violation(want=f"{want}", got=f"{entries}", about=seen.node_name)
    expected = seen.facts.expected.get("address")
    internal = next((entry["address"] for entry in entries if entry["type"] == "InternalIP"), None)
    if expected is not None and internal != expected:
        yield Violation(want=f"the machine's address {expected}", got=f"{internal}", about=seen.node_name)
    hostname = next((entry["address"] for entry in entries if entry["type"] == "Hostname"), None)
    label = (wire.registration(seen)["metadata"].get("labels") or {}).get("kubernetes.io/hostname")
    if label is not None and hostname != label:
        yield Violation(want=f"Hostname {label}, as the label says", got=f"{hostname}", about=seen.node_name)


@judges("N-ID-08", reads=agent_foreign_edits)
def test_addresses_are_replaced_as_a_whole(seen: AgentSeen) -> Iterator[Violation]:
    edited = seen.mark("addresses edited")
    want = edited.facts["before"]["status"].get("addresses")
    by = edited.at + seen.timing.status_tick().latest
    got = (seen.node.state_at(by) or {}).get("status", {}).get("addresses")
    if got != want:
        yield Violation(want=f"addresses {want} again", got=f"{got}", at=by, about=seen.node_name)
    for each in wire.since(wire.status_writes(seen), edited.at, by):
        sent = (sent_body(each) or {}).get("status", {}).get("addresses")
        if sent and each.method == "PATCH" and {"$patch": "replace"} not in sent:
            yield Violation(want="addresses marked as a replacement", got=f"{sent}", at=each.sent, about=seen.node_name)
    if want == ADDRESSES:
        raise NotExercised("the edit changed nothing", about=seen.node_name)


@judges("N-ID-09", reads=agent_start)
def test_the_agents_port_is_advertised(seen: AgentSeen) -> None:
    endpoints = wire.registration(seen)["status"].get("daemonEndpoints")
    if not endpoints:
        raise Unsupported("the agent advertises no port")
    port = (endpoints.get("kubeletEndpoint") or {}).get("Port")
    if not isinstance(port, int) or not 0 < port < 65536:
        raise Violation(want="a port in kubeletEndpoint.Port", got=f"{endpoints}", about=seen.node_name)


@judges("N-ID-10", reads=agent_foreign_edits)
def test_the_pod_cidr_is_consumed(seen: AgentSeen) -> Iterator[Violation]:
    for each in wire.node_writes(seen):
        spec = (sent_body(each) or {}).get("spec") or {}
        if each.method in ("POST", "PATCH") and (spec.get("podCIDR") or spec.get("podCIDRs")):
            yield Violation(want="no podCIDR written", got=each.method, at=each.sent, about=seen.node_name)
    if seen.facts.minor < ALWAYS_TOLD:
        return
    given = seen.mark("podCIDR given").at
    by = given + seen.timing.status_tick().latest
    if not wire.since(wire.status_writes(seen), given, by):
        yield Violation(want="a status write for the new podCIDR", got="none", at=given, about=seen.node_name)
