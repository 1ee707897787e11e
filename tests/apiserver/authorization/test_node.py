"""What an agent may do: what its node and its pods need."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import User
from refimpl.api.resources import PERSISTENTVOLUMES, PODS, VOLUMEATTACHMENTS
from refimpl.apiserver.authorization.nodegraph import references
from tests.apiserver.authorization.conftest import NODE_A, NODE_B, May, Send


def pod(name: str, node: str = "a", **spec: object) -> Object:
    return {
        "metadata": {"name": name},
        "spec": {"containers": [{"name": "c", "image": "i"}], **({"nodeName": node} if node else {}), **spec},
    }


async def create(send: Send, *pods: Object) -> None:
    for body in pods:
        status, answer = await send("POST", PODS.path("default"), body)
        assert status == 201, answer


@pytest.mark.parametrize(
    ("verb", "resource", "group", "about", "allowed"),
    [
        ("get", "nodes", "", {"name": "a"}, True),
        ("get", "nodes", "", {"name": "b"}, False),
        ("list", "nodes", "", {}, False),
        ("watch", "nodes", "", {"name": "a"}, True),
        ("create", "nodes", "", {}, True),
        ("patch", "nodes", "", {"name": "a", "subresource": "status"}, True),
        ("delete", "nodes", "", {"name": "a"}, False),
        ("get", "nodes", "", {"name": "a", "subresource": "proxy"}, False),
        ("update", "leases", "coordination.k8s.io", {"namespace": "kube-node-lease", "name": "a"}, True),
        ("update", "leases", "coordination.k8s.io", {"namespace": "kube-node-lease", "name": "b"}, False),
        ("update", "leases", "coordination.k8s.io", {"namespace": "default", "name": "a"}, False),
        ("create", "leases", "coordination.k8s.io", {"namespace": "kube-node-lease"}, True),
        ("list", "leases", "coordination.k8s.io", {"namespace": "kube-node-lease"}, False),
        ("list", "pods", "", {}, False),
        ("list", "pods", "", {"fields": "spec.nodeName=a"}, True),
        ("watch", "pods", "", {"fields": "spec.nodeName=a,status.phase!=Failed"}, True),
        ("list", "pods", "", {"fields": "spec.nodeName=b"}, False),
        ("list", "pods", "", {"fields": "spec.nodeName!=a"}, False),
        ("create", "pods", "", {"namespace": "default"}, True),
        ("patch", "pods", "", {"namespace": "default", "name": "p"}, False),
        ("create", "pods", "", {"namespace": "default", "name": "p", "subresource": "eviction"}, True),
        ("create", "pods", "", {"namespace": "default", "name": "p", "subresource": "binding"}, False),
        ("list", "services", "", {}, True),
        ("create", "services", "", {"namespace": "default"}, False),
        ("create", "events", "", {"namespace": "default"}, True),
        ("list", "secrets", "", {}, False),
        ("list", "secrets", "", {"namespace": "default"}, False),
        ("update", "configmaps", "", {"namespace": "default", "name": "c"}, False),
        ("get", "csinodes", "storage.k8s.io", {"name": "a"}, True),
        ("get", "csinodes", "storage.k8s.io", {"name": "b"}, False),
        ("list", "runtimeclasses", "node.k8s.io", {}, True),
        ("list", "deployments", "apps", {}, False),
        ("list", "resourceslices", "resource.k8s.io", {"fields": "spec.nodeName=a"}, True),
        ("list", "resourceslices", "resource.k8s.io", {}, False),
        ("create", "certificatesigningrequests", "certificates.k8s.io", {}, True),
    ],
)
async def test_an_agent_may_do_what_its_node_needs(
    may: May, verb: str, resource: str, group: str, about: dict[str, str], allowed: bool
) -> None:
    assert may(NODE_A, verb, resource, group, **about).allowed is allowed


async def test_the_pods_of_a_node_are_its_own(send: Send, may: May) -> None:
    await create(send, pod("mine"), pod("theirs", "b"), pod("nobodys", ""))
    readable = [
        name
        for name in ("mine", "theirs", "nobodys")
        if may(NODE_A, "get", "pods", namespace="default", name=name).allowed
    ]
    assert readable == ["mine"]
    await send("DELETE", PODS.path("default", "mine"), {"gracePeriodSeconds": 0})
    assert not may(NODE_A, "get", "pods", namespace="default", name="mine").allowed


async def test_a_pod_that_is_bound_becomes_the_nodes(send: Send, may: May) -> None:
    await create(send, pod("p", ""))
    assert not may(NODE_A, "get", "pods", namespace="default", name="p").allowed
    binding = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "a"}}
    await send("POST", PODS.path("default", "p", "binding"), binding)
    assert may(NODE_A, "get", "pods", namespace="default", name="p").allowed


async def test_what_a_pod_refers_to_may_be_read_by_its_node(send: Send, may: May) -> None:
    volumes = [
        {"name": "a", "secret": {"secretName": "in-volume"}},
        {"name": "b", "configMap": {"name": "map"}},
        {"name": "c", "persistentVolumeClaim": {"claimName": "claim"}},
        {"name": "d", "projected": {"sources": [{"secret": {"name": "projected"}}]}},
    ]
    await create(send, pod("p", volumes=volumes, serviceAccountName="robot", imagePullSecrets=[{"name": "pull"}]))
    about = {"namespace": "default"}
    for name in ("in-volume", "projected", "pull"):
        assert may(NODE_A, "get", "secrets", name=name, **about).allowed
        assert may(NODE_A, "watch", "secrets", name=name, **about).allowed
        assert not may(NODE_B, "get", "secrets", name=name, **about).allowed
    assert not may(NODE_A, "get", "secrets", name="another", **about).allowed
    assert not may(NODE_A, "get", "secrets", name="pull", namespace="other").allowed
    assert may(NODE_A, "get", "configmaps", name="map", **about).allowed
    assert may(NODE_A, "get", "persistentvolumeclaims", name="claim", **about).allowed
    assert may(NODE_A, "patch", "persistentvolumeclaims", name="claim", subresource="status", **about).allowed
    assert not may(NODE_A, "patch", "persistentvolumeclaims", name="claim", **about).allowed
    assert may(NODE_A, "create", "serviceaccounts", name="robot", subresource="token", **about).allowed
    assert not may(NODE_A, "create", "serviceaccounts", name="default", subresource="token", **about).allowed


async def test_a_claimed_volume_leads_to_its_secrets(send: Send, may: May) -> None:
    claim = {"persistentVolumeClaim": {"claimName": "claim"}, "name": "v"}
    await create(send, pod("p", volumes=[claim]))
    volume = {
        "metadata": {"name": "pv"},
        "spec": {
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce"],
            "claimRef": {"namespace": "default", "name": "claim"},
            "csi": {
                "driver": "d.example.com",
                "volumeHandle": "h",
                "nodeStageSecretRef": {"name": "stage", "namespace": "storage"},
            },
        },
    }
    status, answer = await send("POST", PERSISTENTVOLUMES.path(), volume)
    assert status == 201, answer
    assert may(NODE_A, "get", "persistentvolumes", name="pv").allowed
    assert not may(NODE_B, "get", "persistentvolumes", name="pv").allowed
    assert may(NODE_A, "get", "secrets", namespace="storage", name="stage").allowed
    assert not may(NODE_A, "get", "secrets", namespace="default", name="stage").allowed


async def test_an_attachment_is_its_nodes(send: Send, may: May) -> None:
    spec = {"attacher": "d.example.com", "nodeName": "a", "source": {"persistentVolumeName": "pv"}}
    status, answer = await send("POST", VOLUMEATTACHMENTS.path(), {"metadata": {"name": "va"}, "spec": spec})
    assert status == 201, answer
    assert may(NODE_A, "get", "volumeattachments", "storage.k8s.io", name="va").allowed
    assert not may(NODE_B, "get", "volumeattachments", "storage.k8s.io", name="va").allowed


async def test_a_mirror_pod_grants_nothing() -> None:
    volumes = [{"name": "v", "secret": {"secretName": "s"}}]
    mirror = {
        "metadata": {"name": "m", "annotations": {"kubernetes.io/config.mirror": "x"}},
        "spec": {"volumes": volumes},
    }
    assert references(mirror) == frozenset()
    assert references({**mirror, "metadata": {"name": "m"}}) == {("secrets", "s")}


async def test_every_place_of_a_reference_is_seen() -> None:
    container = {
        "envFrom": [{"secretRef": {"name": "s1"}}, {"configMapRef": {"name": "c1"}}],
        "env": [
            {"name": "a", "valueFrom": {"secretKeyRef": {"name": "s2", "key": "k"}}},
            {"name": "b", "valueFrom": {"configMapKeyRef": {"name": "c2", "key": "k"}}},
            {"name": "c", "value": "x"},
        ],
    }
    spec = {
        "initContainers": [container],
        "volumes": [
            {"name": "v", "ephemeral": {"volumeClaimTemplate": {}}},
            {"name": "w", "csi": {"driver": "d", "nodePublishSecretRef": {"name": "s3"}}},
        ],
        "resourceClaims": [{"name": "g", "resourceClaimTemplateName": "t"}, {"name": "h", "resourceClaimName": "r2"}],
    }
    status = {"resourceClaimStatuses": [{"name": "g", "resourceClaimName": "r1"}]}
    assert references({"metadata": {"name": "p"}, "spec": spec, "status": status}) == {
        ("secrets", "s1"),
        ("configmaps", "c1"),
        ("secrets", "s2"),
        ("configmaps", "c2"),
        ("secrets", "s3"),
        ("persistentvolumeclaims", "p-v"),
        ("resourceclaims", "r1"),
        ("resourceclaims", "r2"),
    }


@pytest.mark.parametrize(
    ("user", "why"),
    [
        (User("system:node:c", ("system:authenticated",)), ""),
        (User("kubelet", ("system:nodes",)), ""),
        (User("system:node:", ("system:nodes",)), 'unknown node for user "system:node:"'),
    ],
)
async def test_who_is_no_agent_has_nothing_of_it(may: May, user: User, why: str) -> None:
    decision = may(user, "get", "nodes", name="c")
    assert (decision.allowed, decision.reason) == (False, why)


@pytest.mark.parametrize(
    ("path", "query", "why"),
    [
        ("/api/v1/nodes", "", "node 'a' cannot read all nodes, only its own Node object"),
        ("/api/v1/nodes/b", "", "node 'a' cannot read 'b', only its own Node object"),
        ("/api/v1/nodes", "watch=1", "node 'a' cannot read all nodes, only its own Node object"),
        ("/api/v1/pods", "", "can only list/watch pods with spec.nodeName field selector"),
        ("/api/v1/namespaces/default/pods/x", "", "no relationship found between node 'a' and this object"),
        ("/api/v1/secrets", "", "can only read namespaced object of this type"),
        ("/api/v1/namespaces/default/secrets", "", "No Object name found"),
        ("/api/v1/persistentvolumes", "", "can only get individual resources of this type"),
        (
            "/apis/coordination.k8s.io/v1/namespaces/default/leases/a",
            "",
            'can only access leases in the "kube-node-lease" system namespace',
        ),
        (
            "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases/b",
            "",
            "can only access node lease with the same name as the requesting node",
        ),
    ],
)
async def test_a_refusal_says_why(send: Send, path: str, query: str, why: str) -> None:
    status, body = await send("GET", path, user=NODE_A, query=query)
    assert status == 403
    assert body["message"].endswith(f": {why}")
