"""Faults of the service proxy."""

from __future__ import annotations

import asyncio
import contextlib

from refimpl.api.errors import ApiError
from refimpl.api.resources import SERVICES
from refimpl.client.informer import Informer
from refimpl.client.transport import Unreachable
from refimpl.proxy import endpoints, health, rules
from refimpl.proxy.balancer import Balancer
from refimpl.proxy.dataplane import SimulatedDataPlane
from refimpl.proxy.health import Health
from refimpl.proxy.proxier import Proxier
from tests.faults.harness import Fault, replaced, together

_dial = SimulatedDataPlane.dial
_follow = Informer._follow
_informed = Proxier._informed
_is_eligible = health.is_eligible
_is_local = rules.is_local
_node_changed = Health.node_changed
_sync = Proxier._sync
_wait = Proxier._wait_for_change


async def _written_to(self):
    await _sync(self)
    for service in list(self.services.list()):
        body = {"metadata": {"annotations": {"proxied-by": self._node}}}
        name, namespace = service["metadata"]["name"], service["metadata"]["namespace"]
        # Where it has no right to, the attempt is the fault.
        with contextlib.suppress(ApiError):
            await self.services.client.patch(SERVICES, name, body, namespace=namespace)


async def _only_once(self):
    await asyncio.Event().wait()


async def _late(self):
    await _wait(self)
    await self._clock.sleep(20)


async def _forgetting(self):
    try:
        return await _follow(self)
    except Unreachable:
        for key in list(self._objects):
            self._apply(key, None)
        self.resource_version = ""
        raise


async def _giving_up(self):
    try:
        return await _follow(self)
    except Unreachable:
        await asyncio.Event().wait()


def _first(self, rule):
    return rule.backends[0]


def _uneven(self, rule):
    turn = self._turns[rule.name] = self._turns.get(rule.name, 0) + 1
    return rule.backends[0 if turn % 6 else turn // 6 % len(rule.backends)]


def _kept(self, rule, known):
    """The endpoint a client was at, though it is gone."""
    return None if known is None else endpoints.Endpoint(*known.endpoint)


def _hanging(self, address, port, *, client, protocol="TCP"):
    try:
        return _dial(self, address, port, client=client, protocol=protocol)
    except ConnectionRefusedError:
        raise TimeoutError from None


def _all(listed):
    return listed


async def _with_its_node(self):
    await _informed(self)
    there = asyncio.Event()
    self.nodes.add_handler(lambda _, new: there.set())
    await there.wait()


def _everywhere(endpoints, node):
    return endpoints


def _from_inside_only(service, policy):
    return policy == "internalTrafficPolicy" and _is_local(service, policy)


def _from_outside_only(service, policy):
    return policy == "externalTrafficPolicy" and _is_local(service, policy)


def _always_ok(self, port):
    return 200, "{}"


def _not_tainted(node):
    return "deletionTimestamp" not in node["metadata"]


def _not_deleted(node):
    return _is_eligible({**node, "metadata": {}})


def _taints_stay(self, before, after):
    if self.node_eligible:
        _node_changed(self, before, after)


def _never_healthy(self):
    return 503, "{}"


FAULTS = [
    Fault("proxy asks for everybody's services", ("N-PRX-01",), replaced(rules, "SELECTOR", "")),
    Fault(
        "proxy serves what another proxy serves",
        ("N-PRX-01",),
        together(replaced(rules, "SELECTOR", ""), replaced(rules, "is_served", lambda _: True)),
    ),
    Fault("proxy writes to services", ("N-PRX-01",), replaced(Proxier, "_sync", _written_to)),
    Fault(
        "proxy takes unready endpoints for ready", ("N-PRX-02",), replaced(endpoints, "is_ready", lambda _: True), 76
    ),
    Fault("proxy uses endpoints whether ready or not", ("N-PRX-02",), replaced(rules, "usable", _all)),
    Fault("proxy never looks again", ("N-PRX-02",), replaced(Proxier, "_wait_for_change", _only_once)),
    Fault("proxy is late", ("N-PRX-02",), replaced(Proxier, "_wait_for_change", _late)),
    Fault("proxy knows one endpoint only", ("N-PRX-03",), replaced(Balancer, "_next", _first), 76),
    Fault("proxy likes one endpoint best", ("N-PRX-03",), replaced(Balancer, "_next", _uneven)),
    Fault("proxy knows no affinity", ("N-PRX-04",), replaced(rules, "affinity", lambda _: None), 76),
    Fault("proxy forgets clients", ("N-PRX-04",), replaced(Balancer, "_last", lambda *_: None)),
    Fault("proxy keeps clients at what is gone", ("N-PRX-04",), replaced(Balancer, "_last", _kept)),
    Fault(
        "proxy lets connections without endpoints hang",
        ("N-PRX-05",),
        replaced(SimulatedDataPlane, "dial", _hanging),
        76,
    ),
    Fault("proxy forgets its rules without a master", ("N-PRX-05",), replaced(Informer, "_follow", _forgetting)),
    Fault("proxy never comes back to its master", ("N-PRX-05",), replaced(Informer, "_follow", _giving_up)),
    Fault("proxy knows no local traffic", ("N-X-27",), replaced(rules, "on_node", _everywhere)),
    Fault("proxy leads traffic from outside anywhere", ("N-X-27",), replaced(rules, "is_local", _from_inside_only)),
    Fault("proxy leads traffic from inside anywhere", ("N-X-27",), replaced(rules, "is_local", _from_outside_only)),
    Fault("proxy calls every node to load balancers", ("N-X-27",), replaced(Health, "check", _always_ok)),
    Fault("proxy is never healthy", ("N-X-28",), replaced(Health, "healthz", _never_healthy)),
    Fault("proxy stays healthy on a node that leaves", ("N-X-28",), replaced(health, "is_eligible", _not_tainted)),
    Fault("proxy stays healthy on a deleted node", ("N-X-28",), replaced(health, "is_eligible", _not_deleted)),
    Fault("proxy takes a node for gone for good", ("N-X-28",), replaced(Health, "node_changed", _taints_stay)),
    Fault("proxy dies with its node", ("N-X-28",), replaced(Health, "livez", Health.healthz)),
    Fault("proxy waits for its node", ("N-X-29",), replaced(Proxier, "_informed", _with_its_node)),
]
