"""Discovery: which groups, versions and resources there are, for clients that ask before they act.

    /api  /apis  /apis/GROUP           versions and groups, or all of it at once (aggregated discovery, with an ETag)
    /api/v1  /apis/GROUP/VERSION       resources and subresources
    /version                           of the server
    /                                  the paths served

All of it is derived from the table of resources; shapes, order and headers are those of kube-apiserver 1.36.
"""

from __future__ import annotations

import hashlib
import platform
import sys
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import Final

import msgspec

from refimpl.api import schema
from refimpl.api.errors import Object, failure, method_not_allowed
from refimpl.api.http import Request, Response
from refimpl.api.resources import TABLE, Resource
from refimpl.apiserver.content import negotiation
from refimpl.apiserver.verbs import rendering

AGGREGATED: Final = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"
GIT_VERSION: Final = "v1.36.2+node-contract"

_GROUP_ORDER: Final = (
    "apps",
    "events.k8s.io",
    "authentication.k8s.io",
    "authorization.k8s.io",
    "autoscaling",
    "batch",
    "certificates.k8s.io",
    "networking.k8s.io",
    "policy",
    "rbac.authorization.k8s.io",
    "storage.k8s.io",
    "scheduling.k8s.io",
    "coordination.k8s.io",
    "node.k8s.io",
    "discovery.k8s.io",
    "resource.k8s.io",
)

_MACHINES: Final = {"x86_64": "amd64", "aarch64": "arm64"}

_SCALE: Final = ("autoscaling", "v1", "Scale")
_READ_WRITE: Final = ("get", "patch", "update")
_STREAM: Final = ("create", "get")
_PROXY: Final = ("create", "delete", "get", "patch", "update")

# Group, version, kind and verbs of subresources that are not simply another view of their object.
_SUBRESOURCES: Final[Mapping[str, tuple[str, str, str, tuple[str, ...]]]] = {
    "namespaces/finalize": ("", "", "Namespace", ("update",)),
    "nodes/proxy": ("", "", "NodeProxyOptions", _PROXY),
    "pods/attach": ("", "", "PodAttachOptions", _STREAM),
    "pods/binding": ("", "", "Binding", ("create",)),
    "pods/eviction": ("policy", "v1", "Eviction", ("create",)),
    "pods/exec": ("", "", "PodExecOptions", _STREAM),
    "pods/log": ("", "", "Pod", ("get",)),
    "pods/portforward": ("", "", "PodPortForwardOptions", _STREAM),
    "pods/proxy": ("", "", "PodProxyOptions", _PROXY),
    "services/proxy": ("", "", "ServiceProxyOptions", _PROXY),
    "serviceaccounts/token": ("authentication.k8s.io", "v1", "TokenRequest", ("create",)),
}


def subresource_kind(row: Resource, name: str) -> tuple[str, str, str, tuple[str, ...]]:
    """Group and version (empty: those of the resource), kind and verbs of a subresource."""
    if name == "scale":
        return (*_SCALE, _READ_WRITE)
    return _SUBRESOURCES.get(f"{row.plural}/{name}", ("", "", row.kind, _READ_WRITE))


def version() -> Object:
    """The body of `/version`."""
    major, minor, _ = schema.load().release.split(".")
    return {
        "major": major,
        "minor": minor,
        "emulationMajor": major,
        "emulationMinor": minor,
        "minCompatibilityMajor": major,
        "minCompatibilityMinor": str(int(minor) - 1),
        "gitVersion": GIT_VERSION,
        "gitCommit": "",
        "gitTreeState": "",
        "buildDate": "1970-01-01T00:00:00Z",
        "goVersion": f"python{platform.python_version()}",
        "compiler": platform.python_implementation(),
        "platform": f"{sys.platform}/{_MACHINES.get(platform.machine(), platform.machine())}",
    }


def storage_version_hash(row: Resource) -> str:
    """The value by which clients see that a resource's stored version changed."""
    group = "" if row.kind == "Event" else row.group
    return b64encode(hashlib.sha256(f"{group}/{row.version}/{row.kind}".encode()).digest()[:8]).decode()


def etag(body: bytes) -> str:
    """The ETag of a discovery or OpenAPI document, without quotes."""
    return hashlib.sha512(body).hexdigest().upper()


class Discovery:
    """The documents about a table of resources, made once.

    Args:
        rows: the resources served.
        other_paths: what else the server serves, for the list at `/`.
    """

    def __init__(self, rows: Iterable[Resource] = TABLE, other_paths: Iterable[str] = ()) -> None:
        self._rows = tuple(rows)
        self._other_paths = tuple(other_paths)

    @cached_property
    def _by_version(self) -> Mapping[str, Mapping[str, Sequence[Resource]]]:
        """Rows by group and version, sorted by plural; the preferred version of a group first."""
        groups: dict[str, dict[str, list[Resource]]] = {}
        for row in sorted(self._rows, key=lambda row: row.plural):
            groups.setdefault(row.group, {}).setdefault(row.version, []).append(row)
        return groups

    @cached_property
    def groups(self) -> Sequence[str]:
        """All named groups, in the order of their priority."""
        rank = {group: index for index, group in enumerate(_GROUP_ORDER)}
        named = (group for group in self._by_version if group)
        return sorted(named, key=lambda group: (rank.get(group, len(rank)), group))

    def api_versions(self, server: str) -> Object:
        """The body of `/api`.

        Args:
            server: host and port under which the client reached the server.
        """
        return {
            "kind": "APIVersions",
            "versions": list(self._by_version.get("", ())),
            "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": server}],
        }

    def group_list(self) -> Object:
        """The body of `/apis`."""
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": [self._group(name) for name in self.groups]}

    def group(self, name: str) -> Object | None:
        """The body of `/apis/GROUP`, or None for an unknown group."""
        if not name or name not in self._by_version:
            return None
        return {"kind": "APIGroup", "apiVersion": "v1", **self._group(name)}

    def _group(self, name: str) -> Object:
        versions = [{"groupVersion": f"{name}/{version}", "version": version} for version in self._by_version[name]]
        return {"name": name, "versions": versions, "preferredVersion": versions[0]}

    def resource_list(self, group: str, version: str) -> Object | None:
        """The body of `/api/v1` or `/apis/GROUP/VERSION`, or None for an unknown one."""
        rows = self._by_version.get(group, {}).get(version)
        if rows is None:
            return None
        resources = [entry for row in rows for entry in _resource_entries(row)]
        about = {"kind": "APIResourceList", **({"apiVersion": "v1"} if group else {})}
        return {**about, "groupVersion": rows[0].api_version, "resources": resources}

    def aggregated(self, *, core: bool) -> Object:
        """The aggregated form of `/api` (core) or `/apis`."""
        items = [self._aggregated_group(name) for name in ([""] if core else self.groups)]
        return {"kind": "APIGroupDiscoveryList", "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}

    def _aggregated_group(self, name: str) -> Object:
        versions = [
            {"version": version, "resources": [_aggregated_entry(row) for row in rows], "freshness": "Current"}
            for version, rows in self._by_version.get(name, {}).items()
        ]
        return {"metadata": {"name": name} if name else {}, "versions": versions}

    def paths(self) -> Object:
        """The body of `/`."""
        listed = {"/api", "/apis", "/apis/", "/version", *self._other_paths}
        for group, versions in self._by_version.items():
            root = f"/apis/{group}" if group else "/api"
            listed |= {root, *(f"{root}/{version}" for version in versions)}
        return {"paths": sorted(listed)}

    def page(self, request: Request) -> Response | None:
        """Answers a request for a discovery document; None when the path names none.

        Raises:
            ApiError: 404 below a known group, 405 for another method than GET, 406.
        """
        parts = [part for part in request.path.split("/") if part]
        if request.path.startswith("//") or (not parts and request.path != "/"):
            return None
        match parts:
            case [] | ["index.html"]:
                return _indented(request, self.paths())
            case ["version"]:
                if request.method != "GET":
                    raise method_not_allowed()
                return _indented(request, version())
            case ["api" | "apis" as root, *rest]:
                return self._below(request, root, rest)
            case _:
                return None

    def _below(self, request: Request, root: str, rest: Sequence[str]) -> Response | None:
        if root == "apis" and rest and rest[0] not in self.groups:
            return None
        body = self._plain(request, root, rest)
        if body is None:
            raise failure(404, "NotFound", "the server could not find the requested resource", {})
        if request.method != "GET":
            raise method_not_allowed()
        negotiation.check_media_type(request)
        if not rest and _wants_aggregated(request):
            return _conditional(request, self._aggregated_bytes[root])
        form = negotiation.form_of(request)
        return rendering.finish(request, 200, rendering.write(body, form), form)

    def _plain(self, request: Request, root: str, rest: Sequence[str]) -> Object | None:
        match root, rest:
            case "api", []:
                return self.api_versions(request.headers.get("host", ""))
            case "api", [version]:
                return self.resource_list("", version)
            case "apis", []:
                return self.group_list()
            case "apis", [group]:
                return self.group(group)
            case "apis", [group, version]:
                return self.resource_list(group, version)
            case _:
                return None

    @cached_property
    def _aggregated_bytes(self) -> Mapping[str, bytes]:
        return {root: msgspec.json.encode(self.aggregated(core=root == "api")) + b"\n" for root in ("api", "apis")}


def _resource_entries(row: Resource) -> Iterable[Object]:
    """A resource and its subresources in an APIResourceList."""
    entry: Object = {
        "name": row.plural,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    if "create" in row.verbs and row.stored:
        entry["storageVersionHash"] = storage_version_hash(row)
    yield entry
    for name in sorted(row.subresources):
        group, version, kind, verbs = subresource_kind(row, name)
        about = {"name": f"{row.plural}/{name}", "singularName": "", "namespaced": row.namespaced}
        place = {"group": group, "version": version} if group else {}
        yield {**about, **place, "kind": kind, "verbs": list(verbs)}


def _aggregated_entry(row: Resource) -> Object:
    """A resource with its subresources in aggregated discovery."""
    entry: Object = {
        "resource": row.plural,
        "responseKind": {"group": "", "version": "", "kind": row.kind},
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": list(row.verbs),
    }
    if row.short_names:
        entry["shortNames"] = list(row.short_names)
    if row.categories:
        entry["categories"] = list(row.categories)
    below = []
    for name in sorted(row.subresources):
        group, version, kind, verbs = subresource_kind(row, name)
        answer = {"group": group, "version": version, "kind": kind}
        below.append({"subresource": name, "responseKind": answer, "verbs": list(verbs)})
    if below:
        entry["subresources"] = below
    return entry


def _wants_aggregated(request: Request) -> bool:
    """Whether the client prefers the aggregated form: it names it before the plain one."""
    for clause in request.headers.get("accept", "").split(","):
        media, *parameters = (part.strip() for part in clause.split(";"))
        if media not in {"application/json", "*/*"}:
            continue
        if {"g=apidiscovery.k8s.io", "v=v2", "as=APIGroupDiscoveryList"} <= set(parameters):
            return True
        if not any(parameter.startswith("as=") for parameter in parameters):
            return False
    return False


def _conditional(request: Request, body: bytes) -> Response:
    """An aggregated document, or 304 when the client has it already."""
    tag = f'"{etag(body)}"'
    caching = (("vary", "Accept"), ("cache-control", "public"), ("etag", tag))
    if request.headers.get("if-none-match") == tag:
        return Response(304, b"", caching)
    return Response(200, body, (("content-type", AGGREGATED), *caching))


def _indented(request: Request, body: Object) -> Response:
    """A small document that is always written for people."""
    text = msgspec.json.format(msgspec.json.encode(body), indent=2)
    return Response(200, b"" if request.method == "HEAD" else text, rendering.JSON_HEADERS)
