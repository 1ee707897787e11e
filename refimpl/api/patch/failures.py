"""What is wrong with a patch, as kube-apiserver 1.36 answers it."""

from __future__ import annotations

import json
from typing import Any

import msgspec

from refimpl.api.errors import ApiError, Cause, Object, bad_request, failure
from refimpl.api.gotext import go_text
from refimpl.api.jsontext import type_name

REJECTED = "the server rejected our request due to an error in our request"


def not_a_map(document: Any, prefix: str = "") -> ApiError:
    """400: a patch document that must be an object is something else."""
    kind = type_name(document)
    return bad_request(f"{prefix}json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}")


def unprocessable() -> ApiError:
    """422 without further word: an operation of a JSON patch could not be done."""
    return failure(422, "Invalid", REJECTED, {})


def unmergeable(why: str) -> ApiError:
    """500: a strategic patch that cannot be merged. The original gives it neither reason nor details."""
    return failure(500, "", why)


def undecodable(patched: Object, why: str) -> ApiError:
    """422: what a JSON or merge patch made of the object does not fit its type; the text quotes all of it."""
    return _invalid_patch(msgspec.json.encode(patched).decode(), why)


def undecodable_strategic(document: Object, why: str) -> ApiError:
    """422: what a strategic patch made of the object does not fit its type; the text quotes the patch."""
    return _invalid_patch(go_text(document), why)


def _invalid_patch(quoted: str, why: str) -> ApiError:
    message = f"Invalid value: {json.dumps(quoted, ensure_ascii=False)}: {why}"
    cause = Cause("FieldValueInvalid", message, "patch")
    return failure(422, "Invalid", f' "" is invalid: patch: {message}', {"causes": [cause.to_wire()]})
