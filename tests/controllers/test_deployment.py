"""Deployments with their ReplicaSets against a real API server on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from refimpl.api.errors import Object
from refimpl.api.meta import condition, controller_of
from refimpl.api.resources import DEPLOYMENTS, PODS, REPLICASETS
from refimpl.clock import Clock
from refimpl.controllers.deployment import DeploymentController
from refimpl.controllers.garbage import GarbageCollector
from refimpl.controllers.replication import replica_sets
from tests.controllers.cluster import Cluster, control_plane, template


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, DeploymentController, replica_sets, GarbageCollector) as cluster:
        yield cluster


def spec(replicas: int = 3, **more: Any) -> Object:
    return {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template(), **more}


def images(pods: list[Object]) -> list[str]:
    return sorted(pod["spec"]["containers"][0]["image"] for pod in pods)


def rolled_out(deployment: Object) -> bool:
    """What `kubectl rollout status` waits for."""
    status, wanted = deployment["status"], deployment["spec"]["replicas"]
    return (
        status.get("observedGeneration", 0) >= deployment["metadata"]["generation"]
        and status.get("updatedReplicas", 0) == wanted
        and status.get("replicas", 0) == wanted
        and status.get("availableReplicas", 0) == wanted
    )


async def test_a_deployment_comes_up_through_one_replicaset(cluster: Cluster):
    owner = await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    deployment = await cluster.get(DEPLOYMENTS, "web")
    [replica_set] = await cluster.list(REPLICASETS)
    assert rolled_out(deployment)
    assert controller_of(replica_set)["uid"] == owner["metadata"]["uid"]
    assert condition(deployment, "Available")["status"] == "True"
    assert condition(deployment, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert deployment["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
    name = replica_set["metadata"]["name"]
    assert await cluster.messages("web", "ScalingReplicaSet") == [f"Scaled up replica set {name} from 0 to 3"]


async def test_writing_the_status_does_not_count_as_a_change_of_the_deployment(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle(60)
    assert (await cluster.get(DEPLOYMENTS, "web"))["metadata"]["generation"] == 1


async def test_a_new_image_is_rolled_out(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"template": template(image="nginx:2")}})
    await cluster.settle(30)
    assert images(await cluster.list(PODS)) == ["nginx:2"] * 3
    assert rolled_out(await cluster.get(DEPLOYMENTS, "web"))
    assert len(await cluster.list(REPLICASETS)) == 2


async def test_an_annotation_in_the_template_restarts_all_pods(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    before = {pod["metadata"]["uid"] for pod in await cluster.list(PODS)}
    restart = {"kubectl.kubernetes.io/restartedAt": cluster.clock.timestamp()}
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"template": {"metadata": {"annotations": restart}}}})
    await cluster.settle(30)
    after = {pod["metadata"]["uid"] for pod in await cluster.list(PODS)}
    assert len(after) == 3
    assert not before & after


async def test_a_broken_image_stops_the_rollout_and_keeps_the_old_pods(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec(4))
    await cluster.settle()
    cluster.kubelets.unready = lambda pod: pod["spec"]["containers"][0]["image"] == "broken"
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"template": template(image="broken")}})
    await cluster.settle(30)
    assert images(await cluster.list(PODS)) == ["broken"] * 2 + ["nginx"] * 3
    deployment = await cluster.get(DEPLOYMENTS, "web")
    assert not rolled_out(deployment)
    assert condition(deployment, "Available")["status"] == "True"
    await cluster.settle(620)
    assert condition(await cluster.get(DEPLOYMENTS, "web"), "Progressing")["reason"] == "ProgressDeadlineExceeded"


async def test_recreate_never_runs_old_and_new_together(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec(2, strategy={"type": "Recreate"}))
    await cluster.settle()
    [lost, _] = await cluster.list(PODS)
    cluster.kubelets.silent.add(lost["spec"]["nodeName"])
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"template": template(image="nginx:2")}})
    await cluster.settle(60)
    assert images(await cluster.list(PODS)) == ["nginx"]
    cluster.kubelets.silent.clear()
    cluster.kubelets.wake()
    await cluster.settle(30)
    assert images(await cluster.list(PODS)) == ["nginx:2"] * 2


async def test_scaling_is_passed_on_without_a_rollout(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec(1))
    await cluster.settle()
    await cluster.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 5}}, subresource="scale")
    await cluster.settle()
    assert len(await cluster.list(PODS)) == 5
    assert len(await cluster.list(REPLICASETS)) == 1
    assert rolled_out(await cluster.get(DEPLOYMENTS, "web"))


async def test_a_not_ready_pod_lowers_the_ready_count_and_nothing_else(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    [first, *_] = await cluster.list(PODS)
    cluster.kubelets.unready = lambda pod: pod["metadata"]["uid"] == first["metadata"]["uid"]
    cluster.kubelets.wake()
    await cluster.settle(30)
    status = (await cluster.get(DEPLOYMENTS, "web"))["status"]
    assert (status["replicas"], status["readyReplicas"], status["unavailableReplicas"]) == (3, 2, 1)
    assert len(await cluster.list(PODS)) == 3


async def test_a_deleted_deployment_takes_its_replicasets_and_pods_along(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    await cluster.delete(DEPLOYMENTS, "web")
    await cluster.settle(30)
    assert await cluster.list(REPLICASETS) == []
    assert await cluster.list(PODS) == []


async def test_an_orphaned_replicaset_is_adopted_by_the_next_deployment(cluster: Cluster):
    await cluster.create(DEPLOYMENTS, "web", spec=spec())
    await cluster.settle()
    before = {pod["metadata"]["uid"] for pod in await cluster.list(PODS)}
    await cluster.delete(DEPLOYMENTS, "web", propagation="Orphan")
    await cluster.settle()
    await cluster.create(DEPLOYMENTS, "again", spec=spec())
    await cluster.settle()
    assert {pod["metadata"]["uid"] for pod in await cluster.list(PODS)} == before
    assert rolled_out(await cluster.get(DEPLOYMENTS, "again"))
