"""Namespaces on their way out, and the ServiceAccount on their way in."""

from __future__ import annotations

import pytest

from refimpl.api.meta import condition
from refimpl.api.resources import CONFIGMAPS, LEASES, NAMESPACES, PODS, SECRETS, SERVICEACCOUNTS
from refimpl.clock import Clock
from refimpl.controllers.namespace import NamespaceController
from refimpl.controllers.namespace.conditions import Remains, report
from refimpl.controllers.namespace.content import in_namespaces, remaining
from refimpl.controllers.serviceaccounts import ServiceAccountController
from tests.controllers.cluster import Cluster, control_plane, template
from tests.controllers.objects import NOW, at


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, NamespaceController, ServiceAccountController) as cluster:
        yield cluster


async def test_a_deleted_namespace_goes_with_all_its_content(cluster: Cluster):
    await cluster.namespace("old")
    await cluster.create(CONFIGMAPS, "a", "old")
    await cluster.create(LEASES, "b", "old", spec={})
    await cluster.create(PODS, "c", "old", spec=template()["spec"])
    await cluster.create(CONFIGMAPS, "mine")
    await cluster.delete(NAMESPACES, "old")
    await cluster.settle(60)
    assert await cluster.gone(NAMESPACES, "old")
    assert not await cluster.gone(CONFIGMAPS, "mine")


async def test_content_held_by_a_finalizer_is_reported_until_it_is_released(cluster: Cluster):
    await cluster.namespace("old")
    await cluster.create(SECRETS, "held", "old", metadata={"finalizers": ["example.com/hold"]})
    await cluster.delete(NAMESPACES, "old")
    await cluster.settle(20)
    namespace = await cluster.get(NAMESPACES, "old")
    assert namespace["status"]["phase"] == "Terminating"
    content = condition(namespace, "NamespaceContentRemaining")
    assert (content["status"], content["message"]) == (
        "True",
        "Some resources are remaining: secrets. has 1 resource instances",
    )
    held = condition(namespace, "NamespaceFinalizersRemaining")
    assert held["message"] == (
        "Some content in the namespace has finalizers remaining: example.com/hold in 1 resource instances"
    )
    assert condition(namespace, "NamespaceDeletionContentFailure")["status"] == "False"
    await cluster.patch(SECRETS, "held", {"metadata": {"finalizers": None}}, "old")
    await cluster.settle(30)
    assert await cluster.gone(NAMESPACES, "old")


async def test_while_pods_are_left_nothing_else_is_touched(cluster: Cluster):
    await cluster.namespace("old")
    await cluster.create(SECRETS, "needed", "old")
    await cluster.create(PODS, "slow", "old", spec=template()["spec"], metadata={"finalizers": ["example.com/hold"]})
    await cluster.delete(NAMESPACES, "old")
    await cluster.settle(30)
    assert not await cluster.gone(SECRETS, "needed", "old")
    await cluster.patch(PODS, "slow", {"metadata": {"finalizers": None}}, "old")
    await cluster.settle(60)
    assert await cluster.gone(NAMESPACES, "old")


async def test_every_namespace_has_a_default_service_account_again_and_again(cluster: Cluster):
    await cluster.namespace("new")
    await cluster.settle(1)
    for namespace in ("new", "default", "kube-system"):
        assert not await cluster.gone(SERVICEACCOUNTS, "default", namespace)
    await cluster.delete(SERVICEACCOUNTS, "default", "new")
    await cluster.settle(1)
    assert not await cluster.gone(SERVICEACCOUNTS, "default", "new")


def test_pods_are_the_first_kind_to_go_and_cluster_scoped_kinds_are_not_among_them():
    rows = in_namespaces()
    assert rows[0] is PODS
    assert NAMESPACES not in rows


def test_something_left_for_no_reason_is_a_failure():
    left = [{"metadata": {"namespace": "old", "name": "x"}}]
    assert remaining(SECRETS, left, 0).failures
    assert not remaining(PODS, [{"metadata": {"namespace": "old", "name": "x"}}], 30).failures


def test_conditions_keep_their_transition_time_while_their_status_stays():
    first = report([], Remains({"pods.": 2}, wait=30), NOW)
    second = report(first, Remains({"pods.": 1}, wait=30), at(16))
    before = next(one for one in first if one["type"] == "NamespaceContentRemaining")
    after = next(one for one in second if one["type"] == "NamespaceContentRemaining")
    assert before["lastTransitionTime"] == after["lastTransitionTime"]
    assert after["message"].endswith("pods. has 1 resource instances")
    assert len(second) == 5
