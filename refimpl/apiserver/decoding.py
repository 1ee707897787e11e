"""Request bodies: from bytes to a private tree, with the errors of kube-apiserver 1.36."""

from __future__ import annotations

from typing import Any

import msgspec
import yaml

from refimpl.api.errors import ApiError, Object, bad_request, unsupported_media_type
from refimpl.apiserver.call import Call

JSON = "application/json"
YAML = "application/yaml"

_decode = msgspec.json.Decoder().decode


def media_type(call: Call) -> str:
    """The media type of the body, without parameters; JSON when the request does not say."""
    return call.request.headers.get("content-type", JSON).partition(";")[0].strip().lower() or JSON


def read_object(call: Call) -> Object:
    """The object in the body of a POST or PUT.

    Raises:
        ApiError: 415 for a media type that is not read here, 400 for a body that is no object of the target's kind.
    """
    resource = call.target.resource
    obj = read_tree(call)
    if obj is None:
        obj = {}
    if not isinstance(obj, dict):
        raise unrecognized(resource.kind, "json parse error: json: cannot unmarshal into Go value", call.request.body)
    kind = obj.pop("kind", None) or resource.kind
    api_version = obj.pop("apiVersion", None) or resource.api_version
    if (kind, api_version) != (resource.kind, resource.api_version):
        raise bad_request(
            f'{kind} in version "{api_version}" cannot be handled as a {resource.kind}: '
            f"converting ({api_version}.{kind}) to ({resource.kind}): unknown conversion"
        )
    metadata = obj.pop("metadata", None)
    if metadata is not None and not isinstance(metadata, dict):
        raise bad_request(
            f'{kind} in version "{api_version}" cannot be handled as a {resource.kind}: '
            f"json: cannot unmarshal into Go struct field {kind}.metadata of type v1.ObjectMeta"
        )
    return {"kind": kind, "apiVersion": api_version, "metadata": metadata or {}, **obj}


def read_tree(call: Call) -> Any:
    """The body as JSON value.

    Raises:
        ApiError: 415 or 400.
    """
    body = call.request.body
    kind = call.target.resource.kind
    match media_type(call):
        case "application/json":
            try:
                return _decode(body)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise unrecognized(kind, f"couldn't get version/kind; json parse error: {error}", body) from None
        case "application/yaml":
            return _read_yaml(kind, body)
        case _:
            raise unsupported_media_type(
                "the body of the request was in an unknown format - accepted media types include: "
                "application/json, application/yaml"
            )


def _read_yaml(kind: str, body: bytes) -> Any:
    try:
        documents = yaml.safe_load_all(body)
        return next(documents, None)
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        raise unrecognized(kind, f"yaml: {str(error).splitlines()[0]}", body) from None


def unrecognized(kind: str, why: str, body: bytes) -> ApiError:
    """400: the body cannot be read at all."""
    return bad_request(f"the object provided is unrecognized (must be of type {kind}): {why} ({_quote(body)})")


def _quote(body: bytes) -> str:
    """The beginning of a body as error texts show it: text when it begins an object, else hexadecimal."""
    if not body:
        return "<empty>"
    shown = body[:30]
    text = shown.decode(errors="replace") if body[:1] == b"{" else shown.hex()
    return text + (" ..." if len(body) > len(shown) else "")
