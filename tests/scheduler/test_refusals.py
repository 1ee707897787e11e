"""What one pod was told holds for all that ask for the same, until something changes."""

from __future__ import annotations

from refimpl.scheduler.refusals import Refusals
from tests.scheduler.objects import node, pod_info
from tests.scheduler.world import World

WHY = "0/1 nodes are available: 1 Insufficient cpu."


def refusals(world: World) -> Refusals:
    made = Refusals(world.cache, world.nominator)
    made.remember(pod_info(requests={"cpu": "9"}), WHY)
    return made


def test_an_equal_pod_is_told_the_same():
    assert refusals(World(node())).recall(pod_info(requests={"cpu": "9"})) == WHY


def test_another_request_or_priority_is_another_question():
    known = refusals(World(node()))
    assert known.recall(pod_info(requests={"cpu": "8"})) == ""
    assert known.recall(pod_info(requests={"cpu": "9"}, priority=1)) == ""
    assert known.recall(pod_info(requests={"cpu": "9"}, preemptionPolicy="Never")) == ""


def test_any_change_of_a_node_makes_it_worth_asking_again():
    world = World(node())
    gone = pod_info()
    world.put("n1", gone)
    changes = (
        lambda: world.cache.set_node(node("n2")),
        lambda: world.cache.set_node(node("n1", cpu=10, pods=10)),
        lambda: world.cache.remove_pod(gone.uid),
        lambda: world.nominator.set(pod_info(priority=5), "n1"),
    )
    for change in changes:
        known = refusals(world)
        change()
        assert known.recall(pod_info(requests={"cpu": "9"})) == ""


def test_a_pod_with_room_of_its_own_asks_for_itself():
    world = World(node())
    nominated = pod_info(requests={"cpu": "9"})
    world.nominator.set(nominated, "n1")
    known = refusals(world)
    assert known.recall(nominated) == ""
    known.remember(nominated, "something else")
    assert known.recall(pod_info(requests={"cpu": "9"})) == WHY
