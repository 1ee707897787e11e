"""The kubelet's server: logs as kubectl asks for them, local control, and who may ask."""

import asyncio
import contextlib
import ssl
from datetime import timedelta

import httpx
import msgspec
import pytest

from refimpl.api.http import Request
from refimpl.api.resources import PODS
from refimpl.apiserver.server import ApiServer
from refimpl.clock import VIRTUAL_EPOCH, Clock, format_time
from refimpl.kubelet import KubeletConfig
from refimpl.kubelet.http.certificates import serving_pair
from refimpl.kubelet.http.server import KubeletServer
from refimpl.kubelet.http.serving import Endpoint, listen, serve
from refimpl.kubelet.live import kill_leftovers, live_kubelet, open_endpoint, run_live
from refimpl.storage.memory import MemoryStore
from tests.kubelet.kubelet_master import Master, make_kubelet, script, until


async def ask(kubelet, path, method="GET", body=b"", **query):
    pairs = tuple((key, str(value)) for key, value in query.items())
    response = await kubelet.server.handle(Request(method, path, pairs, body=body))
    if isinstance(response.body, bytes):
        return response.status, response.body.decode()
    return response.status, b"".join([chunk async for chunk in response.body]).decode()


async def test_logs_can_be_cut_by_lines_bytes_and_time(master: Master, node):
    await master.bind(containers=[script("echo one; sleep 10; echo two; echo three; sleep 100")])
    await asyncio.sleep(13)
    path = "/containerLogs/default/p1/c1"
    assert await ask(node, path) == (200, "one\ntwo\nthree\n")
    assert await ask(node, path, tailLines=2) == (200, "two\nthree\n")
    assert await ask(node, path, limitBytes=5) == (200, "one\nt")
    assert await ask(node, path, sinceSeconds=5) == (200, "two\nthree\n")
    since = format_time(master.clock.now() - timedelta(seconds=5))
    assert await ask(node, path, sinceTime=since) == (200, "two\nthree\n")
    _, stamped = await ask(node, path, timestamps="true", tailLines=1)
    assert stamped.startswith("2018-07-02T")
    assert stamped.endswith("Z three\n")
    assert (await ask(node, path, tailLines="x"))[0] == 400


async def test_following_logs_ends_with_the_container(master: Master, node):
    await master.bind(containers=[script("sleep 5; echo late; sleep 5; echo last")], restartPolicy="Never")
    await asyncio.sleep(3)
    assert await ask(node, "/containerLogs/default/p1/c1", follow="true") == (200, "late\nlast\n")


async def test_the_log_of_the_run_before(master: Master, node):
    await master.bind(containers=[script("echo run; sleep 3; exit 1")])
    await asyncio.sleep(3)
    path = "/containerLogs/default/p1/c1"
    status, text = await ask(node, path, previous="true")
    assert (status, text) == (400, 'previous terminated container "c1" in pod "p1" not found\n')
    await asyncio.sleep(5)
    assert await ask(node, path, previous="true") == (200, "run\n")


async def test_a_crashed_container_still_has_its_log(master: Master, node):
    await master.bind(containers=[script("echo gone; exit 1")], restartPolicy="Never")
    await asyncio.sleep(5)
    assert await ask(node, "/containerLogs/default/p1/c1") == (200, "gone\n")


async def test_what_has_no_log_says_why(master: Master, node):
    node.runtime.fail_image("nosuch")
    await master.bind(containers=[{"name": "c1", "image": "nosuch"}])
    await asyncio.sleep(5)
    waiting = 'container "c1" in pod "p1" is waiting to start: trying and failing to pull image\n'
    assert await ask(node, "/containerLogs/default/p1/c1") == (400, waiting)
    assert (await ask(node, "/containerLogs/default/p1/cx"))[0] == 400
    assert (await ask(node, "/containerLogs/default/px/c1"))[0] == 404
    assert (await ask(node, "/nothing"))[0] == 404


async def test_health_and_pods(master: Master, node):
    await master.bind()
    await asyncio.sleep(5)
    assert await ask(node, "/healthz") == (200, "ok")
    listed = msgspec.json.decode((await ask(node, "/pods"))[1])
    assert [(pod["metadata"]["name"], pod["status"]["phase"]) for pod in listed["items"]] == [("p1", "Running")]


async def test_local_control_turns_the_node(master: Master, node):
    await master.bind(containers=[{"name": "c1", "image": "pause"}], restartPolicy="Never")
    await asyncio.sleep(3)
    orders = {
        "exit": {"namespace": "default", "pod": "p1", "container": "c1", "exitCode": 9},
        "devices": {"resource": "example.com/fpga", "healthy": 2, "unhealthy": 1},
        "available": {"signal": "pid.available", "available": 1},
        "network": {"error": ""},
        "runtime": {"down": False},
    }
    for operation, order in orders.items():
        assert await ask(node, f"/control/{operation}", "POST", msgspec.json.encode(order)) == (200, "ok\n")
    await asyncio.sleep(11)
    pod = await master.pod()
    assert pod["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 9
    assert (await master.node())["status"]["capacity"]["example.com/fpga"] == "3"
    await ask(node, "/control/remove-plugin", "POST", b'{"resource":"example.com/fpga"}')
    await ask(node, "/control/reset", "POST", b'{"signal":"pid.available"}')
    await asyncio.sleep(11)
    assert (await master.node())["status"]["allocatable"]["example.com/fpga"] == "0"
    assert (await ask(node, "/control/nothing", "POST"))[0] == 404
    assert (await ask(node, "/control/exit", "POST", b"{}"))[0] == 400


async def test_local_control_is_off_unless_asked_for(master: Master):
    kubelet = make_kubelet(master, local_control=False)
    assert kubelet.control is None
    assert (await ask(kubelet, "/control/runtime", "POST", b'{"down":true}'))[0] == 404


def test_the_certificate_is_kept_until_it_is_late(tmp_path):
    certificate, key = serving_pair(tmp_path, "127.0.0.1", VIRTUAL_EPOCH)
    before = certificate.read_bytes()
    assert key.stat().st_mode & 0o077 == 0
    serving_pair(tmp_path, "127.0.0.1", VIRTUAL_EPOCH + timedelta(days=100))
    assert certificate.read_bytes() == before
    serving_pair(tmp_path, "127.0.0.1", VIRTUAL_EPOCH + timedelta(days=350))
    assert certificate.read_bytes() != before


class Nobody:
    control = None

    def pod_objects(self):
        return []


@contextlib.asynccontextmanager
async def served(endpoint: Endpoint):
    clock = Clock()
    task = asyncio.create_task(serve(KubeletServer(Nobody(), clock).handle, endpoint, clock))
    try:
        yield f"https://127.0.0.1:{endpoint.port}"
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@pytest.mark.live
@pytest.mark.timeout(60)
async def test_on_other_addresses_only_health_is_served_without_an_authority(tmp_path):
    endpoint = Endpoint(listen("0.0.0.0", 0), tmp_path)
    async with served(endpoint) as url, httpx.AsyncClient(verify=False) as client:
        assert (await client.get(f"{url}/healthz")).text == "ok"
        assert (await client.get(f"{url}/pods")).status_code == 401


@pytest.mark.live
@pytest.mark.timeout(60)
async def test_an_authority_lets_in_its_clients_and_nobody_else(tmp_path):
    certificate, key = serving_pair(tmp_path / "client", "127.0.0.1", Clock().now())
    endpoint = Endpoint(listen("127.0.0.1", 0), tmp_path, client_ca=certificate)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    async with served(endpoint) as url:
        async with httpx.AsyncClient(verify=context) as stranger:
            with pytest.raises(httpx.TransportError):
                await stranger.get(f"{url}/pods")
        context.load_cert_chain(certificate, key)
        async with httpx.AsyncClient(verify=context) as friend:
            assert (await friend.get(f"{url}/pods")).json()["items"] == []


@pytest.mark.live
@pytest.mark.timeout(60)
async def test_a_live_node_serves_the_logs_of_its_processes(tmp_path):
    clock = Clock()
    api = ApiServer(MemoryStore(), clock)
    await api.start()
    master = Master(api, clock)
    config = KubeletConfig(
        hostname_override="n1", address="127.0.0.1", port=0, root_dir=str(tmp_path), eviction_hard=()
    )
    kubelet = live_kubelet(master.node_client(), clock, config)
    endpoint = open_endpoint(kubelet)
    task = asyncio.create_task(run_live(kubelet, endpoint, clock))
    try:
        await master.bind(containers=[script("echo hello; sleep 1000")])
        async with contextlib.aclosing(master.client().watch(PODS)) as events:
            async for event in events:
                if event.object["status"].get("phase") == "Running":
                    break
        node = await master.node()
        assert node["status"]["daemonEndpoints"]["kubeletEndpoint"]["Port"] == endpoint.port > 0
        url = f"https://127.0.0.1:{endpoint.port}/containerLogs/default/p1/c1?follow=true"
        async with httpx.AsyncClient(verify=False) as client, client.stream("GET", url) as answer:
            async for line in answer.aiter_lines():
                assert line == "hello"
                break
        await until(master, lambda: master.asked("POST", "/events"))
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await kill_leftovers(clock, tmp_path)
        await api.close()
    assert not list((tmp_path / "pods").iterdir())
