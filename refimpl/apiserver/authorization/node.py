"""The node authorizer: an agent may do what its node and its pods need, and nothing else.

Source: kube-apiserver 1.36 `plugin/pkg/auth/authorizer/node/node_authorizer.go`, `pkg/auth/nodeidentifier`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import Final

from refimpl.api import fieldselectors
from refimpl.api.http import User
from refimpl.apiserver.authorization import policy
from refimpl.apiserver.authorization.attributes import Attributes
from refimpl.apiserver.authorization.decisions import ALLOWED, Decision
from refimpl.apiserver.authorization.nodegraph import NodeGraph
from refimpl.apiserver.authorization.rules import Rule, compiled
from refimpl.apiserver.objects.registry import Registry

NODES_GROUP: Final = "system:nodes"
NODE_PREFIX: Final = "system:node:"
LEASES: Final = "kube-node-lease"
_OWN: Final = ("get", "create", "update", "patch", "delete")
_READ: Final = ("get", "list", "watch")
_POD_WRITES: Final[Mapping[str, tuple[str, ...]]] = {
    "": ("create", "delete"),
    "status": ("update", "patch"),
    "eviction": ("create",),
}
"""What may be asked for about pods, by subresource; admission sees about which."""


def identity(user: User) -> str | None:
    """The node that a user is the agent of; empty when it does not say which, None when it is no agent."""
    if NODES_GROUP not in user.groups or not user.name.startswith(NODE_PREFIX):
        return None
    return user.name[len(NODE_PREFIX) :]


def refused(reason: str = "") -> Decision:
    """Not allowed here; others may still allow it."""
    return Decision(allowed=False, reason=reason, final=False)


class NodeAuthorizer:
    """Decides about the requests of agents.

    Args:
        registry: stored objects.
    """

    def __init__(self, registry: Registry) -> None:
        self._registry = registry
        self._graph: NodeGraph | None = None

    @property
    def graph(self) -> NodeGraph:
        """Relations between nodes and objects, made when they are first asked for."""
        if self._graph is None:
            self._graph = NodeGraph(self._registry)
        return self._graph

    def __call__(self, wanted: Attributes) -> Decision | None:
        """See `Authorizer`."""
        node = identity(wanted.user)
        if node is None:
            return None
        if not node:
            return refused(f'unknown node for user "{wanted.user.name}"')
        method = _SUBDIVIDED.get((wanted.group, wanted.resource))
        if method is not None:
            decide: Callable[[str, Attributes], Decision] = getattr(self, method)
            return decide(node, wanted)
        return ALLOWED if any(rule.allows(wanted) for rule in _rules()) else None

    def related(self, node: str, wanted: Attributes, kind: str) -> Decision:
        """Allows what has to do with a pod of the node, or with the node itself."""
        if not wanted.name:
            return refused("No Object name found")
        namespace, name, graph = wanted.namespace, wanted.name, self.graph
        found = {
            "pods": lambda: graph.has_pod(node, namespace, name),
            "secrets": lambda: graph.needs_secret(node, namespace, name),
            "persistentvolumes": lambda: graph.needs_volume(node, name),
            "volumeattachments": lambda: graph.has_attachment(node, name),
            "resourceslices": lambda: graph.has_slice(node, name),
        }.get(kind, lambda: graph.needs(node, kind, namespace, name))()
        return ALLOWED if found else refused(f"no relationship found between node '{node}' and this object")

    def get(self, node: str, wanted: Attributes) -> Decision:
        """Single objects that are related to the node may be read."""
        if wanted.verb != "get":
            return refused("can only get individual resources of this type")
        if wanted.subresource:
            return refused("cannot get subresource")
        return self.related(node, wanted, wanted.resource)

    def read(self, node: str, wanted: Attributes) -> Decision:
        """Single objects that are related to the node may be read, also as lists of one and by watching."""
        if wanted.verb not in _READ:
            return refused("can only read resources of this type")
        if wanted.subresource:
            return refused("cannot read subresource")
        if not wanted.namespace:
            return refused("can only read namespaced object of this type")
        return self.related(node, wanted, wanted.resource)

    def claim(self, node: str, wanted: Attributes) -> Decision:
        """Claims of the node's pods may be read, and their status written."""
        if wanted.subresource != "status":
            return self.get(node, wanted)
        if wanted.verb not in {"update", "patch"}:
            return refused("can only get/update/patch this type")
        return self.related(node, wanted, wanted.resource)

    def token(self, node: str, wanted: Attributes) -> Decision:
        """Tokens may be had for the service accounts of the node's pods."""
        if wanted.verb != "create" or not wanted.name:
            return refused("can only create tokens for individual service accounts")
        if wanted.subresource != "token":
            return refused("can only create token subresource of serviceaccount")
        return self.related(node, wanted, wanted.resource)

    def lease(self, node: str, wanted: Attributes) -> Decision:
        """The node's own Lease; whose one is created, admission sees."""
        if wanted.verb not in _OWN:
            return refused("can only get, create, update, patch, or delete a node lease")
        if wanted.namespace != LEASES:
            return refused(f'can only access leases in the "{LEASES}" system namespace')
        if wanted.verb != "create" and wanted.name != node:
            return refused("can only access node lease with the same name as the requesting node")
        return ALLOWED

    def csi_node(self, node: str, wanted: Attributes) -> Decision:
        """The node's own CSINode."""
        if wanted.verb not in _OWN:
            return refused("can only get, create, update, patch, or delete a CSINode")
        if wanted.subresource:
            return refused("cannot authorize CSINode subresources")
        if wanted.verb != "create" and wanted.name != node:
            return refused("can only access CSINode with the same name as the requesting node")
        return ALLOWED

    def resource_slice(self, node: str, wanted: Attributes) -> Decision:
        """The node's own ResourceSlices."""
        if wanted.subresource:
            return refused("cannot authorize ResourceSlice subresources")
        if wanted.verb == "create":
            return ALLOWED
        if wanted.verb in _OWN:
            return self.related(node, wanted, "resourceslices")
        if wanted.verb not in {"list", "watch", "deletecollection"}:
            allowed = "get, watch, list, create, update, patch, delete, deletecollection"
            return refused(f"only the following verbs are allowed for a ResourceSlice: {allowed}")
        if selects(wanted.fields, "spec.nodeName", node) or selects(wanted.fields, "nodeName", node):
            return ALLOWED
        return refused("can only list/watch/deletecollection resourceslices with nodeName field selector")

    def node(self, node: str, wanted: Attributes) -> Decision:
        """The node's own Node; which one is written, admission sees."""
        writes = {"": ("create", "update", "patch"), "status": ("update", "patch")}.get(wanted.subresource, ())
        if wanted.verb in writes:
            return ALLOWED
        if wanted.subresource or wanted.verb not in _READ:
            return refused()
        if wanted.name == node:
            return ALLOWED
        what = f"'{wanted.name}'" if wanted.name else "all nodes"
        return refused(f"node '{node}' cannot read {what}, only its own Node object")

    def pod(self, node: str, wanted: Attributes) -> Decision:
        """The node's own pods; which ones are written, admission sees."""
        if wanted.verb in _POD_WRITES.get(wanted.subresource, ()):
            return ALLOWED
        if wanted.subresource or wanted.verb not in _READ:
            return refused()
        if wanted.verb == "get":
            return self.get(node, wanted)
        if selects(wanted.fields, "spec.nodeName", node):
            return ALLOWED
        if wanted.name:
            return self.related(node, wanted, "pods")
        return refused("can only list/watch pods with spec.nodeName field selector")


@cache
def _rules() -> tuple[Rule, ...]:
    """What any agent may do with what is not subdivided."""
    role = next(obj for _, obj in policy.objects() if obj["metadata"]["name"] == "system:node")
    return tuple(compiled(rule) for rule in role["rules"])


def selects(fields: str, field: str, value: str) -> bool:
    """Whether a field selector asks a field to have a value."""
    if field not in fields:
        return False
    try:
        return fieldselectors.parse(fields).required(field) == value
    except ValueError:
        return False


_SUBDIVIDED: Final[Mapping[tuple[str, str], str]] = {
    ("", "secrets"): "read",
    ("", "configmaps"): "read",
    ("", "persistentvolumeclaims"): "claim",
    ("", "persistentvolumes"): "get",
    ("resource.k8s.io", "resourceclaims"): "get",
    ("storage.k8s.io", "volumeattachments"): "get",
    ("", "serviceaccounts"): "token",
    ("coordination.k8s.io", "leases"): "lease",
    ("storage.k8s.io", "csinodes"): "csi_node",
    ("resource.k8s.io", "resourceslices"): "resource_slice",
    ("", "nodes"): "node",
    ("", "pods"): "pod",
}
"""Which method decides about a resource."""
