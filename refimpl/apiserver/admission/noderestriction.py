"""An agent changes its own node, its Lease and its pods, and of its node only what it may say about itself.

Source: kube-apiserver 1.36 `plugin/pkg/admission/noderestriction`, `kubelet/pkg/apis/well_known_labels.go`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from refimpl.api import meta
from refimpl.api.errors import ApiError, Object, forbidden, not_found
from refimpl.api.resources import (
    CSINODES,
    LEASES,
    NODES,
    PERSISTENTVOLUMECLAIMS,
    PODS,
    RESOURCESLICES,
    SERVICEACCOUNTS,
    Resource,
)
from refimpl.apiserver.authorization.node import LEASES as LEASE_NAMESPACE
from refimpl.apiserver.authorization.node import identity
from refimpl.apiserver.authorization.nodegraph import MIRROR, references
from refimpl.apiserver.strategy import Context

CONCERNS: Final = None

RESTRICTED: Final = "node-restriction.kubernetes.io"
ROLE: Final = "node-role.kubernetes.io"
_KUBERNETES: Final = ("kubernetes.io", "k8s.io")
_KUBELET_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.kubernetes.io/zone",
        "failure-domain.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
    }
)
_KUBELET_PREFIXES: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")

_POD: Final = Resource("", "v1", "Pod", "pod")
_NODE: Final = Resource("", "v1", "Node", "node", namespaced=False)
"""What is looked up in a cache and not there is named in the singular."""

Rule = Callable[[Context, str, Object | None, Object | None], None]


def admit(ctx: Context, old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    node = identity(ctx.user)
    if node is None:
        return
    if not node:
        raise refused(ctx, f'could not determine node from user "{ctx.user.name}"')
    rule = _RULES.get(ctx.resource)
    if rule is not None:
        rule(ctx, node, old, new)


def refused(ctx: Context, why: str) -> ApiError:
    """403."""
    return forbidden(ctx.resource, ctx.name, why)


def admit_node(ctx: Context, node: str, old: Object | None, new: Object | None) -> None:
    """Its own Node; taints and labels only as far as they cannot draw other people's work to it."""
    require_own_node(ctx, node)
    if ctx.operation == "CREATE" and new is not None:
        admit_registration(ctx, node, new)
    elif old is not None and new is not None:
        admit_node_change(ctx, node, old, new)


def require_own_node(ctx: Context, node: str) -> None:
    """The Node is the agent's."""
    if ctx.name != node:
        raise refused(ctx, f'node "{node}" is not allowed to modify node "{ctx.name}"')


def admit_registration(ctx: Context, node: str, new: Object) -> None:
    """An agent may bring taints along, and labels that draw nothing to its node."""
    if (new.get("spec") or {}).get("configSource") is not None:
        raise refused(ctx, f'node "{node}" is not allowed to create pods with a non-nil configSource')
    labels = forbidden_labels(modified(meta.labels(new), {}), registering=True)
    if labels:
        raise refused(ctx, f'node "{node}" is not allowed to set the following labels: {", ".join(labels)}')


def admit_node_change(ctx: Context, node: str, old: Object, new: Object) -> None:
    """What an agent may change of its Node."""
    spec, before = new.get("spec") or {}, old.get("spec") or {}
    if spec.get("configSource") is not None and spec["configSource"] != before.get("configSource"):
        raise refused(ctx, f'node "{node}" is not allowed to update configSource to a new non-nil configSource')
    if changes_taints(old, new):
        raise refused(ctx, f'node "{node}" is not allowed to modify taints')
    if changes_owners(old, new):
        raise refused(ctx, f'node "{node}" is not allowed to modify ownerReferences')
    labels = forbidden_labels(modified(meta.labels(new), meta.labels(old)))
    if labels:
        raise refused(ctx, f"is not allowed to modify labels: {', '.join(labels)}")


def changes_taints(old: Object, new: Object) -> bool:
    """Whether a write changes a node's taints."""
    return bool(((old.get("spec") or {}).get("taints") or []) != ((new.get("spec") or {}).get("taints") or []))


def changes_owners(old: Object, new: Object) -> bool:
    """Whether a write changes whom a node belongs to."""
    return bool((old["metadata"].get("ownerReferences") or []) != (new["metadata"].get("ownerReferences") or []))


def modified(labels: Mapping[str, str], before: Mapping[str, str]) -> list[str]:
    """Keys of labels that were added, changed or taken away."""
    return sorted(key for key in {**labels, **before} if labels.get(key) != before.get(key))


def forbidden_labels(keys: Iterable[str], *, registering: bool = False) -> list[str]:
    """Those labels that an agent may not set; when it registers it may say what role its node has."""
    return [key for key in keys if not may_label(key, registering=registering)]


def may_label(key: str, *, registering: bool) -> bool:
    """Whether an agent may set a label on its Node."""
    domain = key.partition("/")[0] if "/" in key else ""
    if below(domain, RESTRICTED):
        return False
    if not any(below(domain, parent) for parent in _KUBERNETES):
        return True
    if registering and domain == ROLE:
        return True
    return key in _KUBELET_LABELS or any(below(domain, prefix) for prefix in _KUBELET_PREFIXES)


def below(domain: str, parent: str) -> bool:
    """Whether a domain is another one or in it."""
    return domain == parent or domain.endswith(f".{parent}")


def admit_lease(ctx: Context, node: str, _old: Object | None, _new: Object | None) -> None:
    """Its own Lease, where the Leases of nodes are."""
    require_own_lease(ctx, node)


def require_own_lease(ctx: Context, node: str) -> None:
    """The Lease has the node's name."""
    if ctx.namespace != LEASE_NAMESPACE:
        raise refused(ctx, f'can only access leases in the "{LEASE_NAMESPACE}" system namespace')
    if ctx.name != node:
        raise refused(ctx, "can only access node lease with the same name as the requesting node")


def admit_csi_node(ctx: Context, node: str, _old: Object | None, _new: Object | None) -> None:
    """Its own CSINode."""
    if ctx.name != node:
        raise refused(ctx, "can only access CSINode with the same name as the requesting node")


def admit_slice(ctx: Context, node: str, old: Object | None, new: Object | None) -> None:
    """Its own ResourceSlices."""
    obj = new if ctx.operation == "CREATE" else old
    if obj is not None and (obj.get("spec") or {}).get("nodeName") != node:
        verb = {"CREATE": "create", "DELETE": "delete"}.get(ctx.operation, "update")
        raise refused(ctx, f"can only {verb} ResourceSlice with the same NodeName as the requesting node")


def admit_pod(ctx: Context, node: str, old: Object | None, new: Object | None) -> None:
    """Its own pods: their status, their end, and mirrors of what it runs by itself."""
    match ctx.subresource, ctx.operation:
        case "", "CREATE" if new is not None:
            admit_mirror(ctx, node, new)
        case "", "DELETE":
            admit_deletion(ctx, node, old)
        case "", operation:
            why = f'unexpected operation "{operation}", node "{node}" can only create and delete mirror pods'
            raise refused(ctx, why)
        case "status", "UPDATE" if old is not None and new is not None:
            admit_pod_status(ctx, node, old, new)
        case "eviction", "CREATE":
            admit_eviction(ctx, node)
        case subresource, _:
            why = f"unexpected pod subresource \"{subresource}\", only 'status' and 'eviction' are allowed"
            raise refused(ctx, why)


def node_of(pod: Object | None) -> str:
    """The node a pod is bound to."""
    return str(((pod or {}).get("spec") or {}).get("nodeName", ""))


def admit_deletion(ctx: Context, node: str, old: Object | None) -> None:
    """Its pods may be deleted by it."""
    if node_of(old) != node:
        raise refused(ctx, f'node "{node}" can only delete pods with spec.nodeName set to itself')


def admit_pod_status(ctx: Context, node: str, old: Object, new: Object) -> None:
    """The status of its pods, nothing else along with it."""
    if node_of(old) != node:
        raise refused(ctx, f'node "{node}" can only update pod status for pods with spec.nodeName set to itself')
    if meta.labels(old) != meta.labels(new):
        raise refused(ctx, f'node "{node}" cannot update labels through pod status')
    claims = "resourceClaimStatuses"
    if ((old.get("status") or {}).get(claims) or []) != ((new.get("status") or {}).get(claims) or []):
        raise refused(ctx, f'node "{node}" cannot update resource claim statues')


def admit_eviction(ctx: Context, node: str) -> None:
    """Its pods may be evicted by it."""
    pod = ctx.reader.get(PODS, ctx.name, ctx.namespace)
    if pod is None:
        raise not_found(_POD, ctx.name)
    if node_of(pod) != node:
        raise refused(ctx, f"node {node} can only evict pods with spec.nodeName set to itself")


def admit_mirror(ctx: Context, node: str, pod: Object) -> None:
    """A mirror pod of its own, which must not give it access to anything."""
    if MIRROR not in meta.annotations(pod):
        why = f'pod does not have "{MIRROR}" annotation, node "{node}" can only create mirror pods'
        raise refused(ctx, why)
    if node_of(pod) != node:
        raise refused(ctx, f'node "{node}" can only create pods with spec.nodeName set to itself')
    admit_owner(ctx, node, pod["metadata"].get("ownerReferences") or [])
    used = {kind for kind, _ in references({**pod, "metadata": {"name": ctx.name}})}
    for kind, what in _NOT_IN_MIRRORS.items():
        if kind in used:
            raise refused(ctx, f'node "{node}" can not create pods that reference {what}')


_NOT_IN_MIRRORS: Final = {
    "serviceaccounts": "a service account",
    "secrets": "secrets",
    "configmaps": "configmaps",
    "persistentvolumeclaims": "persistentvolumeclaims",
    "resourceclaims": "resourceclaims",
}


def admit_owner(ctx: Context, node: str, owners: list[Object]) -> None:
    """A mirror pod belongs to the Node of whoever creates it."""
    if len(owners) > 1:
        raise refused(ctx, f'node "{node}" can only create pods with a single owner reference set to itself')
    owner = owners[0] if owners else {}
    if (owner.get("apiVersion"), owner.get("kind"), owner.get("name")) != ("v1", "Node", node):
        raise refused(ctx, f'node "{node}" can only create pods with an owner reference set to itself')
    if not owner.get("controller"):
        raise refused(ctx, f'node "{node}" can only create pods with a controller owner reference set to itself')
    if owner.get("blockOwnerDeletion"):
        raise refused(ctx, f'node "{node}" must not set blockOwnerDeletion on an owner reference')
    known = ctx.reader.get(NODES, node)
    if known is None:
        raise not_found(_NODE, node)
    if owner.get("uid") != meta.uid(known):
        raise refused(ctx, f"node {node} UID mismatch: expected {owner.get('uid', '')} got {meta.uid(known)}")


def admit_claim(ctx: Context, node: str, old: Object | None, new: Object | None) -> None:
    """Of claims only capacity and conditions in the status."""
    if ctx.subresource != "status" or old is None or new is None:
        raise refused(ctx, "may only update PVC status")
    if _without_progress(old) != _without_progress(new):
        why = f'node "{node}" is not allowed to update fields other than status.capacity and status.conditions'
        raise refused(ctx, why)


def _without_progress(claim: Object) -> Object:
    metadata = {key: value for key, value in claim["metadata"].items() if key != "resourceVersion"}
    progress = {"capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"}
    status = {key: value for key, value in (claim.get("status") or {}).items() if key not in progress}
    return {**claim, "metadata": metadata, "status": status}


def admit_token(ctx: Context, node: str, _old: Object | None, new: Object | None) -> None:
    """Tokens bound to one of its pods."""
    if ctx.operation != "CREATE" or ctx.subresource != "token" or new is None:
        return
    reference = (new.get("spec") or {}).get("boundObjectRef") or {}
    if (reference.get("apiVersion"), reference.get("kind")) != ("v1", "Pod") or not reference.get("name"):
        raise refused(ctx, "node requested token not bound to a pod")
    if not reference.get("uid"):
        raise refused(ctx, "node requested token with a pod binding without a uid")
    pod = ctx.reader.get(PODS, reference["name"], ctx.namespace)
    if pod is None:
        raise not_found(_POD, reference["name"])
    if reference["uid"] != meta.uid(pod):
        why = (
            f"the UID in the bound object reference ({reference['uid']}) does not match the UID in record. "
            "The object might have been deleted and then recreated"
        )
        raise refused(ctx, why)
    if node_of(pod) != node:
        raise refused(ctx, "node requested token bound to a pod scheduled on a different node")


_RULES: Final[Mapping[Resource, Rule]] = {
    PODS: admit_pod,
    NODES: admit_node,
    PERSISTENTVOLUMECLAIMS: admit_claim,
    SERVICEACCOUNTS: admit_token,
    LEASES: admit_lease,
    CSINODES: admit_csi_node,
    RESOURCESLICES: admit_slice,
}
