"""Nodes and pods for the scheduler's tests, as the API server would give them."""

from __future__ import annotations

from itertools import count
from typing import Any

from refimpl.api.errors import Object
from refimpl.scheduler.nodeinfo import NodeInfo
from refimpl.scheduler.podinfo import PodInfo, PodParser

_numbers = count(1)
parser = PodParser()


def node(
    name: str = "n1",
    *,
    labels: dict[str, str] | None = None,
    taints: list[Object] | None = None,
    unschedulable: bool = False,
    **allocatable: Any,
) -> Object:
    """A node; without amounts it has 4 cpu, 8Gi, 10Gi of storage and 110 slots."""
    offered = {name.replace("_", "-"): str(amount) for name, amount in allocatable.items()}
    offered = offered or {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "10Gi", "pods": "110"}
    spec: Object = {}
    if taints:
        spec["taints"] = taints
    if unschedulable:
        spec["unschedulable"] = True
    return {
        "kind": "Node",
        "apiVersion": "v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, **(labels or {})}},
        "spec": spec,
        "status": {"allocatable": offered, "capacity": offered},
    }


def pod(
    name: str = "",
    *,
    requests: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
    namespace: str = "default",
    phase: str = "Pending",
    ports: list[Object] | None = None,
    uid: str = "",
    **spec: Any,
) -> Object:
    """A pod of one container."""
    number = next(_numbers)
    container: Object = {"name": "c", "image": "pause", "resources": {"requests": requests} if requests else {}}
    devices = {name: amount for name, amount in (requests or {}).items() if "/" in name}
    if devices:
        container["resources"]["limits"] = devices
    if ports:
        container["ports"] = ports
    return {
        "kind": "Pod",
        "apiVersion": "v1",
        "metadata": {
            "name": name or f"p{number}",
            "namespace": namespace,
            "uid": uid or f"uid-{number}",
            "resourceVersion": str(number),
            "labels": labels or {},
        },
        "spec": {"schedulerName": "default-scheduler", "priority": 0, "containers": [container], **spec},
        "status": {"phase": phase},
    }


def pod_info(*args: Any, **kwargs: Any) -> PodInfo:
    """The scheduler's view of such a pod."""
    return parser.parse(pod(*args, **kwargs))


def node_info(*pods: PodInfo, **kwargs: Any) -> NodeInfo:
    """The scheduler's view of such a node with pods on it."""
    made = node(**kwargs)
    info = NodeInfo(made["metadata"]["name"])
    info.set_node(made)
    for one in pods:
        info.add_pod(one)
    return info


def taint(key: str, effect: str = "NoSchedule", value: str = "") -> Object:
    """A taint."""
    return {"key": key, "effect": effect, **({"value": value} if value else {})}
