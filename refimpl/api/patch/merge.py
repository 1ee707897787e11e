"""JSON merge patch (RFC 7386): null removes, objects merge, everything else replaces.

Answers to malformed documents: kube-apiserver 1.36.
"""

from __future__ import annotations

from typing import Any

from refimpl.api import jsontext
from refimpl.api.errors import Object, bad_request
from refimpl.api.patch import failures

_DECODING = "error decoding patch: "


def read(body: bytes) -> Object:
    """The document in a request body.

    Raises:
        ApiError: 400 for what is not an object.
    """
    try:
        document = jsontext.decode(body)
    except jsontext.JsonError as wrong:
        raise bad_request(f"{_DECODING}{wrong}") from None
    if document is None:
        raise bad_request("Invalid JSON Patch")
    if not isinstance(document, dict):
        raise failures.not_a_map(document, _DECODING)
    return document


def apply(document: Object, target: Object) -> Object:
    """The merged object; it shares what the patch does not touch with the target.

    Members of touched objects come out sorted, as the original writes them into its error texts.
    """
    merged: Object = {}
    for key in sorted(target.keys() | document.keys()):
        if key not in document:
            merged[key] = target[key]
        elif document[key] is not None:
            merged[key] = _merged(document[key], target.get(key))
    return merged


def _merged(document: Any, target: Any) -> Any:
    if not isinstance(document, dict):
        return document
    return apply(document, target if isinstance(target, dict) else {})
