"""DaemonSets: a pod on every node that suits, and only there."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.resources import CONTROLLERREVISIONS, DAEMONSETS, NODES, PODS
from refimpl.clock import Clock
from refimpl.controllers.daemonset import DaemonSetController
from refimpl.controllers.daemonset.placement import Verdict, demands_of, judge, pinned, tolerations
from refimpl.controllers.daemonset.reconcile import View, by_node, calculate_status, manage, update, verdicts
from refimpl.controllers.workloads.revisions import HASH_LABEL
from tests.controllers.cluster import Cluster, control_plane, template
from tests.controllers.objects import NOW, pod, workload


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, DaemonSetController) as cluster:
        yield cluster


def spec(**more: Any) -> Object:
    return {"selector": {"matchLabels": {"app": "web"}}, "template": template(**more.pop("pod", {})), **more}


def nodes_of(pods: list[Object]) -> list[str]:
    return sorted(one["spec"]["nodeName"] for one in pods)


NO_EXECUTE = {"key": "example.com/x", "effect": "NoExecute"}


async def test_every_node_gets_one_pod_cordoned_and_new_ones_too(cluster: Cluster):
    await cluster.node("n1")
    await cluster.node(
        "n2", unschedulable=True, taints=[{"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}]
    )
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    assert nodes_of(await cluster.list(PODS)) == ["n1", "n2"]
    await cluster.node("n3")
    await cluster.settle()
    assert nodes_of(await cluster.list(PODS)) == ["n1", "n2", "n3"]
    status = (await cluster.get(DAEMONSETS, "agent"))["status"]
    assert status["desiredNumberScheduled"] == status["currentNumberScheduled"] == status["numberReady"] == 3
    assert status["updatedNumberScheduled"] == status["numberAvailable"] == 3
    assert status["numberMisscheduled"] == 0


async def test_a_pod_is_tied_to_its_node_by_affinity_and_tolerates_its_troubles(cluster: Cluster):
    await cluster.node("n1")
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    [one] = await cluster.list(PODS)
    required = one["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert required["nodeSelectorTerms"] == [
        {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}
    ]
    keys = {(one["key"], one["effect"]) for one in one["spec"]["tolerations"] if "tolerationSeconds" not in one}
    assert keys == {
        ("node.kubernetes.io/not-ready", "NoExecute"),
        ("node.kubernetes.io/unreachable", "NoExecute"),
        ("node.kubernetes.io/disk-pressure", "NoSchedule"),
        ("node.kubernetes.io/memory-pressure", "NoSchedule"),
        ("node.kubernetes.io/pid-pressure", "NoSchedule"),
        ("node.kubernetes.io/unschedulable", "NoSchedule"),
    }


async def test_only_nodes_with_the_label_get_a_pod_and_losing_the_label_loses_the_pod(cluster: Cluster):
    await cluster.node("n1", {"disk": "ssd"})
    await cluster.node("n2")
    await cluster.create(DAEMONSETS, "agent", spec=spec(pod={"nodeSelector": {"disk": "ssd"}}))
    await cluster.settle()
    assert nodes_of(await cluster.list(PODS)) == ["n1"]
    await cluster.patch(NODES, "n1", {"metadata": {"labels": {"disk": None}}})
    await cluster.settle()
    assert await cluster.list(PODS) == []


async def test_an_evicting_taint_takes_the_pod_and_its_end_brings_a_new_one(cluster: Cluster):
    await cluster.node("n1")
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    await cluster.patch(NODES, "n1", {"spec": {"taints": [NO_EXECUTE]}})
    await cluster.settle(30)
    assert await cluster.list(PODS) == []
    assert (await cluster.get(DAEMONSETS, "agent"))["status"]["desiredNumberScheduled"] == 0
    await cluster.patch(NODES, "n1", {"spec": {"taints": None}})
    await cluster.settle()
    assert nodes_of(await cluster.list(PODS)) == ["n1"]


async def test_a_node_that_became_unreachable_keeps_its_pod(cluster: Cluster):
    await cluster.node("n1")
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    [before] = await cluster.list(PODS)
    silent = [{"key": "node.kubernetes.io/unreachable", "effect": effect} for effect in ("NoSchedule", "NoExecute")]
    await cluster.patch(NODES, "n1", {"spec": {"taints": silent}})
    await cluster.settle(400)
    [after] = await cluster.list(PODS)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_a_node_that_was_never_ready_gets_no_pod(cluster: Cluster):
    await cluster.node("n1", taints=[{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}])
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle(30)
    assert await cluster.list(PODS) == []


async def test_a_deleted_node_is_not_counted_any_more(cluster: Cluster):
    await cluster.node("n1")
    await cluster.node("n2")
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    await cluster.delete(NODES, "n2")
    await cluster.settle()
    assert (await cluster.get(DAEMONSETS, "agent"))["status"]["desiredNumberScheduled"] == 1


async def test_a_new_template_is_rolled_out_and_remembered_as_a_revision(cluster: Cluster):
    for name in ("n1", "n2", "n3"):
        await cluster.node(name)
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    await cluster.patch(DAEMONSETS, "agent", {"spec": {"template": template(image="nginx:2")}})
    await cluster.settle(30)
    pods = await cluster.list(PODS)
    assert {one["spec"]["containers"][0]["image"] for one in pods} == {"nginx:2"}
    assert nodes_of(pods) == ["n1", "n2", "n3"]
    revisions = await cluster.list(CONTROLLERREVISIONS)
    assert sorted(one["revision"] for one in revisions) == [1, 2]
    assert (await cluster.get(DAEMONSETS, "agent"))["status"]["updatedNumberScheduled"] == 3


async def test_a_failed_pod_is_killed_and_replaced_and_both_are_told(cluster: Cluster):
    await cluster.node("n1")
    await cluster.create(DAEMONSETS, "agent", spec=spec())
    await cluster.settle()
    [one] = await cluster.list(PODS)
    await cluster.patch(PODS, one["metadata"]["name"], {"status": {"phase": "Failed"}}, subresource="status")
    await cluster.settle()
    [fresh] = await cluster.list(PODS)
    assert fresh["metadata"]["uid"] != one["metadata"]["uid"]
    assert {"FailedDaemonPod", "SuccessfulDelete", "SuccessfulCreate"} <= set(await cluster.reasons("agent"))


def node(name: str = "n1", labels: dict[str, str] | None = None, *taints: Object) -> Object:
    return {"metadata": {"name": name, "uid": name, "labels": labels or {}}, "spec": {"taints": list(taints)}}


def daemonset(**more: Any) -> Object:
    made = workload("DaemonSet", **more)
    del made["spec"]["replicas"]
    return made


def taint(key: str, effect: str) -> Object:
    return {"key": key, "effect": effect}


ALL = {"operator": "Exists"}
OFFLINE = node("n1", None, taint("node.kubernetes.io/network-unavailable", "NoSchedule"))


@pytest.mark.parametrize(
    ("pod_spec", "where", "verdict"),
    [
        ({}, node(), Verdict(runs=True, keeps=True)),
        ({"nodeSelector": {"a": "b"}}, node(), Verdict(runs=False, keeps=False)),
        ({"nodeSelector": {"a": "b"}}, node("n1", {"a": "b"}), Verdict(runs=True, keeps=True)),
        ({"nodeName": "n2"}, node(), Verdict(runs=False, keeps=False)),
        ({}, node("n1", None, taint("x", "NoSchedule")), Verdict(runs=False, keeps=True)),
        ({}, node("n1", None, taint("x", "NoExecute")), Verdict(runs=False, keeps=False)),
        ({}, node("n1", None, taint("x", "PreferNoSchedule")), Verdict(runs=True, keeps=True)),
        (
            {"tolerations": [{"operator": "Exists"}]},
            node("n1", None, taint("x", "NoExecute")),
            Verdict(runs=True, keeps=True),
        ),
        ({}, node("n1", None, taint("node.kubernetes.io/unreachable", "NoSchedule")), Verdict(runs=False, keeps=True)),
        ({}, node("n1", None, taint("node.kubernetes.io/unreachable", "NoExecute")), Verdict(runs=True, keeps=True)),
        ({}, node("n1", None, taint("node.kubernetes.io/unschedulable", "NoSchedule")), Verdict(runs=True, keeps=True)),
        (
            {},
            node("n1", None, taint("node.kubernetes.io/network-unavailable", "NoSchedule")),
            Verdict(runs=False, keeps=True),
        ),
        (
            {"hostNetwork": True},
            node("n1", None, taint("node.kubernetes.io/network-unavailable", "NoSchedule")),
            Verdict(runs=True, keeps=True),
        ),
    ],
)
def test_which_nodes_suit(pod_spec: Object, where: Object, verdict: Verdict):
    owner = daemonset()
    owner["spec"]["template"]["spec"] |= pod_spec
    assert judge(demands_of(owner), where) == verdict


def test_a_toleration_with_an_end_is_made_endless_for_the_nodes_own_troubles():
    endless = {"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"}
    given_one = {**endless, "tolerationSeconds": 5}
    own = {"key": "example.com/x", "operator": "Exists", "tolerationSeconds": 7}
    result = tolerations({"tolerations": [given_one, own]})
    assert own in result
    assert [one for one in result if one["key"] == given_one["key"]] == [endless]


def test_pinning_keeps_everything_of_an_affinity_but_its_required_node_part():
    affinity = {
        "podAffinity": {"x": 1},
        "nodeAffinity": {
            "preferredDuringSchedulingIgnoredDuringExecution": [2],
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [3]},
        },
    }
    made = pinned(affinity, "n1")
    assert made["podAffinity"] == {"x": 1}
    assert made["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"] == [2]
    assert "n1" in str(made["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"])


def daemon(name: str, on: str, revision: str = "h1", **more: Any) -> Object:
    return pod(name, node=on, labels={"app": "web", HASH_LABEL: revision}, **more)


def view_of(nodes: list[Object], mine: list[Object], revision: str = "h1", wait: float = 0, **more: Any) -> View:
    owner = daemonset(**more)
    return View(owner, verdicts(owner, nodes), by_node(mine), revision, lambda _: wait, NOW)


def names(pods: Any) -> list[str]:
    return [one["metadata"]["name"] for one in pods]


@pytest.mark.parametrize(
    ("mine", "create", "delete"),
    [
        ([], ("n1",), []),
        ([daemon("a", "n1")], (), []),
        ([daemon("a", "n1", deleting=True)], (), []),
        ([daemon("a", "n1", deleting=True, phase="Failed")], ("n1",), []),
        ([daemon("old", "n1", age=100), daemon("young", "n1", age=10)], (), ["young"]),
        ([daemon("a", "n1", phase="Failed")], (), ["a"]),
        ([daemon("a", "n1", phase="Succeeded")], (), ["a"]),
        ([daemon("a", "n1"), daemon("b", "gone")], (), []),
    ],
)
def test_one_pod_for_a_node(mine: list[Object], create: tuple[str, ...], delete: list[str]):
    decision = manage(view_of([node()], mine))
    assert (decision.create, names(decision.delete)) == (create, delete)


def test_a_pod_made_for_a_node_that_is_gone_before_it_was_bound_is_deleted():
    waiting = daemon("a", "", phase="Pending", ready_for=None, affinity=pinned(None, "gone"))
    assert names(manage(view_of([], [waiting])).delete) == ["a"]


def test_a_pod_that_fails_again_and_again_is_left_alone_for_a_while():
    decision = manage(view_of([node()], [daemon("a", "n1", phase="Failed")], wait=3))
    assert (decision.delete, decision.wait) == ((), 3)


NODES4 = [node(f"n{i}") for i in range(4)]


@pytest.mark.parametrize(
    ("states", "unavailable", "delete"),
    [
        (["old"] * 4, 1, ["p0"]),
        (["old"] * 4, 2, ["p0", "p1"]),
        (["old"] * 4, "50%", ["p0", "p1"]),
        (["new", "old", "old", "old"], 1, ["p1"]),
        (["new unready", "old", "old", "old"], 1, []),
        (["old unready", "old", "old", "old"], 1, ["p0"]),
        (["old unready", "old unready", "old", "old"], 1, ["p0", "p1"]),
        (["new"] * 4, 1, []),
    ],
)
def test_a_rolling_update_replaces_as_many_as_may_be_unavailable(
    states: list[str], unavailable: Any, delete: list[str]
):
    mine = [
        daemon(f"p{i}", f"n{i}", "h2" if "new" in state else "h1", ready_for=None if "unready" in state else 60)
        for i, state in enumerate(states)
    ]
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": unavailable}}
    assert names(update(view_of(NODES4, mine, "h2", updateStrategy=strategy)).delete) == delete


def test_a_surging_update_starts_the_new_pod_before_it_stops_the_old_one():
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    old = [daemon("p0", "n0"), daemon("p1", "n1")]
    nodes = NODES4[:2]
    assert update(view_of(nodes, old, "h2", updateStrategy=strategy)).create == ("n0",)
    fresh = daemon("q0", "n0", "h2", ready_for=None)
    waiting = view_of(nodes, [*old, fresh], "h2", updateStrategy=strategy)
    assert (update(waiting).create, update(waiting).delete, manage(waiting).delete) == ((), (), ())
    ready = view_of(nodes, [*old, daemon("q0", "n0", "h2")], "h2", updateStrategy=strategy)
    assert names(update(ready).delete) == ["p0"]


@given(
    st.lists(st.sampled_from(["fits", "tainted", "evicting", "other"]), max_size=6),
    st.lists(
        st.tuples(st.integers(0, 7), st.sampled_from(["Running", "Pending", "Failed", "Succeeded"]), st.booleans()),
        max_size=10,
    ),
)
def test_applying_decisions_leaves_one_pod_on_every_node_that_suits(kinds: list[str], start: list[tuple]):
    taints = {"tainted": [taint("x", "NoSchedule")], "evicting": [taint("x", "NoExecute")]}
    nodes = [node(f"n{i}", {"fit": str(kind != "other")}, *taints.get(kind, [])) for i, kind in enumerate(kinds)]
    owner_spec = {"template": {"metadata": {"labels": {"app": "web"}}, "spec": {"nodeSelector": {"fit": "True"}}}}
    mine = [daemon(f"p{i}", f"n{on}", phase=phase, deleting=going) for i, (on, phase, going) in enumerate(start)]
    for turn in range(4):
        decision = manage(view_of(nodes, mine, **owner_spec))
        doomed = {one["metadata"]["uid"] for one in decision.delete}
        gone = {one["metadata"]["uid"] for one in mine if one["metadata"].get("deletionTimestamp")} | doomed
        if not decision.create and not gone:
            break
        mine = [one for one in mine if one["metadata"]["uid"] not in gone]
        mine += [daemon(f"t{turn}-{name}", name) for name in decision.create]
    on_nodes = by_node(mine)
    for i, kind in enumerate(kinds):
        present = len(on_nodes.get(f"n{i}", ()))
        assert present == 1 if kind == "fits" else present <= (1 if kind == "tainted" else 0)
    status = calculate_status(view_of(nodes, mine, **owner_spec), decided=True)
    assert status["desiredNumberScheduled"] == status["currentNumberScheduled"] == kinds.count("fits")
