"""What people do with kubectl, done for real."""

from __future__ import annotations

import json

import pytest

from tests.kubectl.conftest import Kubectl

pytestmark = [pytest.mark.live, pytest.mark.timeout(120)]

CONTROLLER = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: c
        image: busybox
        command: [sh, -c, "echo hello; exec sleep 1000000"]
        resources: {requests: {cpu: 10m, memory: 8Mi}, limits: {cpu: 20m}}
"""

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: site}
spec:
  replicas: 2
  selector: {matchLabels: {app: site}}
  template:
    metadata: {labels: {app: site}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: busybox, command: [sleep, "1000000"]}]
"""

NODE_BLOCKS = (
    "Labels:",
    "Taints:",
    "Conditions:",
    "Addresses:",
    "Capacity:",
    "Allocatable:",
    "System Info:",
    "Non-terminated Pods:",
    "Allocated resources:",
    "Events:",
)


def running(kubectl: Kubectl, selector: str, count: int) -> list[dict]:
    """The pods with those labels, once `count` of them exist and are Ready."""
    listed: list[dict] = []
    while len(listed) != count:
        listed = items(kubectl, "pods", "-l", selector)
    kubectl("wait", "--for=condition=Ready", "pod", "-l", selector, "--timeout=30s")
    return items(kubectl, "pods", "-l", selector)


def items(kubectl: Kubectl, *words: str) -> list[dict]:
    """What `get` lists, without what is being deleted."""
    listed = json.loads(kubectl("get", *words, "-o", "json"))["items"]
    return [item for item in listed if "deletionTimestamp" not in item["metadata"]]


def test_nodes_are_listed_and_described(kubectl: Kubectl):
    kubectl("wait", "--for=condition=Ready", "node", "--all", "--timeout=30s")
    assert [line.split()[:2] for line in kubectl("get", "nodes").splitlines()[1:]] == [
        ["node-1", "Ready"],
        ["node-2", "Ready"],
    ]
    assert "CONTAINER-RUNTIME" in kubectl("get", "nodes", "-o", "wide")
    assert "kubeletVersion:" in kubectl("get", "node", "node-1", "-o", "yaml")
    described = kubectl("describe", "node", "node-1")
    assert [block for block in NODE_BLOCKS if block not in described] == []


def test_a_controller_is_applied_scaled_changed_and_deleted(kubectl: Kubectl):
    assert "created" in kubectl("apply", "-f", "-", stdin=CONTROLLER)
    running(kubectl, "app=web", 2)
    assert "unchanged" in kubectl("apply", "-f", "-", stdin=CONTROLLER)
    assert "configured" in kubectl("apply", "-f", "-", stdin=CONTROLLER.replace("replicas: 2", "replicas: 3"))
    running(kubectl, "app=web", 3)
    assert "scaled" in kubectl("scale", "rc", "web", "--replicas=1")
    pods = running(kubectl, "app=web", 1)
    assert "Successfully assigned" in kubectl("get", "events")
    assert kubectl("get", "pods", "-o", "wide").splitlines()[0].split()[:5] == [
        "NAME",
        "READY",
        "STATUS",
        "RESTARTS",
        "AGE",
    ]
    name = pods[0]["metadata"]["name"]
    assert kubectl("logs", name) == "hello\n"
    assert "10m" in kubectl("describe", "node", pods[0]["spec"]["nodeName"])
    assert "force deleted" in kubectl("delete", "pod", name, "--force", "--grace-period=0")
    assert running(kubectl, "app=web", 1)[0]["metadata"]["name"] != name
    assert "deleted" in kubectl("delete", "-f", "-", stdin=CONTROLLER)
    while items(kubectl, "pods", "-l", "app=web"):
        pass


def test_a_deployment_rolls_out_and_restarts(kubectl: Kubectl):
    kubectl("create", "-f", "-", stdin=DEPLOYMENT)
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/site", "--timeout=40s")
    kubectl("rollout", "restart", "deployment/site")
    assert "successfully rolled out" in kubectl("rollout", "status", "deployment/site", "--timeout=40s")
    assert len(items(kubectl, "replicasets")) == 2


def test_a_node_is_labelled_annotated_and_tainted(kubectl: Kubectl):
    assert "labeled" in kubectl("label", "node", "node-1", "disk=ssd")
    assert "node-1" in kubectl("get", "nodes", "-l", "disk=ssd", "-o", "name")
    assert "annotated" in kubectl("annotate", "node", "node-1", "note=here")
    assert "tainted" in kubectl("taint", "node", "node-1", "own=x:NoSchedule")
    assert "own=x:NoSchedule" in kubectl("describe", "node", "node-1")
    kubectl("taint", "node", "node-1", "own-")
    kubectl("label", "node", "node-1", "disk-")
    kubectl("annotate", "node", "node-1", "note-")


def test_a_drained_node_gives_its_pods_away_and_comes_back(kubectl: Kubectl):
    kubectl("apply", "-f", "-", stdin=CONTROLLER)
    running(kubectl, "app=web", 2)
    assert "cordoned" in kubectl("cordon", "node-1")
    assert "SchedulingDisabled" in kubectl("get", "node", "node-1")
    kubectl("drain", "node-1", "--force", "--ignore-daemonsets", "--timeout=40s")
    assert {pod["spec"]["nodeName"] for pod in running(kubectl, "app=web", 2)} == {"node-2"}
    assert "uncordoned" in kubectl("uncordon", "node-1")
    assert "SchedulingDisabled" not in kubectl("get", "node", "node-1")
    kubectl("delete", "rc", "web")


def test_the_cluster_explains_itself(kubectl: Kubectl):
    assert "Node" in kubectl("explain", "node").split("DESCRIPTION")[0]
    assert "ReplicationController" in kubectl("api-resources")
    assert "apps/v1" in kubectl("api-versions")
    assert "is running at" in kubectl("cluster-info")
    assert "Server Version" in kubectl("version")


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("get", "node", "nowhere"), '"nowhere" not found'),
        (("get", "nonsense"), 'the server doesn\'t have a resource type "nonsense"'),
        (("label", "node", "node-1", "a=b c"), "a lowercase RFC 1123|alphanumeric characters"),
    ],
)
def test_mistakes_are_answered_clearly(kubectl: Kubectl, words, text):
    said = kubectl(*words, status=1)
    assert any(part in said for part in text.split("|")), said


def test_an_unknown_field_is_refused(kubectl: Kubectl):
    wrong = CONTROLLER.replace("replicas: 2", "replica: 2")
    assert "replica" in kubectl("create", "-f", "-", stdin=wrong, status=1)


MADE_BY_COMMAND = [
    ("namespace made-here", "namespace/made-here created"),
    ("configmap c --from-literal=k=v", "configmap/c created"),
    ("secret generic s --from-literal=k=v", "secret/s created"),
    ("serviceaccount a", "serviceaccount/a created"),
    ("deployment d --image=busybox --replicas=2", "deployment.apps/d created"),
    ("job j --image=busybox", "job.batch/j created"),
    ("cronjob q --image=busybox --schedule=@daily", "cronjob.batch/q created"),
    ("quota o --hard=pods=2", "resourcequota/o created"),
    ("service clusterip v --tcp=80", "service/v created"),
    ("role r --verb=get --resource=pods", "role.rbac.authorization.k8s.io/r created"),
    ("rolebinding b --role=r --user=somebody", "rolebinding.rbac.authorization.k8s.io/b created"),
    ("poddisruptionbudget u --selector=a=b --min-available=1", "poddisruptionbudget.policy/u created"),
    ("priorityclass made-here --value=7", "priorityclass.scheduling.k8s.io/made-here created"),
    ("ingress i --rule=h/p=v:80", "ingress.networking.k8s.io/i created"),
]


SINCE = {"cronjob": 21, "poddisruptionbudget": 21}
"""Before that minor version kubectl makes them of a version that is not served any more."""


def test_objects_are_made_by_command(kubectl: Kubectl):
    """These commands send protobuf from 1.36 on."""
    minor = kubectl.minor
    known = [(words, said) for words, said in MADE_BY_COMMAND if minor >= SINCE.get(words.split()[0], 0)]
    assert [kubectl("create", *words.split()).strip() for words, _ in known] == [said for _, said in known]
    assert kubectl("get", "configmap", "c", "-o", "jsonpath={.data.k}") == "v"
    for words in ("namespace made-here", "priorityclass made-here"):
        kubectl("delete", *words.split())


def test_whoever_asks_is_told_what_they_may_do(kubectl: Kubectl):
    assert kubectl("auth", "can-i", "delete", "nodes") == "yes\n"
    if kubectl.minor >= 28:
        assert "kubernetes-admin" in kubectl("auth", "whoami")
