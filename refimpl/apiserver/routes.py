"""Which function serves which method of which resource URL."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType

from refimpl.api.errors import failure, method_not_allowed
from refimpl.api.http import Request, Response
from refimpl.api.resources import BINDINGS, COMPONENTSTATUSES, Resource
from refimpl.apiserver import componentstatuses
from refimpl.apiserver.paths import Target
from refimpl.apiserver.subresources import binding, containers, eviction, reviews, scale, tokens
from refimpl.apiserver.verbs import create, delete, patch, read, rendering, update, watch
from refimpl.apiserver.verbs.call import Answer, Call, reads_as_true

Handler = Callable[[Call], Awaitable[Response]]


def _object(verb: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """A handler that renders the one object a verb answers with."""

    async def handle(call: Call) -> Response:
        return rendering.render(call, await verb(call))

    return handle


def _scale(verb: Callable[[Call], Awaitable[Answer]]) -> Handler:
    """A handler that renders the Scale a verb answers with."""

    async def handle(call: Call) -> Response:
        return scale.rendered(call, await verb(call))

    return handle


async def _list(call: Call) -> Response:
    return rendering.render_list(call, await read.find(call))


async def _delete_collection(call: Call) -> Response:
    return rendering.render_list(call, await delete.delete_collection(call))


async def _watch(call: Call) -> Response:
    return rendering.render_stream(call, await watch.start(call))


_STORED = MappingProxyType(
    {"GET": _object(read.get), "PUT": _object(update.put), "PATCH": _object(patch.patch)},
)
_OBJECT = MappingProxyType(
    {
        "GET": ("get", _STORED["GET"]),
        "PUT": ("update", _STORED["PUT"]),
        "PATCH": ("patch", _STORED["PATCH"]),
        "DELETE": ("delete", _object(delete.delete)),
    }
)
_COLLECTION = MappingProxyType(
    {
        "GET": ("list", _list),
        "POST": ("create", _object(create.create)),
        "DELETE": ("deletecollection", _delete_collection),
    }
)
_SUBRESOURCES: Mapping[str, Mapping[str, Handler]] = MappingProxyType(
    {
        "status": _STORED,
        "approval": _STORED,
        "ephemeralcontainers": _STORED,
        "resize": _STORED,
        "finalize": {"PUT": _object(update.put)},
        "scale": {"GET": _scale(scale.get), "PUT": _scale(scale.put), "PATCH": _scale(scale.patch_scale)},
        "binding": {"POST": _object(binding.create_for_pod)},
        "token": {"POST": _object(tokens.create)},
        "eviction": {"POST": _object(eviction.create)},
        "proxy": dict.fromkeys(("GET", "POST", "PUT", "PATCH", "DELETE"), containers.node_proxy),
        "log": {"GET": containers.log},
        "exec": {"GET": containers.stream, "POST": containers.stream},
        "attach": {"GET": containers.stream, "POST": containers.stream},
        "portforward": {"GET": containers.stream, "POST": containers.stream},
    }
)

_REVIEW = MappingProxyType({"create": _object(reviews.create)})
_SPECIAL: Mapping[Resource, Mapping[str, Handler]] = MappingProxyType(
    {
        **dict.fromkeys(reviews.REVIEWS, _REVIEW),
        BINDINGS: {"create": _object(binding.create)},
        COMPONENTSTATUSES: {"get": componentstatuses.get, "list": componentstatuses.find},
    }
)
"""Resources that are not simply stored."""


def find(target: Target, request: Request) -> Handler:
    """The function that serves a request.

    Raises:
        ApiError: 405.
    """
    handler = _find(target, request)
    if handler is None:
        raise method_not_allowed()
    return handler


def _find(target: Target, request: Request) -> Handler | None:
    method, resource = request.method, target.resource
    if target.subresource:
        return _SUBRESOURCES.get(target.subresource, {}).get(method)
    if target.watch:
        return _watch if method == "GET" and "watch" in resource.verbs else None
    verb, handler = (_OBJECT if target.name else _COLLECTION).get(method, ("", None))
    if verb not in resource.verbs or (verb == "create" and resource.namespaced and not target.namespace):
        return None
    if is_watch(target, request):
        if "watch" not in resource.verbs:
            why = f'watch is not supported on resources of kind "{resource.plural}"'
            raise failure(405, "MethodNotAllowed", why, {"kind": resource.plural})
        return _watch
    special = _SPECIAL.get(resource)
    return special[verb] if special is not None else handler


def is_watch(target: Target, request: Request) -> bool:
    """Whether a request for a collection asks for a watch."""
    if not request.query or target.name or request.method != "GET":
        return False
    return reads_as_true(request.parameter("watch"))
