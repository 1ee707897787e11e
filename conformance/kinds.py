"""The kinds the suite touches and where the API serves them."""

from __future__ import annotations

import attrs


@attrs.frozen
class Kind:
    """One kind of object.

    Attributes:
        name: e.g. `Node`.
        group_version: `v1`, or e.g. `coordination.k8s.io/v1`.
        plural: e.g. `nodes`.
        namespaced: whether its objects live in namespaces.
        labelled: whether every object of it that concerns the run carries the run's label; others are found by
            namespace.
        rank: place in the order of deletion; pods before nodes, namespaces last.
        older: the same kind in an older version of the API, for targets that do not serve this one.
    """

    name: str
    group_version: str
    plural: str
    namespaced: bool = True
    labelled: bool = True
    rank: int = 0
    older: Kind | None = None

    @property
    def versions(self) -> tuple[Kind, ...]:
        """The kind in all versions of the API that the suite speaks, newest first."""
        return (self, *(self.older.versions if self.older else ()))

    @property
    def resource(self) -> str:
        """As discovery facts name it, e.g. `v1/nodes`."""
        return f"{self.group_version}/{self.plural}"

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The URL path of the collection, of an object, or of its subresource."""
        root = "/api/v1" if self.group_version == "v1" else f"/apis/{self.group_version}"
        parts = [root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


NODE = Kind("Node", "v1", "nodes", namespaced=False, rank=3)
POD = Kind("Pod", "v1", "pods", rank=2)
EVENT = Kind("Event", "v1", "events", labelled=False, rank=9)
NAMESPACE = Kind("Namespace", "v1", "namespaces", namespaced=False, rank=8)
SERVICE = Kind("Service", "v1", "services", rank=1)
ENDPOINTS = Kind("Endpoints", "v1", "endpoints", labelled=False, rank=1)
REPLICATION_CONTROLLER = Kind("ReplicationController", "v1", "replicationcontrollers", rank=1)
LEASE = Kind("Lease", "coordination.k8s.io/v1", "leases", rank=4)
REPLICA_SET = Kind("ReplicaSet", "apps/v1", "replicasets", rank=1)
DEPLOYMENT = Kind("Deployment", "apps/v1", "deployments", rank=0)
DAEMON_SET = Kind("DaemonSet", "apps/v1", "daemonsets", rank=1)
STATEFUL_SET = Kind("StatefulSet", "apps/v1", "statefulsets", rank=1)
JOB = Kind("Job", "batch/v1", "jobs", rank=1)
ENDPOINT_SLICE_BETA = Kind("EndpointSlice", "discovery.k8s.io/v1beta1", "endpointslices", labelled=False, rank=1)
ENDPOINT_SLICE = Kind(
    "EndpointSlice", "discovery.k8s.io/v1", "endpointslices", labelled=False, rank=1, older=ENDPOINT_SLICE_BETA
)
POD_DISRUPTION_BUDGET_BETA = Kind("PodDisruptionBudget", "policy/v1beta1", "poddisruptionbudgets", rank=1)
POD_DISRUPTION_BUDGET = Kind(
    "PodDisruptionBudget", "policy/v1", "poddisruptionbudgets", rank=1, older=POD_DISRUPTION_BUDGET_BETA
)
RUNTIME_CLASS = Kind("RuntimeClass", "node.k8s.io/v1", "runtimeclasses", namespaced=False, rank=5)
PRIORITY_CLASS = Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", namespaced=False, rank=5)

NODE_LEASES = "kube-node-lease"
"""The namespace of the nodes' Leases."""
