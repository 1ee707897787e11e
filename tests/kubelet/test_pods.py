"""A pod's life on the node, as its object tells it."""

import asyncio

import pytest

from refimpl.clock import parse_time
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from tests.kubelet.kubelet_master import Master, make_kubelet, running, script, state

STATUS = "/pods/p1/status"


def condition(pod, kind):
    return next(entry for entry in pod["status"]["conditions"] if entry["type"] == kind)


async def test_a_bound_pod_is_pending_then_running(master: Master, node):
    await master.bind(containers=[{"name": "c1", "image": "pause"}])
    await asyncio.sleep(0.5)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Pending"
    assert state(pod) == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(pod, "Initialized")["status"] == "True"
    for kind in ("Ready", "ContainersReady"):
        assert condition(pod, kind)["status"] == "False"
        assert condition(pod, kind)["reason"] == "ContainersNotReady"
        assert condition(pod, kind)["message"] == "containers with unready status: [c1]"
    assert pod["status"]["hostIP"] == "10.0.0.1"
    assert pod["status"]["qosClass"] == "BestEffort"
    started = pod["status"]["startTime"]
    await asyncio.sleep(2)
    pod = await master.pod()
    (status,) = pod["status"]["containerStatuses"]
    assert pod["status"]["phase"] == "Running"
    assert status["ready"] is status["started"] is True
    assert status["restartCount"] == 0
    assert status["containerID"].startswith("simulated://")
    assert "reason" not in condition(pod, "Ready")
    assert pod["status"]["podIPs"] == [{"ip": pod["status"]["podIP"]}]
    assert pod["status"]["startTime"] == started
    assert [entry["type"] for entry in pod["status"]["conditions"]] == [
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
        "PodScheduled",
    ]


async def test_every_write_reads_the_pod_first_and_patches_under_its_uid(master: Master, node):
    pod = await master.bind()
    await asyncio.sleep(5)
    patches = master.asked("PATCH", STATUS)
    assert len(patches) == 2
    assert len(master.asked("GET", "/pods/p1")) == 2
    assert {patch.body["metadata"]["uid"] for patch in patches} == {pod["metadata"]["uid"]}
    assert {patch.headers["content-type"] for patch in patches} == {"application/strategic-merge-patch+json"}


async def test_an_idle_pod_is_not_written(master: Master, node):
    await master.bind()
    await asyncio.sleep(5)
    at = master.clock.monotonic()
    await asyncio.sleep(600)
    assert not master.asked("PATCH", "/pods", since=at)
    assert not master.asked("GET", "/pods", since=at)


@pytest.mark.parametrize(
    ("policy", "exit_code", "phase"),
    [("Never", 0, "Succeeded"), ("Never", 3, "Failed"), ("OnFailure", 0, "Succeeded")],
)
async def test_a_pod_whose_containers_ended_for_good_is_over(master: Master, node, policy, exit_code, phase):
    await master.bind(containers=[script(f"sleep 2; exit {exit_code}")], restartPolicy=policy)
    await asyncio.sleep(10)
    pod = await master.pod()
    assert pod["status"]["phase"] == phase
    ended = state(pod)["terminated"]
    assert ended["exitCode"] == exit_code
    assert ended["reason"] == ("Error" if exit_code else "Completed")
    assert parse_time(ended["startedAt"]) <= parse_time(ended["finishedAt"])
    assert condition(pod, "Ready")["reason"] == ("PodCompleted" if phase == "Succeeded" else "PodFailed")
    assert condition(pod, "Ready")["status"] == "False"
    at = master.clock.monotonic()
    await asyncio.sleep(60)
    assert not master.asked("PATCH", STATUS, since=at)
    assert not master.asked("DELETE", since=0)


async def test_one_failed_container_waits_for_the_others(master: Master, node):
    await master.bind(containers=[script("exit 1"), script("sleep 20", "c2")], restartPolicy="Never")
    await asyncio.sleep(10)
    assert (await master.pod())["status"]["phase"] == "Running"
    await asyncio.sleep(15)
    assert (await master.pod())["status"]["phase"] == "Failed"


async def test_a_crashing_container_waits_longer_each_time(master: Master):
    async with running(make_kubelet(master, runtime=SimulatedRuntime(master.clock, start_delay=0.1))):
        await asyncio.sleep(5)
        await master.bind(containers=[script("sleep 1; exit 7")])
        waits, ids = [], set()
        last = None
        for _ in range(12000):
            await asyncio.sleep(0.1)
            (status,) = (await master.pod())["status"].get("containerStatuses") or [{}]
            running_since = status.get("state", {}).get("running", {}).get("startedAt")
            if running_since and running_since != last:
                before = (status.get("lastState") or {}).get("terminated")
                if before:
                    assert before["exitCode"] == 7
                    waited = parse_time(running_since) - parse_time(before["finishedAt"])
                    waits.append(waited.total_seconds())
                last = running_since
                ids.add(status["containerID"])
            waiting = status.get("state", {}).get("waiting", {})
            if waiting.get("reason") == "CrashLoopBackOff":
                uid = (await master.pod())["metadata"]["uid"]
                assert waiting["message"].endswith(f"restarting failed container=c1 pod=p1_default({uid})")
                assert (await master.pod())["status"]["phase"] == "Running"
            if len(waits) == 7:
                break
    assert [round(wait, -1) for wait in waits] == [0, 10, 20, 40, 80, 160, 300]
    assert len(ids) == 8
    assert status["restartCount"] == 7


async def test_ten_good_minutes_forgive_crashes(master: Master, node):
    await master.bind(containers=[script("sleep 700; exit 1")])
    await asyncio.sleep(720)
    assert state(await master.pod())["running"]
    await asyncio.sleep(710)
    assert state(await master.pod())["running"]
    assert (await master.pod())["status"]["containerStatuses"][0]["restartCount"] == 2


async def test_init_containers_run_one_by_one_before_the_app(master: Master, node):
    await master.bind(initContainers=[script("sleep 5", "i1"), script("sleep 5", "i2")])
    await asyncio.sleep(3)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Pending"
    assert condition(pod, "Initialized")["message"] == "containers with incomplete status: [i1 i2]"
    assert condition(pod, "Initialized")["reason"] == "ContainersNotInitialized"
    assert state(pod) == {"waiting": {"reason": "PodInitializing"}}
    assert "running" in state(pod, 0, "initContainerStatuses")
    assert "waiting" in state(pod, 1, "initContainerStatuses")
    await asyncio.sleep(15)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Running"
    assert condition(pod, "Initialized")["status"] == "True"
    assert [status["ready"] for status in pod["status"]["initContainerStatuses"]] == [True, True]


async def test_a_failed_init_container_fails_a_pod_that_never_restarts(master: Master, node):
    await master.bind(initContainers=[script("exit 2", "i1")], restartPolicy="Never")
    await asyncio.sleep(8)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Failed"
    assert "waiting" in state(pod)


async def test_a_sidecar_starts_first_and_stops_last(master: Master, node):
    sidecar = script("while true; do sleep 1; done", "side", restartPolicy="Always")
    await master.bind(initContainers=[sidecar], containers=[script("sleep 10")], restartPolicy="Never")
    await asyncio.sleep(6)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Running"
    began = state(pod, 0, "initContainerStatuses")["running"]["startedAt"]
    assert began <= state(pod)["running"]["startedAt"]
    await asyncio.sleep(15)
    pod = await master.pod()
    assert pod["status"]["phase"] == "Succeeded"
    assert state(pod, 0, "initContainerStatuses")["terminated"]


async def test_readiness_follows_the_probe_and_leaves_the_phase_alone(master: Master, node):
    probe = {"exec": {"command": ["cat", "/ok"]}, "periodSeconds": 2, "failureThreshold": 2}
    await master.bind(containers=[{"name": "c1", "image": "pause", "readinessProbe": probe}])
    await asyncio.sleep(6)
    pod = await master.pod()
    assert (pod["status"]["phase"], condition(pod, "Ready")["status"]) == ("Running", "False")
    node.runtime.set_file(pod["metadata"]["uid"], "c1", "/ok", exists=True)
    await asyncio.sleep(3)
    assert condition(await master.pod(), "Ready")["status"] == "True"
    node.runtime.set_file(pod["metadata"]["uid"], "c1", "/ok", exists=False)
    await asyncio.sleep(6)
    pod = await master.pod()
    assert (pod["status"]["phase"], condition(pod, "ContainersReady")["status"]) == ("Running", "False")
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 0


async def test_a_failing_liveness_probe_restarts_the_container(master: Master, node):
    probe = {"exec": {"command": ["cat", "/tmp/healthy"]}, "initialDelaySeconds": 5, "periodSeconds": 5}
    command = "touch /tmp/healthy; sleep 30; rm -rf /tmp/healthy; sleep 600"
    await master.bind(containers=[script(command, livenessProbe=probe)])
    await asyncio.sleep(28)
    assert (await master.pod())["status"]["containerStatuses"][0]["restartCount"] == 0
    await asyncio.sleep(30)
    pod = await master.pod()
    assert pod["status"]["containerStatuses"][0]["restartCount"] == 1
    assert pod["status"]["phase"] == "Running"


async def test_other_probes_wait_for_the_startup_probe(master: Master, node):
    startup = {"exec": {"command": ["cat", "/up"]}, "periodSeconds": 1, "failureThreshold": 60}
    ready = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    await master.bind(containers=[script("sleep 10; touch /up; sleep 600", startupProbe=startup, readinessProbe=ready)])
    await asyncio.sleep(8)
    (status,) = (await master.pod())["status"]["containerStatuses"]
    assert (status["started"], status["ready"]) == (False, False)
    await asyncio.sleep(6)
    (status,) = (await master.pod())["status"]["containerStatuses"]
    assert (status["started"], status["ready"]) == (True, True)


async def test_readiness_gates_hold_back_ready_but_not_the_containers(master: Master, node):
    await master.bind(readinessGates=[{"conditionType": "example.com/gate"}])
    await asyncio.sleep(4)
    pod = await master.pod()
    assert condition(pod, "Ready")["reason"] == "ReadinessGatesNotReady"
    assert condition(pod, "ContainersReady")["status"] == "True"
    await master.patch_pod_status("p1", {"conditions": [{"type": "example.com/gate", "status": "True"}]})
    await asyncio.sleep(1)
    pod = await master.pod()
    assert condition(pod, "Ready")["status"] == "True"
    assert condition(pod, "example.com/gate")["status"] == "True"


async def test_overwritten_status_is_put_right_within_ten_seconds(master: Master, node):
    await master.bind()
    await asyncio.sleep(5)
    address = (await master.pod())["status"]["podIP"]
    foreign = [{"$patch": "replace"}, {"ip": "1.2.3.4"}]
    await master.patch_pod_status("p1", {"phase": "Pending", "podIP": "1.2.3.4", "podIPs": foreign})
    await asyncio.sleep(10.5)
    pod = await master.pod()
    assert (pod["status"]["phase"], pod["status"]["podIP"]) == ("Running", address)


async def test_a_deadline_fails_the_pod_and_keeps_its_object(master: Master, node):
    await master.bind(activeDeadlineSeconds=5)
    await asyncio.sleep(8)
    pod = await master.pod()
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "DeadlineExceeded")
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"
    assert "terminated" in state(pod)
    assert not master.asked("DELETE")


async def test_container_statuses_are_sorted_and_init_statuses_in_order(master: Master, node):
    names = ["zeta", "alpha", "mid"]
    await master.bind(
        containers=[{"name": name, "image": "pause"} for name in names],
        initContainers=[script("true", "i-z"), script("true", "i-a")],
    )
    await asyncio.sleep(12)
    status = (await master.pod())["status"]
    assert [entry["name"] for entry in status["containerStatuses"]] == sorted(names)
    assert [entry["name"] for entry in status["initContainerStatuses"]] == ["i-z", "i-a"]


async def test_a_missing_image_waits_in_back_off(master: Master, node):
    node.runtime.fail_image("nosuch", "ErrImagePull", "no such image")
    await master.bind(containers=[{"name": "c1", "image": "nosuch"}])
    await asyncio.sleep(1.5)
    assert state(await master.pod()) == {"waiting": {"reason": "ErrImagePull", "message": "no such image"}}
    await asyncio.sleep(3)
    pod = await master.pod()
    assert state(pod)["waiting"]["reason"] == "ImagePullBackOff"
    assert pod["status"]["phase"] == "Pending"
    node.runtime.mend_image("nosuch")
    await asyncio.sleep(15)
    assert (await master.pod())["status"]["phase"] == "Running"


async def test_a_missing_config_map_waits_and_is_found_later(master: Master, node):
    env = [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "a"}}}]
    await master.bind(containers=[{"name": "c1", "image": "pause", "env": env}])
    await asyncio.sleep(3)
    waiting = state(await master.pod())["waiting"]
    assert waiting == {"reason": "CreateContainerConfigError", "message": 'configmap "cm" not found'}


async def test_host_network_pods_have_the_address_of_the_node(master: Master, node):
    await master.bind(hostNetwork=True)
    await asyncio.sleep(3)
    status = (await master.pod())["status"]
    assert status["podIP"] == status["hostIP"] == "10.0.0.1"


async def test_in_1_5_the_status_is_put_as_a_whole(master: Master):
    async with running(make_kubelet(master, era="1.5")):
        await asyncio.sleep(12)
        await master.bind()
        await asyncio.sleep(5)
        pod = await master.pod()
    assert pod["status"]["phase"] == "Running"
    assert master.asked("PUT", STATUS)
    assert not master.asked("PATCH", STATUS)
    assert [entry["type"] for entry in pod["status"]["conditions"]] == ["Initialized", "Ready", "PodScheduled"]


async def test_in_1_5_what_a_newer_master_adds_is_no_reason_to_write_again(master: Master):
    async with running(make_kubelet(master, era="1.5")):
        await asyncio.sleep(5)
        await master.bind()
        await asyncio.sleep(10)
        assert (await master.pod())["status"]["podIPs"]
        since = master.clock.monotonic()
        await asyncio.sleep(60)
        assert not master.asked("PUT", STATUS, since=since)


async def test_the_master_may_send_a_foreign_pod_and_it_is_left_alone(master: Master, node):
    foreign = await master.bind("p1", node="n2")
    node.manager.handle(None, {"kind": "Pod", "apiVersion": "v1", **foreign})
    await asyncio.sleep(20)
    assert "containerStatuses" not in (await master.pod())["status"]
