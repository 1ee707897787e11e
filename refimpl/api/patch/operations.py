"""JSON patch (RFC 6902): a list of operations.

Limits and answers: kube-apiserver 1.36 (at most 10,000 operations; a failed one is 422 with a text that says nothing).
"""

from __future__ import annotations

from typing import Any, Final

import jsonpatch
import jsonpointer

from refimpl.api import jsontext
from refimpl.api.errors import Object, bad_request, request_entity_too_large
from refimpl.api.patch import failures

MOST_OPERATIONS: Final = 10_000

Operations = list[dict[str, Any]]


def read(body: bytes) -> Operations:
    """The operations in a request body.

    Raises:
        ApiError: 400 for what is not a list of objects, 413 for too many operations.
    """
    try:
        document = jsontext.decode(body)
    except jsontext.JsonError as wrong:
        raise bad_request(f"error decoding patch: {wrong}") from None
    if document is None:
        return []
    if not isinstance(document, list):
        found = jsontext.type_name(document)
        raise bad_request(f"error decoding patch: json: cannot unmarshal {found} into Go value of type jsonpatch.Patch")
    for operation in document:
        if not isinstance(operation, dict):
            found = jsontext.type_name(operation)
            raise bad_request(
                f"error decoding patch: json: cannot unmarshal {found} into Go value of type jsonpatch.Operation"
            )
    if len(document) > MOST_OPERATIONS:
        raise request_entity_too_large(
            "Request entity too large: "
            f"The allowed maximum operations in a JSON patch is {MOST_OPERATIONS}, got {len(document)}"
        )
    return document


def apply(operations: Operations, target: Object) -> Object:
    """The object after all operations; on a failure none of them counts.

    Raises:
        ApiError: 422 when an operation is malformed, its path does not exist or its test fails.
    """
    try:
        patched = jsonpatch.apply_patch(target, [_with_value(operation) for operation in operations])
    # The library raises plain TypeError for a path that runs through a scalar, and KeyError for a missing member.
    except (jsonpatch.JsonPatchException, jsonpointer.JsonPointerException, TypeError, KeyError, ValueError):
        raise failures.unprocessable() from None
    if not isinstance(patched, dict):
        raise failures.unprocessable()
    return patched


def _with_value(operation: dict[str, Any]) -> dict[str, Any]:
    """The server takes a missing value for null."""
    needs_one = operation.get("op") in {"add", "replace", "test"} and "value" not in operation
    return {**operation, "value": None} if needs_one else operation
