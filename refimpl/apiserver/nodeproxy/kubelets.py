"""The way from the API server to the nodes: logs, exec and the like are proxied to the kubelet's own server."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import attrs

from refimpl.api.errors import Object, failure, not_found
from refimpl.api.http import Request, Response
from refimpl.api.resources import NODES, PODS
from refimpl.apiserver.strategy import Reader

DEFAULT_PORT = 10250


@attrs.frozen
class Location:
    """Where a kubelet serves something.

    Attributes:
        node: name of the node.
        host: address of the node.
        port: of the kubelet's server.
        path: with leading slash.
    """

    node: str
    host: str
    port: int
    path: str

    @property
    def url(self) -> str:
        """As error texts show it."""
        return f"https://{self.host}:{self.port}{self.path}"


Kubelets = Callable[[Location, Request], Awaitable[Response]]
"""Sends a request to a kubelet and gives its answer back, streamed where the kubelet streams.

Raises:
    ApiError: 500, the kubelet cannot be reached.
"""


async def unreachable(location: Location, _: Request) -> Response:
    """The connection of a server that has no way to its nodes.

    Raises:
        ApiError: always.
    """
    why = f"dial tcp {location.host}:{location.port}: connect: connection refused"
    raise failure(500, "", f'Get "{location.url}": {why}')


def locate(reader: Reader, node_name: str, path: str, address_types: Sequence[str]) -> Location:
    """Where the kubelet of a node serves a path.

    Args:
        reader: to look the node up.
        node_name: its name.
        path: what is asked for.
        address_types: which of its addresses to take, most wanted first.

    Raises:
        ApiError: 404, there is no such node; the text speaks of pods, as in the original.
    """
    node = reader.get(NODES, node_name)
    if node is None:
        raise not_found(PODS, node_name)
    status: dict[str, Any] = node.get("status") or {}
    port = ((status.get("daemonEndpoints") or {}).get("kubeletEndpoint") or {}).get("Port") or DEFAULT_PORT
    return Location(node_name, _address(node, address_types), port, path)


def _address(node: Object, address_types: Sequence[str]) -> str:
    addresses = (node.get("status") or {}).get("addresses") or ()
    for wanted in address_types:
        for address in addresses:
            if address["type"] == wanted:
                return str(address["address"])
    return str(node["metadata"]["name"])
