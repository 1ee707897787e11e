"""Graceful deletion, vanished objects, and the return of a node after its absence."""

import asyncio

import pytest

from refimpl.api.resources import PODS
from refimpl.kubelet.pods.podrecord import StopOrder
from refimpl.kubelet.pods.podstatus import Ending
from tests.kubelet.kubelet_master import Master, make_kubelet, running, script

STUBBORN = "trap '' TERM; sleep 1000"


async def delete(master: Master, name="p1", **options):
    await master.client().delete(PODS, name, namespace="default", **options)


async def test_a_deleted_pod_is_stopped_reported_and_removed(master: Master, node):
    pod = await master.bind()
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master)
    await asyncio.sleep(2)
    assert await master.find_pod() is None
    writes = [asked for asked in master.log if asked.at >= at and "/pods/p1" in asked.path and asked.method != "GET"]
    assert [asked.method for asked in writes][-2:] == ["PATCH", "DELETE"]
    final, options = writes[-2].body["status"], writes[-1].body
    assert final["phase"] in {"Succeeded", "Failed"}
    assert "terminated" in final["containerStatuses"][0]["state"]
    assert options["gracePeriodSeconds"] == 0
    assert options["preconditions"] == {"uid": pod["metadata"]["uid"]}
    assert node.runtime.sandbox(pod["metadata"]["uid"]) is None
    assert not node.workers.records


async def test_in_1_20_the_phase_of_an_always_restarting_pod_stays_running(master: Master):
    async with running(make_kubelet(master, era="1.20")):
        await asyncio.sleep(12)
        await master.bind()
        await asyncio.sleep(5)
        await delete(master)
        await asyncio.sleep(2)
    final = master.asked("PATCH", "/pods/p1/status")[-1].body["status"]
    assert "phase" not in final
    assert "terminated" in final["containerStatuses"][0]["state"]
    assert await master.find_pod() is None


@pytest.mark.parametrize(("grace", "killed_after"), [(5, 5), (0, None), (1, 2)])
async def test_a_stubborn_container_is_killed_when_its_grace_ends(master: Master, node, grace, killed_after):
    pod = await master.bind(containers=[script(STUBBORN)])
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master, grace_period=grace)
    await asyncio.sleep(10)
    assert await master.find_pod() is None
    assert node.runtime.sandbox(pod["metadata"]["uid"]) is None or grace == 0
    if killed_after:
        (removed,) = master.asked("DELETE", "/pods/p1", since=at)
        assert removed.at - at == pytest.approx(killed_after, abs=0.2)


async def test_pre_stop_runs_inside_the_grace_period(master: Master, node):
    hook = {"preStop": {"exec": {"command": ["sleep", "3"]}}}
    await master.bind(containers=[script(STUBBORN, lifecycle=hook)], terminationGracePeriodSeconds=8)
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master)
    await asyncio.sleep(15)
    (removed,) = master.asked("DELETE", "/pods/p1", since=at)
    assert removed.at - at == pytest.approx(8, abs=0.2)


async def test_a_hook_as_long_as_the_grace_leaves_two_seconds(master: Master, node):
    hook = {"preStop": {"exec": {"command": ["sleep", "100"]}}}
    await master.bind(containers=[script(STUBBORN, lifecycle=hook)], terminationGracePeriodSeconds=4)
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master)
    await asyncio.sleep(15)
    (removed,) = master.asked("DELETE", "/pods/p1", since=at)
    assert removed.at - at == pytest.approx(6, abs=0.2)


async def test_a_second_deletion_may_shorten_the_grace(master: Master, node):
    await master.bind(containers=[script(STUBBORN)], terminationGracePeriodSeconds=100)
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master)
    await asyncio.sleep(10)
    await delete(master, grace_period=3)
    await asyncio.sleep(5)
    (removed,) = master.asked("DELETE", "/pods/p1", since=at)
    assert removed.at - at == pytest.approx(13, abs=0.2)


async def test_a_pod_that_was_rejected_is_removed_at_once(master: Master, node):
    await master.bind(nodeSelector={"x": "y"})
    await asyncio.sleep(3)
    assert (await master.pod())["status"]["reason"] == "NodeAffinity"
    await delete(master)
    await asyncio.sleep(1)
    assert await master.find_pod() is None
    assert not list(node.runtime.sandboxes())


async def test_a_finished_pod_is_removed_at_once(master: Master, node):
    await master.bind(containers=[script("exit 0")], restartPolicy="Never")
    await asyncio.sleep(5)
    await delete(master)
    await asyncio.sleep(1)
    assert await master.find_pod() is None


async def test_a_pod_that_arrives_dying_is_never_started(master: Master, node):
    body = {
        "metadata": {"name": "p1", "namespace": "default", "finalizers": ["example.com/hold"]},
        "spec": {"containers": [{"name": "c1", "image": "pause"}]},
    }
    await master.client().create(PODS, body)
    await delete(master)
    binding = {"metadata": {"name": "p1"}, "target": {"kind": "Node", "name": "n1"}}
    pod = await master.pod()
    node.manager.handle(None, {"kind": "Pod", "apiVersion": "v1", **pod, "spec": {**pod["spec"], "nodeName": "n1"}})
    await asyncio.sleep(3)
    assert not list(node.runtime.sandboxes())
    assert binding


async def test_the_object_of_a_pod_that_never_started_goes_after_its_last_status(master: Master, node):
    await master.bind(containers=[{"name": "c1", "image": "registry.invalid/none"}])
    await asyncio.sleep(5)
    since = master.clock.monotonic()
    await delete(master)
    await asyncio.sleep(5)
    assert await master.find_pod() is None
    assert master.asked("PATCH", "/pods/p1/status", since=since)[-1].body["status"]["phase"] == "Failed"


async def test_a_force_deleted_pod_is_stopped_in_silence(master: Master, node):
    pod = await master.bind(containers=[script(STUBBORN)], terminationGracePeriodSeconds=6)
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master, grace_period=0)
    await asyncio.sleep(5)
    assert node.runtime.sandbox(pod["metadata"]["uid"]).running
    await asyncio.sleep(3)
    assert node.runtime.sandbox(pod["metadata"]["uid"]) is None
    assert not [asked for asked in master.log if asked.at >= at and "/pods/p1" in asked.path]
    assert not node.workers.records


async def test_a_successor_of_the_same_name_is_another_pod(master: Master, node):
    first = await master.bind()
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await delete(master, grace_period=0)
    second = await master.bind()
    await asyncio.sleep(40)
    pod = await master.pod()
    assert pod["metadata"]["uid"] == second["metadata"]["uid"] != first["metadata"]["uid"]
    assert pod["status"]["phase"] == "Running"
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0
    written = {asked.body["metadata"]["uid"] for asked in master.asked("PATCH", "/pods/p1", since=at)}
    assert written == {second["metadata"]["uid"]}
    assert node.runtime.sandbox(first["metadata"]["uid"]) is None


async def test_a_status_on_its_way_never_reaches_the_successor(master: Master, node):
    await master.bind("p1", containers=[script("sleep 3; exit 1")], restartPolicy="Never")
    await asyncio.sleep(3)
    replaced = []

    async def replace(request):
        if request.method == "GET" and request.path.endswith("/pods/p1") and not replaced:
            await delete(master, grace_period=0)
            replaced.append(await master.bind("p1", nodeSelector={"no": "where"}))

    master.fault = replace
    await asyncio.sleep(30)
    pod = await master.pod()
    assert pod["metadata"]["uid"] == replaced[0]["metadata"]["uid"]
    assert pod["status"]["reason"] == "NodeAffinity"
    assert "containerStatuses" not in pod["status"]
    assert {asked.code for asked in master.asked("PATCH", "/pods/p1/status")} == {200}


@pytest.mark.parametrize(
    "spec", [{"nodeSelector": {"x": "y"}}, {"containers": [script("exit 0")], "restartPolicy": "Never"}]
)
async def test_what_is_over_is_finalised_although_the_master_leaves_that_to_the_node(master: Master, node, spec):
    """A master removes terminal pods by itself, unless something holds them: then the node's word is needed."""
    body = {
        "metadata": {"name": "p1", "namespace": "default", "finalizers": ["example.com/hold"]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c1", "image": "pause"}], **spec},
    }
    await master.client().create(PODS, body)
    await asyncio.sleep(5)
    assert (await master.pod())["status"]["phase"] in {"Failed", "Succeeded"}
    await delete(master)
    await asyncio.sleep(1)
    (finalised, *_) = master.asked("DELETE", "/pods/p1")
    assert finalised.body["gracePeriodSeconds"] == 0


async def test_after_an_absence_each_pod_meets_its_fate(master: Master):
    """Still bound: runs on. Deleted meanwhile: finalised. Vanished: stopped."""
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(5)
        pods = {name: await master.bind(name) for name in ("stays", "deleted", "vanished")}
        await asyncio.sleep(5)
    before = await master.pod("stays")
    await delete(master, "deleted")
    await delete(master, "vanished", grace_period=0)
    await asyncio.sleep(100)
    assert len([sandbox for sandbox in kubelet.runtime.sandboxes() if sandbox.running]) == 3
    at = master.clock.monotonic()
    async with running(kubelet):
        await asyncio.sleep(10)
        after = await master.pod("stays")
        assert after["status"] == before["status"]
        assert await master.find_pod("deleted") is None
        assert [sandbox.name for sandbox in kubelet.runtime.sandboxes()] == ["stays"]
        assert not [asked for asked in master.log if asked.at >= at and "vanished" in asked.path]
        assert pods


async def test_unknown_containers_live_until_the_api_was_read(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(5)
        await master.bind()
        await asyncio.sleep(5)

    async def away(request):
        if "pods" in request.path:
            await asyncio.Event().wait()

    master.fault = away
    async with running(kubelet):
        await asyncio.sleep(200)
        assert len([sandbox for sandbox in kubelet.runtime.sandboxes() if sandbox.running]) == 1


async def test_killing_the_kubelet_while_a_pod_stops_leaves_it_to_the_next_one(master: Master):
    kubelet = make_kubelet(master)
    async with running(kubelet):
        await asyncio.sleep(5)
        await master.bind(containers=[script(STUBBORN)], terminationGracePeriodSeconds=20)
        await asyncio.sleep(5)
        await delete(master)
        await asyncio.sleep(3)
    assert await master.find_pod()
    async with running(kubelet):
        await asyncio.sleep(25)
        assert await master.find_pod() is None


async def test_a_pod_the_node_ends_itself_is_failed_and_stays(master: Master, node):
    pod = await master.bind(containers=[script(STUBBORN)])
    await asyncio.sleep(5)
    record = node.workers.records[pod["metadata"]["uid"]]
    node.workers.stop(record, StopOrder(Ending("Evicted", "too much", "too much"), 4))
    await asyncio.sleep(2)
    during = await master.pod()
    assert during["status"]["phase"] == "Running"
    await asyncio.sleep(5)
    after = await master.pod()
    assert (after["status"]["phase"], after["status"]["reason"]) == ("Failed", "Evicted")
    target = next(entry for entry in after["status"]["conditions"] if entry["type"] == "DisruptionTarget")
    assert (target["status"], target["reason"]) == ("True", "TerminationByKubelet")
    assert not master.asked("DELETE")


async def test_a_pod_held_by_a_finalizer_is_not_hammered(master: Master, node):
    body = {
        "metadata": {"name": "p1", "namespace": "default", "finalizers": ["example.com/hold"]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c1", "image": "pause"}]},
    }
    await master.client().create(PODS, body)
    await asyncio.sleep(5)
    await delete(master)
    await asyncio.sleep(120)
    assert (await master.pod())["metadata"]["deletionTimestamp"]
    assert len(master.asked("DELETE", "/pods/p1")) <= 14
    assert not list(node.runtime.sandboxes())
