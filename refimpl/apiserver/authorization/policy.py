"""The roles and bindings that every cluster has from its first moment, from `policy.toml`.

Source: kube-apiserver 1.36 `plugin/pkg/auth/authorizer/rbac/bootstrappolicy`.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from refimpl.api.errors import Object
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES, Resource

GROUP: Final = "rbac.authorization.k8s.io"
CONTROLLERS: Final = "system:controller:"
"""What the names of controllers' roles begin with."""
CORE: Final = "-"
_EVENTS: Final = "create,patch,update -,events.k8s.io events"
_LABELS: Final = {"kubernetes.io/bootstrapping": "rbac-defaults"}
_ANNOTATIONS: Final = {"rbac.authorization.kubernetes.io/autoupdate": "true"}


@cache
def _document() -> Mapping[str, Any]:
    return tomllib.loads(files("refimpl.apiserver.authorization").joinpath("policy.toml").read_text())


def objects() -> Iterator[tuple[Resource, Object]]:
    """Everything, roles before the bindings that name them."""
    document = _document()
    for name, role in document["clusterroles"].items():
        yield CLUSTERROLES, cluster_role(name, role)
    for name, subjects in document["clusterrolebindings"].items():
        yield CLUSTERROLEBINDINGS, cluster_role_binding(name, name, subjects)
    for name in controller_roles():
        account = f"ServiceAccount kube-system/{name.removeprefix(CONTROLLERS)}"
        yield CLUSTERROLEBINDINGS, cluster_role_binding(name, name, [account])
    for namespace, roles in document["roles"].items():
        for name, role in roles.items():
            yield ROLES, {"metadata": _metadata(name, namespace), "rules": [rule(text) for text in role["rules"]]}
            yield ROLEBINDINGS, _role_binding(namespace, name, role)


def controller_roles() -> list[str]:
    """Names of the cluster roles of the controllers."""
    return [name for name in _document()["clusterroles"] if name.startswith(CONTROLLERS)]


def cluster_role(name: str, role: Mapping[str, Any]) -> Object:
    """A ClusterRole."""
    metadata = _metadata(name)
    if "aggregate_to" in role:
        metadata["labels"][f"{GROUP}/aggregate-to-{role['aggregate_to']}"] = "true"
    if role.get("aggregates"):
        selector = {"matchLabels": {f"{GROUP}/aggregate-to-{name}": "true"}}
        return {"metadata": metadata, "aggregationRule": {"clusterRoleSelectors": [selector]}}
    return {"metadata": metadata, "rules": [rule(text) for text in role["rules"]]}


def cluster_role_binding(name: str, role: str, subjects: list[str]) -> Object:
    """A ClusterRoleBinding; a subject is `KIND NAME`, that of a service account `ServiceAccount NAMESPACE/NAME`."""
    reference = {"apiGroup": GROUP, "kind": "ClusterRole", "name": role}
    return {"metadata": _metadata(name), "roleRef": reference, "subjects": [_subject(text) for text in subjects]}


def _role_binding(namespace: str, name: str, role: Mapping[str, Any]) -> Object:
    metadata = _metadata(role.get("binding", name), namespace)
    reference = {"apiGroup": GROUP, "kind": "Role", "name": name}
    return {"metadata": metadata, "roleRef": reference, "subjects": [_subject(text) for text in role["subjects"]]}


def _metadata(name: str, namespace: str = "") -> Object:
    metadata: Object = {"name": name, "labels": dict(_LABELS), "annotations": dict(_ANNOTATIONS)}
    return {**metadata, "namespace": namespace} if namespace else metadata


def _subject(text: str) -> Object:
    kind, _, name = text.partition(" ")
    if kind == "ServiceAccount":
        namespace, _, name = name.partition("/")
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def rule(text: str) -> Object:
    """A policy rule from its short form."""
    verbs, *rest = (_EVENTS if text == "events" else text).split()
    made: Object = {"verbs": verbs.split(",")}
    if rest[0].startswith("/") or len(rest) == 1:
        return {**made, "nonResourceURLs": rest}
    groups, resources, *names = rest
    made["apiGroups"] = ["" if group == CORE else group for group in groups.split(",")]
    made["resources"] = resources.split(",")
    return {**made, "resourceNames": names[0].split(",")} if names else made
