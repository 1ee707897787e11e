"""Bodies of the objects the suite creates; pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from conformance.naming import RUN_LABEL, ZONE_LABEL, Naming

HEALTHY_1_5 = ("OutOfDisk", "MemoryPressure", "DiskPressure")
HEALTHY = ("MemoryPressure", "DiskPressure", "PIDPressure")

_EVICTIONS_V1_SINCE = 22
_REASONS = {
    "Ready": ("KubeletReady", "kubelet is posting ready status"),
    "OutOfDisk": ("KubeletHasSufficientDisk", "kubelet has sufficient disk space available"),
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}

CAPACITY = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "100Gi", "pods": "110"}


def condition(kind: str, status: str, now: str, *, reason: str = "", message: str = "") -> dict[str, str]:
    """A node condition that turned just now; reason and message are a kubelet's own unless given."""
    own = _REASONS.get(kind, (f"Suite{kind.rpartition('/')[2]}", "set by the conformance suite"))
    return {
        "type": kind,
        "status": status,
        "lastHeartbeatTime": now,
        "lastTransitionTime": now,
        "reason": reason or own[0],
        "message": message or own[1],
    }


def marks_of(naming: Naming, role: str, *, zone: str) -> dict[str, Any]:
    """What every Node of the suite carries, so that other people's workloads and controllers keep away from it."""
    labels = {
        **naming.labels(role),
        ZONE_LABEL: naming.zone(zone),
        "node.kubernetes.io/exclude-from-external-load-balancers": "true",
    }
    annotations = {"cluster-autoscaler.kubernetes.io/scale-down-disabled": "true"}
    return {"metadata": {"labels": labels, "annotations": annotations}, "spec": {"taints": [naming.taint]}}


def node(
    naming: Naming,
    role: str,
    *,
    zone: str,
    conditions: Iterable[Mapping[str, str]],
    capacity: Mapping[str, str],
    allocatable: Mapping[str, str] | None,
    labels: Mapping[str, str],
    taints: Iterable[Mapping[str, Any]],
    address: str,
) -> dict[str, Any]:
    """A Node as an agent registers it, with what keeps other people's workloads and controllers away.

    It has no os, architecture or hostname label: system daemons and spreading rules select on those.
    """
    status: dict[str, Any] = {
        "capacity": dict(capacity),
        "conditions": [dict(c) for c in conditions],
        "addresses": [{"type": "InternalIP", "address": address}, {"type": "Hostname", "address": naming.name(role)}],
        "nodeInfo": {
            "machineID": naming.name(role),
            "systemUUID": naming.name(role),
            "bootID": naming.name(role),
            "kernelVersion": "6.1.0",
            "osImage": "conformance suite",
            "containerRuntimeVersion": "docker://1.12.6",
            "kubeletVersion": "v1.20.0",
            "kubeProxyVersion": "v1.20.0",
            "operatingSystem": "linux",
            "architecture": "amd64",
        },
    }
    if allocatable is not None:
        status["allocatable"] = dict(allocatable)
    own = marks_of(naming, role, zone=zone)
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": naming.name(role),
            "labels": {**own["metadata"]["labels"], **labels},
            "annotations": own["metadata"]["annotations"],
        },
        "spec": {"taints": [*own["spec"]["taints"], *(dict(t) for t in taints)]},
        "status": status,
    }


def pod_spec(
    naming: Naming,
    *,
    node_name: str = "",
    node_selector: Mapping[str, str] | None = None,
    tolerations: Iterable[Mapping[str, Any]] = (),
    requests: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    grace: int = 1,
    **more: Any,
) -> dict[str, Any]:
    """A pod's spec: one container, the suite's own nodes only, no service account token."""
    resources = {name: dict(value) for name, value in (("requests", requests), ("limits", limits)) if value}
    spec: dict[str, Any] = {
        "containers": [{"name": "main", "image": "registry.invalid/nothing:1", "resources": resources}],
        "nodeSelector": {RUN_LABEL: naming.run, **(node_selector or {})},
        "tolerations": [naming.toleration, *(dict(t) for t in tolerations)],
        "terminationGracePeriodSeconds": grace,
        "automountServiceAccountToken": False,
        **more,
    }
    if node_name:
        spec["nodeName"] = node_name
    return spec


def eviction(name: str, namespace: str, *, minor: int) -> dict[str, Any]:
    """A request to evict a pod, as a target of that minor version understands it."""
    version = "policy/v1" if minor >= _EVICTIONS_V1_SINCE else "policy/v1beta1"
    return {"apiVersion": version, "kind": "Eviction", "metadata": {"name": name, "namespace": namespace}}


def tolerate(key: str, seconds: int | None, effect: str = "NoExecute") -> dict[str, Any]:
    """A toleration of a key, for a number of seconds or (None) for ever."""
    toleration: dict[str, Any] = {"key": key, "operator": "Exists", "effect": effect}
    if seconds is not None:
        toleration["tolerationSeconds"] = seconds
    return toleration


def running_status(now: str, address: str) -> dict[str, Any]:
    """What a kubelet writes once a pod runs and is ready."""
    true = {"status": "True", "lastTransitionTime": now, "lastProbeTime": None}
    return {
        "phase": "Running",
        "startTime": now,
        "hostIP": "192.0.2.1",
        "podIP": address,
        "podIPs": [{"ip": address}],
        "conditions": [{"type": kind, **true} for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")],
        "containerStatuses": [
            {
                "name": "main",
                "image": "registry.invalid/nothing:1",
                "imageID": "",
                "ready": True,
                "restartCount": 0,
                "state": {"running": {"startedAt": now}},
            }
        ],
    }
