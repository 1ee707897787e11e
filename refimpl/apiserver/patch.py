"""PATCH: JSON patch, merge patch, strategic merge patch."""

from __future__ import annotations

from typing import Any

from refimpl.api.errors import ApiError, Object, unsupported_media_type
from refimpl.apiserver import decoding, update
from refimpl.apiserver.call import Answer, Call

MERGE = "application/merge-patch+json"


async def patch(call: Call) -> Answer:
    """Changes parts of an object."""
    kind = decoding.media_type(call)
    if kind != MERGE:
        raise not_read(kind)
    document = decoding._decode(call.request.body)
    return await update.change(
        call, lambda obj: merge(obj, document), dry_run=call.request.parameter("dryRun") == "All"
    )


def merge(target: Object, document: Object) -> Object:
    """RFC 7386."""
    for key, value in document.items():
        if value is None:
            target.pop(key, None)
        elif isinstance(value, dict):
            below: Any = target.get(key)
            target[key] = merge(below if isinstance(below, dict) else {}, value)
        else:
            target[key] = value
    return target


def not_read(kind: str) -> ApiError:
    """415."""
    return unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: "
        "application/json-patch+json, application/merge-patch+json, application/strategic-merge-patch+json"
    )
