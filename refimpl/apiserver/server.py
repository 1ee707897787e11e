"""The API server: from a request value to a response value or a stream of chunks."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

from refimpl.api.errors import ApiError, method_not_allowed
from refimpl.api.http import Request, Response
from refimpl.api.resources import NAMESPACES, Resource
from refimpl.apiserver import create, delete, encoding, kinds, patch, paths, read, update, watch
from refimpl.apiserver.call import Answer, Call
from refimpl.apiserver.paths import Target
from refimpl.apiserver.registry import Registry
from refimpl.apiserver.strategy import Strategy
from refimpl.clock import Clock
from refimpl.storage.base import Store

SYSTEM_NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")

Verb = Callable[[Call], Awaitable[Answer]]


class ApiServer:
    """A sans-IO Kubernetes API server.

    Args:
        store: where objects are kept.
        clock: time, randomness, uids.
        strategies: behaviour by row of the resource table.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        *,
        strategies: Callable[[Resource], Strategy] = kinds.strategy_for,
    ) -> None:
        self.clock = clock
        self.registry = Registry(store, strategies)
        self._strategies = strategies
        self._verbs: Mapping[str, Verb] = {"PUT": update.put, "PATCH": patch.patch, "DELETE": delete.delete}

    async def start(self) -> None:
        """Loads the store and makes the system namespaces."""
        await self.registry.start()
        for name in SYSTEM_NAMESPACES:
            if self.registry.entry(NAMESPACES, name) is None:
                body = encoding.encode({"metadata": {"name": name}})
                await self.handle(Request("POST", NAMESPACES.path(), body=body))
        self.registry.begin_history()

    async def close(self) -> None:
        """Ends all watches and closes the store."""
        await self.registry.close()

    async def handle(self, request: Request) -> Response:
        """Answers one request; never raises for anything a client can send."""
        warnings: list[str] = []
        try:
            target = paths.parse(request.path)
            if target is None:
                return Response(404, b"404 page not found\n", (("content-type", "text/plain; charset=utf-8"),))
            call = Call(request, target, self._strategies(target.resource), self.registry, self.clock, warnings)
            return await self._serve(call)
        except ApiError as error:
            return Response(error.code, error.to_wire(), _headers(warnings))

    async def _serve(self, call: Call) -> Response:
        target, method = call.target, call.request.method
        if not target.name:
            return await self._collection(call)
        if method == "GET":
            if target.watch or call.flag("watch"):
                return self._watch(call)
            return _object(target, read.get(call), call.warnings)
        verb = self._verbs.get(method)
        if verb is None:
            raise method_not_allowed()
        return _object(target, await verb(call), call.warnings)

    async def _collection(self, call: Call) -> Response:
        match call.request.method:
            case "GET" if call.target.watch or call.flag("watch"):
                return self._watch(call)
            case "GET":
                return Response(200, read.encode_list(call, read.find(call)), _headers(call.warnings))
            case "POST":
                return _object(call.target, await create.create(call), call.warnings)
            case _:
                raise method_not_allowed()

    def _watch(self, call: Call) -> Response:
        stream = watch.start(call)
        body: AsyncIterator[bytes] = watch.once([stream]) if isinstance(stream, bytes) else stream
        return Response(200, body, _headers(call.warnings))


def _headers(warnings: list[str]) -> tuple[tuple[str, str], ...]:
    plain = (("content-type", "application/json"), ("cache-control", "no-cache, private"))
    return plain + tuple(("warning", f'299 - "{text}"') for text in warnings)


def _object(target: Target, answer: Answer, warnings: list[str]) -> Response:
    if answer.item is not None:
        body = encoding.full(target.resource, answer.item)
    else:
        body = encoding.encode(answer.obj)
    return Response(answer.status, body, _headers(warnings))
