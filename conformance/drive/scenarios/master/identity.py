"""An agent tries what it may do, and what it may not."""

from __future__ import annotations

import asyncio
from typing import Any

from conformance.client import MERGE, Answer
from conformance.drive import manifests
from conformance.drive.stage import Stage
from conformance.kinds import LEASE, NODE, NODE_LEASES, POD, Kind
from conformance.scenario import scenario
from conformance.timing import Timing

NODES_GROUP = "system:nodes"
REVIEWS = "/apis/authorization.k8s.io/v1"
OWN_LABELS = {
    "node-contract.dev/own": "1",
    "node.kubernetes.io/node-contract": "1",
    "contract.kubelet.kubernetes.io/node": "1",
    "notkubernetes.io/node-contract": "1",
}
"""Labels that an agent may set on its node."""
WRONG_LABELS = {
    "a restricted label": "node-restriction.kubernetes.io/node-contract",
    "an unknown label of kubernetes.io": "kubernetes.io/node-contract",
    "an unknown label below k8s.io": "node-contract.k8s.io/unknown",
}
"""Labels that no agent may set, by what they are called in marks."""
GIVEN_LABEL = "node-restriction.kubernetes.io/node-contract-given"
"""A label that an administrator gave to the node."""
_MIRROR = "kubernetes.io/config.mirror"
_NO_UID = "00000000-0000-0000-0000-000000000000"
_ASKED_EVERY = 0.5


def _longest(timing: Timing) -> float:
    return 15 * timing.slack


@scenario(watches=(NODE, POD, LEASE), longest=_longest)
async def identity(stage: Stage) -> None:
    """The agent of `mine` writes its own node, Lease and pods, and those of `other`.

    The requests are sent in the name of the agents by impersonation, so that nothing has to be issued and nothing is
    left behind. Whether that may be done is asked first, and whether the target tells agents from administrators.
    """
    await stage.nodes("mine", "other")
    if not await _possible(stage):
        return
    agent = _Agent(stage, "mine")
    await asyncio.gather(_nodes(stage, agent), _registrations(stage), _leases(stage, agent), _pods(stage, agent))


async def _possible(stage: Stage) -> bool:
    """Whether the suite may speak as an agent, and whether that makes a difference."""
    name = f"system:node:{stage.naming.name('mine')}"
    wanted = [("users", name), ("groups", NODES_GROUP)]
    for resource, who in wanted:
        attributes = {"verb": "impersonate", "resource": resource, "name": who}
        answer = await _review(stage, f"impersonation of {resource}", "selfsubjectaccessreviews", {}, attributes)
        if not _allowed(answer):
            return False
    spec = {"user": name, "groups": [NODES_GROUP, "system:authenticated"]}
    other = {"verb": "list", "resource": "secrets", "namespace": "kube-system"}
    return not _allowed(await _review(stage, "any agent lists all secrets", "subjectaccessreviews", spec, other))


async def _review(stage: Stage, name: str, plural: str, spec: dict[str, Any], attributes: dict[str, str]) -> Answer:
    return await stage.ask(name, "POST", f"{REVIEWS}/{plural}", {"spec": {**spec, "resourceAttributes": attributes}})


def _allowed(answer: Answer) -> bool:
    return answer.status == 201 and bool((answer.body.get("status") or {}).get("allowed"))


class _Agent:
    """Asks in the name of the agent of the node that plays a role."""

    def __init__(self, stage: Stage, role: str, *, group: str = NODES_GROUP) -> None:
        self._stage = stage
        self.name = stage.naming.name(role)
        self._headers = {"Impersonate-User": f"system:node:{self.name}", "Impersonate-Group": group}

    async def ask(self, name: str, method: str, path: str, body: Any = None) -> Answer:
        """Sends one request and marks the answer."""
        more = {"content_type": MERGE} if method == "PATCH" else {}
        return await self._stage.ask(name, method, path, body, headers=self._headers, **more)

    async def create(self, name: str, kind: Kind, body: dict[str, Any]) -> Answer:
        """Asks for a creation and marks the answer."""
        return await self._stage.attempt(name, kind, body, headers=self._headers)


async def _nodes(stage: Stage, agent: _Agent) -> None:
    other = stage.naming.name("other")
    condition = manifests.condition("NodeContract", "True", stage.clock.timestamp())
    annotation = {"metadata": {"annotations": {"node-contract.dev/identity": "1"}}}
    for whose, name in (("own", agent.name), ("other", other)):
        node = await stage.client.get(NODE.path(name=name))
        status: dict[str, Any] = {"status": {"conditions": [*(node["status"].get("conditions") or ()), condition]}}
        await agent.ask(f"status of {whose} node", "PATCH", NODE.path(name=name, subresource="status"), status)
        await agent.ask(f"annotation of {whose} node", "PATCH", NODE.path(name=name), annotation)
    mine = await stage.client.get(NODE.path(name=agent.name))
    path = NODE.path(name=agent.name)
    more = {"key": "node-contract.dev/identity", "effect": "PreferNoSchedule"}
    await agent.ask("own taints", "PATCH", path, {"spec": {"taints": [*mine["spec"]["taints"], more]}})
    owner = {"apiVersion": "v1", "kind": "Node", "name": other, "uid": node["metadata"]["uid"]}
    await agent.ask("own owner references", "PATCH", path, {"metadata": {"ownerReferences": [owner]}})
    await agent.ask("own label", "PATCH", path, {"metadata": {"labels": OWN_LABELS}})
    for name, label in WRONG_LABELS.items():
        await agent.ask(f"{name} later", "PATCH", path, {"metadata": {"labels": {label: "1"}}})
    await stage.patch(NODE, "mine", {"metadata": {"labels": {GIVEN_LABEL: "1"}}})
    await agent.ask("given label is taken", "PATCH", path, {"metadata": {"labels": {GIVEN_LABEL: None}}})
    changed = {"metadata": {"labels": {GIVEN_LABEL: "2"}}}
    await agent.ask("given label by the status", "PATCH", f"{path}/status", changed)
    await agent.ask("other node is read", "GET", NODE.path(name=other))
    await agent.ask("own node is read", "GET", path)
    outsider = _Agent(stage, "mine", group="system:authenticated")
    await outsider.ask("status of own node by an outsider", "PATCH", f"{path}/status", {"status": {"phase": ""}})


async def _registrations(stage: Stage) -> None:
    for number, (name, label) in enumerate(WRONG_LABELS.items()):
        role = f"labelled-{number}"
        await _Agent(stage, role).create(f"{name} at registration", NODE, _node(stage, role, {label: "1"}))
    late = _Agent(stage, "late")
    await late.create("registration with taints", NODE, _node(stage, "late", {}))
    await late.ask("deletion of own node", "DELETE", NODE.path(name=late.name))
    await _Agent(stage, "mine").create("registration of another node", NODE, _node(stage, "stranger", {}))
    for role in ("late", "stranger", *(f"labelled-{number}" for number in range(len(WRONG_LABELS)))):
        # What was registered nobody will beat for.
        await stage.client.ask("DELETE", NODE.path(name=stage.naming.name(role)))


def _node(stage: Stage, role: str, labels: dict[str, str]) -> dict[str, Any]:
    now = stage.clock.timestamp()
    return manifests.node(
        stage.naming,
        role,
        zone="identity",
        conditions=[manifests.condition("Ready", "True", now)],
        capacity=manifests.CAPACITY,
        allocatable=None,
        labels=labels,
        taints=(),
        address="192.0.2.1",
    )


async def _leases(stage: Stage, agent: _Agent) -> None:
    annotation = {"metadata": {"annotations": {"node-contract.dev/identity": "1"}}}
    for whose, role in (("own", "mine"), ("other", "other")):
        await agent.ask(f"{whose} Lease", "PATCH", LEASE.path(NODE_LEASES, stage.naming.name(role)), annotation)
    await agent.ask("other Lease is read", "GET", LEASE.path(NODE_LEASES, stage.naming.name("other")))
    await agent.ask("Lease of nobody is deleted", "DELETE", LEASE.path(NODE_LEASES, stage.naming.name("nobody")))
    await agent.create("Lease of nobody", LEASE, _lease(stage, "nobody", NODE_LEASES))
    await agent.create("own Lease elsewhere", LEASE, _lease(stage, "mine", stage.naming.namespace))


def _lease(stage: Stage, role: str, namespace: str) -> dict[str, Any]:
    metadata = {"name": stage.naming.name(role), "namespace": namespace, "labels": stage.naming.labels(role)}
    return {"apiVersion": LEASE.group_version, "kind": "Lease", "metadata": metadata, "spec": {}}


async def _pods(stage: Stage, agent: _Agent) -> None:
    namespace, names = stage.naming.namespace, stage.naming.name
    for whose, node in (("own", agent.name), ("other", names("other"))):
        volume = {"name": "secret", "secret": {"secretName": names(f"{whose}-secret"), "optional": True}}
        await stage.pod(f"{whose}-pod", node_name=node, volumes=[volume])
    await _reads(stage, agent)
    running = {"status": {"phase": "Running", "message": "set by the conformance suite"}}
    for whose in ("own", "other"):
        path = POD.path(namespace, names(f"{whose}-pod"), "status")
        await agent.ask(f"status of {whose} pod", "PATCH", path, running)
    other = names("other-pod")
    eviction = manifests.eviction(other, namespace, minor=stage.facts.minor)
    await agent.ask("eviction of other pod", "POST", POD.path(namespace, other, "eviction"), eviction)
    await agent.ask("deletion of other pod", "DELETE", POD.path(namespace, other))
    labels = {"metadata": {"labels": OWN_LABELS}}
    await agent.ask("labels of own pod", "PATCH", POD.path(namespace, names("own-pod")), labels)
    path = POD.path(namespace, names("own-pod"), "status")
    await agent.ask("labels of own pod by its status", "PATCH", path, labels)
    await _mirrors(stage, agent)
    await agent.ask("deletion of own pod", "DELETE", POD.path(namespace, names("own-pod")), _NOW)


async def _mirrors(stage: Stage, agent: _Agent) -> None:
    """Pods are created by the agent, in the right and in wrong ways."""
    await agent.create("ordinary pod", POD, _pod(stage, "ordinary"))
    node = await stage.client.get(NODE.path(name=agent.name))
    await agent.create("mirror pod", POD, _mirror(stage, "mirror", node))
    secret = {"volumes": [{"name": "secret", "secret": {"secretName": stage.naming.name("own-secret")}}]}
    wrong: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
        "mirror with a secret": ({}, secret),
        "mirror on another node": ({}, {"nodeName": stage.naming.name("other")}),
        "mirror of nobody": ({"ownerReferences": []}, {}),
        "mirror of a node that was": (_owned({**node, "metadata": {**node["metadata"], "uid": _NO_UID}}), {}),
    }
    for name, (metadata, spec) in wrong.items():
        body = _mirror(stage, name.replace(" ", "-"), node)
        body["metadata"] |= metadata
        body["spec"] |= spec
        await agent.create(name, POD, body)


async def _reads(stage: Stage, agent: _Agent) -> None:
    """Which secrets an agent may read is asked about, not tried; what follows from a new pod may take a moment."""
    for whose in ("own", "other"):
        attributes = {
            "verb": "get",
            "resource": "secrets",
            "namespace": stage.naming.namespace,
            "name": stage.naming.name(f"{whose}-secret"),
        }
        answer = await _ask_for(stage, agent, attributes)
        deadline = stage.clock.monotonic() + stage.timing.slack
        while whose == "own" and not _allowed(answer) and stage.clock.monotonic() < deadline:
            await stage.hold(_ASKED_EVERY)
            answer = await _ask_for(stage, agent, attributes)
        stage.mark(f"{whose} secret may be read", status=answer.status, body=answer.body)
    everywhere = POD.path(stage.naming.namespace)
    await agent.ask("all pods are listed", "GET", everywhere)
    await agent.ask("own pods are listed", "GET", f"{everywhere}?fieldSelector=spec.nodeName%3D{agent.name}")
    other = f"{everywhere}?fieldSelector=spec.nodeName%3D{stage.naming.name('other')}"
    await agent.ask("pods of the other node are listed", "GET", other)
    await agent.ask("other pod is read", "GET", POD.path(stage.naming.namespace, stage.naming.name("other-pod")))


async def _ask_for(stage: Stage, agent: _Agent, attributes: dict[str, str]) -> Answer:
    """Whether an agent may do something."""
    spec = {"user": f"system:node:{agent.name}", "groups": [NODES_GROUP, "system:authenticated"]}
    body = {"spec": {**spec, "resourceAttributes": attributes}}
    return await stage.client.ask("POST", f"{REVIEWS}/subjectaccessreviews", body=body)


_NOW = {"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0}


def _pod(stage: Stage, role: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": stage.naming.name(role), "labels": stage.naming.labels(role)},
        "spec": manifests.pod_spec(stage.naming, node_name=stage.naming.name("mine")),
    }


def _mirror(stage: Stage, role: str, node: dict[str, Any]) -> dict[str, Any]:
    body = _pod(stage, role)
    body["metadata"] |= {"annotations": {_MIRROR: "1"}, **_owned(node)}
    return body


def _owned(node: dict[str, Any]) -> dict[str, Any]:
    """The metadata of what belongs to a node."""
    owner = {"apiVersion": "v1", "kind": "Node", "name": node["metadata"]["name"], "uid": node["metadata"]["uid"]}
    return {"ownerReferences": [{**owner, "controller": True}]}
