"""ReplicationControllers and ReplicaSets against a real API server on virtual time."""

from __future__ import annotations

import pytest

from refimpl.api.errors import Object
from refimpl.api.meta import controller_of, is_terminating
from refimpl.api.resources import PODS, REPLICASETS, REPLICATIONCONTROLLERS, Resource
from refimpl.clock import Clock
from refimpl.controllers.replication import replica_sets, replication_controllers, status
from tests.controllers.cluster import Cluster, control_plane, template


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, replica_sets, replication_controllers) as cluster:
        yield cluster


def rc_spec(replicas: int = 3, **more) -> Object:
    return {"replicas": replicas, "selector": {"app": "web"}, "template": template(), **more}


def rs_spec(replicas: int = 3, **more) -> Object:
    return {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **more}


def names(pods: list[Object]) -> list[str]:
    return sorted(pod["metadata"]["name"] for pod in pods)


def counts(obj: Object) -> tuple[int, int, int]:
    status = obj["status"]
    return status["replicas"], status.get("readyReplicas", 0), status.get("availableReplicas", 0)


@pytest.mark.parametrize(("resource", "spec"), [(REPLICATIONCONTROLLERS, rc_spec()), (REPLICASETS, rs_spec())])
async def test_as_many_pods_as_wanted_come_up_and_are_counted(cluster: Cluster, resource: Resource, spec: Object):
    owner = await cluster.create(resource, "web", spec=spec)
    await cluster.settle()
    pods = await cluster.list(PODS)
    seen = await cluster.get(resource, "web")
    assert len(pods) == 3
    assert counts(seen) == (3, 3, 3)
    assert seen["status"]["fullyLabeledReplicas"] == 3
    assert {controller_of(pod)["uid"] for pod in pods} == {owner["metadata"]["uid"]}
    assert all(pod["metadata"]["name"].startswith("web-") for pod in pods)


async def test_only_replicasets_count_terminating_pods(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec())
    await cluster.create(
        REPLICATIONCONTROLLERS,
        "old",
        spec=rc_spec() | {"selector": {"app": "old"}, "template": template({"app": "old"})},
    )
    await cluster.settle()
    assert (await cluster.get(REPLICASETS, "web"))["status"]["terminatingReplicas"] == 0
    assert "terminatingReplicas" not in (await cluster.get(REPLICATIONCONTROLLERS, "old"))["status"]


async def test_each_creation_is_told_as_an_event_on_the_owner(cluster: Cluster):
    await cluster.create(REPLICATIONCONTROLLERS, "web", spec=rc_spec())
    await cluster.settle()
    pods = names(await cluster.list(PODS))
    assert sorted(await cluster.messages("web", "SuccessfulCreate")) == [f"Created pod: {name}" for name in pods]


async def test_a_deleted_pod_is_replaced_by_one_of_another_name(cluster: Cluster):
    await cluster.create(REPLICATIONCONTROLLERS, "web", spec=rc_spec())
    await cluster.settle()
    before = names(await cluster.list(PODS))
    await cluster.delete(PODS, before[0], grace_period=0)
    await cluster.settle()
    after = names(await cluster.list(PODS))
    assert len(after) == 3
    assert before[0] not in after


async def test_a_terminating_pod_is_replaced_at_once_and_not_counted(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec())
    await cluster.settle()
    lost = (await cluster.list(PODS))[0]
    cluster.kubelets.silent.add(lost["spec"]["nodeName"])
    await cluster.delete(PODS, lost["metadata"]["name"], grace_period=30)
    await cluster.settle(1)
    pods = await cluster.list(PODS)
    status = (await cluster.get(REPLICASETS, "web"))["status"]
    assert len(pods) == 4
    assert sum(not is_terminating(pod) for pod in pods) == 3
    assert (status["replicas"], status["terminatingReplicas"]) == (3, 1)


async def test_the_return_of_the_lost_node_leaves_exactly_as_many_as_wanted(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec())
    await cluster.settle()
    lost = (await cluster.list(PODS))[0]
    cluster.kubelets.silent.add(lost["spec"]["nodeName"])
    await cluster.delete(PODS, lost["metadata"]["name"], grace_period=30)
    await cluster.settle(60)
    survivors = [pod for pod in await cluster.list(PODS) if not is_terminating(pod)]
    cluster.kubelets.silent.clear()
    cluster.kubelets.wake()
    await cluster.settle(60)
    assert names(await cluster.list(PODS)) == names(survivors)


async def test_a_pod_that_is_only_not_ready_is_not_replaced(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec())
    await cluster.settle()
    before = await cluster.list(PODS)
    cluster.kubelets.unready = lambda pod: pod["metadata"]["name"] == before[0]["metadata"]["name"]
    cluster.kubelets.wake()
    await cluster.settle(60)
    assert names(await cluster.list(PODS)) == names(before)
    assert counts(await cluster.get(REPLICASETS, "web")) == (3, 2, 2)


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_finished_pod_is_replaced_and_left_where_it_is(cluster: Cluster, phase: str):
    await cluster.create(REPLICASETS, "web", spec=rs_spec())
    await cluster.settle()
    done = (await cluster.list(PODS))[0]["metadata"]["name"]
    await cluster.patch(PODS, done, {"status": {"phase": phase}}, subresource="status")
    await cluster.settle()
    pods = names(await cluster.list(PODS))
    assert len(pods) == 4
    assert done in pods


async def test_scaling_down_deletes_the_surplus_and_says_so(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec(5))
    await cluster.settle()
    await cluster.patch(REPLICASETS, "web", {"spec": {"replicas": 2}})
    await cluster.settle()
    assert len(await cluster.list(PODS)) == 2
    assert len(await cluster.messages("web", "SuccessfulDelete")) == 3
    assert counts(await cluster.get(REPLICASETS, "web")) == (2, 2, 2)


async def test_a_matching_orphan_is_adopted_instead_of_creating_another(cluster: Cluster):
    await cluster.create(PODS, "stray", metadata={"labels": {"app": "web"}}, spec=template()["spec"])
    owner = await cluster.create(REPLICASETS, "web", spec=rs_spec(2))
    await cluster.settle()
    pods = await cluster.list(PODS)
    assert len(pods) == 2
    assert controller_of(await cluster.get(PODS, "stray"))["uid"] == owner["metadata"]["uid"]


async def test_a_pod_that_lost_its_label_is_released_and_replaced(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec(2))
    await cluster.settle()
    name = (await cluster.list(PODS))[0]["metadata"]["name"]
    await cluster.patch(PODS, name, {"metadata": {"labels": {"app": "debug"}}})
    await cluster.settle()
    assert controller_of(await cluster.get(PODS, name)) is None
    assert len(await cluster.list(PODS)) == 3


async def test_min_ready_seconds_delay_availability_and_nothing_else(cluster: Cluster):
    await cluster.create(REPLICASETS, "web", spec=rs_spec(2, minReadySeconds=30))
    await cluster.settle(10)
    assert counts(await cluster.get(REPLICASETS, "web")) == (2, 2, 0)
    await cluster.settle(25)
    assert counts(await cluster.get(REPLICASETS, "web")) == (2, 2, 2)


async def test_many_pods_are_created_exactly_once_each(cluster: Cluster):
    await cluster.create(REPLICATIONCONTROLLERS, "web", spec=rc_spec(700))
    await cluster.settle(20)
    assert len(await cluster.list(PODS)) == 700
    assert counts(await cluster.get(REPLICATIONCONTROLLERS, "web")) == (700, 700, 700)


async def test_a_status_that_somebody_else_wrote_is_put_right(cluster: Cluster):
    await cluster.create(REPLICATIONCONTROLLERS, "web", spec=rc_spec())
    await cluster.settle()
    seen = await cluster.get(REPLICATIONCONTROLLERS, "web")
    await cluster.client.update(REPLICATIONCONTROLLERS, {**seen, "status": {"replicas": 99}}, subresource="status")
    await cluster.settle()
    assert counts(await cluster.get(REPLICATIONCONTROLLERS, "web")) == (3, 3, 3)


async def test_its_own_report_is_no_reason_to_count_again(cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    looks = []
    calculate = status.calculate
    await cluster.create(REPLICATIONCONTROLLERS, "web", spec=rc_spec(0))
    await cluster.settle()
    monkeypatch.setattr(status, "calculate", lambda *given, **more: (looks.append(1), calculate(*given, **more))[1])
    await cluster.client.patch(
        REPLICATIONCONTROLLERS, "web", {"metadata": {"annotations": {"a": "b"}}}, namespace="default"
    )
    await cluster.settle()
    seen = await cluster.get(REPLICATIONCONTROLLERS, "web")
    await cluster.client.update(REPLICATIONCONTROLLERS, {**seen, "status": {"replicas": 99}}, subresource="status")
    await cluster.settle()
    assert len(looks) == 2
