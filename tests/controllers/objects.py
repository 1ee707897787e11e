"""Objects as the API server would hand them out, for tests of pure functions."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from refimpl.api.errors import Object
from refimpl.clock import VIRTUAL_EPOCH, format_time

NOW = VIRTUAL_EPOCH + timedelta(hours=1)


def ago(seconds: float) -> str:
    return format_time(NOW - timedelta(seconds=seconds))


def at(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def pod(
    name: str = "p",
    *,
    node: str = "n1",
    phase: str = "Running",
    ready_for: float | None = 60,
    age: float = 100,
    labels: dict[str, str] | None = None,
    owner: Object | None = None,
    deleting: bool = False,
    annotations: dict[str, str] | None = None,
    restarts: int = 0,
    **spec: Any,
) -> Object:
    """A pod; `ready_for` seconds, or not ready when None."""
    metadata: Object = {
        "name": name,
        "namespace": "default",
        "uid": f"uid-{name}",
        "labels": {"app": "web"} if labels is None else labels,
        "creationTimestamp": ago(age),
        "annotations": annotations or {},
    }
    if owner is not None:
        metadata["ownerReferences"] = [reference(owner)]
    if deleting:
        metadata["deletionTimestamp"] = ago(-30)
    condition: Object = {"type": "Ready", "status": "False"}
    if ready_for is not None:
        condition = {"type": "Ready", "status": "True", "lastTransitionTime": ago(ready_for)}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [{"name": "c"}], **spec} if node else {"containers": [], **spec},
        "status": {
            "phase": phase,
            "conditions": [condition],
            "containerStatuses": [{"name": "c", "restartCount": restarts}],
        },
    }


def reference(owner: Object) -> Object:
    metadata = owner["metadata"]
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": metadata["name"],
        "uid": metadata["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def workload(
    kind: str = "ReplicaSet", name: str = "web", *, api_version: str = "apps/v1", generation: int = 1, **spec: Any
) -> Object:
    """An owner of pods."""
    defaults: Object = {
        "replicas": 3,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}},
    }
    return {
        "apiVersion": api_version,
        "kind": kind,
        "metadata": {
            "name": name,
            "namespace": "default",
            "uid": f"uid-{name}",
            "generation": generation,
            "creationTimestamp": ago(1000),
        },
        "spec": defaults | spec,
        "status": {},
    }
