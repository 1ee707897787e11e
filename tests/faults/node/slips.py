"""Small slips of an agent in what it says of its node, in its Lease and in what it takes: a field, a time, a sum."""

from __future__ import annotations

import attrs

from refimpl.kubelet import eviction, podspec
from refimpl.kubelet import resources as asked
from refimpl.kubelet.node import addresses, capacity, conditions, lease, nodestatus, registration
from refimpl.kubelet.node.lease import LeaseController
from refimpl.kubelet.pods import admission, podconditions, podstatus, predicates, preemption, probes
from refimpl.kubelet.pods.termination import Stopper
from tests.faults.harness import Fault, replaced

_active_deadline = podspec.active_deadline
_adopted = registration.adopted
_matches_node = predicates.matches_node
_node_addresses = addresses.node_addresses
_initial_node = nodestatus.initial_node
_out_of = admission.out_of
_observed = probes.observed
_owner_uid = LeaseController._owner_uid
_containers_ready = podconditions.containers_ready
_pod_conditions = podconditions.conditions
_pod_status = podstatus.pod_status
_pod_requests = asked.pod_requests
_renewed = lease.renewed
_run_hook = Stopper.run_hook
_stop_container = Stopper.stop_container
_state_of = podstatus.state_of
_term_matches = predicates._term_matches
_update = conditions.update


def _with_own_conditions(initial, existing, era):
    node = _adopted(initial, existing, era)
    own = {each["type"] for each in initial["status"]["conditions"]}
    status = dict(node.get("status") or {})
    status["conditions"] = [each for each in status.get("conditions") or () if each["type"] in own]
    return {**node, "status": status}


def _turned_long_ago(identity, view, now):
    node, events = _initial_node(identity, view, now)
    for each in node["status"]["conditions"]:
        each["lastTransitionTime"] = "1970-01-01T00:00:00Z"
    return node, events


def _with_pod_cidrs(identity, view, now):
    node, events = _initial_node(identity, view, now)
    node["spec"]["podCIDRs"] = ["10.0.0.0/24"]
    node["spec"]["podCIDR"] = "10.0.0.0/24"
    return node, events


def _at_the_last_heartbeat(old, *, turned, now):
    return str((old.get("lastHeartbeatTime") if turned else old.get("lastTransitionTime")) or now)


def _all_together(known, findings, now):
    new, events = _update(known, findings, now)
    if events and known:
        new = [{**each, "lastTransitionTime": now} for each in new]
    return new, events


def _without_notes(old, duration, now):
    new = _renewed(old, duration, now)
    kept = {key: value for key, value in new["metadata"].items() if key not in ("annotations", "labels")}
    return {**new, "metadata": kept}


def _with_the_old_duration(old, duration, now):
    return {**old, "spec": {**old["spec"], "renewTime": now}}


async def _of_the_first_node(self):
    if not hasattr(self, "first_uid"):
        self.first_uid = await _owner_uid(self)
    return self.first_uid


def _by_core_alone(config, cpus):
    return cpus * config.pods_per_core if config.pods_per_core else config.max_pods


def _named_in_capitals(config, host):
    found = _node_addresses(config, host)
    return [{**each, "address": each["address"].upper()} if each["type"] == "Hostname" else each for each in found]


def _of(change):
    def requests(pod):
        return _pod_requests({**pod, "spec": change(pod["spec"])})

    return requests


def _by_limits(spec):
    listed = []
    for each in spec["containers"]:
        given = each.get("resources") or {}
        wanted = {**(given.get("requests") or {}), **(given.get("limits") or {})}
        listed.append({**each, "resources": {"requests": wanted}})
    return {**spec, "containers": listed}


def _unused(short):
    message = _out_of(short)
    return admission.Rejection(message.reason, message.message.replace("used: ", "used: 7"), message.shortages)


def _by_affinity_alone(pod, node):
    spec = pod["spec"]
    if spec.get("affinity"):
        spec = {key: value for key, value in spec.items() if key != "nodeSelector"}
    return _matches_node({**pod, "spec": spec}, node)


def _labels_alone(term, labels, fields):
    wanted = term.get("matchExpressions") or [{"key": "kubernetes.io/hostname", "operator": "Exists"}]
    return _term_matches({"matchExpressions": wanted}, labels, fields)


def _everybody(pod, others, short):
    return [other for other in others if preemption.may_preempt(pod, other)]


def _status_without(field):
    def status(pod, observed, era):
        return {key: value for key, value in _pod_status(pod, observed, era).items() if key != field}

    return replaced(podstatus, "pod_status", status)


def _conditions_without(kind):
    def found(pod, **facts):
        return [each for each in _pod_conditions(pod, **facts) if each["type"] != kind]

    return replaced(podconditions, "conditions", found)


def _one_is_enough(pod, statuses, phase, era):
    if any(each.get("ready") for each in statuses):
        return {"type": "ContainersReady", "status": "True"}
    return _containers_ready(pod, statuses, phase, era)


def _by_signal(run, scheme):
    return _state_of(attrs.evolve(run, exit_code=run.exit_code % 128), scheme)


def _twice(pod):
    seconds = _active_deadline(pod)
    return None if seconds is None else 2 * seconds


async def _unheard(self, *_):
    return


async def _term_first(self, record, run, spec, hook, countdown):
    await self._runtime.signal(run.id, "TERM")
    await _run_hook(self, record, run, spec, hook, countdown)


async def _in_turn(self, record, wave, grace, minimum):
    for run in wave:
        await self.stop_container(record, run, grace, minimum=minimum, message=f"Stopping container {run.name}")


async def _hurried(self, record, run, grace, *, minimum, message):
    await _stop_container(self, record, run, grace, minimum=0, message=message)


def _impatient(state, probe, *, success):
    return _observed(state, {**probe, "failureThreshold": 1}, success=success)


FAULTS = [
    Fault(
        "conditions of others end with the agent",
        ("N-CND-08",),
        replaced(registration, "adopted", _with_own_conditions),
    ),
    Fault(
        "of the labels the hostname alone is restored",
        ("N-REG-07",),
        replaced(registration, "DEFAULT_LABELS", ("kubernetes.io/hostname",)),
    ),
    Fault("new conditions turned long ago", ("N-CND-06",), replaced(nodestatus, "initial_node", _turned_long_ago)),
    Fault("the first Node has a podCIDR", ("N-ID-10",), replaced(nodestatus, "initial_node", _with_pod_cidrs)),
    Fault(
        "a condition turned when it was last well",
        ("N-CND-06",),
        replaced(conditions, "transition_time", _at_the_last_heartbeat),
    ),
    Fault("all conditions turn together", ("N-CND-05",), replaced(conditions, "update", _all_together)),
    Fault(
        "troubles are told without brackets",
        ("N-CND-04",),
        replaced(conditions, "aggregate", lambda errors, era: "; ".join(errors)),
    ),
    Fault("a renewal removes the notes of others", ("N-LSE-04",), replaced(lease, "renewed", _without_notes)),
    Fault("a renewal keeps another duration", ("N-LSE-04",), replaced(lease, "renewed", _with_the_old_duration)),
    Fault(
        "the lease is the first node's for ever",
        ("N-LSE-03",),
        replaced(LeaseController, "_owner_uid", _of_the_first_node),
    ),
    Fault("pods by core know no bound", ("N-CAP-03",), replaced(capacity, "pod_limit", _by_core_alone)),
    Fault(
        "pods are not limited by core",
        ("N-CAP-03",),
        replaced(capacity, "pod_limit", lambda config, _: config.max_pods),
    ),
    Fault("the hostname is in capitals", ("N-ID-07",), replaced(addresses, "node_addresses", _named_in_capitals)),
    Fault(
        "the first container alone is counted",
        ("N-ADM-02",),
        replaced(asked, "pod_requests", _of(lambda spec: {**spec, "containers": spec["containers"][:1]})),
    ),
    Fault(
        "init containers are not counted",
        ("N-ADM-02",),
        replaced(asked, "pod_requests", _of(lambda spec: {**spec, "initContainers": []})),
    ),
    Fault(
        "init containers are counted beside the others",
        ("N-ADM-02",),
        replaced(
            asked,
            "pod_requests",
            _of(lambda spec: {**spec, "containers": [*spec["containers"], *(spec.get("initContainers") or ())]}),
        ),
    ),
    Fault("limits are counted", ("N-ADM-02",), replaced(asked, "pod_requests", _of(_by_limits))),
    Fault("a refusal tells a wrong sum", ("N-ADM-02",), replaced(admission, "out_of", _unused)),
    Fault(
        "affinity makes up for the selector", ("N-ADM-06",), replaced(predicates, "matches_node", _by_affinity_alone)
    ),
    Fault("fields of a node are not looked at", ("N-ADM-06",), replaced(predicates, "_term_matches", _labels_alone)),
    Fault(
        "a port is taken for all protocols",
        ("N-ADM-07",),
        replaced(predicates, "_same_port", lambda one, other: one[2] == other[2]),
    ),
    Fault(
        "a port is taken at all addresses",
        ("N-ADM-07",),
        replaced(predicates, "_same_port", lambda one, other: one[1:] == other[1:]),
    ),
    Fault(
        "a port at all addresses is free at each",
        ("N-ADM-07",),
        replaced(predicates, "_same_port", lambda one, other: one == other),
    ),
    Fault("a critical pod pushes everybody out", ("N-ADM-11",), replaced(preemption, "victims", _everybody)),
    Fault("evicted pods get a minute", ("N-POD-16",), replaced(eviction, "grace_period", lambda *_: 60)),
    Fault(
        "soft thresholds evict at once",
        ("N-POD-16",),
        replaced(eviction, "threshold_to_reclaim", lambda state, now: next(iter(state.first_met), None)),
    ),
    Fault("pods lack the other addresses of their node", ("N-POD-03",), _status_without("hostIPs")),
    Fault("nobody says that a sandbox is there", ("N-POD-03",), _conditions_without("PodReadyToStartContainers")),
    Fault("one ready container is enough", ("N-POD-11",), replaced(podconditions, "containers_ready", _one_is_enough)),
    Fault("killed containers have the signal as exit code", ("N-POD-08",), replaced(podstatus, "state_of", _by_signal)),
    Fault("deadlines are twice as long", ("N-POD-15",), replaced(podspec, "active_deadline", _twice)),
    Fault("hooks are not run", ("N-DEL-02",), replaced(Stopper, "run_hook", _unheard)),
    Fault("containers are told to end before their hook", ("N-DEL-02",), replaced(Stopper, "run_hook", _term_first)),
    Fault("containers end one after the other", ("N-DEL-02",), replaced(Stopper, "_stop_together", _in_turn)),
    Fault("containers get less than two seconds", ("N-DEL-02",), replaced(Stopper, "stop_container", _hurried)),
    Fault("one failed probe is enough", ("N-POD-11",), replaced(probes, "observed", _impatient)),
]
