"""How an object is to be deleted, as the body or the query of a DELETE says."""

from __future__ import annotations

import attrs
import msgspec

from refimpl.api import jsontext, protobuf, typed
from refimpl.api.errors import Cause, Object, bad_request, invalid, unsupported_media_type
from refimpl.api.resources import Resource
from refimpl.apiserver.verbs import decoding
from refimpl.apiserver.verbs.call import Call

DELETE_OPTIONS = Resource("meta.k8s.io", "v1", "DeleteOptions", "deleteoptions")
_POLICIES = ("Foreground", "Background", "Orphan")
_SCHEME = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"


@attrs.frozen
class DeleteOptions:
    """How an object is to be deleted.

    Attributes:
        grace_period: seconds; None leaves it to the object.
        propagation: `Foreground`, `Background`, `Orphan`, or None for the kind's own.
        uid: precondition; None accepts any.
        resource_version: precondition; None accepts any.
        dry_run: change nothing.
        accepted: what is not gone at once is answered 202, as who asks for a cascade in the old way expects.
    """

    grace_period: int | None = None
    propagation: str | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False
    accepted: bool = False


def read(call: Call) -> DeleteOptions:
    """Delete options from the body or, without one, from the query.

    Raises:
        ApiError: 400, 415 or 422.
    """
    return from_object(_body(call) if call.request.body else _query(call))


def from_object(options: Object) -> DeleteOptions:
    """Checked options from a `DeleteOptions` object.

    Raises:
        ApiError: 422.
    """
    causes = list(problems(options))
    if causes:
        raise invalid(DELETE_OPTIONS, "", causes)
    preconditions = options.get("preconditions") or {}
    propagation = options.get("propagationPolicy")
    orphan = options.get("orphanDependents")
    if orphan is not None:
        propagation = "Orphan" if orphan else "Background"
    grace = options.get("gracePeriodSeconds")
    # A negative period is treated as the shortest one that is not "at once", since 1.22.
    return DeleteOptions(
        grace_period=1 if grace is not None and grace < 0 else grace,
        propagation=propagation,
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        dry_run=bool(options.get("dryRun")),
        accepted=orphan is False,
    )


def problems(options: Object) -> list[Cause]:
    """What is wrong with a `DeleteOptions` object."""
    causes = []
    policy = options.get("propagationPolicy")
    if policy is not None and options.get("orphanDependents") is not None:
        why = f'Invalid value: "{policy}": orphanDependents and deletionPropagation cannot be both set'
        causes.append(Cause("FieldValueInvalid", why, "propagationPolicy"))
    if policy is not None and policy not in _POLICIES:
        listed = ", ".join(f'"{value}"' for value in (*_POLICIES, "nil"))
        why = f'Unsupported value: "{policy}": supported values: {listed}'
        causes.append(Cause("FieldValueNotSupported", why, "propagationPolicy"))
    causes += dry_run_problems(options.get("dryRun"))
    return causes


def dry_run_problems(values: object) -> list[Cause]:
    """What is wrong with a list of dryRun values: only `All` is known."""
    if not isinstance(values, list) or all(value == "All" for value in values):
        return []
    shown = msgspec.json.encode(values).decode()
    why = f'Unsupported value: {shown}: supported values: "All"'
    return [Cause("FieldValueNotSupported", why, "dryRun")]


def _query(call: Call) -> Object:
    options: Object = {}
    grace = call.integer("gracePeriodSeconds")
    if grace is not None:
        options["gracePeriodSeconds"] = grace
    policy = call.request.parameter("propagationPolicy")
    if policy:
        options["propagationPolicy"] = policy
    if call.request.parameter("orphanDependents") is not None:
        options["orphanDependents"] = call.flag("orphanDependents")
    dry_run = [value for key, value in call.request.query if key == "dryRun"]
    if dry_run:
        options["dryRun"] = dry_run
    return options


def _body(call: Call) -> Object:
    media = decoding.media_type(call)
    if media == decoding.PROTOBUF:
        return _checked(_message(call.request.body))
    if media not in {decoding.JSON, decoding.YAML}:
        raise unsupported_media_type(
            f"the body of the request was in an unknown format - accepted media types include: {decoding.ACCEPTED}"
        )
    try:
        options = decoding.parse(media, call.request.body)
    except jsontext.JsonError as wrong:
        raise bad_request(f"couldn't get version/kind; json parse error: {wrong}") from None
    except ValueError as wrong:
        raise bad_request(str(wrong)) from None
    wrong_type = decoding.envelope_problem(options)
    if wrong_type:
        raise bad_request(f"couldn't get version/kind; json parse error: {wrong_type}")
    return _checked(options or {})


def _message(body: bytes) -> Object:
    try:
        return protobuf.decode(body, "v1", "DeleteOptions")
    except protobuf.DecodeError as wrong:
        raise bad_request(str(wrong)) from None


def _checked(options: Object) -> Object:
    """The options as a typed server holds them."""
    kind = options.get("kind") or "DeleteOptions"
    version = options.get("apiVersion") or "v1"
    if kind != "DeleteOptions":
        raise bad_request(f'no kind "{kind}" is registered for version "{version}" in scheme "{_SCHEME}"')
    try:
        return typed.decode("v1", "DeleteOptions", options)
    except typed.DecodeError as wrong:
        raise bad_request(str(wrong)) from None
