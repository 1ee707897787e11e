"""What somebody wants to do, as authorizers see it.

Source: apiserver 1.36 `endpoints/request/requestinfo.go`.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Final

import msgspec

from refimpl.api import fieldselectors
from refimpl.api.http import Request, User
from refimpl.api.resources import NAMESPACES
from refimpl.apiserver.paths import Target


class Attributes(msgspec.Struct, frozen=True, gc=False):
    """What somebody wants to do.

    Attributes:
        user: who.
        verb: `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; outside of resources
            the HTTP method in lower case.
        group: API group of the resource.
        resource: plural; empty outside of resources.
        subresource: e.g. `status`.
        namespace: empty at cluster scope.
        name: of the object; empty for collections that are not narrowed down to one object.
        path: of the URL, outside of resources; empty otherwise.
        fields: field selector of a list or watch.
    """

    user: User
    verb: str
    group: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str = ""
    name: str = ""
    path: str = ""
    fields: str = ""


_VERBS: Final = MappingProxyType(
    {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
)
_COLLECTION_VERBS: Final = MappingProxyType({"get": "list", "delete": "deletecollection"})
_NAMESPACE_SUBRESOURCES: Final = frozenset(NAMESPACES.subresources)
_SPECIAL: Final = ("proxy", "watch")


def attributes_of(request: Request, target: Target | None, *, watch: bool) -> Attributes:
    """What a request wants to do.

    Args:
        request: as received, with its user.
        target: what its URL names; None when it names nothing that is served.
        watch: whether it asks for a watch.
    """
    if target is None:
        return _unserved(request)
    resource, name = target.resource, target.name
    verb = _VERBS.get(request.method, "")
    fields = ""
    if watch or not name:
        verb = "watch" if watch else _COLLECTION_VERBS.get(verb, verb)
        if verb != "create":
            fields = request.parameter("fieldSelector") or ""
            name = name or named(fields)
    namespace = name if resource is NAMESPACES else target.namespace
    return Attributes(
        request.user, verb, resource.group, resource.plural, target.subresource, namespace, name, fields=fields
    )


def named(fields: str) -> str:
    """The one object that a field selector leaves; empty when there may be others."""
    if "metadata.name" not in fields:
        return ""
    try:
        return fieldselectors.parse(fields).required("metadata.name") or ""
    except ValueError:
        return ""


def _unserved(request: Request) -> Attributes:
    """The attributes of a URL that names nothing served: it may still look like a resource's."""
    parts = [part for part in request.path.split("/") if part]
    if len(parts) >= 3 and parts[0] == "api":
        return _resource(request, "", parts[2:])
    if len(parts) >= 4 and parts[0] == "apis":
        return _resource(request, parts[1], parts[3:])
    return Attributes(request.user, request.method.lower(), path=request.path)


def _resource(request: Request, group: str, parts: list[str]) -> Attributes:
    verb = _VERBS.get(request.method, "")
    special = parts[0] in _SPECIAL and len(parts) > 1
    if special:
        verb, parts = parts[0], parts[1:]
    namespace = ""
    if parts[0] == "namespaces" and len(parts) > 1:
        namespace = parts[1]
        if len(parts) > 2 and parts[2] not in _NAMESPACE_SUBRESOURCES:
            parts = parts[2:]
    resource, name, subresource = [*parts, "", ""][:3]
    if not name and not special:
        wants_watch = (request.parameter("watch") or "0").lower() not in {"0", "false", "f"}
        verb = "watch" if verb == "get" and wants_watch else _COLLECTION_VERBS.get(verb, verb)
    return Attributes(request.user, verb, group, resource, subresource, namespace, name)
