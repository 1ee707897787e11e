"""Disruption budgets: how many evictions are allowed, and that evictions respect it."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import ApiError, Object
from refimpl.api.meta import condition
from refimpl.api.resources import PODDISRUPTIONBUDGETS, PODS, REPLICASETS
from refimpl.clock import Clock
from refimpl.controllers.disruption import DisruptionController
from refimpl.controllers.disruption.budget import Need, calculate_status, need
from refimpl.controllers.replication import replica_sets
from tests.controllers.cluster import Cluster, control_plane, template
from tests.controllers.objects import NOW, ago, at, pod, workload


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, DisruptionController, replica_sets) as cluster:
        yield cluster


async def web(cluster: Cluster, replicas: int = 3, **budget: Any) -> None:
    selector = {"matchLabels": {"app": "web"}}
    spec = {"replicas": replicas, "selector": selector, "template": template()}
    await cluster.create(REPLICASETS, "web", spec=spec)
    await cluster.create(PODDISRUPTIONBUDGETS, "web", spec={"selector": selector, **budget})
    await cluster.settle()


async def evict(cluster: Cluster, name: str) -> None:
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"}}
    await cluster.client.create(PODS, body, namespace="default", name=name, subresource="eviction")


async def status(cluster: Cluster) -> tuple[int, int, int, int]:
    found = (await cluster.get(PODDISRUPTIONBUDGETS, "web"))["status"]
    return tuple(found[name] for name in ("expectedPods", "currentHealthy", "desiredHealthy", "disruptionsAllowed"))


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({"minAvailable": 2}, (3, 3, 2, 1)),
        ({"minAvailable": "50%"}, (3, 3, 2, 1)),
        ({"maxUnavailable": 1}, (3, 3, 2, 1)),
        ({"maxUnavailable": "100%"}, (3, 3, 0, 3)),
        ({"minAvailable": 3}, (3, 3, 3, 0)),
    ],
)
async def test_status(cluster: Cluster, budget: Object, expected: tuple[int, int, int, int]):
    await web(cluster, **budget)
    assert await status(cluster) == expected


async def test_evictions_are_granted_as_the_budget_allows_and_refused_beyond(cluster: Cluster):
    await web(cluster, minAvailable=2)
    first, second, _ = [one["metadata"]["name"] for one in await cluster.list(PODS)]
    cluster.kubelets.unready = lambda one: one["metadata"]["name"] not in {first, second}
    await evict(cluster, first)
    with pytest.raises(ApiError) as refused:
        await evict(cluster, second)
    assert refused.value.code == 429
    await cluster.settle()
    cluster.kubelets.unready = lambda _: False
    cluster.kubelets.wake()
    await cluster.settle()
    assert await status(cluster) == (3, 3, 2, 1)
    await evict(cluster, second)


async def test_an_unready_pod_uses_the_budget_up(cluster: Cluster):
    await web(cluster, maxUnavailable=1)
    lost = (await cluster.list(PODS))[0]["metadata"]["name"]
    cluster.kubelets.unready = lambda one: one["metadata"]["name"] == lost
    cluster.kubelets.wake()
    await cluster.settle()
    assert await status(cluster) == (3, 2, 2, 0)
    assert (
        condition(await cluster.get(PODDISRUPTIONBUDGETS, "web"), "DisruptionAllowed")["reason"] == "InsufficientPods"
    )


async def test_scaling_the_owner_changes_the_demand(cluster: Cluster):
    await web(cluster, maxUnavailable=1)
    await cluster.patch(REPLICASETS, "web", {"spec": {"replicas": 5}})
    await cluster.settle()
    assert await status(cluster) == (5, 5, 4, 1)


def budget(granted: dict[str, str] | None = None, **spec: Any) -> Object:
    made = workload("PodDisruptionBudget", api_version="policy/v1")
    made["spec"] = {"selector": {"matchLabels": {"app": "web"}}, **spec}
    made["status"] = {"disruptedPods": granted or {}}
    return made


@pytest.mark.parametrize(
    ("spec", "demand"),
    [
        ({"minAvailable": 2}, Need(4, 2)),
        ({"minAvailable": 0}, Need(4, 0)),
        ({"minAvailable": "30%"}, Need(10, 3)),
        ({"minAvailable": "25%"}, Need(10, 3)),
        ({"maxUnavailable": "25%"}, Need(10, 7)),
        ({"maxUnavailable": 20}, Need(10, 0)),
    ],
)
def test_demands_of_four_pods_of_ten(spec: Object, demand: Need):
    assert need(budget(**spec), 4, 10) == demand


def test_a_granted_eviction_counts_until_the_pod_goes_or_the_grant_is_forgotten():
    matching = [pod("a"), pod("b"), pod("c")]
    granted = budget({"a": ago(60), "gone": ago(60)})
    soon = calculate_status(granted, matching, Need(3, 1), NOW)
    late = calculate_status(granted, matching, Need(3, 1), at(61))
    assert (soon["currentHealthy"], soon["disruptedPods"]) == (2, {"a": ago(60)})
    assert late["currentHealthy"] == 3
    assert "disruptedPods" not in late


def test_nothing_is_allowed_while_no_pod_is_expected():
    assert calculate_status(budget(), [], Need(0, 0), NOW)["disruptionsAllowed"] == 0


@given(st.integers(0, 10), st.integers(0, 10), st.integers(0, 12))
def test_what_is_allowed_never_breaks_the_budget(ready: int, unready: int, wanted: int):
    matching = [pod(f"r{i}") for i in range(ready)] + [pod(f"u{i}", ready_for=None) for i in range(unready)]
    found = calculate_status(budget(), matching, Need(len(matching), wanted), NOW)
    assert found["disruptionsAllowed"] >= 0
    assert found["disruptionsAllowed"] == 0 or found["currentHealthy"] - found["disruptionsAllowed"] >= wanted
