"""StatefulSets: one pod of each name, in order."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.resources import PERSISTENTVOLUMECLAIMS, PODS, STATEFULSETS
from refimpl.clock import Clock
from refimpl.controllers.statefulset import StatefulSetController
from refimpl.controllers.statefulset.reconcile import Decision, View, calculate_status, reconcile
from refimpl.controllers.workloads.revisions import HASH_LABEL
from tests.controllers.cluster import Cluster, control_plane, template
from tests.controllers.objects import NOW, ago, pod, workload


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, StatefulSetController) as cluster:
        yield cluster


def spec(replicas: int = 3, **more: Any) -> Object:
    return {
        "replicas": replicas,
        "serviceName": "web",
        "selector": {"matchLabels": {"app": "web"}},
        "template": template(),
        "updateStrategy": {"type": "RollingUpdate"},
        "podManagementPolicy": "OrderedReady",
        **more,
    }


def names(pods: list[Object]) -> list[str]:
    return sorted(one["metadata"]["name"] for one in pods)


async def test_pods_come_up_one_after_the_other_with_their_ordinals(cluster: Cluster):
    cluster.kubelets.unready = lambda one: one["metadata"]["name"] == "web-1"
    await cluster.create(STATEFULSETS, "web", spec=spec())
    await cluster.settle(60)
    assert names(await cluster.list(PODS)) == ["web-0", "web-1"]
    cluster.kubelets.unready = lambda _: False
    cluster.kubelets.wake()
    await cluster.settle(60)
    assert names(await cluster.list(PODS)) == ["web-0", "web-1", "web-2"]
    status = (await cluster.get(STATEFULSETS, "web"))["status"]
    assert (status["replicas"], status["readyReplicas"], status["availableReplicas"]) == (3, 3, 3)
    assert status["currentRevision"] == status["updateRevision"]


async def test_each_pod_knows_its_name_and_index(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec(1))
    await cluster.settle()
    one = await cluster.get(PODS, "web-0")
    assert (one["spec"]["hostname"], one["spec"]["subdomain"]) == ("web-0", "web")
    assert labels(one)["statefulset.kubernetes.io/pod-name"] == "web-0"
    assert labels(one)["apps.kubernetes.io/pod-index"] == "0"


async def test_there_is_no_second_pod_of_a_name_while_the_first_is_terminating(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec())
    await cluster.settle(30)
    lost = await cluster.get(PODS, "web-1")
    cluster.kubelets.silent.add(lost["spec"]["nodeName"])
    await cluster.delete(PODS, "web-1", grace_period=30)
    await cluster.settle(300)
    assert names(await cluster.list(PODS)) == ["web-0", "web-1", "web-2"]
    assert (await cluster.get(PODS, "web-1"))["metadata"]["uid"] == lost["metadata"]["uid"]
    await cluster.delete(PODS, "web-1", grace_period=0)
    await cluster.settle(30)
    assert names(await cluster.list(PODS)) == ["web-0", "web-1", "web-2"]
    assert (await cluster.get(PODS, "web-1"))["metadata"]["uid"] != lost["metadata"]["uid"]


async def test_scaling_down_takes_the_highest_ordinals(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec())
    await cluster.settle(30)
    await cluster.patch(STATEFULSETS, "web", {"spec": {"replicas": 1}})
    await cluster.settle(30)
    assert names(await cluster.list(PODS)) == ["web-0"]
    assert len(await cluster.messages("web", "SuccessfulDelete")) == 2


async def test_a_new_template_replaces_all_pods_and_becomes_the_current_revision(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec())
    await cluster.settle(30)
    before = (await cluster.get(STATEFULSETS, "web"))["status"]["currentRevision"]
    await cluster.patch(STATEFULSETS, "web", {"spec": {"template": template(image="nginx:2")}})
    await cluster.settle(60)
    pods = await cluster.list(PODS)
    status = (await cluster.get(STATEFULSETS, "web"))["status"]
    assert {one["spec"]["containers"][0]["image"] for one in pods} == {"nginx:2"}
    assert status["currentRevision"] == status["updateRevision"] != before
    assert {labels(one)[HASH_LABEL] for one in pods} == {status["updateRevision"]}


async def test_pods_below_the_partition_keep_the_old_template(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec())
    await cluster.settle(30)
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"partition": 2}}
    change = {"spec": {"template": template(image="nginx:2"), "updateStrategy": strategy}}
    await cluster.patch(STATEFULSETS, "web", change)
    await cluster.settle(60)
    await cluster.delete(PODS, "web-0", grace_period=0)
    await cluster.settle(30)
    images = {one["metadata"]["name"]: one["spec"]["containers"][0]["image"] for one in await cluster.list(PODS)}
    assert images == {"web-0": "nginx", "web-1": "nginx", "web-2": "nginx:2"}


async def test_every_pod_gets_its_own_claim_and_the_claim_outlives_it(cluster: Cluster):
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    await cluster.create(STATEFULSETS, "web", spec=spec(2, volumeClaimTemplates=[claim]))
    await cluster.settle(30)
    await cluster.patch(STATEFULSETS, "web", {"spec": {"replicas": 1}})
    await cluster.settle(30)
    assert names(await cluster.list(PERSISTENTVOLUMECLAIMS)) == ["data-web-0", "data-web-1"]
    [volume] = [v for v in (await cluster.get(PODS, "web-0"))["spec"]["volumes"] if v["name"] == "data"]
    assert volume["persistentVolumeClaim"]["claimName"] == "data-web-0"


async def test_a_failed_pod_is_recreated_under_its_name(cluster: Cluster):
    await cluster.create(STATEFULSETS, "web", spec=spec(1))
    await cluster.settle()
    before = (await cluster.get(PODS, "web-0"))["metadata"]["uid"]
    await cluster.patch(PODS, "web-0", {"status": {"phase": "Failed"}}, subresource="status")
    await cluster.settle()
    assert (await cluster.get(PODS, "web-0"))["metadata"]["uid"] != before
    assert "RecreatingFailedPod" in await cluster.reasons("web")


def owned(name: str, revision: str = "r1", **more: Any) -> Object:
    return pod(name, labels={"app": "web", HASH_LABEL: revision}, **more)


def decide(mine: list[Object], update: str = "r1", current: str = "r1", **more: Any) -> Decision:
    return reconcile(View(workload("StatefulSet", **spec(**more)), mine, current, update, NOW))


READY = [owned(f"web-{i}") for i in range(3)]


@pytest.mark.parametrize(
    ("mine", "more", "create", "delete"),
    [
        ([], {}, [0], []),
        ([], {"podManagementPolicy": "Parallel"}, [0, 1, 2], []),
        (READY[:1], {}, [1], []),
        ([owned("web-0", ready_for=None)], {}, [], []),
        ([owned("web-0", ready_for=5)], {"minReadySeconds": 10}, [], []),
        ([owned("web-0", deleting=True)], {}, [], []),
        ([owned("web-0", deleting=True)], {"podManagementPolicy": "Parallel"}, [1, 2], []),
        (READY, {"replicas": 1}, [], ["web-2"]),
        (READY, {"replicas": 1, "podManagementPolicy": "Parallel"}, [], ["web-2", "web-1"]),
        ([*READY[:2], owned("web-2", deleting=True)], {"replicas": 1}, [], []),
        (READY, {"update": "r2"}, [], ["web-2"]),
        ([*READY[:2], owned("web-2", "r2")], {"update": "r2"}, [], ["web-1"]),
        ([*READY[:2], owned("web-2", "r2", ready_for=None)], {"update": "r2"}, [], []),
        (READY, {"update": "r2", "updateStrategy": {"type": "OnDelete"}}, [], []),
        (READY, {"update": "r2", "updateStrategy": {"rollingUpdate": {"maxUnavailable": 2}}}, [], ["web-2", "web-1"]),
        ([], {"ordinals": {"start": 5}}, [5], []),
        ([owned("web-0", phase="Failed"), *READY[1:]], {}, [], ["web-0"]),
    ],
)
def test_steps(mine: list[Object], more: dict, create: list[int], delete: list[str]):
    decision = decide(mine, **more)
    assert [ordinal for ordinal, _ in decision.create] == create
    assert [one["metadata"]["name"] for one in decision.delete] == delete


def test_a_statefulset_that_is_going_is_left_alone():
    owner = workload("StatefulSet", **spec())
    owner["metadata"]["deletionTimestamp"] = ago(1)
    assert reconcile(View(owner, [], "r1", "r1", NOW)) == Decision()


@given(
    st.integers(0, 5),
    st.dictionaries(st.integers(0, 6), st.sampled_from(["old", "new", "unready", "going", "failed"]), max_size=7),
    st.booleans(),
)
def test_steps_lead_to_the_wanted_pods_and_never_double_a_name(replicas: int, start: dict[int, str], parallel: bool):
    kinds: dict[str, Any] = {
        "old": {},
        "new": {"revision": "r2"},
        "unready": {"ready_for": None},
        "going": {"deleting": True},
        "failed": {"phase": "Failed"},
    }
    policy = "Parallel" if parallel else "OrderedReady"
    owner = workload("StatefulSet", **spec(replicas, podManagementPolicy=policy))
    mine = {number: owned(f"web-{number}", **kinds[kind]) for number, kind in start.items()}
    for _ in range(40):
        view = View(owner, list(mine.values()), "r1", "r2", NOW)
        owner = {**owner, "status": calculate_status(view)}
        decision = reconcile(view)
        if not parallel:
            assert len(decision.create) + len(decision.delete) <= 1
        for ordinal, updated in decision.create:
            assert ordinal not in mine
            mine[ordinal] = owned(f"web-{ordinal}", "r2" if updated else "r1")
        gone = {one["metadata"]["name"] for one in decision.delete}
        # The kubelets end what is terminating, and make ready what runs.
        mine = {
            number: owned(f"web-{number}", one["metadata"]["labels"][HASH_LABEL], phase=one["status"]["phase"])
            for number, one in mine.items()
            if one["metadata"]["name"] not in gone and not one["metadata"].get("deletionTimestamp")
        }
    assert sorted(mine) == list(range(replicas))
    assert {labels(one)[HASH_LABEL] for one in mine.values()} <= {"r2"}
