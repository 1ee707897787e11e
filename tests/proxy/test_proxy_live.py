"""kube-proxy as it runs: it follows the API, carries bytes, tells how it is, and comes back."""

import asyncio
import contextlib
import ipaddress
import json
import os
import shutil
import socket
import urllib.request

import psutil
import pytest

from refimpl.api.resources import ENDPOINTSLICES, SERVICES
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client
from refimpl.client.transport import DirectTransport
from refimpl.clock import Clock
from refimpl.proxy import Proxier, ProxyConfig
from refimpl.proxy.dataplane import SimulatedDataPlane
from refimpl.proxy.health import Health
from refimpl.proxy.rules import Decision, HealthCheck
from refimpl.proxy.serving import ProxyServers
from refimpl.proxy.userspace import UserspaceDataPlane
from refimpl.storage.memory import MemoryStore

IP = "10.96.0.77"


def own_address() -> str:
    """An IPv4 address of this machine that an EndpointSlice may name; one for documentation when it has none."""
    found = (address for listed in psutil.net_if_addrs().values() for address in listed)
    usable = (each.address for each in found if each.family == socket.AF_INET)
    return next((text for text in usable if not ipaddress.ip_address(text).is_loopback), "192.0.2.1")


HERE = own_address()


def service(name="s", **spec):
    base = {"clusterIP": IP, "ports": [{"port": 80, "targetPort": 80}]}
    return {"kind": "Service", "apiVersion": "v1", "metadata": {"name": name}, "spec": {**base, **spec}}


def a_slice(*ports, name="s-1", protocol="TCP"):
    return {
        "kind": "EndpointSlice",
        "apiVersion": "discovery.k8s.io/v1",
        "metadata": {"name": name, "labels": {"kubernetes.io/service-name": "s"}},
        "addressType": "IPv4",
        "ports": [{"name": "", "port": port, "protocol": protocol} for port in ports],
        "endpoints": [{"addresses": [HERE]}] if ports else [],
    }


@contextlib.asynccontextmanager
async def proxy(clock, plane, config=None):
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    client = Client(DirectTransport(server.handle))
    proxier = Proxier(client, clock, config or ProxyConfig(), "n1", plane)
    running = asyncio.create_task(proxier.run())
    try:
        yield client, proxier
        if running.done():
            running.result()
    finally:
        running.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await running
        await server.close()


async def settled(plane, condition):
    for _ in range(400):
        if condition(plane.listing()):
            break
        await asyncio.sleep(0.05)
    return plane.listing()


async def backend(name):
    async def answer(reader, writer):
        said = await reader.read()
        writer.write(name + b":" + said)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(answer, HERE, 0)
    return server, server.sockets[0].getsockname()[1]


async def ask(listens, said=b""):
    host, _, port = listens.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(said)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_rules_follow_the_api_and_bursts_are_put_in_force_together(clock: Clock):
    plane, syncs = SimulatedDataPlane(clock), []
    apply = plane.apply

    async def counted(decision):
        syncs.append(clock.monotonic())
        await apply(decision)

    plane.apply = counted
    async with proxy(clock, plane) as (client, _):
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            plane.dial(IP, 80, client="c")
        await client.create(SERVICES, service(), namespace="default")
        await client.create(ENDPOINTSLICES, a_slice(8080), namespace="default")
        await asyncio.sleep(2.1)
        assert plane.dial(IP, 80, client="c").port == 8080
        before = len(syncs)
        for number in range(20):
            await client.create(ENDPOINTSLICES, a_slice(8081, name=f"more-{number}"), namespace="default")
        await asyncio.sleep(2.1)
        assert len(syncs) - before <= 2
        await client.delete(SERVICES, "s", namespace="default")
        await asyncio.sleep(2.1)
        with pytest.raises(ConnectionRefusedError):
            plane.dial(IP, 80, client="c")
    assert plane.listing() == []


@pytest.mark.live
@pytest.mark.timeout(30)
async def test_bytes_go_both_ways_and_nobody_listens_without_endpoints():
    clock = Clock()
    config = ProxyConfig(min_sync_period=0.05)
    plane = UserspaceDataPlane(clock, config)
    one, first = await backend(b"one")
    two, second = await backend(b"two")
    async with one, two, proxy(clock, plane, config) as (client, _):
        await client.create(SERVICES, service(), namespace="default")
        made = await client.create(ENDPOINTSLICES, a_slice(first), namespace="default")
        await client.create(ENDPOINTSLICES, a_slice(second, name="s-2"), namespace="default")
        (front,) = await settled(plane, lambda found: found and len(found[0]["endpoints"]) == 2)
        assert (front["service"], front["address"]) == ("default/s", IP)
        got = {await ask(front["listens"], b"x" * 100_000) for _ in range(2)}
        assert got == {b"one:" + b"x" * 100_000, b"two:" + b"x" * 100_000}
        one.close()
        assert {await ask(front["listens"]) for _ in range(3)} == {b"two:"}
        await client.delete(ENDPOINTSLICES, made["metadata"]["name"], namespace="default")
        await client.delete(ENDPOINTSLICES, "s-2", namespace="default")
        assert await settled(plane, lambda found: not found) == []
        with pytest.raises(ConnectionRefusedError):
            await ask(front["listens"])


@pytest.mark.live
@pytest.mark.timeout(30)
async def test_datagrams_find_their_way_back():
    clock = Clock()
    config = ProxyConfig(min_sync_period=0.05)
    plane = UserspaceDataPlane(clock, config)
    loop = asyncio.get_running_loop()

    class Echo(asyncio.DatagramProtocol):
        def connection_made(self, transport):
            self.transport = transport

        def datagram_received(self, data, addr):
            self.transport.sendto(b"echo " + data, addr)

    class Ear(asyncio.DatagramProtocol):
        def __init__(self):
            self.heard = asyncio.Queue()

        def datagram_received(self, data, addr):
            self.heard.put_nowait(data)

    echo, _ = await loop.create_datagram_endpoint(Echo, local_addr=(HERE, 0))
    port = echo.get_extra_info("sockname")[1]
    async with proxy(clock, plane, config) as (client, _):
        ports = [{"port": 53, "protocol": "UDP"}]
        await client.create(SERVICES, service(ports=ports), namespace="default")
        await client.create(ENDPOINTSLICES, a_slice(port, protocol="UDP"), namespace="default")
        (front,) = await settled(plane, bool)
        where = int(front["listens"].rpartition(":")[2])
        mouth, ear = await loop.create_datagram_endpoint(Ear, remote_addr=("127.0.0.1", where))
        for word in (b"a", b"b"):
            mouth.sendto(word)
            assert await ear.heard.get() == b"echo " + word
        mouth.close()
    echo.close()


@pytest.mark.live
@pytest.mark.timeout(30)
async def test_health_and_rules_are_told():
    clock = Clock()
    health = Health(clock, 30)
    servers = ProxyServers(clock, health, SimulatedDataPlane(clock), "userspace", "127.0.0.1:0")
    url = await servers.open()

    def get(address):
        with contextlib.closing(urllib.request.build_opener().open(address)) as answer:
            return answer.status, answer.read().decode()

    async with asyncio.TaskGroup() as group:
        running = group.create_task(servers.run())
        with pytest.raises(urllib.error.HTTPError, match="503"):
            await asyncio.to_thread(get, url)
        health.updated(Decision(()))
        status, body = await asyncio.to_thread(get, url)
        assert (status, list(json.loads(body))) == (200, ["lastUpdated", "currentTime", "nodeEligible"])
        assert await asyncio.to_thread(get, url.replace("healthz", "proxyMode")) == (200, "userspace")
        assert await asyncio.to_thread(get, url.replace("healthz", "proxyz")) == (200, "[]")
        running.cancel()


async def test_a_proxy_that_does_not_keep_up_is_not_healthy(clock: Clock):
    health = Health(clock, 10)
    assert health.healthz()[0] == 503
    assert '"lastUpdated": "0001-01-01 00:00:00 +0000 UTC"' in health.healthz()[1]
    health.updated(Decision((), (HealthCheck("ns", "s", 31000, 2), HealthCheck("ns", "t", 31001, 0))))
    await asyncio.sleep(100)
    assert health.healthz()[0] == 200
    status, body = health.check(31000)
    assert (status, json.loads(body)["localEndpoints"]) == (200, 2)
    assert health.check(31001)[0] == 503
    assert health.check(31002)[0] == 404
    health.queued()
    await asyncio.sleep(21)
    assert health.healthz()[0] == 503


def can_have_addresses() -> str:
    """Why the loopback device cannot get addresses here; empty when it can."""
    return "" if os.geteuid() == 0 and shutil.which("ip") else "needs root and the ip command"


@pytest.mark.live
@pytest.mark.timeout(30)
@pytest.mark.skipif(bool(can_have_addresses()), reason=can_have_addresses() or "-")
async def test_a_device_gets_the_addresses_of_services_and_loses_them_again():
    clock = Clock()
    config = ProxyConfig(min_sync_period=0.05, cluster_ip_device="lo")
    plane = UserspaceDataPlane(clock, config)
    one, first = await backend(b"one")
    two, second = await backend(b"two")
    async with one, two, proxy(clock, plane, config) as (client, _):
        await client.create(SERVICES, service(sessionAffinity="ClientIP"), namespace="default")
        for number, port in enumerate((first, second)):
            await client.create(ENDPOINTSLICES, a_slice(port, name=f"s-{number}"), namespace="default")
        (front,) = await settled(plane, lambda found: found and len(found[0]["endpoints"]) == 2)
        assert front["listens"] == f"{IP}:80"
        assert len({await ask(front["listens"]) for _ in range(4)}) == 1
        for number in range(2):
            await client.delete(ENDPOINTSLICES, f"s-{number}", namespace="default")
        await settled(plane, lambda found: not found)
        with pytest.raises(ConnectionRefusedError):
            await ask(f"{IP}:80")
    addresses = await asyncio.create_subprocess_exec("ip", "addr", "show", "lo", stdout=asyncio.subprocess.PIPE)
    assert IP.encode() not in (await addresses.communicate())[0]


@pytest.mark.parametrize(
    "node",
    [
        {"metadata": {"deletionTimestamp": "2024-01-01T00:00:00Z"}, "spec": {}},
        {"metadata": {}, "spec": {"taints": [{"key": "ToBeDeletedByClusterAutoscaler", "effect": "NoSchedule"}]}},
    ],
)
async def test_load_balancers_are_told_that_a_node_leaves(clock: Clock, node):
    health = Health(clock, 10)
    health.updated(Decision(()))
    health.node_changed(None, node)
    assert (health.healthz()[0], health.livez()[0]) == (503, 200)
    assert '"nodeEligible": false' in health.livez()[1]
    health.node_changed(node, {"metadata": {}, "spec": {}})
    assert health.healthz()[0] == 200
