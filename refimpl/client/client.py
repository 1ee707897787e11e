"""The REST client: one method a verb, plain dicts in and out.

Every method raises `refimpl.api.errors.ApiError` when the server answers with a failure, and
`refimpl.client.transport.Unreachable` when no answer came. The client never retries: callers know what may be repeated.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Mapping, Sequence
from typing import Any, Literal

import msgspec

from refimpl.api.errors import ApiError, Object, failure
from refimpl.api.http import Request, Response, close
from refimpl.api.resources import Resource
from refimpl.api.transient import transient
from refimpl.client.transport import Transport, Unreachable

PatchKind = Literal["strategic", "merge", "json"]

_PATCH_TYPES: Mapping[PatchKind, str] = {
    "strategic": "application/strategic-merge-patch+json",
    "merge": "application/merge-patch+json",
    "json": "application/json-patch+json",
}
STRATEGIC = _PATCH_TYPES["strategic"]
_PAGE = 500


@transient
class WatchEvent:
    """One line of a watch stream.

    Attributes:
        type: `ADDED`, `MODIFIED`, `DELETED` or `BOOKMARK` (an `ERROR` line is raised as `ApiError`).
        object: the object; of a bookmark, only kind and resourceVersion.
    """

    type: str
    object: Object

    @property
    def resource_version(self) -> str:
        """The object's resourceVersion."""
        version: str = self.object["metadata"]["resourceVersion"]
        return version


class Client:
    """A typed-enough client: resources are rows of the table, objects are dicts.

    Args:
        transport: how requests travel.
        user_agent: sent with every request; the server records it as field manager.
        timeout: seconds to wait for an answer (not for the end of a watch); None where one always comes.
    """

    def __init__(
        self, transport: Transport, *, user_agent: str = "node-contract", timeout: float | None = 30.0
    ) -> None:
        self._transport = transport
        self._timeout = timeout
        self._headers = {"accept": "application/json", "user-agent": user_agent}
        self._body_headers = {**self._headers, "content-type": "application/json"}

    def with_timeout(self, seconds: float) -> Client:
        """A client over the same connections that waits no longer than this for an answer (one that waits at all)."""
        client = Client(self._transport, timeout=None if self._timeout is None else seconds)
        client._headers, client._body_headers = self._headers, self._body_headers
        return client

    async def aclose(self) -> None:
        """Releases the transport's connections."""
        await self._transport.aclose()

    async def get(
        self, resource: Resource, name: str, *, namespace: str | None = None, subresource: str | None = None
    ) -> Object:
        """Reads one object."""
        return await self.request("GET", resource.path(namespace, name, subresource))

    async def list(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> Object:
        """Reads a whole collection, page by page; the answer is one list object with all items.

        Items carry no `kind` and `apiVersion`, as on the wire.
        """
        query = _selectors(label_selector, field_selector)
        page = await self.request("GET", resource.path(namespace), query={**query, "limit": str(_PAGE)})
        whole = page
        items = page.get("items") or []
        while token := page["metadata"].get("continue"):
            parameters = {**query, "limit": str(_PAGE), "continue": token}
            page = await self.request("GET", resource.path(namespace), query=parameters)
            items.extend(page.get("items") or [])
        whole["items"] = items
        whole["metadata"].pop("continue", None)
        whole["metadata"].pop("remainingItemCount", None)
        return whole

    async def create(
        self,
        resource: Resource,
        body: Object,
        *,
        namespace: str | None = None,
        name: str | None = None,
        subresource: str | None = None,
    ) -> Object:
        """Creates an object, or posts to a subresource of `name` (binding, eviction)."""
        namespace = namespace or (body.get("metadata") or {}).get("namespace")
        return await self.request("POST", resource.path(namespace, name, subresource), body)

    async def update(self, resource: Resource, body: Object, *, subresource: str | None = None) -> Object:
        """Replaces an object; its `metadata.resourceVersion`, where present, is the optimistic lock."""
        metadata = body["metadata"]
        return await self.request("PUT", resource.path(metadata.get("namespace"), metadata["name"], subresource), body)

    async def patch(
        self,
        resource: Resource,
        name: str,
        patch: Object | Sequence[Object],
        *,
        namespace: str | None = None,
        subresource: str | None = None,
        kind: PatchKind = "strategic",
        query: Mapping[str, str] | None = None,
    ) -> Object:
        """Patches an object or one of its subresources."""
        path = resource.path(namespace, name, subresource)
        return await self.request("PATCH", path, patch, content_type=_PATCH_TYPES[kind], query=query)

    async def delete(
        self,
        resource: Resource,
        name: str,
        *,
        namespace: str | None = None,
        grace_period: int | None = None,
        uid: str | None = None,
        resource_version: str | None = None,
        propagation: str | None = None,
    ) -> Object:
        """Deletes an object.

        Args:
            resource: the row of the table.
            name: the object's name.
            namespace: its namespace.
            grace_period: seconds; None leaves the choice to the object.
            uid: precondition; a mismatch is 409.
            resource_version: precondition; a mismatch is 409.
            propagation: `Foreground`, `Background` or `Orphan`.
        """
        preconditions = {
            key: value for key, value in (("uid", uid), ("resourceVersion", resource_version)) if value is not None
        }
        options: Object = {"kind": "DeleteOptions", "apiVersion": "v1"}
        if grace_period is not None:
            options["gracePeriodSeconds"] = grace_period
        if preconditions:
            options["preconditions"] = preconditions
        if propagation is not None:
            options["propagationPolicy"] = propagation
        return await self.request("DELETE", resource.path(namespace, name), options)

    async def watch(
        self,
        resource: Resource,
        *,
        namespace: str | None = None,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_seconds: int | None = None,
    ) -> AsyncGenerator[WatchEvent, None]:
        """Yields the events of a collection after `resource_version` until the server ends the stream.

        Close it with `aclose()` (or `contextlib.aclosing`) when leaving early.

        Raises:
            ApiError: the server refused, or sent an `ERROR` event (410 when the version is too old).
            Unreachable: the stream broke.
        """
        query = _selectors(label_selector, field_selector)
        query |= {"watch": "1", "allowWatchBookmarks": "true"}
        if resource_version:
            query["resourceVersion"] = resource_version
        if timeout_seconds is not None:
            query["timeoutSeconds"] = str(timeout_seconds)
        request = Request("GET", resource.path(namespace), tuple(query.items()), self._headers)
        response = await self._send(request, stream=True)
        if response.status != 200:
            raise _error(response.status, await _collect(response))
        chunks = _whole(response.body) if isinstance(response.body, bytes) else response.body
        rest = b""
        try:
            async for chunk in chunks:
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if not line:
                        continue
                    event = _decoded(request, line)
                    if event["type"] == "ERROR":
                        raise ApiError(event["object"])
                    yield WatchEvent(event["type"], event["object"])
        finally:
            await close(chunks)
        if rest.strip():
            raise Unreachable(f"the watch stream ended in the middle of a line ({len(rest)} bytes)")

    async def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Object:
        """Any request with a JSON answer; prefer a verb's own method."""
        request = self._request(method, path, body, query, content_type)
        return _decoded(request, await self._answer(request))

    async def tell(self, method: str, path: str, body: Any, *, content_type: str | None = None) -> None:
        """A request of which only matters that it worked: the answer is not read."""
        await self._answer(self._request(method, path, body, None, content_type))

    def _request(
        self, method: str, path: str, body: Any, query: Mapping[str, str] | None, content_type: str | None
    ) -> Request:
        parameters = tuple(query.items()) if query else ()
        if body is None:
            return Request(method, path, parameters, self._headers)
        headers = {**self._headers, "content-type": content_type} if content_type else self._body_headers
        return Request(method, path, parameters, headers, msgspec.json.encode(body))

    async def _answer(self, request: Request) -> bytes:
        """The body of a good answer."""
        response = await self._send(request, stream=False)
        answer = response.body if isinstance(response.body, bytes) else await _collect(response)
        if response.status >= 400:
            raise _error(response.status, answer)
        return answer

    def _send(self, request: Request, *, stream: bool) -> Awaitable[Response]:
        if self._timeout is None:
            return self._transport.send(request, stream=stream)
        return self._send_in_time(request, stream=stream)

    async def _send_in_time(self, request: Request, *, stream: bool) -> Response:
        try:
            async with asyncio.timeout(self._timeout):
                return await self._transport.send(request, stream=stream)
        except TimeoutError:
            raise Unreachable(f"{request.method} {request.path}: no answer within {self._timeout:g}s") from None


def _selectors(label_selector: str, field_selector: str) -> dict[str, str]:
    query = {}
    if label_selector:
        query["labelSelector"] = label_selector
    if field_selector:
        query["fieldSelector"] = field_selector
    return query


def _decoded(request: Request, text: bytes) -> Object:
    """A JSON object that was answered; anything else is no answer of an API server.

    Raises:
        Unreachable: it is something else.
    """
    try:
        found = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        raise Unreachable(f"{request.method} {request.path}: the answer is no JSON object: {text[:80]!r}")
    return found


async def _collect(response: Response) -> bytes:
    if isinstance(response.body, bytes):
        return response.body
    return b"".join([chunk async for chunk in response.body])


async def _whole(body: bytes) -> AsyncGenerator[bytes, None]:
    """A body that came at once, as a stream; its last line may lack its end."""
    yield body if body.endswith(b"\n") else body + b"\n"


def _error(status: int, body: bytes) -> ApiError:
    try:
        decoded = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        decoded = None
    if isinstance(decoded, dict) and decoded.get("kind") == "Status":
        return ApiError(decoded)
    text = body[:200].decode(errors="replace").strip() or "(empty answer)"
    return failure(status, "", f"HTTP {status}: {text}")
