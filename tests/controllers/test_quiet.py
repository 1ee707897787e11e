"""All workload controllers together come to rest: when nothing happens, nothing is written."""

from __future__ import annotations

from refimpl.api.errors import Object
from refimpl.api.resources import (
    DAEMONSETS,
    DEPLOYMENTS,
    JOBS,
    PODDISRUPTIONBUDGETS,
    PODS,
    REPLICASETS,
    REPLICATIONCONTROLLERS,
    SERVICES,
    STATEFULSETS,
)
from refimpl.clock import Clock, run, virtual_loop
from refimpl.controllers.initializers import ControllerManagerConfig, selected_controllers
from tests.controllers.cluster import Cluster, control_plane, template

# Nodes of these tests send no heartbeats, so the controllers that watch over nodes are left out.
WITHOUT_NODES = ControllerManagerConfig(
    controllers=(
        "*",
        "-node-lifecycle-controller",
        "-taint-eviction-controller",
        "-pod-garbage-collector-controller",
    )
)


def selector(name: str) -> Object:
    return {"matchLabels": {"app": name}}


async def furnish(cluster: Cluster) -> None:
    for name in cluster.kubelets.nodes:
        await cluster.node(name)
    workloads = [
        (REPLICASETS, "rs", {"replicas": 2, "selector": selector("rs")}),
        (DEPLOYMENTS, "deployment", {"replicas": 3, "selector": selector("deployment")}),
        (DAEMONSETS, "ds", {"selector": selector("ds")}),
        (STATEFULSETS, "sts", {"replicas": 2, "serviceName": "sts", "selector": selector("sts")}),
        (REPLICATIONCONTROLLERS, "rc", {"replicas": 2, "selector": {"app": "rc"}}),
    ]
    for resource, name, spec in workloads:
        await cluster.create(resource, name, spec={**spec, "template": template({"app": name})})
    one_shot = {"metadata": {}, "spec": {**template()["spec"], "restartPolicy": "Never"}}
    await cluster.create(JOBS, "job", spec={"template": one_shot})
    await cluster.create(SERVICES, "svc", spec={"selector": {"app": "rs"}, "ports": [{"port": 80}]})
    budget = {"selector": selector("rs"), "maxUnavailable": 1}
    await cluster.create(PODDISRUPTIONBUDGETS, "pdb", spec=budget)


async def revision(cluster: Cluster) -> int:
    return int((await cluster.client.list(PODS))["metadata"]["resourceVersion"])


async def test_nothing_is_written_once_everything_is_as_it_should_be(clock: Clock):
    async with control_plane(clock, *selected_controllers(WITHOUT_NODES)) as cluster:
        await furnish(cluster)
        await cluster.settle(60)
        before = await revision(cluster)
        await cluster.settle(3600)
        assert await revision(cluster) == before


def test_two_runs_with_one_seed_make_the_same_objects():
    async def run_once() -> list[Object]:
        clock = Clock.virtual(seed=7)
        async with control_plane(clock, *selected_controllers(WITHOUT_NODES)) as cluster:
            await furnish(cluster)
            await cluster.settle(60)
            await cluster.patch(DEPLOYMENTS, "deployment", {"spec": {"template": template({"app": "deployment"}, "b")}})
            await cluster.settle(60)
            return [
                obj
                for resource in (PODS, REPLICASETS, DEPLOYMENTS, DAEMONSETS, STATEFULSETS, JOBS)
                for obj in await cluster.list(resource)
            ]

    first, second = (run(run_once(), loop_factory=virtual_loop) for _ in range(2))
    assert first == second


async def test_a_restarted_manager_changes_nothing(clock: Clock):
    async with control_plane(clock, *selected_controllers(WITHOUT_NODES)) as cluster:
        await furnish(cluster)
        await cluster.settle(60)
        before = await revision(cluster)
        await cluster.restart_manager(selected_controllers(WITHOUT_NODES))
        await cluster.settle(600)
        assert await revision(cluster) == before
