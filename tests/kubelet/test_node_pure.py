"""Capacity, conditions, addresses and patches as tables and properties."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api import quantity
from refimpl.kubelet import strategic
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.era import ERAS
from refimpl.kubelet.machine.host import GIB, MIB, SEED_HOST, local_host, simulated_host
from refimpl.kubelet.machine.stats import LocalStats
from refimpl.kubelet.node import addresses, capacity, conditions, nodestatus, registration
from refimpl.kubelet.node.capacity import Device
from refimpl.kubelet.node.nodestatus import Identity, Image, SelfView
from refimpl.kubelet.pods import crashloop
from refimpl.kubelet.thresholds import thresholds

HOST = simulated_host("n1", address="10.0.0.1", cpus=4, memory=8 * GIB, ephemeral_storage=1000)


def allocatable(config, host=HOST, devices=None, known=None):
    found = capacity.capacity(config, host, devices or {}, known or {})
    kept = capacity.reservation(config, found, thresholds(config))
    return found, capacity.allocatable(found, kept, devices or {}, known or {})


def test_allocatable_is_capacity_less_every_reservation():
    config = KubeletConfig(
        kube_reserved={"cpu": "100m", "memory": "100Mi"},
        system_reserved={"cpu": "100m", "memory": "100Mi"},
        eviction_hard=("memory.available<100Mi",),
    )
    found, given_out = allocatable(config)
    assert found["cpu"] == "4"
    assert given_out["cpu"] == "3800m"
    assert quantity.value(found["memory"]) - quantity.value(given_out["memory"]) == 300 * MIB


def test_by_default_100_mebibytes_and_a_tenth_of_the_disk_are_kept_back():
    found, given_out = allocatable(KubeletConfig())
    assert quantity.value(found["memory"]) - quantity.value(given_out["memory"]) == 100 * MIB
    assert given_out["ephemeral-storage"] == "900"
    assert (given_out["cpu"], given_out["pods"]) == (found["cpu"], found["pods"])


def test_soft_and_other_thresholds_reserve_nothing():
    config = KubeletConfig(
        eviction_hard=("imagefs.available<50%", "nodefs.inodesFree<50%", "pid.available<50%"),
        eviction_soft=("memory.available<4Gi",),
        eviction_soft_grace_period={"memory.available": "1m"},
    )
    found, given_out = allocatable(config)
    assert found == given_out


def test_1_5_keeps_nothing_back_for_eviction_and_knows_gpus():
    found, given_out = allocatable(KubeletConfig(era="1.5", system_reserved={"memory": "1Gi"}))
    assert quantity.value(found["memory"]) - quantity.value(given_out["memory"]) == GIB
    assert found[capacity.NVIDIA_GPU] == given_out[capacity.NVIDIA_GPU] == "0"
    assert "ephemeral-storage" not in found


def test_ignoring_eviction_leaves_the_other_reservations():
    config = KubeletConfig(experimental_allocatable_ignore_eviction=True, kube_reserved={"memory": "1Gi"})
    assert allocatable(config)[1]["memory"] == "7Gi"


@pytest.mark.parametrize(("limit", "per_core", "expected"), [(7, 0, "7"), (110, 1, "4"), (3, 1, "3"), (110, 0, "110")])
def test_the_pod_limit(limit, per_core, expected):
    assert allocatable(KubeletConfig(max_pods=limit, pods_per_core=per_core))[0]["pods"] == expected


def test_devices_unhealthy_ones_count_but_are_not_given_out():
    devices = {"nvidia.com/gpu": Device(3, 1), "gone.example/x": Device(0)}
    found, given_out = allocatable(KubeletConfig(), devices=devices)
    assert (found["nvidia.com/gpu"], given_out["nvidia.com/gpu"]) == ("4", "3")
    assert (found["gone.example/x"], given_out["gone.example/x"]) == ("0", "0")


def test_huge_pages_are_taken_off_memory():
    host = attrs.evolve(HOST, hugepages={"2Mi": GIB})
    found, given_out = allocatable(KubeletConfig(eviction_hard=()), host)
    assert found["hugepages-2Mi"] == given_out["hugepages-2Mi"] == "1Gi"
    assert given_out["memory"] == "7Gi"


amounts = st.dictionaries(
    st.sampled_from(["cpu", "memory", "pods", "ephemeral-storage", "example.com/x"]),
    st.integers(0, 10**13).map(str),
)


@given(amounts, amounts)
def test_allocatable_is_never_negative_never_above_capacity_and_has_the_same_keys(found, kept):
    given_out = capacity.allocatable(found, {name: Decimal(text) for name, text in kept.items()}, {}, {})
    assert set(given_out) == set(found)
    for name, text in given_out.items():
        assert 0 <= quantity.parse(text) <= quantity.parse(found[name])


def test_too_large_reservations_are_named():
    found = {"memory": "1Gi", "cpu": "1"}
    (problem,) = capacity.over_reserved(found, {"memory": Decimal(2 * GIB), "cpu": Decimal(1)})
    assert "memory" in problem


def view(**changes):
    plain = SelfView(pressures=(), errors=(), devices={}, runtime_version="simulated://1", images=(), port=10250)
    return attrs.evolve(plain, **changes)


def identity(host=HOST, **options):
    config = KubeletConfig(**options)
    return Identity(config, host, thresholds(config))


@given(st.lists(st.tuples(st.booleans(), st.booleans(), st.integers(1, 100)), min_size=1, max_size=12))
def test_transition_times_move_exactly_with_the_status(steps):
    known, clock, last = [], 0, {}
    for pressed, ready, seconds in steps:
        clock += seconds
        now = f"2018-07-02T02:{clock // 60:02}:{clock % 60:02}Z" if clock < 3600 else "2018-07-02T03:59:59Z"
        findings = conditions.self_check(["MemoryPressure"] if pressed else [], [] if ready else ["x"], ERAS["1.36"])
        new, _ = conditions.update(known, findings, now)
        for entry in new:
            assert entry["lastHeartbeatTime"] == now
            before = last.get(entry["type"])
            moved = before is None or before["status"] != entry["status"]
            assert entry["lastTransitionTime"] == (now if moved else before["lastTransitionTime"])
            last[entry["type"]] = entry
        known = new
    assert [entry["type"] for entry in known] == ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]


def test_a_healthy_node_says_so_in_exactly_these_words():
    told = [
        (entry.type, entry.status, entry.reason, entry.message) for entry in conditions.self_check([], [], ERAS["1.36"])
    ]
    assert told == [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    disk = conditions.self_check([], [], ERAS["1.5"])[0]
    assert (disk.type, disk.reason) == ("OutOfDisk", "KubeletHasSufficientDisk")
    assert disk.message == "kubelet has sufficient disk space available"


def test_foreign_conditions_stay_where_they_are():
    foreign = {"type": "NetworkUnavailable", "status": "False", "reason": "RouteCreated"}
    known, _ = conditions.update([foreign], conditions.self_check([], [], ERAS["1.36"]), "2018-07-02T02:11:27Z")
    assert known[0] is foreign
    again, events = conditions.update(
        known, conditions.self_check([], ["a", "b"], ERAS["1.36"]), "2018-07-02T02:11:28Z"
    )
    assert again[0] is foreign
    assert again[-1]["message"] == "[a, b]"
    assert events == ["NodeNotReady"]
    old, _ = conditions.update([], conditions.self_check([], ["a", "b"], ERAS["1.5"]), "2018-07-02T02:11:28Z")
    assert old[-1]["message"] == "a,b"


def test_missing_capacity_keeps_the_node_from_being_ready():
    text = nodestatus.readiness_errors(view(), {"cpu": "1", "memory": "1"}, KubeletConfig())
    assert text == ["missing node capacity for resources: pods, ephemeral-storage"]


def test_a_changed_boot_id_is_told_once():
    who = identity()
    node, _ = nodestatus.initial_node(who, view(), "2018-07-02T02:11:27Z")
    rebooted = identity(attrs.evolve(HOST, boot_id="other"))
    after, events = nodestatus.with_status(node, rebooted, view(), "2018-07-02T02:11:28Z")
    assert [event.message for event in events] == ["Node n1 has been rebooted, boot id: other"]
    assert not nodestatus.with_status(after, rebooted, view(), "2018-07-02T02:11:29Z")[1]


def test_only_heartbeats_differ_is_no_change_and_amounts_are_compared_not_texts():
    node, _ = nodestatus.initial_node(identity(), view(), "2018-07-02T02:11:27Z")
    later, _ = nodestatus.with_status(node, identity(), view(), "2018-07-02T02:12:27Z")
    assert not nodestatus.status_changed(node["status"], later["status"])
    rewritten = {**node["status"], "capacity": {**node["status"]["capacity"], "memory": "8388608Ki"}}
    assert not nodestatus.status_changed(rewritten, later["status"])
    pressed, _ = nodestatus.with_status(node, identity(), view(pressures=("DiskPressure",)), "2018-07-02T02:12:27Z")
    assert nodestatus.status_changed(node["status"], pressed["status"])


def test_images_are_listed_largest_first_and_bounded():
    images = [Image((f"sha{index}", *"abcdefg"), index) for index in range(60)]
    listed = nodestatus.images_listed(images, 50)
    assert [entry["sizeBytes"] for entry in listed] == list(range(59, 9, -1))
    assert {len(entry["names"]) for entry in listed} == {5}
    assert len(nodestatus.images_listed(images, -1)) == 60


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, [("InternalIP", "10.0.0.1"), ("Hostname", "n1")]),
        ({"era": "1.5"}, [("LegacyHostIP", "10.0.0.1"), ("InternalIP", "10.0.0.1"), ("Hostname", "n1")]),
        ({"node_ip": "10.0.0.2"}, [("InternalIP", "10.0.0.2"), ("Hostname", "n1")]),
        ({"node_ip": "0.0.0.0"}, [("InternalIP", "10.0.0.1"), ("Hostname", "n1")]),
        ({"hostname_override": "10.9.9.9"}, [("InternalIP", "10.9.9.9"), ("Hostname", "10.9.9.9")]),
        (
            {"node_ip": "10.0.0.2,10.0.0.1"},
            [("InternalIP", "10.0.0.2"), ("InternalIP", "10.0.0.1"), ("Hostname", "n1")],
        ),
    ],
)
def test_addresses(options, expected):
    host = attrs.evolve(HOST, addresses=("10.0.0.1", "10.0.0.2"))
    listed = addresses.node_addresses(KubeletConfig(**options), host)
    assert [(entry["type"], entry["address"]) for entry in listed] == expected


@pytest.mark.parametrize("wrong", ["127.0.0.1", "224.0.0.1", "169.254.0.1", "10.0.0.9"])
def test_addresses_under_which_nobody_answers_are_refused(wrong):
    with pytest.raises(addresses.NoAddress):
        addresses.node_addresses(KubeletConfig(node_ip=wrong), HOST)


def test_changed_addresses_replace_the_whole_list():
    old = {"addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}
    new = {"addresses": [{"type": "InternalIP", "address": "10.0.0.2"}, {"type": "InternalIP", "address": "10.0.0.3"}]}
    assert strategic.status_patch(old, new) == {"addresses": [*new["addresses"], {"$patch": "replace"}]}


statuses = st.fixed_dictionaries(
    {},
    optional={
        "phase": st.sampled_from(["Pending", "Running"]),
        "reason": st.text(max_size=3),
        "capacity": st.dictionaries(st.sampled_from("abc"), st.sampled_from("123"), max_size=3),
        "containerStatuses": st.lists(st.dictionaries(st.sampled_from("xy"), st.integers(0, 2)), max_size=2),
        "conditions": st.dictionaries(
            st.sampled_from(["Ready", "A", "B"]),
            st.dictionaries(st.sampled_from(["status", "reason"]), st.sampled_from(["1", "2"]), max_size=2),
            max_size=3,
        ).map(lambda found: [{"type": kind, **fields} for kind, fields in found.items()]),
    },
)


@given(statuses, statuses)
def test_a_patch_applied_to_the_old_status_gives_the_new_one(old, new):
    patched = apply(old, strategic.diff(old, new))
    assert _comparable(patched) == _comparable(new)


def apply(old, patch):
    """Strategic merge as the master does it, for the lists that matter here."""
    result = dict(old)
    for key, value in patch.items():
        if key.startswith("$setElementOrder/"):
            continue
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = apply(result[key], value)
        elif key == "conditions" and isinstance(result.get(key), list):
            merged = {entry["type"]: entry for entry in result[key]}
            for entry in value:
                if entry.get("$patch") == "delete":
                    merged.pop(entry["type"])
                else:
                    merged[entry["type"]] = apply(merged.get(entry["type"], {}), entry)
            result[key] = list(merged.values())
        else:
            result[key] = value
    return result


def _comparable(status):
    return {**status, "conditions": sorted(status.get("conditions") or [], key=lambda entry: entry["type"])}


def test_huge_pages_that_are_gone_leave_an_adopted_node_foreign_resources_stay():
    initial, _ = nodestatus.initial_node(identity(), view(), "2018-07-02T02:11:27Z")
    existing = {
        "metadata": {"name": "n1", "labels": {}},
        "spec": {},
        "status": {"capacity": {"hugepages-2Mi": "1Gi", "example.com/widget": "7"}},
    }
    patch = registration.node_patch(existing, registration.adopted(initial, existing, ERAS["1.36"]))
    assert patch["status"] == {"capacity": {"hugepages-2Mi": None}}


@given(st.integers(1, 12))
def test_crash_waits_double_up_to_the_longest(crashes):
    now, record = datetime(2018, 7, 2, tzinfo=UTC), None
    for count in range(crashes):
        assert crashloop.remaining(record, now, now, longest=300) == (
            0 if count == 0 else min(10 * 2 ** (count - 1), 300)
        )
        record = crashloop.restarted(record, now, now, longest=300)
        now += timedelta(seconds=1)
    later = now + timedelta(seconds=601)
    assert crashloop.remaining(record, later, later, longest=300) == 0


@pytest.mark.parametrize(("wait", "words"), [(10, "10s"), (80, "1m20s"), (300, "5m0s")])
def test_back_off_is_told_as_go_prints_durations(wait, words):
    assert crashloop.words(wait, "c1", "p") == f"back-off {words} restarting failed container=c1 pod=p"


def test_this_machine_can_be_described(tmp_path):
    host = local_host(tmp_path)
    assert host.cpus >= 1
    assert host.memory > 0
    assert not any(address.startswith("127.") for address in host.addresses)
    observed = LocalStats(tmp_path).node()
    assert 0 < observed["memory.available"].available <= observed["memory.available"].capacity == host.memory
    assert observed["pid.available"].available > 0


def test_the_article_s_machine_has_nothing_but_what_it_shows():
    who = Identity(KubeletConfig(era="1.5"), SEED_HOST, thresholds(KubeletConfig(era="1.5")))
    node, _ = nodestatus.initial_node(who, view(), "2018-07-02T02:11:27Z")
    assert node["spec"] == {"externalID": "127.0.0.1"}
    assert node["status"]["nodeInfo"]["machineID"] == "f9d400c5e1e8c3a8209e990d887d4ac1"
