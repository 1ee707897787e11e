"""Faults in what an agent says of its node."""

from __future__ import annotations

from decimal import Decimal

from refimpl.kubelet import resources, strategic
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.node import addresses, capacity, conditions, nodestatus, registration
from refimpl.kubelet.node.heartbeat import StatusReporter
from tests.faults.harness import Fault, replaced

_allocatable = capacity.allocatable
_capacity = capacity.capacity
_condition_from = conditions.condition_from
_default_labels = nodestatus.default_labels
_eviction = capacity.eviction_reservation
_initial_node = nodestatus.initial_node
_listed = addresses.listed_internal
_reservation = capacity.reservation
_self_check = conditions.self_check
_status_patch = strategic.status_patch
_update = conditions.update
_updated = StatusReporter._updated


def _without_hostname(identity):
    return {name: value for name, value in _default_labels(identity).items() if "hostname" not in name}


def _of_another_machine(identity):
    return {**_default_labels(identity), "kubernetes.io/arch": "arm", "beta.kubernetes.io/arch": "arm"}


def _without_given_labels(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "metadata": {**node["metadata"], "labels": _default_labels(identity)}}, events


def _without_provider_id(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "spec": {key: value for key, value in node["spec"].items() if key != "providerID"}}, events


def _with_pod_cidr(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "spec": {**node["spec"], "podCIDR": "198.51.100.0/24"}}, events


def _small_port(identity, view, now):
    node, events = _initial_node(identity, view, now)
    status = {**node["status"], "daemonEndpoints": {"kubeletEndpoint": {"port": view.port}}}
    return {**node, "status": status}, events


def _hostname_first(config, host):
    hostname = {"type": "Hostname", "address": config.hostname(host.hostname)}
    return [hostname, *_listed(addresses.internal_ips(config, host, hostname["address"]), config.rules)]


def _loopback(internal, era):
    return _listed(["127.0.0.1"], era)


def _another_address(internal, era):
    return _listed(["192.0.2.99"], era)


def _appended_addresses(old, new):
    patch = _status_patch(old, new)
    if "addresses" in patch:
        patch["addresses"] = patch["addresses"][:-1]
    return patch


def _capacity_with(**changes):
    def wrong(config, host, devices, known, **more):
        return {**_capacity(config, host, devices, known, **more), **changes}

    return wrong


def _without_pods(config, host, devices, known, **more):
    return {name: text for name, text in _capacity(config, host, devices, known, **more).items() if name != "pods"}


def _unreadable(identity, view, now):
    node, events = _initial_node(identity, view, now)
    amounts = {**node["status"]["capacity"], "memory": "plenty"}
    return {**node, "status": {**node["status"], "capacity": amounts}}, events


def _kilobytes(config, host, devices, known, **more):
    found = _capacity(config, host, devices, known, **more)
    return {**found, "memory": str(host.memory // 1024 * 1000)}


def _as_it_is(config, host, devices, known, **more):
    return {**_capacity(config, host, devices, known, **more), **known}


def _own_resources_only(config, host, devices, known, **more):
    return _capacity(config, host, devices, {}, **more)


def _with_gpus(config, host, devices, known, **more):
    return {**_capacity(config, host, devices, known, **more), capacity.NVIDIA_GPU: "0"}


def _without_extended(found, kept, devices, known):
    return {name: text for name, text in _allocatable(found, kept, devices, known).items() if not _foreign(name)}


def _foreign(name):
    return resources.is_extended(name)


def _more_than_there_is(found, kept, devices, known):
    return {**_allocatable(found, kept, devices, known), "cpu": "1000"}


def _system_twice(config, found, thresholds):
    kept = _reservation(config, found, thresholds)
    twice = capacity.reserved_amounts(config.system_reserved)
    return {name: amount + twice.get(name, Decimal(0)) for name, amount in kept.items()}


def _without_eviction(config, found, thresholds):
    return _reservation(config, {}, thresholds)


def _soft_too(config, found, thresholds):
    kept = _eviction(config, found, thresholds)
    soft = [threshold for threshold in thresholds if not threshold.hard and threshold.signal == "memory.available"]
    for threshold in soft:
        kept["memory"] += Decimal(threshold.amount.of(0))
    return kept


def _percent_of_what_is_free(config, found, thresholds):
    kept = _eviction(config, found, thresholds)
    return {**kept, "ephemeral-storage": kept.get("ephemeral-storage", Decimal(0)) / 2}


def _free_amounts(self, node, view):
    new, events = _updated(self, node, view)
    running = len(list(self._view.__self__._runtime.sandboxes()))
    allocatable = dict(new["status"]["allocatable"])
    allocatable["pods"] = str(int(allocatable["pods"]) - running)
    new["status"] = {**new["status"], "allocatable": allocatable}
    return new, events


def _other_words(finding, old, now):
    made = _condition_from(finding, old, now)
    words = {"KubeletHasSufficientMemory": "KubeletHasNoMemoryPressure"}
    return {**made, "reason": words.get(made["reason"], made["reason"])}


def _another_message(finding, old, now):
    return {**_condition_from(finding, old, now), "message": "fine"}


def _without_a_reason(finding, old, now):
    return {**_condition_from(finding, old, now), "reason": ""}


def _ready_first(pressures, errors, era):
    return _self_check(pressures, errors, era)[::-1]


def _only_ready_beats(finding, old, now):
    made = _condition_from(finding, old, now)
    return made if finding.type == "Ready" or old is None else {**made, "lastHeartbeatTime": old["lastHeartbeatTime"]}


def _beats_in_the_past(finding, old, now):
    return {**_condition_from(finding, old, now), "lastHeartbeatTime": "2001-02-03T04:05:06Z"}


def _respects_unknown(known, findings, now):
    listed = list(known)
    unknown = [entry["type"] for entry in listed if entry["status"] == "Unknown"]
    return _update(listed, [finding for finding in findings if finding.type not in unknown], now)


def _keeps_the_transition(old, *, turned, now):
    return str(old.get("lastTransitionTime") or now)


def _own_conditions_only(known, findings, now):
    findings = list(findings)
    mine = [finding.type for finding in findings]
    return _update([entry for entry in known if entry["type"] in mine], findings, now)


def _touches_all(known, findings, now):
    made, events = _update(known, findings, now)
    return [{**entry, "lastHeartbeatTime": now} for entry in made], events


def _as_configured(self, detected):
    return (self.hostname_override or detected).strip().lower() + "-x" * (self.provider_id != "")


FAULTS = [
    Fault(
        "the node's name is not the configured one", ("N-ID-01",), replaced(KubeletConfig, "hostname", _as_configured)
    ),
    Fault("the hostname label is missing", ("N-ID-02",), replaced(nodestatus, "default_labels", _without_hostname), 12),
    Fault(
        "architecture labels differ from nodeInfo",
        ("N-ID-03",),
        replaced(nodestatus, "default_labels", _of_another_machine),
        13,
    ),
    Fault(
        "labels are not repaired while the agent runs",
        ("N-ID-03",),
        replaced(registration, "restore_labels", lambda metadata, wanted, names: None),
    ),
    Fault("given labels are forgotten", ("N-ID-04",), replaced(nodestatus, "initial_node", _without_given_labels)),
    Fault("the provider id is forgotten", ("N-ID-05",), replaced(nodestatus, "initial_node", _without_provider_id)),
    Fault(
        "the node's address is loopback", ("N-ID-06", "N-ID-07"), replaced(addresses, "listed_internal", _loopback), 14
    ),
    Fault(
        "the node's address is another machine's",
        ("N-ID-07",),
        replaced(addresses, "listed_internal", _another_address),
    ),
    Fault(
        "the hostname stands before the address",
        ("N-ID-07",),
        replaced(addresses, "node_addresses", _hostname_first),
        15,
    ),
    Fault(
        "addresses are appended instead of replaced",
        ("N-ID-08",),
        replaced(strategic, "status_patch", _appended_addresses),
        15,
    ),
    Fault("the agent's port has a small key", ("N-ID-09",), replaced(nodestatus, "initial_node", _small_port)),
    Fault("the agent writes podCIDR", ("N-ID-10",), replaced(nodestatus, "initial_node", _with_pod_cidr), 16),
    Fault(
        "a new podCIDR goes unnoticed",
        ("N-ID-10",),
        replaced(StatusReporter, "_consume_pod_cidr", lambda self, node: False),
    ),
    Fault("pods are not counted", ("N-CAP-01",), replaced(capacity, "capacity", _without_pods)),
    Fault("a capacity is no quantity", ("N-CAP-01",), replaced(nodestatus, "initial_node", _unreadable)),
    Fault("memory is scaled wrongly", ("N-CAP-02",), replaced(capacity, "capacity", _kilobytes), 19),
    Fault(
        "the configured number of pods is ignored",
        ("N-CAP-03",),
        replaced(capacity, "pod_limit", lambda config, cpus: 110),
        18,
    ),
    Fault("the capacity has graphics cards of old", ("N-CAP-04",), replaced(capacity, "capacity", _with_gpus)),
    Fault("a changed capacity stays", ("N-CAP-05",), replaced(capacity, "capacity", _as_it_is)),
    Fault(
        "extended resources of others are deleted",
        ("N-CAP-06",),
        replaced(capacity, "capacity", _own_resources_only),
        20,
    ),
    Fault(
        "extended resources of others are not allocatable",
        ("N-CAP-06",),
        replaced(capacity, "allocatable", _without_extended),
    ),
    Fault("more is allocatable than there is", ("N-ALC-01",), replaced(capacity, "allocatable", _more_than_there_is)),
    Fault("system reservation is taken off twice", ("N-ALC-02",), replaced(capacity, "reservation", _system_twice), 22),
    Fault(
        "eviction thresholds are not taken off",
        ("N-ALC-02", "N-ALC-03"),
        replaced(capacity, "reservation", _without_eviction),
        22,
    ),
    Fault("soft thresholds are taken off", ("N-ALC-04",), replaced(capacity, "eviction_reservation", _soft_too), 24),
    Fault(
        "percentages are of something smaller than the capacity",
        ("N-ALC-04",),
        replaced(capacity, "eviction_reservation", _percent_of_what_is_free),
        25,
    ),
    Fault("conditions have no reason", ("N-CND-01",), replaced(conditions, "condition_from", _without_a_reason)),
    Fault("Ready stands first", ("N-CND-02",), replaced(conditions, "self_check", _ready_first)),
    Fault("a condition has another reason", ("N-CND-03",), replaced(conditions, "condition_from", _other_words), 26),
    Fault(
        "conditions have another message", ("N-CND-03",), replaced(conditions, "condition_from", _another_message), 26
    ),
    Fault(
        "the transition time moves with every heartbeat",
        ("N-CND-05",),
        replaced(conditions, "transition_time", lambda old, *, turned, now: now),
        27,
    ),
    Fault(
        "the transition time never moves",
        ("N-CND-05", "N-CND-07"),
        replaced(conditions, "transition_time", _keeps_the_transition),
    ),
    Fault(
        "only the heartbeat of Ready is refreshed",
        ("N-CND-06",),
        replaced(conditions, "condition_from", _only_ready_beats),
        28,
    ),
    Fault("heartbeats lie in the past", ("N-CND-06",), replaced(conditions, "condition_from", _beats_in_the_past)),
    Fault(
        "conditions that became Unknown stay so", ("N-CND-07",), replaced(conditions, "update", _respects_unknown), 29
    ),
    Fault("conditions of others are removed", ("N-CND-08",), replaced(conditions, "update", _own_conditions_only)),
    Fault("conditions of others are touched", ("N-CND-08",), replaced(conditions, "update", _touches_all)),
    Fault(
        "allocatable shrinks with running pods", ("N-ALC-07",), replaced(StatusReporter, "_updated", _free_amounts), 23
    ),
    Fault(
        "huge pages of old stay", ("N-X-01",), replaced(registration, "_drop_old_hugepages", lambda node, initial: None)
    ),
]
