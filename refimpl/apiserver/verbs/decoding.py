"""Request bodies: from bytes to a private tree, with the errors of kube-apiserver 1.36."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from typing import Any

import yaml

from refimpl.api import jsontext, protobuf, strict, typed
from refimpl.api.errors import ApiError, Object, bad_request, unsupported_media_type
from refimpl.api.resources import TABLE, Resource
from refimpl.apiserver.verbs.call import Call

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = protobuf.MEDIA_TYPE
APPLY = "application/apply-patch+yaml"
ACCEPTED = f"{JSON}, {YAML}, {PROTOBUF}"

_SCHEME = "k8s.io/kubernetes/pkg/api/legacyscheme/scheme.go:30"
_KINDS = frozenset((row.api_version, kind) for row in TABLE for kind in (row.kind, row.list_kind)) | {("v1", "List")}
_NOT_SERVED = frozenset(
    {
        "apps/v1beta1",
        "apps/v1beta2",
        "batch/v1beta1",
        "coordination.k8s.io/v1beta1",
        "discovery.k8s.io/v1beta1",
        "events.k8s.io/v1beta1",
        "extensions/v1beta1",
        "policy/v1beta1",
        "rbac.authorization.k8s.io/v1beta1",
        "scheduling.k8s.io/v1beta1",
        "storage.k8s.io/v1beta1",
    }
)
"""Versions that release 1.36 still knows and no longer serves."""
_QUOTED = 30


def media_type(call: Call) -> str:
    """The media type of the body, without parameters; JSON when the request does not say."""
    given = call.request.headers.get("content-type", JSON)
    if given == JSON:
        return JSON
    return given.partition(";")[0].strip().lower() or JSON


def read_object(
    call: Call, field_validation: str, resource: Resource | None = None, *, also: Collection[str] = ()
) -> Object:
    """The object in the body of a POST or PUT, as a typed server holds it.

    Args:
        call: the request.
        field_validation: `Ignore`, `Warn` or `Strict`: what happens to unknown and repeated fields.
        resource: whose kind is expected; None means the target's.
        also: other apiVersions of that kind that are understood.

    Raises:
        ApiError: 415 for a media type that is not read here, 400 for a body that is no such object.
    """
    resource = resource or call.target.resource
    media = media_type(call)
    if media == PROTOBUF:
        tree = read_message(call.request.body, resource, also)
    else:
        tree = read_tree(call.request.body, media, resource.kind)
    kind, api_version = tree.get("kind") or resource.kind, tree.get("apiVersion") or resource.api_version
    if kind != resource.kind or (api_version != resource.api_version and api_version not in also):
        if api_version == "__internal":
            # The internal types have no names for JSON, so not even `metadata` is known to them.
            call.warnings += ['unknown field "metadata"' for _ in range("metadata" in tree)]
        raise bad_request(wrong_kind(resource, kind, api_version))
    body = call.request.body if media == JSON else b""
    try:
        obj = typed.decode(resource.api_version, resource.kind, tree, body)
    except typed.DecodeError as wrong:
        raise cannot_handle(resource, str(wrong)) from None
    if field_validation != "Ignore" and media != PROTOBUF:
        errors = strict.strict_errors(resource.api_version, resource.kind, tree, body, obj)
        _report(call, resource, field_validation, errors)
    obj["metadata"] = obj.get("metadata") or {}
    return {**obj, "kind": resource.kind, "apiVersion": resource.api_version}


def _report(call: Call, resource: Resource, field_validation: str, errors: Sequence[str]) -> None:
    if errors and field_validation == "Strict":
        raise cannot_handle(resource, f"strict decoding error: {', '.join(errors)}")
    call.warnings.extend(errors)


def cannot_handle(resource: Resource, why: str) -> ApiError:
    """400: the body is an object of the right kind that cannot be used."""
    return bad_request(f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}: {why}')


def wrong_kind(resource: Resource, kind: str, api_version: str) -> str:
    """What is said about an object of another kind or version."""
    if api_version == "__internal" or (kind == resource.kind and api_version in _NOT_SERVED):
        expected = resource.api_version
        return f"the API version in the data ({api_version}) does not match the expected API version ({expected})"
    shown = api_version.rpartition("/")[2] if (api_version, kind) in _KINDS else api_version
    why = not_convertible(resource, kind, api_version)
    return f'{kind} in version "{shown}" cannot be handled as a {resource.kind}: {why}'


def not_convertible(resource: Resource, kind: str, api_version: str) -> str:
    """Why an object of another kind or version cannot become one of the resource's."""
    if (api_version, kind) not in _KINDS:
        return f'no kind "{kind}" is registered for version "{api_version}" in scheme "{_SCHEME}"'
    package = resource.group.partition(".")[0] or "core"
    version = api_version.rpartition("/")[2]
    return f"converting ({version}.{kind}) to ({package}.{resource.kind}): unknown conversion"


def read_message(body: bytes, resource: Resource, also: Collection[str] = ()) -> Object:
    """The body of a binary request as JSON object; of another kind only its name and version.

    Raises:
        ApiError: 400.
    """
    try:
        return protobuf.decode(body, resource.api_version, resource.kind, also=also)
    except protobuf.DecodeError as wrong:
        if wrong.kind:
            raise cannot_handle(resource, str(wrong)) from None
        raise unrecognized(resource.kind, str(wrong), body) from None


def read_tree(body: bytes, media: str, kind: str) -> Object:
    """The body as JSON object.

    Raises:
        ApiError: 415 or 400.
    """
    if media not in {JSON, YAML}:
        raise unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {ACCEPTED}"
        )
    try:
        tree = parse(media, body)
    except jsontext.JsonError as wrong:
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {wrong}", body) from None
    except ValueError as wrong:
        raise unrecognized(kind, str(wrong), body) from None
    wrong_type = envelope_problem(tree)
    if wrong_type:
        raise unrecognized(kind, f"couldn't get version/kind; json parse error: {wrong_type}", body)
    return tree or {}


def envelope_problem(tree: Any) -> str:
    """What keeps a JSON value from being an object with kind and apiVersion; empty when nothing does."""
    if tree is None:
        return ""
    if not isinstance(tree, dict):
        struct = (
            'struct { APIVersion string "json:\\"apiVersion,omitempty\\""; Kind string "json:\\"kind,omitempty\\"" }'
        )
        return f"json: cannot unmarshal {jsontext.type_name(tree)} into Go value of type {struct}"
    for field in ("apiVersion", "kind"):
        value = tree.get(field)
        if value is not None and not isinstance(value, str):
            name = jsontext.type_name(value)
            return f"json: cannot unmarshal {name} into Go struct field .{field} of type string"
    return ""


def parse(media: str, body: bytes) -> Any:
    """A JSON text, or the first document of a YAML text, as JSON value.

    Raises:
        ValueError: the text is malformed (`JsonError` for JSON).
    """
    if media == JSON:
        return jsontext.decode(body)
    try:
        return next(yaml.safe_load_all(body), None)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"yaml: {_first_line(error)}") from None


def _first_line(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or str(error).partition("\n")[0]
    for ours, theirs in _YAML_TEXTS:
        problem = ours.sub(theirs, problem)
    return f"line {mark.line + 1}: {problem}" if mark is not None else problem


_YAML_TEXTS = (
    (re.compile("expected the node content, but found .*"), "did not find expected node content"),
    (re.compile("expected ('.*'|<.*>|.*), but (got|found) .*"), r"did not find expected \1"),
    (re.compile("not allowed here"), "not allowed in this context"),
)
"""PyYAML's words for what libyaml, and with it Go's yaml, says otherwise."""


def unrecognized(kind: str, why: str, body: bytes) -> ApiError:
    """400: the body cannot be read at all."""
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({_quote(body)})")


def _quote(body: bytes) -> str:
    """The beginning of a body as error texts show it: text when it begins an object, else hexadecimal."""
    if not body:
        return "<empty>"
    shown = body[:_QUOTED]
    text = shown.decode(errors="replace") if body[:1] == b"{" else shown.hex()
    return text + (" ..." if len(body) > len(shown) else "")
