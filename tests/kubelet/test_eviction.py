"""The self-check of the node: pressure, what it says about it, and which pod goes."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.kubelet import eviction
from refimpl.kubelet.config import ConfigError, KubeletConfig
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.eviction import EvictionState
from refimpl.kubelet.machine.host import GIB, MIB
from refimpl.kubelet.machine.stats import Observation, PodUsage
from refimpl.kubelet.thresholds import Amount, Threshold, thresholds
from tests.kubelet.kubelet_master import Master, make_kubelet, running

SOFT = {
    "eviction_soft": ("memory.available<2Gi", "nodefs.available<20Gi", "pid.available<1000"),
    "eviction_soft_grace_period": {"memory.available": "10h", "nodefs.available": "10h", "pid.available": "10h"},
    "eviction_pressure_transition_period": 20.0,
}
WORDS = {
    "MemoryPressure": ("memory.available", "KubeletHasInsufficientMemory", "kubelet has insufficient memory available"),
    "DiskPressure": ("nodefs.available", "KubeletHasDiskPressure", "kubelet has disk pressure"),
    "PIDPressure": ("pid.available", "KubeletHasInsufficientPID", "kubelet has insufficient PID available"),
}


async def conditions(master):
    return {entry["type"]: entry for entry in (await master.node())["status"]["conditions"]}


@pytest.mark.parametrize("kind", list(WORDS))
async def test_pressure_turns_its_own_condition_and_back_after_the_transition_period(master: Master, kind):
    signal, reason, message = WORDS[kind]
    async with running(make_kubelet(master, **SOFT)) as node:
        await asyncio.sleep(5)
        node.control.set_available(signal, 1)
        await asyncio.sleep(20.5)
        found = await conditions(master)
        assert (found[kind]["status"], found[kind]["reason"], found[kind]["message"]) == ("True", reason, message)
        assert [other for other, entry in found.items() if entry["status"] == "True"] == [kind, "Ready"]
        node.control.reset(signal)
        await asyncio.sleep(15)
        assert (await conditions(master))[kind]["status"] == "True"
        await asyncio.sleep(26)
        assert (await conditions(master))[kind]["status"] == "False"


async def test_a_flapping_signal_does_not_flap_the_condition(master: Master):
    async with running(make_kubelet(master, **SOFT)) as node:
        await asyncio.sleep(5)
        seen = []
        for index in range(20):
            node.control.set_available("memory.available", 1 if index % 2 else 8 * GIB)
            await asyncio.sleep(10)
            seen.append((await conditions(master))["MemoryPressure"]["status"])
    assert set(seen[4:]) == {"True"}


async def test_pressure_changes_neither_capacity_nor_allocatable(master: Master):
    async with running(make_kubelet(master, **SOFT)) as node:
        await asyncio.sleep(5)
        before = (await master.node())["status"]
        node.control.set_available("memory.available", 1)
        for index in range(5):
            await master.bind(
                f"p{index}", containers=[{"name": "c", "image": "pause", "resources": {"requests": {"cpu": "100m"}}}]
            )
        await asyncio.sleep(21)
        after = (await master.node())["status"]
    assert (after["capacity"], after["allocatable"]) == (before["capacity"], before["allocatable"])


async def test_a_node_of_1_5_whose_disk_is_full_is_out_of_disk(master: Master):
    async with running(make_kubelet(master, era="1.5")) as node:
        await asyncio.sleep(5)
        node.control.set_available("nodefs.available", 100 * MIB)
        await asyncio.sleep(20.5)
        found = await conditions(master)
        assert (found["OutOfDisk"]["status"], found["OutOfDisk"]["reason"]) == ("True", "KubeletOutOfDisk")
        assert found["OutOfDisk"]["message"] == "out of disk space"
        assert found["DiskPressure"]["status"] == "True"
        assert "PIDPressure" not in found


async def test_a_hard_threshold_evicts_one_pod_a_round_the_hog_first(master: Master):
    async with running(make_kubelet(master)) as node:
        await asyncio.sleep(5)
        for name in ("modest", "hog"):
            await master.bind(
                name, containers=[{"name": "c1", "image": "pause", "resources": {"requests": {"memory": "100Mi"}}}]
            )
        await asyncio.sleep(3)
        node.control.set_usage("default", "modest", PodUsage(memory=50 * MIB))
        node.control.set_usage("default", "hog", PodUsage(memory=3 * GIB))
        node.control.set_available("memory.available", 50 * MIB)
        await asyncio.sleep(8)
        hog = (await master.pod("hog"))["status"]
        assert (await master.pod("modest"))["status"]["phase"] == "Running"
        assert (hog["phase"], hog["reason"]) == ("Failed", "Evicted")
        assert hog["message"] == (
            "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
            "Container c1 was using 3Gi, request is 100Mi, has larger consumption of memory. "
        )
        assert hog["conditions"][-1]["type"] == "DisruptionTarget"
        assert not master.asked("DELETE")
        assert [sandbox.name for sandbox in node.runtime.sandboxes()] == ["modest"]  # what the hog held is free again
        assert "terminated" in hog["containerStatuses"][0]["state"]
        await asyncio.sleep(10)
        assert (await master.pod("modest"))["status"]["reason"] == "Evicted"


async def test_what_dead_pods_left_on_the_disk_goes_before_a_living_one(master: Master):
    async with running(make_kubelet(master)) as node:
        await asyncio.sleep(5)
        await master.bind("living")
        await master.bind("dead", restartPolicy="Never")
        await asyncio.sleep(3)
        await node.control.exit_container("default", "dead", "c1", 0)
        await asyncio.sleep(2.5)
        before = (await master.pod("dead"))["status"]
        assert before["phase"] == "Succeeded"
        node.control.set_available("nodefs.available", 0)
        await asyncio.sleep(10)
        assert [sandbox.name for sandbox in node.runtime.sandboxes()] == ["living"]
        assert (await master.pod("living"))["status"]["phase"] == "Running"
        assert (await master.pod("dead"))["status"] == before
        await asyncio.sleep(10)
        assert (await master.pod("living"))["status"]["reason"] == "Evicted"


async def test_a_soft_threshold_evicts_after_its_grace(master: Master):
    soft = {
        **SOFT,
        "eviction_soft": ("memory.available<2Gi",),
        "eviction_soft_grace_period": {"memory.available": "1m"},
    }
    async with running(make_kubelet(master, **soft)) as node:
        await asyncio.sleep(5)
        await master.bind(
            "p1", containers=[{"name": "c1", "image": "pause", "resources": {"requests": {"memory": "1Mi"}}}]
        )
        node.control.set_available("memory.available", GIB)
        await asyncio.sleep(50)
        assert (await master.pod())["status"]["phase"] == "Running"
        await asyncio.sleep(30)
        assert (await master.pod())["status"]["reason"] == "Evicted"


def pod(name, priority=0, **requests):
    containers = [{"name": "c", "resources": {"requests": requests}}]
    return {"metadata": {"name": name, "namespace": "d"}, "spec": {"priority": priority, "containers": containers}}


def test_rank_is_over_requests_then_priority_then_surplus():
    pods = {
        "within": pod("within", memory="1Gi"),
        "important": pod("important", priority=10, memory="1Mi"),
        "small": pod("small", memory="1Mi"),
        "large": pod("large", memory="1Mi"),
        "unknown": pod("unknown"),
    }
    usage = {"within": 900, "important": 800, "small": 10, "large": 500}

    def usage_of(one):
        used = usage.get(one["metadata"]["name"])
        return None if used is None else PodUsage(memory=used * MIB)

    ranked = eviction.rank("memory.available", pods.values(), usage_of)
    assert [one["metadata"]["name"] for one in ranked] == ["unknown", "large", "small", "important", "within"]


def test_under_pid_pressure_processes_count_and_requests_do_not():
    pods = [pod("few", cpu="1"), pod("many", cpu="8"), pod("important", priority=5)]
    processes = {"few": 2, "many": 50, "important": 1000}
    ranked = eviction.rank("pid.available", pods, lambda one: PodUsage(processes=processes[one["metadata"]["name"]]))
    assert [one["metadata"]["name"] for one in ranked] == ["many", "few", "important"]


def test_critical_pods_are_never_chosen():
    critical = pod("critical", priority=2_000_000_000)
    assert eviction.choose("memory.available", [critical], lambda _: PodUsage(memory=GIB)) is None
    assert eviction.choose("memory.available", [critical, pod("p")], lambda _: PodUsage())["metadata"]["name"] == "p"


def test_a_threshold_once_crossed_holds_until_its_minimum_reclaim():
    threshold = Threshold("memory.available", Amount(100), "MemoryPressure", 0.0, Amount(50))
    crossed = eviction.observe(
        EvictionState(), [threshold], {"memory.available": Observation(99, 1000)}, 0, transition_period=0
    )
    held = eviction.observe(crossed, [threshold], {"memory.available": Observation(149, 1000)}, 10, transition_period=0)
    freed = eviction.observe(held, [threshold], {"memory.available": Observation(150, 1000)}, 20, transition_period=0)
    assert (bool(crossed.first_met), bool(held.first_met), bool(freed.first_met)) == (True, True, False)
    assert held.first_met[threshold] == 0


@given(st.lists(st.tuples(st.floats(0.1, 30), st.integers(0, 200)), min_size=1, max_size=30), st.floats(0, 300))
def test_the_condition_holds_exactly_for_the_transition_period(steps, period):
    threshold = Threshold("memory.available", Amount(100), "MemoryPressure")
    state, now, pressed_at = EvictionState(), 0.0, None
    for seconds, available in steps:
        now += seconds
        state = eviction.observe(
            state, [threshold], {"memory.available": Observation(available, 1000)}, now, transition_period=period
        )
        if available < 100:
            pressed_at = now
        expected = pressed_at is not None and (now == pressed_at or now - pressed_at < period)
        assert (state.conditions == ("MemoryPressure",)) == expected


def test_thresholds_are_read_as_the_flags_write_them():
    config = KubeletConfig(eviction_hard=("memory.available<1Gi", "nodefs.available<10%", "imagefs.available<0%"))
    memory, disk = thresholds(config)
    assert (memory.amount.of(8 * GIB), memory.hard) == (GIB, True)
    assert disk.amount.of(1001) == 100
    with pytest.raises(ConfigError):
        thresholds(KubeletConfig(eviction_hard=("memory<1Gi",)))
    with pytest.raises(ConfigError):
        thresholds(KubeletConfig(eviction_hard=("memory.available<-1Gi",)))


def test_messages_of_earlier_kubelets_tell_less():
    threshold = Threshold("memory.available", Amount(100 * MIB), "MemoryPressure")
    text = eviction.message(threshold, {}, pod("p"), PodUsage(memory=MIB), ERAS["1.20"])
    assert text == "The node was low on resource: memory. Container c was using 1Mi, which exceeds its request of 0. "


async def test_the_next_pod_goes_when_the_last_is_gone_or_has_had_its_time(master: Master):
    soft = {
        "eviction_hard": (),
        "eviction_soft": ("memory.available<2Gi",),
        "eviction_soft_grace_period": {"memory.available": "1s"},
        "eviction_max_pod_grace_period": 100,
    }
    stubborn = ["sh", "-c", "trap '' TERM; sleep 1000"]
    async with running(make_kubelet(master, **soft)) as node:
        await asyncio.sleep(5)
        for name in ("a", "b"):
            requests = {"requests": {"memory": "1Mi"}}
            await master.bind(
                name, containers=[{"name": "c1", "image": "x", "command": stubborn, "resources": requests}]
            )
        await asyncio.sleep(4)
        node.control.set_available("memory.available", GIB)
        await asyncio.sleep(25)
        assert len(node.manager.unstopped()) == 1
        await asyncio.sleep(30)
        assert not node.manager.unstopped()
        assert len(node.manager.active()) == 2
