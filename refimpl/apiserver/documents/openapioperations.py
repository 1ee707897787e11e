"""What can be done with a resource, as OpenAPI v3 paths: operations, parameters, bodies.

kubectl reads three things from here: which kind a URL is about (`x-kubernetes-group-version-kind`), and whether a PATCH
takes `fieldValidation` and `dryRun`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

import attrs

from refimpl.api.resources import Resource
from refimpl.api.schema import Schema
from refimpl.apiserver.documents.discovery import subresource_kind
from refimpl.apiserver.documents.openapischemas import PATCH, Json, ref

_READ_TYPES: Final = ("application/json", "application/yaml")
_PATCH_TYPES: Final = (
    "application/apply-patch+yaml",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
)

_STRING: Final = "string"
_INTEGER: Final = "integer"
_BOOLEAN: Final = "boolean"
_WRITE: Final = {"dryRun": _STRING, "fieldManager": _STRING, "fieldValidation": _STRING}
_LIST: Final = {
    "allowWatchBookmarks": _BOOLEAN,
    "continue": _STRING,
    "fieldSelector": _STRING,
    "labelSelector": _STRING,
    "limit": _INTEGER,
    "resourceVersion": _STRING,
    "resourceVersionMatch": _STRING,
    "sendInitialEvents": _BOOLEAN,
    "timeoutSeconds": _INTEGER,
    "watch": _BOOLEAN,
}
_DELETE: Final = {
    "dryRun": _STRING,
    "gracePeriodSeconds": _INTEGER,
    "orphanDependents": _BOOLEAN,
    "propagationPolicy": _STRING,
}
_PARAMETERS: Final[Mapping[str, Mapping[str, str]]] = {
    "get": {},
    "list": _LIST,
    "create": _WRITE,
    "update": _WRITE,
    "patch": {**_WRITE, "force": _BOOLEAN},
    "delete": _DELETE,
    "deletecollection": {**_LIST, **_DELETE},
}
_METHODS: Final = {
    "get": "get",
    "list": "get",
    "create": "post",
    "update": "put",
    "patch": "patch",
    "delete": "delete",
    "deletecollection": "delete",
}
_ACTIONS: Final = {"create": "post", "update": "put", "list": "list", "get": "get", "patch": "patch"}
_STATUS: Final = ("", "v1", "Status")
_DELETE_OPTIONS: Final = ("", "v1", "DeleteOptions")


@attrs.frozen
class _Endpoint:
    """One path.

    Attributes:
        row: the resource.
        path: with `{name}` and `{namespace}`.
        verbs: served there.
        kind: group, version and kind of the objects sent and answered.
        subresource: its name, or empty.
    """

    row: Resource
    path: str
    verbs: tuple[str, ...]
    kind: tuple[str, str, str]
    subresource: str = ""


def paths(schema: Schema, rows: tuple[Resource, ...]) -> Json:
    """The path items of some rows of the table, by path."""
    return {
        endpoint.path: _item(schema, endpoint) for row in rows for endpoint in sorted(_endpoints(row), key=_by_path)
    }


def _by_path(endpoint: _Endpoint) -> str:
    return endpoint.path


def _endpoints(row: Resource) -> Iterator[_Endpoint]:
    kind = (row.group, row.version, row.kind)
    collection = row.path("{namespace}" if row.namespaced else None)
    verbs = frozenset(row.verbs)
    yield _Endpoint(row, collection, _served(verbs, ("list", "create", "deletecollection")), kind)
    if row.namespaced and "list" in verbs:
        yield _Endpoint(row, row.path(), ("list",), kind)
    if not row.stored:
        return
    yield _Endpoint(row, f"{collection}/{{name}}", _served(verbs, ("get", "update", "patch", "delete")), kind)
    for name in row.subresources:
        group, version, answered, served = subresource_kind(row, name)
        about = (group or row.group, version or row.version, answered)
        path = f"{collection}/{{name}}/{name}"
        yield _Endpoint(row, path, _served(frozenset(served), ("get", "create", "update", "patch")), about, name)


def _served(verbs: frozenset[str], candidates: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(verb for verb in candidates if verb in verbs)


def _item(schema: Schema, endpoint: _Endpoint) -> Json:
    item: Json = {_METHODS[verb]: _operation(schema, endpoint, verb) for verb in endpoint.verbs}
    in_path = [name for name in ("name", "namespace") if f"{{{name}}}" in endpoint.path]
    item["parameters"] = [
        *({"name": name, "in": "path", "required": True, "schema": {"type": _STRING}} for name in in_path),
        _query("pretty", _STRING),
    ]
    return item


def _query(name: str, kind: str) -> Json:
    return {"name": name, "in": "query", "schema": {"type": kind, "uniqueItems": True}}


def _operation(schema: Schema, endpoint: _Endpoint, verb: str) -> Json:
    group, version, kind = endpoint.kind
    operation: Json = {
        "tags": [f"{_title(endpoint.row.group, lower=True)}_{endpoint.row.version}"],
        "operationId": _operation_id(endpoint, verb),
        "parameters": [_query(name, kind) for name, kind in _PARAMETERS[verb].items()],
    }
    body = _request_body(schema, endpoint, verb)
    if body is not None:
        operation["requestBody"] = body
    operation["responses"] = _responses(schema, endpoint, verb)
    operation["x-kubernetes-action"] = _ACTIONS.get(verb, verb)
    operation["x-kubernetes-group-version-kind"] = {"group": group, "version": version, "kind": kind}
    return operation


def _request_body(schema: Schema, endpoint: _Endpoint, verb: str) -> Json | None:
    match verb:
        case "create" | "update":
            return {"content": {"*/*": {"schema": _schema(schema, endpoint.kind)}}, "required": True}
        case "patch":
            return {"content": {media: {"schema": ref(PATCH)} for media in _PATCH_TYPES}, "required": True}
        case "delete" | "deletecollection":
            return {"content": {"*/*": {"schema": _schema(schema, _DELETE_OPTIONS)}}}
        case _:
            return None


def _responses(schema: Schema, endpoint: _Endpoint, verb: str) -> Json:
    kind = endpoint.kind
    if verb == "list":
        kind = (endpoint.row.group, endpoint.row.version, endpoint.row.list_kind)
    elif verb in {"delete", "deletecollection"}:
        kind = _STATUS
    content = {media: {"schema": _schema(schema, kind)} for media in _READ_TYPES}
    codes = {"create": ("200", "201", "202"), "update": ("200", "201"), "patch": ("200", "201")}.get(verb, ("200",))
    texts = {"200": "OK", "201": "Created", "202": "Accepted"}
    return {code: {"description": texts[code], "content": content} for code in codes}


def _schema(schema: Schema, kind: tuple[str, str, str]) -> Json:
    """A reference to a kind's schema; plain text for what has none, such as logs and streams."""
    group, version, name = kind
    struct = schema.kind(f"{group}/{version}" if group else version, name)
    return {"type": _STRING} if struct is None else ref(struct.name)


def _operation_id(endpoint: _Endpoint, verb: str) -> str:
    row = endpoint.row
    action = {"update": "replace", "get": "read", "deletecollection": "deleteCollection"}.get(verb, verb)
    scope = "Namespaced" if "{namespace}" in endpoint.path else ""
    everywhere = "ForAllNamespaces" if row.namespaced and not scope else ""
    version = row.version.capitalize()
    below = "".join(part.capitalize() for part in endpoint.subresource.split("/"))
    return f"{action}{_title(row.group)}{version}{scope}{row.kind}{below}{everywhere}"


def _title(group: str, *, lower: bool = False) -> str:
    """`Core`, `Apps`, `RbacAuthorization`: a group in the names of operations."""
    parts = (group or "core").removesuffix(".k8s.io").split(".")
    title = "".join(part.capitalize() for part in parts)
    return title[0].lower() + title[1:] if lower else title


def bodies(rows: tuple[Resource, ...]) -> Iterator[tuple[str, str, str]]:
    """The kinds that the operations of some rows send and answer."""
    yield _STATUS
    yield _DELETE_OPTIONS
    for row in rows:
        yield row.group, row.version, row.list_kind
        for endpoint in _endpoints(row):
            yield endpoint.kind
