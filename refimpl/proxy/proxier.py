"""The loop of kube-proxy: it follows Services and endpoints and keeps the rules what they say.

While the master is away the rules stay as they are; they are right again once informers have caught up, without a
restart. Nothing is kept on disk: a new proxy reads everything first, and puts its first rules in force all at once.

Source: kube-proxy 1.36 `server.go`, `BoundedFrequencyRunner`.
"""

from __future__ import annotations

import asyncio

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import ENDPOINTS, ENDPOINTSLICES, NODES, SERVICES
from refimpl.client.client import Client
from refimpl.client.informer import Informer
from refimpl.clock import Clock
from refimpl.proxy import endpoints, rules
from refimpl.proxy.config import ProxyConfig
from refimpl.proxy.dataplane import DataPlane
from refimpl.proxy.endpoints import EndpointTable
from refimpl.proxy.health import Health


async def serves_slices(client: Client) -> bool:
    """Whether the master serves EndpointSlices as this proxy reads them (`discovery.k8s.io/v1`, 1.21 and newer).

    Raises:
        ApiError: they may not be listed.
        Unreachable: the master did not answer.
    """
    try:
        await client.list(ENDPOINTSLICES, label_selector=rules.SELECTOR)
    except ApiError as error:
        if error.code == 404:
            return False
        raise
    return True


class Proxier:
    """One proxy.

    Args:
        client: the API.
        clock: time.
        config: settings.
        node: name of the node.
        plane: what carries connections.
    """

    def __init__(self, client: Client, clock: Clock, config: ProxyConfig, node: str, plane: DataPlane) -> None:
        self._clock = clock
        self._config = config
        self._node = node
        self._plane = plane
        self.health = Health(clock, config.sync_period)
        self.services = Informer(client, SERVICES, clock, label_selector=rules.SELECTOR)
        behind = ENDPOINTS if config.use_endpoints else ENDPOINTSLICES
        self.endpoints = Informer(client, behind, clock, label_selector=rules.SELECTOR)
        self.nodes = Informer(client, NODES, clock, field_selector=f"metadata.name={node}")
        self.nodes.add_handler(self.health.node_changed)
        self._dirty = asyncio.Event()
        for informer in (self.services, self.endpoints):
            informer.add_handler(self._changed)

    async def run(self) -> None:
        """Works until cancelled; then takes its rules back."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self.services.run(), name="proxy services")
                group.create_task(self.endpoints.run(), name="proxy endpoints")
                group.create_task(self.nodes.run(), name="proxy node")
                await self._informed()
                while True:
                    await self._sync()
                    await self._clock.sleep(self._config.min_sync_period)
                    await self._wait_for_change()
        finally:
            await self._plane.aclose()

    def decide(self) -> rules.Decision:
        """What the API says that shall be in force."""
        return rules.decide(list(self.services.list()), self._table(), self._node)

    async def _informed(self) -> None:
        """Waits for Services and endpoints; a node that is not there yet is no reason to wait."""
        await self.services.synced.wait()
        await self.endpoints.synced.wait()

    async def _sync(self) -> None:
        self._dirty.clear()
        decision = self.decide()
        await self._plane.apply(decision)
        self.health.updated(decision)

    async def _wait_for_change(self) -> None:
        try:
            async with asyncio.timeout(self._config.sync_period):
                await self._dirty.wait()
        except TimeoutError:
            return

    def _table(self) -> EndpointTable:
        listed = list(self.endpoints.list())
        return endpoints.from_endpoints(listed) if self._config.use_endpoints else endpoints.from_slices(listed)

    def _changed(self, old: Object | None, new: Object | None) -> None:
        self.health.queued()
        self._dirty.set()
