"""Evictions ask the disruption budgets."""

from __future__ import annotations

import pytest

from refimpl.api.errors import ApiError, Object
from refimpl.api.resources import PODDISRUPTIONBUDGETS, PODS
from refimpl.client.client import Client
from refimpl.clock import Clock

BUDGET = {"metadata": {"name": "b", "namespace": "default"}, "spec": {"selector": {"matchLabels": {"a": "b"}}}}


async def running_pod(client: Client, *, ready: bool = True) -> None:
    body = {
        "metadata": {"name": "p", "namespace": "default", "labels": {"a": "b"}},
        "spec": {"containers": [{"name": "c", "image": "i"}], "nodeName": "n1"},
    }
    await client.create(PODS, body)
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    status: Object = {"status": {"phase": "Running", "conditions": [condition]}}
    await client.patch(PODS, "p", status, namespace="default", subresource="status")


async def budget(client: Client, **status: int) -> None:
    await client.create(PODDISRUPTIONBUDGETS, BUDGET)
    known = {"observedGeneration": 1, "disruptionsAllowed": 0, "currentHealthy": 1, "desiredHealthy": 1}
    change: Object = {"status": {**known, "expectedPods": 1, **status}}
    await client.patch(PODDISRUPTIONBUDGETS, "b", change, namespace="default", subresource="status", kind="merge")


async def evict(client: Client, **options: object) -> Object:
    body: Object = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p", "namespace": "default"}}
    if options:
        body["deleteOptions"] = options
    return await client.create(PODS, body, namespace="default", name="p", subresource="eviction")


async def test_without_budget_a_pod_goes_and_says_why(client: Client):
    await running_pod(client)
    assert (await evict(client))["code"] == 201
    pod = await client.get(PODS, "p", namespace="default")
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    assert pod["status"]["conditions"][-1]["reason"] == "EvictionByEvictionAPI"


async def test_a_spent_budget_refuses(client: Client):
    await running_pod(client)
    await budget(client)
    with pytest.raises(ApiError) as refusal:
        await evict(client)
    assert refusal.value.code == 429
    [cause] = refusal.value.status["details"]["causes"]
    assert cause == {
        "reason": "DisruptionBudget",
        "message": "The disruption budget b needs 1 healthy pods and has 1 currently",
    }


async def test_a_budget_is_spent_once_for_each_eviction(client: Client, clock: Clock):
    await running_pod(client)
    await budget(client, disruptionsAllowed=1, currentHealthy=2)
    await evict(client)
    status = (await client.get(PODDISRUPTIONBUDGETS, "b", namespace="default"))["status"]
    assert status["disruptionsAllowed"] == 0
    assert status["disruptedPods"] == {"p": clock.timestamp()}


async def test_a_budget_the_controller_has_not_seen_asks_to_wait(client: Client):
    await running_pod(client)
    await budget(client, observedGeneration=0, disruptionsAllowed=1)
    with pytest.raises(ApiError) as refusal:
        await evict(client)
    assert (refusal.value.code, refusal.value.retry_after) == (429, 10)


async def test_an_unready_pod_of_a_healthy_budget_goes_without_spending(client: Client):
    await running_pod(client, ready=False)
    await budget(client)
    await evict(client)
    status = (await client.get(PODDISRUPTIONBUDGETS, "b", namespace="default"))["status"]
    assert status["disruptionsAllowed"] == 0


async def test_an_unready_pod_of_an_unhealthy_budget_stays(client: Client):
    await running_pod(client, ready=False)
    await budget(client, currentHealthy=0)
    with pytest.raises(ApiError) as refusal:
        await evict(client)
    assert refusal.value.code == 429


async def test_a_terminating_pod_needs_no_budget(client: Client):
    await running_pod(client)
    await budget(client)
    await client.delete(PODS, "p", namespace="default")
    assert (await evict(client))["code"] == 201


async def test_a_dry_run_spends_nothing(client: Client):
    await running_pod(client)
    await budget(client, disruptionsAllowed=1, currentHealthy=2)
    await evict(client, dryRun=["All"])
    assert "deletionTimestamp" not in (await client.get(PODS, "p", namespace="default"))["metadata"]
    status = (await client.get(PODDISRUPTIONBUDGETS, "b", namespace="default"))["status"]
    assert status["disruptionsAllowed"] == 1


async def test_a_precondition_that_does_not_hold_is_a_conflict(client: Client):
    await running_pod(client)
    with pytest.raises(ApiError) as refusal:
        await evict(client, preconditions={"uid": "00000000-0000-4000-8000-000000000001"})
    assert refusal.value.code == 409
    pod = await client.get(PODS, "p", namespace="default")
    assert all(condition["type"] != "DisruptionTarget" for condition in pod["status"]["conditions"])
