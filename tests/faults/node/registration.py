"""Faults in how an agent makes its Node known and leaves it."""

from __future__ import annotations

from refimpl.api.errors import ApiError
from refimpl.api.resources import LEASES, NODES
from refimpl.kubelet.kubelet import Kubelet
from refimpl.kubelet.node import nodestatus, registration
from refimpl.kubelet.node.heartbeat import StatusReporter
from refimpl.kubelet.node.registration import Registrar
from tests.faults.harness import Fault, replaced

_adopt = Registrar.adopt
_adopted = registration.adopted
_initial_node = nodestatus.initial_node
_initial_taints = nodestatus.initial_taints
_run = Kubelet.run
_update = StatusReporter.update


async def _waits_for_an_administrator(self):
    return False


async def _gives_up(self):
    for _ in range(3):
        await self._clock.sleep(0.1)
        try:
            return await self.attempt()
        except ApiError:
            continue
    return False


async def _deletes_and_recreates(self, initial):
    await self._client.delete(NODES, initial["metadata"]["name"])


async def _takes_a_conflict_for_fatal(self, initial):
    raise RuntimeError(f"the node {initial['metadata']['name']} exists already")


async def _posts_once_more(self, initial):
    result = await _adopt(self, initial)
    try:
        await self._client.create(NODES, initial)
    except ApiError:
        return result
    return result


def _hollow(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "status": {}}, events


def _without_node_info(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "status": {key: value for key, value in node["status"].items() if key != "nodeInfo"}}, events


def _restores_no_labels(metadata, wanted, names):
    return None


def _reapplies_its_labels(initial, existing, era):
    node = _adopted(initial, existing, era)
    node["metadata"]["labels"] = {**node["metadata"]["labels"], **initial["metadata"]["labels"]}
    return node


def _removes_foreign_annotations(initial, existing, era):
    node = _adopted(initial, existing, era)
    node["metadata"]["annotations"] = initial["metadata"]["annotations"]
    return node


async def _reapplies_its_taints(self, initial):
    result = await _adopt(self, initial)
    taints = {"spec": {"taints": initial["spec"].get("taints") or []}}
    await self._client.patch(NODES, initial["metadata"]["name"], taints)
    return result


def _reversed_taints(config):
    return _initial_taints(config)[::-1]


def _cordoned(identity, view, now):
    node, events = _initial_node(identity, view, now)
    return {**node, "spec": {**node["spec"], "unschedulable": True}}, events


async def _writes_all_nodes(self, attempt):
    await _update(self, attempt)
    listed = await self._client.request("GET", NODES.path())
    for node in listed["items"]:
        path = f"{NODES.path(name=node['metadata']['name'])}/status"
        body = {"metadata": {"annotations": {"seen-by": self._identity.name}}}
        try:
            await self._client.request("PATCH", path, body, content_type="application/strategic-merge-patch+json")
        except ApiError:
            continue


async def _deletes_its_lease_at_exit(self):
    try:
        await _run(self)
    finally:
        await self._client.delete(LEASES, self.name, namespace="kube-node-lease")


async def _says_not_ready_at_exit(self):
    try:
        await _run(self)
    finally:
        ready = {"type": "Ready", "status": "False", "reason": "KubeletStopped", "message": ""}
        await self._client.patch(NODES, self.name, {"status": {"conditions": [ready]}}, subresource="status")


async def _skips_the_first_report(self, attempt):
    if self._reported_at is None:
        self._reported_at = self._clock.monotonic()
        return
    await _update(self, attempt)


FAULTS = [
    Fault(
        "the agent waits for an administrator to create its node",
        ("N-REG-01",),
        replaced(Registrar, "register", _waits_for_an_administrator),
        1,
    ),
    Fault(
        "the agent gives up registration after three tries",
        ("N-REG-03", "N-REG-04"),
        replaced(Registrar, "register", _gives_up),
        2,
    ),
    Fault("the agent hammers registration", ("N-REG-03",), replaced(registration, "next_delay", lambda delay: 0.1), 3),
    Fault(
        "registration backs off without a bound",
        ("N-REG-03",),
        replaced(registration, "next_delay", lambda delay: delay * 2),
    ),
    Fault(
        "an existing node is deleted and recreated",
        ("N-REG-05",),
        replaced(Registrar, "adopt", _deletes_and_recreates),
        4,
    ),
    Fault("an existing node is fatal", ("N-REG-05",), replaced(Registrar, "adopt", _takes_a_conflict_for_fatal), 5),
    Fault("an adopted node is posted once more", ("N-REG-05",), replaced(Registrar, "adopt", _posts_once_more)),
    Fault(
        "default labels are not restored",
        ("N-REG-07",),
        replaced(registration, "restore_labels", _restores_no_labels),
        6,
    ),
    Fault(
        "labels of the command line are applied again",
        ("N-REG-08",),
        replaced(registration, "adopted", _reapplies_its_labels),
        7,
    ),
    Fault(
        "taints of the command line are applied again",
        ("N-REG-08",),
        replaced(Registrar, "adopt", _reapplies_its_taints),
        7,
    ),
    Fault(
        "foreign annotations are removed on adoption",
        ("N-REG-08",),
        replaced(registration, "adopted", _removes_foreign_annotations),
    ),
    Fault(
        "taints to register with are forgotten",
        ("N-REG-09",),
        replaced(nodestatus, "initial_taints", lambda config: []),
        8,
    ),
    Fault(
        "taints to register with are in reverse",
        ("N-REG-09",),
        replaced(nodestatus, "initial_taints", _reversed_taints),
    ),
    Fault("the node is registered cordoned", ("N-REG-09",), replaced(nodestatus, "initial_node", _cordoned)),
    Fault("the agent writes all nodes", ("N-REG-13",), replaced(StatusReporter, "update", _writes_all_nodes), 11),
    Fault("the node is registered without a status", ("N-REG-02",), replaced(nodestatus, "initial_node", _hollow)),
    Fault(
        "the node is registered without nodeInfo",
        ("N-REG-02",),
        replaced(nodestatus, "initial_node", _without_node_info),
    ),
    Fault(
        "a restarted agent writes no status",
        ("N-HB-08",),
        replaced(StatusReporter, "update", _skips_the_first_report),
        38,
    ),
    Fault(
        "a stopped agent deletes its lease",
        ("N-LSE-11", "N-OUT-09"),
        replaced(Kubelet, "run", _deletes_its_lease_at_exit),
        47,
    ),
    Fault(
        "a stopped agent says that it is not ready",
        ("N-OUT-09",),
        replaced(Kubelet, "run", _says_not_ready_at_exit),
        47,
    ),
]
