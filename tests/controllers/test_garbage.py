"""The garbage collector: background, foreground, orphans, owners that never were."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.meta import finalizers, owners
from refimpl.api.resources import CONFIGMAPS, EVENTS, LEASES, NODES, PODS, REPLICASETS, SECRETS
from refimpl.clock import Clock
from refimpl.controllers.garbage import GarbageCollector
from refimpl.controllers.garbage.controller import collected
from refimpl.controllers.garbage.graph import Graph
from refimpl.controllers.garbage.verdict import Delete, Forget, Keep, Owner, judge
from tests.controllers.cluster import Cluster, control_plane


@pytest.fixture
async def cluster(clock: Clock):
    async with control_plane(clock, GarbageCollector, kubelets=False) as cluster:
        yield cluster


def owned_by(*parents: Object, blocking: bool = False) -> Object:
    return {
        "ownerReferences": [
            {
                "apiVersion": parent.get("apiVersion", "v1"),
                "kind": parent.get("kind", "ConfigMap"),
                "name": parent["metadata"]["name"],
                "uid": parent["metadata"]["uid"],
                **({"blockOwnerDeletion": True} if blocking else {}),
            }
            for parent in parents
        ]
    }


async def test_what_lost_its_owner_is_deleted_down_to_the_last_generation(cluster: Cluster):
    grandparent = await cluster.create(CONFIGMAPS, "grandparent")
    parent = await cluster.create(CONFIGMAPS, "parent", metadata=owned_by(grandparent))
    await cluster.create(SECRETS, "child", metadata=owned_by(parent))
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "grandparent")
    await cluster.settle(2)
    assert await cluster.gone(CONFIGMAPS, "parent")
    assert await cluster.gone(SECRETS, "child")


async def test_what_has_no_owner_stays(cluster: Cluster):
    other = await cluster.create(CONFIGMAPS, "other")
    await cluster.create(CONFIGMAPS, "free")
    await cluster.create(SECRETS, "owned", metadata=owned_by(other))
    await cluster.settle(60)
    assert not await cluster.gone(CONFIGMAPS, "free")
    assert not await cluster.gone(SECRETS, "owned")


async def test_one_remaining_owner_is_enough_and_the_lost_one_is_forgotten(cluster: Cluster):
    first, second = await cluster.create(CONFIGMAPS, "first"), await cluster.create(CONFIGMAPS, "second")
    await cluster.create(SECRETS, "child", metadata=owned_by(first, second))
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "first")
    await cluster.settle(2)
    assert [one["name"] for one in owners(await cluster.get(SECRETS, "child"))] == ["second"]
    await cluster.delete(CONFIGMAPS, "second")
    await cluster.settle(2)
    assert await cluster.gone(SECRETS, "child")


async def test_an_owner_that_never_existed_is_verified_and_its_dependent_deleted(cluster: Cluster):
    ghost = {"metadata": {"name": "ghost", "uid": "00000000-0000-0000-0000-000000000001"}}
    await cluster.create(SECRETS, "child", metadata=owned_by(ghost))
    await cluster.settle(2)
    assert await cluster.gone(SECRETS, "child")


async def test_an_owner_of_the_same_name_but_another_uid_is_not_the_owner(cluster: Cluster):
    parent = await cluster.create(CONFIGMAPS, "parent")
    parent["metadata"]["uid"] = "00000000-0000-0000-0000-000000000001"
    await cluster.create(SECRETS, "child", metadata=owned_by(parent))
    await cluster.settle(2)
    assert await cluster.gone(SECRETS, "child")
    assert not await cluster.gone(CONFIGMAPS, "parent")


async def test_an_owner_of_an_unknown_kind_is_left_in_peace(cluster: Cluster):
    stranger = {
        "apiVersion": "example.com/v1",
        "kind": "Stranger",
        "metadata": {"name": "x", "uid": "00000000-0000-0000-0000-000000000001"},
    }
    await cluster.create(SECRETS, "child", metadata=owned_by(stranger))
    await cluster.settle(60)
    assert not await cluster.gone(SECRETS, "child")


async def test_the_lease_of_a_deleted_node_goes_only_if_the_node_owns_it(cluster: Cluster):
    owned, other = await cluster.node("owned"), await cluster.node("other")
    owned["apiVersion"], owned["kind"] = "v1", "Node"
    await cluster.create(LEASES, "owned", "kube-node-lease", metadata=owned_by(owned), spec={})
    await cluster.create(LEASES, "other", "kube-node-lease", spec={})
    await cluster.settle(1)
    await cluster.delete(NODES, "owned")
    await cluster.delete(NODES, other["metadata"]["name"])
    await cluster.settle(60)
    assert await cluster.gone(LEASES, "owned", "kube-node-lease")
    assert not await cluster.gone(LEASES, "other", "kube-node-lease")


async def test_foreground_deletion_keeps_the_owner_until_its_dependents_are_gone(cluster: Cluster):
    parent = await cluster.create(CONFIGMAPS, "parent")
    held = {**owned_by(parent, blocking=True), "finalizers": ["example.com/hold"]}
    await cluster.create(SECRETS, "child", metadata=held)
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "parent", propagation="Foreground")
    await cluster.settle(10)
    assert finalizers(await cluster.get(CONFIGMAPS, "parent")) == ["foregroundDeletion"]
    assert (await cluster.get(SECRETS, "child"))["metadata"]["deletionTimestamp"]
    await cluster.patch(SECRETS, "child", {"metadata": {"finalizers": None}})
    await cluster.settle(2)
    assert await cluster.gone(SECRETS, "child")
    assert await cluster.gone(CONFIGMAPS, "parent")


async def test_foreground_deletion_does_not_wait_for_dependents_that_do_not_block(cluster: Cluster):
    parent = await cluster.create(CONFIGMAPS, "parent")
    held = {**owned_by(parent), "finalizers": ["example.com/hold"]}
    await cluster.create(SECRETS, "child", metadata=held)
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "parent", propagation="Foreground")
    await cluster.settle(10)
    assert await cluster.gone(CONFIGMAPS, "parent")
    assert (await cluster.get(SECRETS, "child"))["metadata"]["deletionTimestamp"]


async def test_orphaning_frees_the_dependents_and_deletes_only_the_owner(cluster: Cluster):
    parent = await cluster.create(CONFIGMAPS, "parent")
    await cluster.create(SECRETS, "child", metadata=owned_by(parent))
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "parent", propagation="Orphan")
    await cluster.settle(60)
    assert await cluster.gone(CONFIGMAPS, "parent")
    assert owners(await cluster.get(SECRETS, "child")) == ()


async def test_a_dependent_that_appears_after_its_owner_went_is_deleted_too(cluster: Cluster):
    parent = await cluster.create(CONFIGMAPS, "parent")
    await cluster.create(SECRETS, "first", metadata={**owned_by(parent), "finalizers": ["example.com/hold"]})
    await cluster.settle(1)
    await cluster.delete(CONFIGMAPS, "parent")
    await cluster.settle(1)
    await cluster.create(SECRETS, "late", metadata=owned_by(parent))
    await cluster.settle(2)
    assert await cluster.gone(SECRETS, "late")


def item(owner_states: list[Owner], held: list[str] | None = None) -> tuple[Object, dict[str, Owner]]:
    references = [{"uid": f"u{i}"} for i in range(len(owner_states))]
    obj = {"metadata": {"ownerReferences": references, "finalizers": held or []}}
    return obj, {f"u{i}": state for i, state in enumerate(owner_states)}


@pytest.mark.parametrize(
    ("states", "dependents", "held", "verdict"),
    [
        ([], False, [], Keep()),
        ([Owner.SOLID], False, [], Keep()),
        ([Owner.SOLID, Owner.ABSENT], False, [], Forget(("u1",))),
        ([Owner.SOLID, Owner.WAITING], False, [], Forget(("u1",))),
        ([Owner.ABSENT], False, [], Delete("Background")),
        ([Owner.ABSENT], True, [], Delete("Background")),
        ([Owner.ABSENT], True, ["orphan"], Delete("Orphan")),
        ([Owner.ABSENT], True, ["foregroundDeletion"], Delete("Foreground")),
        ([Owner.WAITING], False, [], Delete("Background")),
        ([Owner.WAITING], True, [], Delete("Foreground")),
        ([Owner.WAITING, Owner.ABSENT], True, [], Delete("Foreground")),
    ],
)
def test_verdicts(states, dependents, held, verdict):
    obj, by_uid = item(states, held)
    assert judge(obj, by_uid, has_dependents=dependents) == verdict


@given(
    st.lists(
        st.tuples(st.integers(0, 5), st.lists(st.integers(0, 5), max_size=3, unique=True), st.booleans()), max_size=30
    )
)
def test_the_graph_knows_exactly_the_dependents_that_the_objects_name(changes):
    graph = Graph()
    living: dict[int, list[int]] = {}
    for number, parents, remove in changes:
        if remove:
            graph.remove(f"u{number}")
            living.pop(number, None)
            continue
        named = [one for one in parents if one != number]
        references = [{"apiVersion": "v1", "kind": "Pod", "name": f"p{one}", "uid": f"u{one}"} for one in named]
        metadata = {"uid": f"u{number}", "name": f"p{number}", "namespace": "default", "ownerReferences": references}
        graph.add(PODS, {"metadata": metadata})
        living[number] = named
    for number in range(6):
        found = graph.get(f"u{number}")
        wanted = {f"u{child}" for child, parents in living.items() if number in parents}
        assert set(found.dependents if found is not None else ()) == wanted
        assert (found is not None and not found.ghost) == (number in living)


def test_events_are_not_watched_and_everything_else_is():
    assert EVENTS not in collected()
    assert {REPLICASETS, NODES, LEASES} <= set(collected())
