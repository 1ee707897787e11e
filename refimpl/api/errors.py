"""API errors: every failure that crosses the wire is an `ApiError` carrying a `Status` object.

Shapes and texts follow kube-apiserver 1.36 (`apimachinery/pkg/api/errors`). One constructor a reason:

    400 bad_request            401 unauthorized        403 forbidden
    404 not_found              405 method_not_allowed  406 not_acceptable
    409 already_exists         409 conflict            410 expired / gone
    413 request_entity_too_large                       415 unsupported_media_type
    422 invalid                429 too_many_requests   500 internal
    503 service_unavailable    504 timeout
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs
import msgspec

from refimpl.api.resources import Resource

Object = dict[str, Any]
"""An API object (or any JSON object) exactly as it is on the wire."""


@attrs.frozen
class Cause:
    """One reason why an object is invalid.

    Attributes:
        reason: `FieldValueRequired`, `FieldValueInvalid`, `FieldValueNotSupported`, `FieldValueDuplicate`,
            `FieldValueForbidden`, `FieldValueTooLong`, `FieldValueTypeInvalid`, ...
        message: what is wrong, without the field's name.
        field: path of the field, e.g. `spec.taints[0].effect`.
    """

    reason: str
    message: str
    field: str

    def to_wire(self) -> Object:
        """The cause as it stands in `details.causes`."""
        return {"reason": self.reason, "message": self.message, "field": self.field}


class ApiError(Exception):
    """A request that failed with a `Status` answer.

    Attributes:
        status: the `Status` object as it is (or was) on the wire.
    """

    def __init__(self, status: Object) -> None:
        super().__init__(status.get("message", ""))
        self.status = status

    @property
    def code(self) -> int:
        """HTTP status code."""
        return int(self.status.get("code", 500))

    @property
    def reason(self) -> str:
        """Machine-readable reason, e.g. `NotFound`; empty when the answer had none."""
        return str(self.status.get("reason", ""))

    @property
    def message(self) -> str:
        """The text for people."""
        return str(self.status.get("message", ""))

    @property
    def retry_after(self) -> int | None:
        """Seconds the server asks to wait before the request is repeated, or None."""
        seconds = (self.status.get("details") or {}).get("retryAfterSeconds")
        return int(seconds) if seconds else None

    def to_wire(self) -> bytes:
        """The encoded `Status`."""
        return msgspec.json.encode(self.status)


def failure(code: int, reason: str, message: str, details: Mapping[str, Any] | None = None) -> ApiError:
    """Any failure `Status`; prefer a named constructor below."""
    status: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": message,
    }
    if reason:
        status["reason"] = reason
    if details is not None:
        status["details"] = dict(details)
    status["code"] = code
    return ApiError(status)


def _about(resource: Resource, name: str, **more: Any) -> Object:
    details: Object = {}
    if name:
        details["name"] = name
    if resource.group:
        details["group"] = resource.group
    details["kind"] = resource.plural
    details.update(more)
    return details


def _quoted(name: str) -> str:
    """A name from a URL, which may hold anything, in quotes."""
    printable = "".join(one if one.isprintable() else f"\\x{ord(one):02x}" for one in name)
    return f'"{printable}"'


def not_found(resource: Resource, name: str) -> ApiError:
    """404: no object of that name."""
    message = f"{resource.qualified_plural} {_quoted(name)} not found"
    return failure(404, "NotFound", message, _about(resource, name))


def already_exists(resource: Resource, name: str) -> ApiError:
    """409 on create: the name is taken."""
    message = f'{resource.qualified_plural} "{name}" already exists'
    return failure(409, "AlreadyExists", message, _about(resource, name))


OBJECT_MODIFIED = "the object has been modified; please apply your changes to the latest version and try again"


def conflict(resource: Resource, name: str, why: str = OBJECT_MODIFIED) -> ApiError:
    """409: a precondition or the resourceVersion did not hold."""
    message = f'Operation cannot be fulfilled on {resource.qualified_plural} "{name}": {why}'
    return failure(409, "Conflict", message, _about(resource, name))


def forbidden(resource: Resource, name: str, why: str, causes: Iterable[Cause] = ()) -> ApiError:
    """403: authorization or admission refuses."""
    target = f'{resource.qualified_plural} "{name}"' if name else resource.qualified_plural
    more = {"causes": [cause.to_wire() for cause in causes]} if causes else {}
    return failure(403, "Forbidden", f"{target} is forbidden: {why}", _about(resource, name, **more))


def invalid(resource: Resource, name: str, causes: Iterable[Cause]) -> ApiError:
    """422: the object was understood but breaks a rule."""
    listed = list(causes)
    # The causes keep what was found twice, the text does not: so does the original.
    texts = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in listed))
    text = texts[0] if len(texts) == 1 else "[" + ", ".join(texts) + "]"
    qualified_kind = f"{resource.kind}.{resource.group}" if resource.group else resource.kind
    details: Object = {"name": name} if name else {}
    if resource.group:
        details["group"] = resource.group
    if resource.kind:
        details["kind"] = resource.kind
    details["causes"] = [cause.to_wire() for cause in listed]
    return failure(422, "Invalid", f'{qualified_kind} "{name}" is invalid: {text}', details)


def bad_request(message: str) -> ApiError:
    """400: the request itself cannot be understood."""
    return failure(400, "BadRequest", message)


def unauthorized(message: str = "Unauthorized") -> ApiError:
    """401: no valid credentials."""
    return failure(401, "Unauthorized", message)


def method_not_allowed(message: str = "the server does not allow this method on the requested resource") -> ApiError:
    """405."""
    return failure(405, "MethodNotAllowed", message, {})


def not_acceptable(message: str) -> ApiError:
    """406: none of the accepted media types can be produced."""
    return failure(406, "NotAcceptable", message)


def unsupported_media_type(message: str) -> ApiError:
    """415: the body's media type is not understood."""
    return failure(415, "UnsupportedMediaType", message)


def expired(message: str) -> ApiError:
    """410: the resourceVersion or continue token is too old."""
    return failure(410, "Expired", message)


def request_entity_too_large(message: str) -> ApiError:
    """413: the body is larger than the server accepts."""
    return failure(413, "RequestEntityTooLarge", message)


def too_many_requests(message: str, retry_after: int = 0, **details: Any) -> ApiError:
    """429."""
    more: Object = dict(details)
    if retry_after:
        more["retryAfterSeconds"] = retry_after
    return failure(429, "TooManyRequests", message, more)


def internal(message: str) -> ApiError:
    """500."""
    text = f"Internal error occurred: {message}"
    return failure(500, "InternalError", text, {"causes": [{"message": message}]})


def service_unavailable(message: str) -> ApiError:
    """503."""
    return failure(503, "ServiceUnavailable", message)


def timeout(message: str, retry_after: int = 0) -> ApiError:
    """504: the server could not finish in time."""
    return failure(504, "Timeout", f"Timeout: {message}", {"retryAfterSeconds": retry_after} if retry_after else {})
