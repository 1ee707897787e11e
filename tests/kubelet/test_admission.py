"""Which pods the node takes, and how it says no."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.resources import NODES, PODS, PRIORITYCLASSES
from refimpl.kubelet import resources
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.machine.host import MIB
from refimpl.kubelet.pods import admission, predicates, preemption
from refimpl.kubelet.pods.podphase import phase
from refimpl.kubelet.pods.predicates import Shortage
from refimpl.kubelet.runtime.simulated import SimulatedRuntime
from tests.kubelet.kubelet_master import Master, make_kubelet, running


def container(name="c1", **requests):
    return (
        {"name": name, "image": "pause", "resources": {"requests": requests}}
        if requests
        else {"name": name, "image": "pause"}
    )


def pod_of(*containers, **spec):
    return {
        "metadata": {"name": "p", "namespace": "default", "uid": "u"},
        "spec": {"containers": list(containers), **spec},
    }


def node_of(labels=None, taints=(), **allocatable):
    amounts = {
        "cpu": "1",
        "memory": "1Gi",
        "pods": "110",
        **{key.replace("_", "-"): text for key, text in allocatable.items()},
    }
    return {
        "metadata": {"name": "n1", "labels": labels or {}},
        "spec": {"taints": list(taints)},
        "status": {"allocatable": amounts},
    }


async def outcome(master, name):
    status = (await master.pod(name))["status"]
    return status.get("phase"), status.get("reason")


@pytest.mark.parametrize(("era", "prefix"), [("1.36", "Pod was rejected: "), ("1.20", "Pod "), ("1.5", "Pod ")])
async def test_too_much_cpu_is_refused_in_the_words_of_the_era(master: Master, era, prefix):
    async with running(make_kubelet(master, era=era)):
        await asyncio.sleep(12)
        await master.bind("a", containers=[container(cpu="100m")])
        await master.bind("b", containers=[container(cpu="5")])
        await asyncio.sleep(3)
        status = (await master.pod("b"))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "OutOfcpu")
    wanted = "Node didn't have enough resource: cpu, requested: 5000, used: 100, capacity: 4000"
    assert status["message"] == prefix + wanted
    written = (master.asked("PATCH", "/pods/b/status") or master.asked("PUT", "/pods/b/status"))[-1].body["status"]
    # 1.20 removed the class; a master of today does not let it.
    assert (written.get("qosClass", "kept") is None) == (era == "1.20")
    assert "containerStatuses" not in status


async def test_capacity_means_allocatable(master: Master):
    async with running(make_kubelet(master, system_reserved={"cpu": "500m"})):
        await asyncio.sleep(5)
        await master.bind("all", containers=[container(cpu="4")])
        await master.bind("rest", containers=[container(cpu="3500m")])
        await asyncio.sleep(3)
    assert await outcome(master, "all") == ("Failed", "OutOfcpu")
    assert await outcome(master, "rest") == ("Running", None)


async def test_refused_and_finished_pods_take_no_room(master: Master, node):
    await master.bind("a", containers=[container(cpu="3")])
    await master.bind("b", containers=[container(cpu="2")])
    await master.bind("c", containers=[container(cpu="1")])
    await asyncio.sleep(3)
    outcomes = [await outcome(master, name) for name in "abc"]
    assert outcomes == [("Running", None), ("Failed", "OutOfcpu"), ("Running", None)]


async def test_a_refusal_is_final(master: Master, node):
    await master.bind("a", containers=[container(cpu="3")])
    await master.bind("b", containers=[container(cpu="2")])
    await asyncio.sleep(3)
    await master.client().delete(PODS, "a", namespace="default")
    await asyncio.sleep(60)
    assert await outcome(master, "b") == ("Failed", "OutOfcpu")
    assert await master.find_pod("b")


async def test_pods_that_are_still_starting_count(master: Master, node):
    for index in range(6):
        await master.bind(f"p{index}", containers=[container(cpu="1")])
    await asyncio.sleep(5)
    phases = [(await outcome(master, f"p{index}"))[0] for index in range(6)]
    assert phases == ["Running"] * 4 + ["Failed"] * 2


async def test_the_older_pods_of_a_batch_win(master: Master):
    for index in range(9, -1, -1):
        await master.bind(f"p{index}")
        await asyncio.sleep(1)
    async with running(make_kubelet(master, max_pods=7)):
        await asyncio.sleep(5)
    failed = [f"p{index}" for index in range(10) if (await outcome(master, f"p{index}"))[0] == "Failed"]
    assert failed == ["p0", "p1", "p2"]
    assert (await outcome(master, "p0"))[1] == "OutOfpods"


async def test_a_selector_that_does_not_match(master: Master, node):
    await master.bind("p1", nodeSelector={"x": "y"})
    await asyncio.sleep(2)
    status = (await master.pod())["status"]
    assert status["reason"] == "NodeAffinity"
    expected = "Predicate NodeAffinity failed: node(s) didn't match Pod's node affinity/selector"
    assert status["message"] == f"Pod was rejected: {expected}"


async def test_a_host_port_can_be_taken_once(master: Master, node):
    ports = [{"containerPort": 80, "hostPort": 8080}]
    await master.bind("a", containers=[{**container(), "ports": ports}])
    await master.bind("b", containers=[{**container(), "ports": ports}])
    await master.bind("c", containers=[{**container(), "ports": [{**ports[0], "protocol": "UDP"}]}])
    await asyncio.sleep(3)
    assert [await outcome(master, name) for name in "abc"] == [
        ("Running", None),
        ("Failed", "NodePorts"),
        ("Running", None),
    ]


async def test_an_unknown_extended_resource_is_ignored_a_known_one_counts(master: Master, node):
    limits = {"requests": {"nvidia.com/gpu": "1"}, "limits": {"nvidia.com/gpu": "1"}}
    gpu = {"name": "c1", "image": "pause", "resources": limits}
    await master.bind("a", containers=[gpu])
    await asyncio.sleep(3)
    node.control.set_devices("nvidia.com/gpu", 1)
    await asyncio.sleep(11)
    await master.bind("b", containers=[gpu])
    await asyncio.sleep(3)
    assert await outcome(master, "a") == ("Running", None)
    assert await outcome(master, "b") == ("Failed", "OutOfnvidia.com/gpu")


@pytest.mark.parametrize(("era", "expected"), [("1.36", ("Failed", "TaintToleration")), ("1.20", ("Running", None))])
async def test_an_untolerated_no_execute_taint_rejects_since_1_22(master: Master, era, expected):
    async with running(make_kubelet(master, era=era)):
        await asyncio.sleep(12)
        taints = [{"key": "k", "effect": "NoExecute"}, {"key": "s", "effect": "NoSchedule"}]
        await master.client().patch(NODES, "n1", {"spec": {"taints": taints}}, kind="merge")
        await asyncio.sleep(1)
        await master.bind("a")
        await master.bind("b", tolerations=[{"key": "k", "operator": "Exists"}])
        await asyncio.sleep(3)
    assert await outcome(master, "a") == expected
    assert await outcome(master, "b") == ("Running", None)


async def test_under_memory_pressure_only_best_effort_pods_are_kept_out(master: Master):
    async with running(
        make_kubelet(
            master, eviction_soft=("memory.available<2Gi",), eviction_soft_grace_period={"memory.available": "10h"}
        )
    ) as node:
        await asyncio.sleep(5)
        node.control.set_available("memory.available", 1024 * MIB)
        await asyncio.sleep(10)
        tolerating = {"key": "node.kubernetes.io/memory-pressure", "operator": "Exists", "effect": "NoSchedule"}
        await master.bind("best-effort")
        await master.bind("burstable", containers=[container(memory="10Mi")])
        await master.bind("tolerating", tolerations=[tolerating])
        await asyncio.sleep(3)
    status = (await master.pod("best-effort"))["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "Evicted")
    assert status["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    assert await outcome(master, "burstable") == ("Running", None)
    assert await outcome(master, "tolerating") == ("Running", None)


async def test_under_disk_pressure_only_critical_pods_come_in(master: Master, node):
    await make_priority_class(master)
    node.control.set_available("nodefs.available", 0)
    await asyncio.sleep(10)
    await master.bind("plain", containers=[container(memory="10Mi")])
    await master.bind("critical", priorityClassName="system-node-critical", priority=2000001000)
    await asyncio.sleep(3)
    assert await outcome(master, "plain") == ("Failed", "Evicted")
    assert await outcome(master, "critical") == ("Running", None)


async def test_a_critical_pod_pushes_out_the_least_important(master: Master, node):
    await make_priority_class(master)
    await master.bind("a", containers=[container(cpu="2", memory="10Mi")])
    await master.bind("b", containers=[container(cpu="2")])
    await asyncio.sleep(3)
    await master.bind(
        "critical", containers=[container(cpu="2")], priorityClassName="system-node-critical", priority=2000001000
    )
    await asyncio.sleep(3)
    outcomes = {name: await outcome(master, name) for name in ("a", "b", "critical")}
    assert outcomes["critical"] == ("Running", None)
    assert sorted(outcomes[name] for name in "ab") == [("Failed", "Preempting"), ("Running", None)]


async def test_finished_pods_are_neither_started_nor_counted(master: Master):
    await master.bind("done", containers=[container(cpu="4")])
    await master.patch_pod_status("done", {"phase": "Succeeded"})
    async with running(make_kubelet(master)) as node:
        await asyncio.sleep(5)
        await master.bind("next", containers=[container(cpu="4")])
        await asyncio.sleep(5)
        assert await outcome(master, "done") == ("Succeeded", None)
        assert await outcome(master, "next") == ("Running", None)
        assert len(list(node.runtime.sandboxes())) == 1
    assert not master.asked("PATCH", "/pods/done")


async def test_a_restart_leaves_refused_pods_as_they_are(master: Master, node):
    await master.bind("p1", nodeSelector={"x": "y"})
    await asyncio.sleep(2)
    before = await master.pod()
    at = master.clock.monotonic()
    async with running(make_kubelet(master)):
        await asyncio.sleep(30)
    assert (await master.pod())["status"] == before["status"]
    assert not master.asked("PATCH", "/pods/p1", since=at)


async def test_a_pod_that_no_longer_fits_after_a_restart_is_refused_and_stopped(master: Master):
    runtime = SimulatedRuntime(master.clock)
    async with running(make_kubelet(master, runtime, node_labels={"pool": "a"})):
        await master.bind(nodeSelector={"pool": "a"})
        await asyncio.sleep(10)
        assert (await outcome(master, "p1"))[0] == "Running"
    await master.client().patch(NODES, "n1", {"metadata": {"labels": {"pool": "b"}}})
    async with running(make_kubelet(master, runtime)):
        await asyncio.sleep(5)
        assert await outcome(master, "p1") == ("Failed", "NodeAffinity")
        assert not list(runtime.sandboxes())


async def test_a_pod_that_cannot_be_judged_is_refused_and_harms_no_other(master: Master, node, monkeypatch):
    judge = admission.fits

    def odd(pod, *rest):
        if pod["metadata"]["name"] == "odd":
            raise KeyError("spec")
        return judge(pod, *rest)

    monkeypatch.setattr(admission, "fits", odd)
    await asyncio.gather(master.bind("odd"), master.bind("plain"))
    await asyncio.sleep(3)
    assert await outcome(master, "odd") == ("Failed", "UnexpectedAdmissionError")
    assert await outcome(master, "plain") == ("Running", None)


async def make_priority_class(master):
    classes = await master.client().list(PRIORITYCLASSES)
    if not any(item["metadata"]["name"] == "system-node-critical" for item in classes["items"]):
        body = {"metadata": {"name": "system-node-critical"}, "value": 2000001000}
        await master.client().create(PRIORITYCLASSES, body)


def test_requests_are_the_larger_of_running_and_initializing():
    pod = pod_of(
        container(cpu="1", memory="10"),
        container("c2", cpu="1"),
        initContainers=[
            container("i1", cpu="3"),
            {**container("side", cpu="500m"), "restartPolicy": "Always"},
            container("i2", cpu="2800m"),
        ],
        overhead={"cpu": "10m"},
    )
    assert resources.pod_requests(pod) == {"cpu": 3310, "memory": 10}


def test_preemption_takes_few_and_the_least_assured():
    short = [Shortage("cpu", requested=3000, used=2500, capacity=4000)]
    small, large = pod_of(container(cpu="200m")), pod_of(container(cpu="2"))
    free = pod_of(container())
    assured = pod_of({"name": "c", "resources": {"limits": {"cpu": "3", "memory": "1Gi"}, "requests": {"cpu": "3"}}})
    assert preemption.victims(pod_of(), [small, large, free], short) == [large]
    assert preemption.victims(pod_of(), [assured, free, small, large], short) == [large]
    assert preemption.victims(pod_of(), [assured, small], short) == [assured]
    assert preemption.victims(pod_of(), [small, free], short) is None


def test_a_critical_pod_is_not_pushed_out_by_its_equal():
    short = [Shortage("pods", requested=1, used=10, capacity=10)]
    critical = pod_of(priority=2000000000)
    assert preemption.victims(critical, [critical], short) is None
    assert preemption.victims(pod_of(priority=2000001000), [critical], short) == [critical]


@pytest.mark.parametrize(
    ("requests", "limits", "expected"),
    [
        ({}, {}, "BestEffort"),
        ({"cpu": "1"}, {}, "Burstable"),
        ({"cpu": "1", "memory": "1"}, {"cpu": "1", "memory": "1"}, "Guaranteed"),
        ({}, {"cpu": "1", "memory": "1"}, "Guaranteed"),
        ({"cpu": "1"}, {"cpu": "2", "memory": "1"}, "Burstable"),
        ({"ephemeral-storage": "1"}, {}, "BestEffort"),
    ],
)
def test_quality_of_service(requests, limits, expected):
    one = {"name": "c", "resources": {"requests": requests, "limits": limits}}
    assert resources.qos_class(pod_of(one)) == expected


@pytest.mark.parametrize(
    ("term", "matches"),
    [
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Gt", "values": ["0"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Lt", "values": ["1"]}]}, False),
        ({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}, True),
        ({}, False),
    ],
)
def test_required_node_affinity(term, matches):
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}
    assert predicates.matches_node(pod_of(container(), affinity=affinity), node_of({"a": "1"})) is matches


@given(st.integers(1, 2000), st.lists(st.integers(0, 400), max_size=6))
def test_a_pod_fits_exactly_when_it_and_the_others_are_within_allocatable(wanted, used):
    others = [pod_of(container(cpu=f"{milli}m")) for milli in used]
    rejection = admission.admit(pod_of(container(cpu=f"{wanted}m")), node_of(), others, (), ERAS["1.36"])
    assert (rejection is None) == (wanted + sum(used) <= 1000)
    if rejection is not None:
        assert rejection.message.endswith(f"cpu, requested: {wanted}, used: {sum(used)}, capacity: 1000")


@given(st.integers(0, 5), st.integers(0, 5))
def test_the_number_of_pods_is_bounded_exactly(limit, present):
    others = [pod_of(container()) for _ in range(present)]
    rejection = admission.admit(pod_of(container()), node_of(pods=str(limit)), others, (), ERAS["1.36"])
    assert (rejection is None) == (present < limit)
    assert rejection is None or rejection.reason == "OutOfpods"


@given(
    st.lists(st.sampled_from(["running", "waiting", "done", "failed", "crashed"]), min_size=1, max_size=4),
    st.sampled_from(["Always", "OnFailure", "Never"]),
    st.booleans(),
)
def test_phases_are_sound(states, policy, over):
    wire = {
        "running": {"state": {"running": {}}},
        "waiting": {"state": {"waiting": {}}},
        "done": {"state": {"terminated": {"exitCode": 0}}},
        "failed": {"state": {"terminated": {"exitCode": 1}}},
        "crashed": {"state": {"waiting": {}}, "lastState": {"terminated": {"exitCode": 1}}},
    }
    names = [f"c{index}" for index in range(len(states))]
    pod = pod_of(*(container(name) for name in names), restartPolicy=policy)
    found = phase(pod, [{"name": name, **wire[state]} for name, state in zip(names, states, strict=True)], over=over)
    if found in {"Succeeded", "Failed"}:
        assert not {"running", "waiting"} & set(states)
    if found == "Succeeded":
        assert set(states) == {"done"}
    if "waiting" in states:
        assert found == "Pending"
    elif "running" in states or (policy == "Always" and not over):
        assert found == "Running"
