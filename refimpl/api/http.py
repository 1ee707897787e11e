"""Requests and responses as values.

The API server is a function from `Request` to `Response`. The ASGI adapter, the in-process client and the tests all
build these same values, so nothing in the server knows a socket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import attrs

from refimpl.api.transient import transient


@attrs.frozen
class User:
    """Who asks: what the authenticator found.

    Attributes:
        name: user name, e.g. `system:node:n1`.
        groups: group names, `system:authenticated` among them for anybody who proved an identity.
        uid: what the authenticator calls the user for ever; often empty.
    """

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""


ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
"""The identity that in-process components and the generated administrator's kubeconfig use."""


@transient
class Request:
    """One HTTP request.

    Attributes:
        method: upper-case HTTP method.
        path: percent-decoded path, without the query.
        query: decoded parameters in the order sent; a name may repeat.
        headers: header values by lower-case name; not shown, they hold credentials.
        body: the whole body; not shown, it may be a Secret.
        user: the authenticated caller.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = attrs.field(factory=dict, repr=False)
    body: bytes = attrs.field(default=b"", repr=False)
    user: User = ADMIN

    def parameter(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        for key, value in self.query:
            if key == name:
                return value
        return None


@transient
class Response:
    """One HTTP answer.

    Attributes:
        status: HTTP status code.
        body: the whole body, or, for a stream (watch, logs), its chunks. The receiver of a stream must `close` it when
            it stops reading early.
        headers: name and value pairs, names in lower case; `content-type` among them.
    """

    status: int
    body: bytes | AsyncIterator[bytes] = b""
    headers: tuple[tuple[str, str], ...] = (("content-type", "application/json"),)

    def header(self, name: str) -> str | None:
        """The first header of that lower-case name, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


async def close(body: bytes | AsyncIterator[bytes]) -> None:
    """Ends a stream that is not read any further; a whole body needs no end."""
    end = getattr(body, "aclose", None)
    if end is not None:
        await end()
