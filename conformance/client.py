"""The suite's client of a Kubernetes API: every request is noted, every error is one clear line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlencode

import attrs
import msgspec

from conformance.clock import SuiteClock
from conformance.patience import Patience
from conformance.record.history import Exchange
from conformance.wire import NoAnswer, Reply, Wire

STRATEGIC = "application/strategic-merge-patch+json"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"

_BODY_LIMIT = 2000
_KEPT = ("Content-Type", "Impersonate-")
"""Headers that an exchange keeps, by the beginnings of their names; none of them is a credential."""
_UNANSWERED = 60.0
"""Seconds without an answer after which there will be none, whatever the wire says."""
_SHOWN = 80
_TRANSIENT = (429, 502, 503, 504)
_CONSEQUENCES = (404, 409, 410, 422)
"""What a request may be answered because it was carried out before."""


class ApiRefused(Exception):
    """The API answered with an error.

    Attributes:
        status: HTTP status code.
        reason: the Status object's reason, e.g. `NotFound`; empty when the answer was no Status.
        message: its message.
    """

    def __init__(self, method: str, path: str, status: int, reason: str, message: str) -> None:
        super().__init__(f"{method} {path} was answered {f'{status} {reason}'.strip()}: {message}")
        self.status = status
        self.reason = reason
        self.message = message


@contextmanager
def existing() -> Iterator[None]:
    """Passes over what cannot be written because it is gone: whether it may be is for cases to judge."""
    try:
        yield
    except ApiRefused as error:
        if error.status != 404:
            raise


@attrs.frozen
class Answer:
    """A whole HTTP answer.

    Attributes:
        status: HTTP status code.
        headers: header values by lower-case name.
        body: the decoded JSON, or None when it was none.
        text: the undecoded body.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    text: str


Note = Callable[[Exchange], None]


class ApiClient:
    """Talks to one API server.

    Args:
        wire: the way to the server, with address and credentials.
        clock: for times and pauses.
        who: on whose behalf; stands in every exchange.
        note: told of every exchange.
        patience: seconds for which a request is tried again at least while it is not answered.
    """

    def __init__(self, wire: Wire, *, clock: SuiteClock, who: str, note: Note, patience: float = 0) -> None:
        self._wire = wire
        self._patience = patience
        self._clock = clock
        self._who = who
        self._note = note
        self._underway: dict[asyncio.Future[Reply], None] = {}

    async def aclose(self) -> None:
        """Closes the connections."""
        await self.settle()
        await self._wire.aclose()

    async def get(self, path: str, **query: str) -> Any:
        """Reads an object or a list."""
        return await self._call("GET", path, query=query)

    async def create(self, path: str, body: Mapping[str, Any]) -> Any:
        """Creates an object. Names are unique to the run, so an answer lost on the way is made good by reading.

        Raises:
            ApiRefused: the API did not want it, or answered with something that is no object.
            NoAnswer: there was none.
        """
        created = await self._call("POST", path, body=body)
        if not is_object(created) and not is_status(created):
            raise ApiRefused("POST", path, 200, "", f"that is no object: {str(created)[:_SHOWN]}")
        return created

    async def replace(self, path: str, body: Mapping[str, Any]) -> Any:
        """Replaces an object."""
        return await self._call("PUT", path, body=body)

    async def patch(self, path: str, body: Any, content_type: str = MERGE) -> Any:
        """Patches an object: merge patch unless another content type is given."""
        return await self._call("PATCH", path, body=body, content_type=content_type)

    async def delete(self, path: str, body: Mapping[str, Any] | None = None) -> Any:
        """Deletes an object; `body` is a DeleteOptions without its kind."""
        options = {"kind": "DeleteOptions", "apiVersion": "v1", **(body or {})}
        return await self._call("DELETE", path, body=options)

    async def ask(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        content_type: str = "application/json",
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Returns whatever the answer is: for cases on the API itself.

        A connection that breaks and a server that has too much to do are no answers: the request is sent again.

        Raises:
            NoAnswer: there was none, or none that can be told from the consequence of a request whose answer was lost.
        """
        answer, doubt = await self._persist(method, path, body, content_type, query, headers)
        if doubt and answer.status in _CONSEQUENCES:
            raise NoAnswer(f"{method} {path}: an answer was lost ({doubt}), the next was {answer.status}")
        return answer

    async def settle(self) -> None:
        """Waits for requests whose senders were cancelled: what they create must be known before cleaning up."""
        if self._underway:
            _, stuck = await asyncio.wait(self._underway, timeout=_UNANSWERED)
            for request in stuck:
                request.cancel()

    async def _send(self, method: str, target: str, headers: Mapping[str, str], content: bytes) -> Reply:
        """Sends a request that comes to its end even when whoever sent it is cancelled.

        Breaking off in the middle would leave connections in disorder, and objects of which nobody knows.

        Raises:
            NoAnswer: there was none, or it takes too long.
        """
        task = asyncio.ensure_future(self._wire.send(method, target, headers, content))
        self._underway[task] = None
        task.add_done_callback(self._landed)
        try:
            async with asyncio.timeout(_UNANSWERED):
                return await asyncio.shield(task)
        except TimeoutError:
            raise NoAnswer(f"{method} {target}: no answer within {_UNANSWERED:g} s") from None

    def _landed(self, task: asyncio.Future[Reply]) -> None:
        del self._underway[task]
        if not task.cancelled():
            task.exception()  # asked for, so that asyncio does not complain when the sender has gone

    async def watch(
        self, path: str, opened: Callable[[], None] | None = None, **query: str
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Yields watch events until the server ends the stream; `opened` is called once it has begun.

        A server that has too much to do is asked again; a connection that breaks is not made anew.

        Raises:
            ApiRefused: the watch was refused.
            NoAnswer: the stream broke off.
        """
        target = path + "?" + urlencode({"watch": "true", **query})
        patience = Patience(self._patience)
        while True:
            sent = self._clock.moment()
            async with self._wire.stream(target, {"Accept": "application/json"}) as stream:
                self._record(sent, "GET", target, stream.status, b"", "(stream)", {})
                if stream.status == 200:
                    if opened is not None:
                        opened()
                    async for line in stream.lines:
                        if line.strip():
                            yield _event(line, path)
                    return
                text = b"\n".join([line async for line in stream.lines])
            if stream.status not in _TRANSIENT or not await patience.lasts(stream.headers):
                raise _refused("GET", target, stream.status, _decoded(text), text.decode("utf-8", "replace"))

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Any:
        answer, doubt = await self._persist(method, path, body, content_type, query, passing=(*_TRANSIENT, 500))
        if doubt and method == "POST" and answer.status == 409:
            return await self._call("GET", f"{path}/{body['metadata']['name']}")
        if answer.status < 300:
            return answer.body
        raise _refused(method, path, answer.status, answer.body, answer.text)

    async def _persist(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        passing: tuple[int, ...] = _TRANSIENT,
    ) -> tuple[Answer, str]:
        """Asks until there is an answer that is no passing trouble.

        Returns:
            The answer, and how an earlier one was lost; empty when none was.

        Raises:
            NoAnswer: there was none, however often it was asked.
        """
        patience = Patience(self._patience)
        doubt = ""
        while True:
            try:
                answer = await self._once(method, path, body, content_type, query, headers)
            except NoAnswer as error:
                doubt = str(error)
                if not await patience.lasts():
                    raise
            else:
                if answer.status not in passing or path.endswith("/eviction"):
                    return answer, doubt
                if not await patience.lasts(answer.headers):
                    return answer, doubt

    async def _once(
        self,
        method: str,
        path: str,
        body: Any,
        content_type: str,
        query: Mapping[str, str] | None,
        headers: Mapping[str, str] | None,
    ) -> Answer:
        """Sends exactly one request."""
        target = path + ("?" + urlencode(query) if query else "")
        content = b"" if body is None else msgspec.json.encode(body)
        sent = self._clock.moment()
        head = {"Accept": "application/json", **(headers or {})}
        if content:
            head["Content-Type"] = content_type
        try:
            reply = await self._send(method, target, head, content)
        except NoAnswer as error:
            self._record(sent, method, target, 0, content, str(error), head)
            raise
        text = reply.content.decode("utf-8", "replace")
        self._record(sent, method, target, reply.status, content, text, head)
        return Answer(reply.status, reply.headers, _decoded(reply.content), text)

    def _record(
        self, sent: float, method: str, path: str, status: int, request: bytes, response: str, head: Mapping[str, str]
    ) -> None:
        self._note(
            Exchange(
                sent=sent,
                answered=self._clock.moment(),
                who=self._who,
                method=method,
                path=path,
                status=status,
                request=request[:_BODY_LIMIT].decode("utf-8", "replace"),
                response=response[:_BODY_LIMIT],
                headers={name: value for name, value in head.items() if name.startswith(_KEPT)},
            )
        )


def is_object(body: Any) -> bool:
    """Whether an answer is an API object that was stored: it has a name and a uid."""
    metadata = body.get("metadata") if isinstance(body, dict) else None
    return isinstance(metadata, dict) and bool(metadata.get("name")) and bool(metadata.get("uid"))


def is_list(body: Any) -> bool:
    """Whether an answer is a list of API objects."""
    if not isinstance(body, dict) or not isinstance(body.get("metadata"), dict):
        return False
    items = body.get("items") or []
    return isinstance(items, list) and all(isinstance(i, dict) and isinstance(i.get("metadata"), dict) for i in items)


def is_status(body: Any) -> bool:
    """Whether an answer is a Status."""
    return isinstance(body, dict) and body.get("kind") == "Status"


def _refused(method: str, path: str, status: int, body: Any, text: str) -> ApiRefused:
    if is_status(body):
        return ApiRefused(method, path, status, str(body.get("reason", "")), str(body.get("message", "")))
    return ApiRefused(method, path, status, "", " ".join(text.split())[:200])


def _decoded(content: bytes) -> Any:
    try:
        return msgspec.json.decode(content)
    except msgspec.DecodeError:
        return None


def _event(line: bytes, path: str) -> dict[str, Any]:
    try:
        event: dict[str, Any] = msgspec.json.decode(line)
    except msgspec.DecodeError as error:
        raise NoAnswer(f"the watch on {path} sent a line that is not JSON: {error}") from error
    return event
