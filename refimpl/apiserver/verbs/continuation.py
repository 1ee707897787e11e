r"""Continue tokens: where the next page of a list begins, and as of which revision.

The form is that of kube-apiserver 1.36, base64url of `{"v":"meta.k8s.io/v1","rv":N,"start":"name\u0000"}`, so that
tokens mean the same to any server.
"""

from __future__ import annotations

import base64
import binascii

import attrs
import msgspec

from refimpl.api import jsontext
from refimpl.api.errors import ApiError, bad_request, failure

_VERSION = "meta.k8s.io/v1"
ANY_REVISION = -1
"""In a token of an expired list: go on with whatever there is now."""

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@attrs.frozen
class Continuation:
    """A decoded token.

    Attributes:
        revision: of the list it continues, or `ANY_REVISION`.
        start: the first place of the page, in the order of the list.
    """

    revision: int
    start: bytes


def encode(revision: int, last: str) -> str:
    """The token of the page that begins after the object at `last`."""
    text = msgspec.json.encode({"v": _VERSION, "rv": revision, "start": f"{last}\0"})
    return base64.urlsafe_b64encode(text).rstrip(b"=").decode()


def decode(token: str) -> Continuation:
    """Reads a token.

    Raises:
        ApiError: 400.
    """
    try:
        text = base64.urlsafe_b64decode(token + "=" * (-len(token) % 4))
    except (binascii.Error, ValueError):
        raise _refused("illegal base64 data at input byte 0") from None
    try:
        fields = jsontext.decode(text)
    except jsontext.JsonError as wrong:
        raise _refused(str(wrong)) from None
    if not isinstance(fields, dict) or fields.get("v") != _VERSION:
        version = fields.get("v", "") if isinstance(fields, dict) else ""
        raise _refused(f'server does not recognize this encoded version "{version}"')
    revision, start = fields.get("rv", 0), fields.get("start", "")
    if not isinstance(revision, int) or not isinstance(start, str):
        raise _refused("json: cannot unmarshal into Go struct")
    if revision == 0:
        raise _refused(f"incorrect encoded start resourceVersion (version {_VERSION})")
    if not start:
        raise _refused(f"encoded start key empty (version {_VERSION})")
    return Continuation(revision, start.encode())


def _refused(why: str) -> ApiError:
    return bad_request(f"invalid continue token: continue key is not valid: {why}")


def expired(start: bytes) -> ApiError:
    """410: the revision of the list is forgotten; the answer has a token that goes on without it."""
    error = failure(410, "Expired", _EXPIRED)
    last = start.removesuffix(b"\0").decode(errors="replace")
    error.status["metadata"] = {"continue": encode(ANY_REVISION, last)}
    return error
