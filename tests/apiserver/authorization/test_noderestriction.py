"""What an agent may write: its node, its Lease, its pods."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.resources import CSINODES, LEASES, NODES, PODS
from refimpl.apiserver.admission.noderestriction import forbidden_labels, may_label
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.settings import Settings
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from tests.apiserver.authorization.conftest import NODE_A, NODE_B, Send
from tests.apiserver.authorization.test_node import create, pod

MIRROR = "kubernetes.io/config.mirror"


async def refusal(send: Send, method: str, path: str, body: Object | None = None) -> str:
    """The text with which the agent of node a is refused; empty when it is not."""
    status, answer = await send(method, path, body, user=NODE_A)
    if status < 300:
        return ""
    assert status == 403, answer
    message: str = answer["message"]
    return message.partition(" is forbidden: ")[2]


@pytest.fixture
async def nodes(send: Send) -> None:
    for name in ("a", "b"):
        assert (await send("POST", NODES.path(), {"metadata": {"name": name, "labels": {"own": "1"}}}))[0] == 201


async def test_an_agent_registers_its_own_node_with_taints(send: Send) -> None:
    taints = [{"key": "dedicated", "effect": "NoSchedule"}]
    assert await refusal(send, "POST", NODES.path(), {"metadata": {"name": "a"}, "spec": {"taints": taints}}) == ""
    _, node = await send("GET", NODES.path(name="a"))
    assert node["spec"]["taints"][0]["key"] == "dedicated"
    why = await refusal(send, "POST", NODES.path(), {"metadata": {"name": "b"}})
    assert why == 'node "a" is not allowed to modify node "b"'


async def test_an_agent_changes_its_own_node_only(send: Send, nodes: None) -> None:
    status = {"status": {"phase": "Running"}}
    assert await refusal(send, "PATCH", NODES.path(name="a", subresource="status"), status) == ""
    why = 'node "a" is not allowed to modify node "b"'
    assert await refusal(send, "PATCH", NODES.path(name="b", subresource="status"), status) == why
    assert await refusal(send, "PATCH", NODES.path(name="b"), {"metadata": {"labels": {"x": "y"}}}) == why


@pytest.mark.parametrize("subresource", [None, "status"])
@pytest.mark.parametrize(
    ("patch", "why"),
    [
        ({"spec": {"taints": [{"key": "k", "effect": "NoSchedule"}]}}, 'node "a" is not allowed to modify taints'),
        ({"spec": {"taints": []}}, 'node "a" is not allowed to modify taints'),
        (
            {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}]}},
            'node "a" is not allowed to modify ownerReferences',
        ),
        (
            {"metadata": {"labels": {"node-restriction.kubernetes.io/x": "1", "kubernetes.io/y": "2"}}},
            "is not allowed to modify labels: kubernetes.io/y, node-restriction.kubernetes.io/x",
        ),
        ({"metadata": {"labels": {"node-role.kubernetes.io/w": ""}}}, "is not allowed to modify labels: node-role"),
        ({"metadata": {"labels": {"own": "2", "topology.kubernetes.io/zone": "z"}}}, ""),
        ({"spec": {"unschedulable": True}}, ""),
    ],
)
async def test_what_draws_work_to_a_node_is_not_the_agents(
    send: Send, nodes: None, subresource: str | None, patch: Object, why: str
) -> None:
    said = await refusal(send, "PATCH", NODES.path(name="a", subresource=subresource), patch)
    assert said.startswith(why)
    assert bool(said) is bool(why)


@pytest.mark.parametrize(
    ("labels", "why"),
    [
        ({"node-role.kubernetes.io/worker": ""}, ""),
        (
            {"kubernetes.io/os": "linux", "node.kubernetes.io/x": "1", "a.kubelet.kubernetes.io/x": "1", "plain": "1"},
            "",
        ),
        (
            {"node-restriction.kubernetes.io/x": "1", "sub.node-restriction.kubernetes.io/x": "1"},
            "node-restriction.kubernetes.io/x, sub.node-restriction.kubernetes.io/x",
        ),
        ({"k8s.io/x": "1", "foo.k8s.io/x": "1"}, "foo.k8s.io/x, k8s.io/x"),
    ],
)
async def test_labels_at_registration(send: Send, labels: Object, why: str) -> None:
    said = await refusal(send, "POST", NODES.path(), {"metadata": {"name": "a", "labels": labels}})
    assert said == (f'node "a" is not allowed to set the following labels: {why}' if why else "")


@given(st.from_regex(r"([a-z]{1,3}\.){0,2}[a-z]{1,3}(/[a-z]{1,3})?", fullmatch=True))
def test_labels_of_other_domains_are_free(key: str) -> None:
    domain = key.partition("/")[0] if "/" in key else ""
    if not domain.endswith(("kubernetes.io", "k8s.io")):
        assert may_label(key, registering=False)
    assert set(forbidden_labels([key], registering=True)) <= set(forbidden_labels([key]))


async def test_an_agent_keeps_its_own_lease(send: Send) -> None:
    path = LEASES.path("kube-node-lease")
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": {"holderIdentity": "a"}}
    why = "can only access node lease with the same name as the requesting node"
    assert await refusal(send, "POST", path, {**lease, "metadata": {"name": "b"}}) == why
    assert await refusal(send, "POST", path, {**lease, "metadata": {"name": "a"}}) == ""
    assert await refusal(send, "PATCH", LEASES.path("kube-node-lease", "a"), {"spec": {"holderIdentity": "x"}}) == ""
    elsewhere = await refusal(send, "POST", LEASES.path("default"), {**lease, "metadata": {"name": "a"}})
    assert elsewhere.endswith('can only access leases in the "kube-node-lease" system namespace')
    assert (await send("PATCH", LEASES.path("kube-node-lease", "a"), {}, user=NODE_B))[0] == 403


async def test_an_agent_keeps_its_own_csi_node(send: Send) -> None:
    spec = {"drivers": []}
    why = "can only access CSINode with the same name as the requesting node"
    assert await refusal(send, "POST", CSINODES.path(), {"metadata": {"name": "b"}, "spec": spec}) == why
    assert await refusal(send, "POST", CSINODES.path(), {"metadata": {"name": "a"}, "spec": spec}) == ""


async def test_an_agent_writes_the_status_of_its_pods(send: Send) -> None:
    await create(send, pod("mine"), pod("theirs", "b"))
    running = {"status": {"phase": "Running"}}
    assert await refusal(send, "PATCH", PODS.path("default", "mine", "status"), running) == ""
    why = 'node "a" can only update pod status for pods with spec.nodeName set to itself'
    assert await refusal(send, "PATCH", PODS.path("default", "theirs", "status"), running) == why
    labels = {"metadata": {"labels": {"x": "y"}}}
    why = 'node "a" cannot update labels through pod status'
    assert await refusal(send, "PATCH", PODS.path("default", "mine", "status"), labels) == why
    claims = {"status": {"resourceClaimStatuses": [{"name": "c", "resourceClaimName": "x"}]}}
    why = 'node "a" cannot update resource claim statues'
    assert await refusal(send, "PATCH", PODS.path("default", "mine", "status"), claims) == why


async def test_an_agent_ends_its_own_pods(send: Send) -> None:
    await create(send, pod("mine"), pod("theirs", "b"), pod("nobodys", ""))
    for name in ("theirs", "nobodys"):
        why = 'node "a" can only delete pods with spec.nodeName set to itself'
        assert await refusal(send, "DELETE", PODS.path("default", name)) == why
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
        why = "node a can only evict pods with spec.nodeName set to itself"
        assert await refusal(send, "POST", PODS.path("default", name, "eviction"), eviction) == why
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "mine"}}
    assert await refusal(send, "POST", PODS.path("default", "mine", "eviction"), eviction) == ""
    assert await refusal(send, "DELETE", PODS.path("default", "mine")) == ""
    assert (await send("POST", PODS.path("default", "no", "eviction"), {"metadata": {"name": "no"}}, user=NODE_A))[
        0
    ] == 404


def mirror(uid: str, **changes: object) -> Object:
    owner = {"apiVersion": "v1", "kind": "Node", "name": "a", "uid": uid, "controller": True}
    body = pod("m")
    body["metadata"] |= {"annotations": {MIRROR: "x"}, "ownerReferences": [{**owner, **changes}]}
    return body


async def test_an_agent_creates_mirrors_of_what_it_runs(send: Send, nodes: None) -> None:
    _, node = await send("GET", NODES.path(name="a"))
    uid = node["metadata"]["uid"]
    path = PODS.path("default")
    why = f'pod does not have "{MIRROR}" annotation, node "a" can only create mirror pods'
    assert await refusal(send, "POST", path, pod("p")) == why
    elsewhere = mirror(uid)
    elsewhere["spec"]["nodeName"] = "b"
    why = 'node "a" can only create pods with spec.nodeName set to itself'
    assert await refusal(send, "POST", path, elsewhere) == why
    for changes, text in (
        ({"kind": "Pod"}, "an owner reference set to itself"),
        ({"controller": False}, "a controller owner reference set to itself"),
    ):
        said = await refusal(send, "POST", path, mirror(uid, **changes))
        assert said == f'node "a" can only create pods with {text}'
    said = await refusal(send, "POST", path, mirror("other"))
    assert said == f"node a UID mismatch: expected other got {uid}"
    greedy = mirror(uid)
    greedy["spec"]["volumes"] = [{"name": "v", "secret": {"secretName": "s"}}]
    said = await refusal(send, "POST", path, greedy)
    assert said == 'node "a" can not create pods that reference secrets'
    assert await refusal(send, "POST", path, mirror(uid)) == ""


async def test_the_plug_in_can_be_left_out(clock: Clock) -> None:
    settings = Settings(disable_admission_plugins=("NodeRestriction",))
    server = ApiServer(MemoryStore(), clock, security=Security(), settings=settings)
    await server.start()
    from refimpl.api.http import Request

    body = b'{"metadata":{"name":"b"}}'
    assert (await server.handle(Request("POST", NODES.path(), body=body, user=NODE_A))).status == 201
    await server.close()
