"""A pod while the node lacks its runtime, its network or its master."""

import asyncio

from refimpl.api.resources import PODS
from refimpl.kubelet.runtime.base import RuntimeStatus
from tests.kubelet.kubelet_master import Master, eventually, make_kubelet, refusing, running, script, state, unreachable


async def test_without_network_only_host_network_pods_start(master: Master, node):
    node.runtime.set_status(
        RuntimeStatus(network_error="NetworkReady=false reason:NetworkPluginNotReady message:no CNI")
    )
    await asyncio.sleep(11)
    await master.bind("p1")
    await master.bind("p2", hostNetwork=True)
    await asyncio.sleep(11)
    assert state(await master.pod("p1"))["waiting"]
    assert state(await master.pod("p2"))["running"]
    ready = (await master.node())["status"]["conditions"][-1]
    assert ready["status"] == "False"
    assert "container runtime network not ready: NetworkReady=false reason:NetworkPluginNotReady" in ready["message"]
    node.runtime.set_status(RuntimeStatus())
    await asyncio.sleep(15)
    assert state(await master.pod("p1"))["running"]


async def test_no_pod_starts_while_the_runtime_is_down(master: Master, node):
    node.control.set_runtime_down(down=True)
    await asyncio.sleep(45)
    await master.bind()
    await asyncio.sleep(30)
    assert "containerStatuses" not in (await master.pod())["status"]
    node.control.set_runtime_down(down=False)
    await asyncio.sleep(15)
    assert (await master.pod())["status"]["phase"] == "Running"
    assert (await master.node())["status"]["conditions"][-1]["status"] == "True"


async def test_a_restarted_kubelet_takes_over_what_runs(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(5)
        await master.bind()
        await asyncio.sleep(5)
    before = await master.pod()
    at = master.clock.monotonic()
    await asyncio.sleep(120)
    async with running(kubelet):
        await asyncio.sleep(30)
    assert (await master.pod())["status"] == before["status"]
    assert not master.asked("PATCH", "/pods", since=at)


async def test_a_change_during_an_outage_arrives_after_it(master: Master, node):
    await master.bind(containers=[script("sleep 20; exit 4")], restartPolicy="Never")
    await asyncio.sleep(5)
    master.fault = unreachable
    await asyncio.sleep(40)
    master.fault = None
    await asyncio.sleep(10.5)
    assert (await master.pod())["status"]["phase"] == "Failed"


async def test_a_pod_bound_during_an_outage_is_picked_up_after_it(master: Master, node):
    master.fault = refusing(503)
    await asyncio.sleep(20)
    await master.bind()
    await asyncio.sleep(20)
    master.fault = None
    await eventually(lambda: _is_running(master), within=60)


async def _is_running(master):
    return (await master.client().get(PODS, "p1", namespace="default"))["status"].get("phase") == "Running"
