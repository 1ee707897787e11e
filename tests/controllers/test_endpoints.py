"""Endpoints and EndpointSlices of Services, against a real API server on virtual time."""

from __future__ import annotations

from typing import Any

import pytest

from refimpl.api.errors import Object
from refimpl.api.meta import labels
from refimpl.api.resources import ENDPOINTS, ENDPOINTSLICES, NODES, PODS, SERVICES
from refimpl.clock import Clock
from refimpl.controllers.endpoints import EndpointsController
from refimpl.controllers.endpointslice import EndpointSliceController
from refimpl.controllers.garbage import GarbageCollector
from tests.controllers.cluster import Cluster, control_plane, template


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, EndpointsController, EndpointSliceController, GarbageCollector) as cluster:
        for name in cluster.kubelets.nodes:
            await cluster.node(name, {"topology.kubernetes.io/zone": f"zone-{name}"})
        yield cluster


def service(**spec: Any) -> Object:
    return {"selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080, "protocol": "TCP"}], **spec}


async def pod(cluster: Cluster, name: str, **more: Any) -> Object:
    return await cluster.create(PODS, name, metadata={"labels": {"app": "web"}}, spec=template(**more)["spec"])


async def addresses(cluster: Cluster, name: str = "web") -> tuple[list[str], list[str]]:
    """Names of the ready and the not ready pods in the Endpoints object."""
    found = await cluster.get(ENDPOINTS, name)
    return tuple(
        sorted(one["targetRef"]["name"] for subset in found.get("subsets") or [] for one in subset.get(field) or [])
        for field in ("addresses", "notReadyAddresses")
    )


async def conditions(cluster: Cluster) -> dict[str, tuple[bool, bool, bool]]:
    """ready, serving, terminating of each pod in the slices."""
    slices = await cluster.list(ENDPOINTSLICES)
    return {
        one["targetRef"]["name"]: tuple(one["conditions"].get(name) for name in ("ready", "serving", "terminating"))
        for piece in slices
        for one in piece.get("endpoints") or []
    }


async def test_ready_pods_are_published_in_both_forms(cluster: Cluster):
    await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    assert await addresses(cluster) == (["a"], [])
    assert await conditions(cluster) == {"a": (True, True, False)}
    [piece] = await cluster.list(ENDPOINTSLICES)
    assert labels(piece)["kubernetes.io/service-name"] == "web"
    assert labels(piece)["endpointslice.kubernetes.io/managed-by"] == "endpointslice-controller.k8s.io"
    [endpoint] = piece["endpoints"]
    assert endpoint["zone"] == f"zone-{endpoint['nodeName']}"
    assert [(port["port"], port["protocol"]) for port in piece["ports"]] == [(8080, "TCP")]


async def test_a_pod_that_is_not_ready_moves_over_and_back(cluster: Cluster):
    await pod(cluster, "a")
    await pod(cluster, "b")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    cluster.kubelets.unready = lambda one: one["metadata"]["name"] == "a"
    cluster.kubelets.wake()
    await cluster.settle(2)
    assert await addresses(cluster) == (["b"], ["a"])
    assert (await conditions(cluster))["a"] == (False, False, False)
    cluster.kubelets.unready = lambda _: False
    cluster.kubelets.wake()
    await cluster.settle(2)
    assert await addresses(cluster) == (["a", "b"], [])


async def test_a_terminating_pod_leaves_endpoints_and_stays_in_the_slice_as_terminating(cluster: Cluster):
    made = await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    node = (await cluster.get(PODS, made["metadata"]["name"]))["spec"]["nodeName"]
    cluster.kubelets.silent.add(node)
    await cluster.delete(PODS, "a", grace_period=30)
    await cluster.settle(2)
    assert await addresses(cluster) == ([], [])
    assert await conditions(cluster) == {"a": (False, True, True)}
    await cluster.delete(PODS, "a", grace_period=0)
    await cluster.settle(2)
    assert await conditions(cluster) == {}


async def test_a_service_may_publish_what_is_not_ready(cluster: Cluster):
    cluster.kubelets.unready = lambda _: True
    await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service(publishNotReadyAddresses=True))
    await cluster.settle()
    assert await addresses(cluster) == (["a"], [])
    assert await conditions(cluster) == {"a": (True, False, False)}


async def test_a_pod_joins_and_leaves_by_its_labels(cluster: Cluster):
    await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    await cluster.patch(PODS, "a", {"metadata": {"labels": {"app": "other"}}})
    await cluster.settle(2)
    assert await addresses(cluster) == ([], [])
    await cluster.patch(PODS, "a", {"metadata": {"labels": {"app": "web"}}})
    await cluster.settle(2)
    assert await addresses(cluster) == (["a"], [])


async def test_a_service_without_selector_is_left_to_its_user(cluster: Cluster):
    await pod(cluster, "a")
    spec = service()
    del spec["selector"]
    await cluster.create(SERVICES, "web", spec=spec)
    await cluster.settle()
    assert await cluster.gone(ENDPOINTS, "web")
    assert await cluster.list(ENDPOINTSLICES) == []


async def test_a_service_without_pods_has_empty_endpoints_and_one_empty_slice(cluster: Cluster):
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    assert await addresses(cluster) == ([], [])
    [piece] = await cluster.list(ENDPOINTSLICES)
    assert not piece.get("endpoints")


async def test_a_deleted_service_takes_both_along(cluster: Cluster):
    await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    await cluster.delete(SERVICES, "web")
    await cluster.settle()
    assert await cluster.gone(ENDPOINTS, "web")
    assert await cluster.list(ENDPOINTSLICES) == []


async def test_hand_made_endpoints_without_a_service_stay(cluster: Cluster):
    await cluster.create(ENDPOINTS, "mine", subsets=[{"addresses": [{"ip": "192.0.2.9"}], "ports": [{"port": 1}]}])
    await cluster.settle(60)
    assert not await cluster.gone(ENDPOINTS, "mine")


async def test_what_somebody_changed_in_endpoints_is_put_right(cluster: Cluster):
    await pod(cluster, "a")
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    await cluster.patch(ENDPOINTS, "web", {"subsets": None})
    await cluster.settle()
    assert await addresses(cluster) == (["a"], [])


async def test_two_hundred_and_fifty_pods_fill_three_slices(cluster: Cluster):
    await cluster.create(SERVICES, "web", spec=service())
    for number in range(250):
        await pod(cluster, f"p{number}")
    await cluster.settle(20)
    slices = await cluster.list(ENDPOINTSLICES)
    assert max(len(piece["endpoints"]) for piece in slices) <= 100
    assert len(await conditions(cluster)) == 250
    assert len(slices) == 3


async def test_a_pod_whose_node_is_gone_is_left_out_of_the_slices(cluster: Cluster):
    await pod(cluster, "a")
    await cluster.settle()
    node = (await cluster.get(PODS, "a"))["spec"]["nodeName"]
    await cluster.delete(NODES, node)
    await cluster.create(SERVICES, "web", spec=service())
    await cluster.settle()
    assert await conditions(cluster) == {}
    await cluster.node(node)
    await cluster.settle(10)
    assert list(await conditions(cluster)) == ["a"]
