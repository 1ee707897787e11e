"""Bodies of the workloads that scenarios create; pure functions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from conformance.drive import manifests
from conformance.judge.workloads import NOTE
from conformance.kinds import (
    DAEMON_SET,
    DEPLOYMENT,
    JOB,
    REPLICA_SET,
    REPLICATION_CONTROLLER,
    STATEFUL_SET,
    Kind,
)
from conformance.naming import Naming

Spec = dict[str, Any]


def body(
    naming: Naming, kind: Kind, role: str, replicas: int = 1, *, more: Mapping[str, Any] | None = None, **pod: Any
) -> Spec:
    """A workload whose pods are labelled with its role.

    Args:
        naming: of the scenario.
        kind: of the workload.
        role: what it plays.
        replicas: how many pods it keeps; a Job runs as many at a time, a DaemonSet has no such number.
        more: further fields of the workload's spec.
        pod: arguments of `manifests.pod_spec`.
    """
    labels = naming.labels(role)
    metadata = {"labels": labels, "annotations": {NOTE: role}}
    template = {"metadata": metadata, "spec": manifests.pod_spec(naming, **pod)}
    return {
        "apiVersion": kind.group_version,
        "kind": kind.name,
        "metadata": {"name": naming.name(role), "labels": labels},
        "spec": {**_SPECS[kind](naming.name(role), replicas, labels), "template": template, **(more or {})},
    }


def _controller(_name: str, replicas: int, labels: Mapping[str, str]) -> Spec:
    return {"replicas": replicas, "selector": labels}


def _set(_name: str, replicas: int, labels: Mapping[str, str]) -> Spec:
    return {"replicas": replicas, "selector": {"matchLabels": labels}}


def _stateful(name: str, replicas: int, labels: Mapping[str, str]) -> Spec:
    return {"serviceName": name, **_set(name, replicas, labels)}


def _daemon(_name: str, _replicas: int, labels: Mapping[str, str]) -> Spec:
    return {"selector": {"matchLabels": labels}}


def _job(_name: str, replicas: int, _labels: Mapping[str, str]) -> Spec:
    return {"parallelism": replicas}


_SPECS: Mapping[Kind, Callable[[str, int, Mapping[str, str]], Spec]] = {
    REPLICATION_CONTROLLER: _controller,
    REPLICA_SET: _set,
    DEPLOYMENT: _set,
    STATEFUL_SET: _stateful,
    DAEMON_SET: _daemon,
    JOB: _job,
}
