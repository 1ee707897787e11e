"""Requests that must not hang: node status and lease give up after min(U, L).

Source: kubelet 1.36 `heartbeatClient`, which also sends the timeout to the master.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from refimpl.api.errors import Object
from refimpl.client.client import Client

Reconnect = Callable[[], Awaitable[None]]
"""Closes the connections to the master, so that the next request dials anew."""


class HeartbeatClient:
    """The part of a client that heartbeats use.

    Args:
        client: the API.
        timeout: seconds to wait for an answer.
        reconnect: what to do when heartbeats fail repeatedly: a connection may be half dead.
    """

    def __init__(self, client: Client, timeout: float, reconnect: Reconnect | None = None) -> None:
        self._client = client.with_timeout(timeout)
        self._reconnect = reconnect
        self._query = {"timeout": f"{timeout:g}s"}

    async def request(
        self,
        method: str,
        path: str,
        body: Object | None = None,
        *,
        query: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> Object:
        """One request.

        Raises:
            ApiError: the master refused.
            Unreachable: no answer in time.
        """
        parameters = {**query, **self._query} if query else self._query
        return await self._client.request(method, path, body, query=parameters, content_type=content_type)

    async def repeated_failure(self) -> None:
        """Says that heartbeats have failed more than once in a row."""
        if self._reconnect is not None:
            await self._reconnect()
