"""The table of resources: one row for every kind the API serves.

A row is all the generic code needs (paths, discovery, storage, watch). Only kinds with behaviour of their own have
code elsewhere, found through the row: validation, defaults and admission in `refimpl.apiserver`, controllers and so on.

Names, scopes, short names and categories are those of Kubernetes 1.36 discovery.
"""

from __future__ import annotations

from functools import cached_property
from typing import Final

import attrs

STANDARD_VERBS: Final = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")


@attrs.frozen(eq=False)
class Resource:
    """One served resource: a row is the same as another only if it is that row.

    Attributes:
        group: API group; empty for the core group.
        version: API version, e.g. `v1`.
        kind: object kind, e.g. `Node`.
        plural: name in URLs, e.g. `nodes`.
        namespaced: whether objects live in a namespace.
        short_names: kubectl's abbreviations.
        categories: kubectl's groups of resources (`all`).
        subresources: names served below an object (`status`, `scale`, ...).
        verbs: supported verbs; reviews such as tokenreviews support `create` only and are not stored.
        singular: singular name; the kind in lower case.
    """

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: tuple[str, ...] = ()
    verbs: tuple[str, ...] = STANDARD_VERBS

    @property
    def singular(self) -> str:
        """Singular name, e.g. `node`."""
        return self.kind.lower()

    @cached_property
    def api_version(self) -> str:
        """`v1` or `apps/v1`: the object's `apiVersion`."""
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def qualified_plural(self) -> str:
        """`nodes` or `deployments.apps`: how error texts name the resource."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def list_kind(self) -> str:
        """`NodeList`."""
        return f"{self.kind}List"

    @property
    def stored(self) -> bool:
        """Whether objects of this resource are kept (reviews and bindings are not)."""
        return "get" in self.verbs

    @cached_property
    def root(self) -> str:
        """`/api/v1` or `/apis/apps/v1`."""
        return f"/apis/{self.group}/{self.version}" if self.group else f"/api/{self.version}"

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The URL path of a collection (no name), an object or a subresource."""
        parts = [self.root]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts.append(self.plural)
        if name:
            parts.append(name)
        if subresource:
            parts.append(subresource)
        return "/".join(parts)


CREATE_ONLY: Final = ("create",)
READ_ONLY: Final = ("get", "list")
STATUS: Final = ("status",)


def _cluster(
    group: str, version: str, kind: str, plural: str, *short_names: str, subresources: tuple[str, ...] = ()
) -> Resource:
    return Resource(group, version, kind, plural, namespaced=False, short_names=short_names, subresources=subresources)


def _namespaced(
    group: str, version: str, kind: str, plural: str, *short_names: str, subresources: tuple[str, ...] = ()
) -> Resource:
    return Resource(group, version, kind, plural, short_names=short_names, subresources=subresources)


def _workload(group: str, version: str, kind: str, plural: str, *short_names: str, scale: bool = False) -> Resource:
    subresources = ("scale", "status") if scale else STATUS
    return Resource(
        group, version, kind, plural, short_names=short_names, categories=("all",), subresources=subresources
    )


def _review(group: str, kind: str, plural: str, *, namespaced: bool = False) -> Resource:
    return Resource(group, "v1", kind, plural, namespaced=namespaced, verbs=CREATE_ONLY)


# core
BINDINGS = Resource("", "v1", "Binding", "bindings", verbs=CREATE_ONLY)
COMPONENTSTATUSES = Resource(
    "", "v1", "ComponentStatus", "componentstatuses", namespaced=False, short_names=("cs",), verbs=READ_ONLY
)
CONFIGMAPS = _namespaced("", "v1", "ConfigMap", "configmaps", "cm")
ENDPOINTS = _namespaced("", "v1", "Endpoints", "endpoints", "ep")
EVENTS = _namespaced("", "v1", "Event", "events", "ev")
LIMITRANGES = _namespaced("", "v1", "LimitRange", "limitranges", "limits")
NAMESPACES = attrs.evolve(
    _cluster("", "v1", "Namespace", "namespaces", "ns", subresources=("finalize", "status")),
    verbs=tuple(verb for verb in STANDARD_VERBS if verb != "deletecollection"),
)
NODES = _cluster("", "v1", "Node", "nodes", "no", subresources=("proxy", "status"))
PERSISTENTVOLUMECLAIMS = _namespaced(
    "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", "pvc", subresources=STATUS
)
PERSISTENTVOLUMES = _cluster("", "v1", "PersistentVolume", "persistentvolumes", "pv", subresources=STATUS)
PODS = Resource(
    "",
    "v1",
    "Pod",
    "pods",
    short_names=("po",),
    categories=("all",),
    subresources=(
        "attach",
        "binding",
        "ephemeralcontainers",
        "eviction",
        "exec",
        "log",
        "portforward",
        "proxy",
        "resize",
        "status",
    ),
)
PODTEMPLATES = _namespaced("", "v1", "PodTemplate", "podtemplates")
REPLICATIONCONTROLLERS = _workload("", "v1", "ReplicationController", "replicationcontrollers", "rc", scale=True)
RESOURCEQUOTAS = _namespaced("", "v1", "ResourceQuota", "resourcequotas", "quota", subresources=STATUS)
SECRETS = _namespaced("", "v1", "Secret", "secrets")
SERVICEACCOUNTS = _namespaced("", "v1", "ServiceAccount", "serviceaccounts", "sa", subresources=("token",))
SERVICES = Resource(
    "", "v1", "Service", "services", short_names=("svc",), categories=("all",), subresources=("proxy", "status")
)

# apps
CONTROLLERREVISIONS = _namespaced("apps", "v1", "ControllerRevision", "controllerrevisions")
DAEMONSETS = _workload("apps", "v1", "DaemonSet", "daemonsets", "ds")
DEPLOYMENTS = _workload("apps", "v1", "Deployment", "deployments", "deploy", scale=True)
REPLICASETS = _workload("apps", "v1", "ReplicaSet", "replicasets", "rs", scale=True)
STATEFULSETS = _workload("apps", "v1", "StatefulSet", "statefulsets", "sts", scale=True)

# the rest, by group
EVENTS_V1 = _namespaced("events.k8s.io", "v1", "Event", "events", "ev")
SELFSUBJECTREVIEWS = _review("authentication.k8s.io", "SelfSubjectReview", "selfsubjectreviews")
TOKENREVIEWS = _review("authentication.k8s.io", "TokenReview", "tokenreviews")
LOCALSUBJECTACCESSREVIEWS = _review(
    "authorization.k8s.io", "LocalSubjectAccessReview", "localsubjectaccessreviews", namespaced=True
)
SELFSUBJECTACCESSREVIEWS = _review("authorization.k8s.io", "SelfSubjectAccessReview", "selfsubjectaccessreviews")
SELFSUBJECTRULESREVIEWS = _review("authorization.k8s.io", "SelfSubjectRulesReview", "selfsubjectrulesreviews")
SUBJECTACCESSREVIEWS = _review("authorization.k8s.io", "SubjectAccessReview", "subjectaccessreviews")
HORIZONTALPODAUTOSCALERS = _workload("autoscaling", "v2", "HorizontalPodAutoscaler", "horizontalpodautoscalers", "hpa")
CRONJOBS = _workload("batch", "v1", "CronJob", "cronjobs", "cj")
JOBS = _workload("batch", "v1", "Job", "jobs")
CERTIFICATESIGNINGREQUESTS = _cluster(
    "certificates.k8s.io",
    "v1",
    "CertificateSigningRequest",
    "certificatesigningrequests",
    "csr",
    subresources=("approval", "status"),
)
LEASES = _namespaced("coordination.k8s.io", "v1", "Lease", "leases")
ENDPOINTSLICES = _namespaced("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
INGRESSCLASSES = _cluster("networking.k8s.io", "v1", "IngressClass", "ingressclasses")
INGRESSES = _namespaced("networking.k8s.io", "v1", "Ingress", "ingresses", "ing", subresources=STATUS)
NETWORKPOLICIES = _namespaced("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies", "netpol")
RUNTIMECLASSES = _cluster("node.k8s.io", "v1", "RuntimeClass", "runtimeclasses")
PODDISRUPTIONBUDGETS = _namespaced(
    "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", "pdb", subresources=STATUS
)
CLUSTERROLEBINDINGS = _cluster("rbac.authorization.k8s.io", "v1", "ClusterRoleBinding", "clusterrolebindings")
CLUSTERROLES = _cluster("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles")
ROLEBINDINGS = _namespaced("rbac.authorization.k8s.io", "v1", "RoleBinding", "rolebindings")
ROLES = _namespaced("rbac.authorization.k8s.io", "v1", "Role", "roles")
RESOURCECLAIMS = _namespaced("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", subresources=STATUS)
RESOURCECLAIMTEMPLATES = _namespaced("resource.k8s.io", "v1", "ResourceClaimTemplate", "resourceclaimtemplates")
RESOURCESLICES = _cluster("resource.k8s.io", "v1", "ResourceSlice", "resourceslices")
DEVICECLASSES = _cluster("resource.k8s.io", "v1", "DeviceClass", "deviceclasses")
PRIORITYCLASSES = _cluster("scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", "pc")
CSIDRIVERS = _cluster("storage.k8s.io", "v1", "CSIDriver", "csidrivers")
CSINODES = _cluster("storage.k8s.io", "v1", "CSINode", "csinodes")
CSISTORAGECAPACITIES = _namespaced("storage.k8s.io", "v1", "CSIStorageCapacity", "csistoragecapacities")
STORAGECLASSES = _cluster("storage.k8s.io", "v1", "StorageClass", "storageclasses", "sc")
VOLUMEATTACHMENTS = _cluster("storage.k8s.io", "v1", "VolumeAttachment", "volumeattachments", subresources=STATUS)

TABLE: Final[tuple[Resource, ...]] = tuple(row for row in list(globals().values()) if isinstance(row, Resource))
"""Every row, in the order above: core first, then the groups as listed."""

OLDER_PODDISRUPTIONBUDGETS = attrs.evolve(PODDISRUPTIONBUDGETS, version="v1beta1")
OLDER_ENDPOINTSLICES = attrs.evolve(ENDPOINTSLICES, version="v1beta1")
OLDER: Final[tuple[Resource, ...]] = (OLDER_PODDISRUPTIONBUDGETS, OLDER_ENDPOINTSLICES)
"""Versions that release 1.36 serves no more and components of older releases ask for; served where that is chosen."""

_BY_PATH: Final = {(row.group, row.version, row.plural): row for row in (*TABLE, *OLDER)}
_BY_KIND: Final = {(row.api_version, row.kind): row for row in TABLE}


def by_path(group: str, version: str, plural: str) -> Resource | None:
    """The row served below `/apis/GROUP/VERSION/PLURAL` (group empty: `/api/VERSION/PLURAL`)."""
    return _BY_PATH.get((group, version, plural))


def by_kind(api_version: str, kind: str) -> Resource | None:
    """The row whose objects carry this `apiVersion` and `kind`."""
    return _BY_KIND.get((api_version, kind))
