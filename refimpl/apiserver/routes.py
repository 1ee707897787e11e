"""Which function serves which method of which resource URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from refimpl.api.errors import method_not_allowed
from refimpl.api.http import Request
from refimpl.apiserver import create, delete, patch, read, update
from refimpl.apiserver.call import Answer, Call
from refimpl.apiserver.paths import Target

Verb = Callable[[Call], Awaitable[Answer]]


async def _collection(call: Call) -> Answer:
    raise AssertionError("collections are answered by the server itself")


async def _stream(call: Call) -> Answer:
    raise AssertionError("streams are answered by the server itself")


LIST: Verb = _collection
WATCH: Verb = _stream

_OBJECT: Mapping[str, tuple[str, Verb]] = MappingProxyType(
    {
        "GET": ("get", read.get),
        "PUT": ("update", update.put),
        "PATCH": ("patch", patch.patch),
        "DELETE": ("delete", delete.delete),
    }
)
_COLLECTION: Mapping[str, tuple[str, Verb]] = MappingProxyType(
    {
        "GET": ("list", LIST),
        "POST": ("create", create.create),
    }
)
_SUBRESOURCES: Mapping[str, Mapping[str, Verb]] = MappingProxyType(
    {"status": {"GET": read.get, "PUT": update.put, "PATCH": patch.patch}}
)


def find(target: Target, request: Request) -> Verb:
    """The function that serves a request.

    Raises:
        ApiError: 405.
    """
    method = request.method
    if target.subresource:
        verb = _SUBRESOURCES.get(target.subresource, {}).get(method)
        if verb is None:
            raise method_not_allowed()
        return verb
    route = (_OBJECT if target.name else _COLLECTION).get(method)
    if target.watch and method == "GET":
        return WATCH
    if route is None or route[0] not in target.resource.verbs:
        raise method_not_allowed()
    if route[1] is LIST and wants_watch(request):
        return WATCH
    return route[1]


def wants_watch(request: Request) -> bool:
    """Whether a list request asks for a watch; what does not read as a boolean counts as true."""
    value = request.parameter("watch")
    return value is not None and value not in {"", "0", "f", "F", "FALSE", "false", "False"}
