"""Static pods and their mirrors, graceful shutdown, and what the node tells about itself in events."""

import asyncio
import json

import pytest

from refimpl.api.resources import EVENTS, PODS
from refimpl.client.events import EventRecorder
from refimpl.kubelet import shutdown
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.pods import admission, staticpods
from tests.kubelet.kubelet_master import Master, make_kubelet, running


@pytest.fixture
def manifests(tmp_path):
    (tmp_path / "web.yaml").write_text(
        "apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: c1, image: pause}]}\n"
    )
    return tmp_path


async def test_a_static_pod_runs_and_has_a_mirror(master: Master, manifests):
    async with running(make_kubelet(master, pod_manifest_path=str(manifests))) as node:
        await asyncio.sleep(12)
        mirror, owner = await master.pod("web-n1"), await master.node()
        (sandbox,) = node.runtime.sandboxes()
    annotations = mirror["metadata"]["annotations"]
    assert annotations["kubernetes.io/config.mirror"] == annotations["kubernetes.io/config.hash"] == sandbox.uid
    assert annotations["kubernetes.io/config.source"] == "file"
    (reference,) = mirror["metadata"]["ownerReferences"]
    assert (reference["kind"], reference["uid"]) == ("Node", owner["metadata"]["uid"])
    assert mirror["status"]["phase"] == "Running"
    assert mirror["metadata"]["uid"] != sandbox.uid


async def test_a_deleted_mirror_comes_back_and_nothing_is_restarted(master: Master, manifests):
    async with running(make_kubelet(master, pod_manifest_path=str(manifests))) as node:
        await asyncio.sleep(12)
        before = await master.pod("web-n1")
        for options in ({}, {"grace_period": 0}):
            await master.client().delete(PODS, "web-n1", namespace="default", **options)
            await asyncio.sleep(11)
            after = await master.pod("web-n1")
            assert after["metadata"]["uid"] != before["metadata"]["uid"]
            assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]
        assert len(list(node.runtime.sandboxes())) == 1


async def test_removing_the_file_removes_pod_and_mirror_changing_it_replaces_both(master: Master, manifests):
    async with running(make_kubelet(master, pod_manifest_path=str(manifests))) as node:
        await asyncio.sleep(12)
        before = await master.pod("web-n1")
        file = manifests / "web.yaml"
        file.write_text(file.read_text().replace("pause", "other"))
        await asyncio.sleep(45)
        after = await master.pod("web-n1")
        assert after["spec"]["containers"][0]["image"] == "other"
        assert after["status"]["phase"] == "Running"
        assert after["metadata"]["uid"] != before["metadata"]["uid"]
        assert len(list(node.runtime.sandboxes())) == 1
        file.unlink()
        await asyncio.sleep(45)
        assert await master.find_pod("web-n1") is None
        assert not list(node.runtime.sandboxes())


async def test_a_restart_takes_static_pods_over(master: Master, manifests):
    kubelet = make_kubelet(master, pod_manifest_path=str(manifests))
    async with running(kubelet):
        await asyncio.sleep(12)
        before = await master.pod("web-n1")
    async with running(kubelet):
        await asyncio.sleep(30)
        assert (await master.pod("web-n1"))["status"] == before["status"]


def test_what_is_no_pod_is_passed_over(tmp_path):
    (tmp_path / "a.yaml").write_text("{")
    (tmp_path / "b.yaml").write_text("kind: Pod")
    (tmp_path / ".c.yaml").write_text("")
    (tmp_path / "d.json").write_text(json.dumps({"metadata": {"name": "d"}, "spec": {"containers": []}}))
    (pod,) = staticpods.read_pods(tmp_path, "n1", "2018-07-02T02:11:27Z").values()
    assert pod["metadata"]["name"] == "d-n1"
    assert pod["spec"]["nodeName"] == "n1"
    assert "ownerReferences" not in staticpods.mirror_of(pod, {"metadata": {"name": "n1"}}, ERAS["1.5"])["metadata"]
    assert staticpods.read_pods(tmp_path / "nothing", "n1", "") == {}


async def test_on_shutdown_pods_end_critical_ones_last_and_no_new_ones_come(master: Master, manifests):
    script = ["sh", "-c", "trap '' TERM; sleep 1000"]
    async with running(make_kubelet(master, pod_manifest_path=str(manifests))) as node:
        await asyncio.sleep(12)
        await master.bind(
            "p1", containers=[{"name": "c1", "image": "x", "command": script}], terminationGracePeriodSeconds=8
        )
        await asyncio.sleep(3)
        node.control.shut_down()
        await asyncio.sleep(2)
        ready = (await master.node())["status"]["conditions"][-1]
        assert (ready["status"], ready["message"]) == ("False", "node is shutting down")
        await master.bind("late")
        await asyncio.sleep(2)
        late = (await master.pod("late"))["status"]
        assert (late["phase"], late["reason"]) == ("Failed", "NodeShutdown")
        await asyncio.sleep(3)
        assert [(await master.pod(name))["status"]["phase"] for name in ("p1", "web-n1")] == ["Running"] * 2
        await asyncio.sleep(1.5)
        status = (await master.pod("p1"))["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Terminated")
        assert status["message"] == "Pod was terminated in response to imminent node shutdown."
        at = master.clock.monotonic()
        await asyncio.sleep(12)
        assert (await master.pod("web-n1"))["status"]["phase"] == "Failed"
        assert master.asked("PUT", "/leases/n1", since=at)


async def test_in_1_20_critical_pods_end_when_the_time_of_the_others_is_up(master: Master, manifests):
    async with running(make_kubelet(master, era="1.20", pod_manifest_path=str(manifests))) as node:
        await asyncio.sleep(15)
        node.control.shut_down()
        await asyncio.sleep(2)
        await master.bind("late")
        await asyncio.sleep(16)
        assert [(await master.pod(name))["status"]["phase"] for name in ("late", "web-n1")] == ["Running"] * 2
        await asyncio.sleep(12)
        status = (await master.pod("web-n1"))["status"]
        assert (status["phase"], status["reason"]) == ("Failed", "Shutdown")


def test_the_time_of_a_shutdown_is_shared_out():
    plain = {"metadata": {"name": "a"}, "spec": {"terminationGracePeriodSeconds": 100}}
    critical = {"metadata": {"name": "b"}, "spec": {"priority": 2_000_000_000}}
    assert shutdown.phases([critical, plain], 30, 10) == [([plain], 20), ([critical], 10)]
    assert shutdown.grace_of(plain, 20) == 20


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ({"os": {"name": "windows"}}, "PodOSNotSupported"),
        ({"nodeSelector": {"kubernetes.io/os": "windows"}}, "PodOSSelectorNodeLabelDoesNotMatch"),
        ({"os": {"name": "linux"}}, None),
    ],
)
def test_pods_for_another_operating_system(spec, reason):
    node = {"metadata": {"name": "n1"}, "status": {"nodeInfo": {"operatingSystem": "linux"}}}
    rejection = admission.foreign_system({"spec": spec}, node)
    assert (rejection.reason if rejection else None) == reason


async def events(master):
    listed = (await master.client().list(EVENTS))["items"]
    listed.sort(key=lambda event: event["metadata"]["creationTimestamp"])
    return [(event["involvedObject"]["kind"], event["reason"], event) for event in listed]


@pytest.mark.parametrize(("era", "uid"), [("1.36", ""), ("1.20", "n1")])
async def test_the_node_tells_of_its_start_and_of_every_turn_of_ready(master: Master, era, uid):
    recorder = EventRecorder(master.client(), master.clock, "kubelet", "n1")
    async with running(make_kubelet(master, era=era, recorder=recorder)) as node:
        await asyncio.sleep(15)
        node.control.set_runtime_down(down=True)
        await asyncio.sleep(60)
        node.control.set_runtime_down(down=False)
        await asyncio.sleep(30)
    told = await events(master)
    reasons = [reason for kind, reason, _ in told if kind == "Node"]
    for once in (
        "Starting",
        "NodeHasSufficientMemory",
        "NodeHasNoDiskPressure",
        "NodeHasSufficientPID",
        "NodeNotReady",
    ):
        assert reasons.count(once) == 1
    ready = next(event for _, reason, event in told if reason == "NodeReady")
    assert ready["message"] == "Node n1 status is now: NodeReady"
    assert ready["count"] == 2
    assert ready["source"] == {"component": "kubelet", "host": "n1"}
    assert ready["involvedObject"].get("uid", "") == uid
    assert ready["involvedObject"]["name"] == "n1"


async def test_a_pod_s_events_tell_its_life(master: Master):
    recorder = EventRecorder(master.client(), master.clock, "kubelet", "n1")
    async with running(make_kubelet(master, recorder=recorder)):
        await asyncio.sleep(5)
        await master.bind("p1")
        await master.bind("p2", containers=[{"name": "c1", "image": "x", "command": ["false"]}])
        await master.bind("p3", nodeSelector={"no": "where"})
        await asyncio.sleep(20)
        await master.client().delete(PODS, "p1", namespace="default")
        await asyncio.sleep(3)
    told = [
        (event["involvedObject"]["name"], reason, event)
        for kind, reason, event in await events(master)
        if kind == "Pod"
    ]
    first = [reason for name, reason, _ in told if name == "p1"]
    assert (sorted(first[:3]), first[3:]) == (["Created", "Pulled", "Started"], ["Killing"])
    killing = next(event for name, reason, event in told if (name, reason) == ("p1", "Killing"))
    assert killing["message"] == "Stopping container c1"
    assert killing["involvedObject"]["fieldPath"] == "spec.containers{c1}"
    assert ("p2", "BackOff") in [(name, reason) for name, reason, _ in told]
    assert [(reason, event["type"]) for name, reason, event in told if name == "p3"] == [("NodeAffinity", "Warning")]


async def test_events_that_fail_are_lost_and_nothing_else(master: Master):
    async def no_events(request):
        if "events" in request.path:
            await asyncio.Event().wait()

    recorder = EventRecorder(master.node_client(), master.clock, "kubelet", "n1")
    master.fault = no_events
    async with running(make_kubelet(master, recorder=recorder)):
        await asyncio.sleep(15)
        await master.bind()
        await asyncio.sleep(5)
        assert (await master.pod())["status"]["phase"] == "Running"
