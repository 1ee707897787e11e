"""Topology spread constraints of pods."""

from __future__ import annotations

from tests.scheduler.objects import node, pod_info, taint
from tests.scheduler.world import World

ZONE = "topology.kubernetes.io/zone"
WEB = {"matchLabels": {"app": "web"}}
UNEVEN = "node(s) didn't match pod topology spread constraints"


def constraint(key=ZONE, skew=1, when="DoNotSchedule", **more):
    return {"topologyKey": key, "maxSkew": skew, "whenUnsatisfiable": when, "labelSelector": WEB, **more}


def web(*constraints, **kwargs):
    return pod_info(labels={"app": "web"}, topologySpreadConstraints=list(constraints), **kwargs)


def zones(**nodes: str) -> World:
    return World(*(node(name, labels={ZONE: zone}) for name, zone in nodes.items()))


def test_no_zone_gets_ahead_by_more_than_the_skew():
    world = zones(a1="a", a2="a", b1="b")
    placed = world.schedule_all(web(constraint()) for _ in range(9))
    for count in range(1, 10):
        in_a = sum(name.startswith("a") for name in placed[:count])
        assert abs(in_a - (count - in_a)) <= 1


def test_a_full_emptiest_zone_stops_all():
    world = zones(a1="a", b1="b")
    world.put("a1", web())
    world.cache.set_node(node("b1", labels={ZONE: "b"}, cpu=1, pods=0))
    assert world.diagnose(web(constraint())).message == f"0/2 nodes are available: 1 Too many pods, 1 {UNEVEN}."


def test_nodes_without_the_label_are_not_used():
    world = World(node("n1"))
    message = world.diagnose(web(constraint())).message
    assert message == f"0/1 nodes are available: 1 {UNEVEN} (missing required label)."


def test_with_too_few_domains_the_emptiest_counts_as_empty():
    world = zones(a1="a", b1="b")
    world.put("a1", web())
    world.put("b1", web())
    assert world.schedule(web(constraint()))
    assert not world.schedule(web(constraint(minDomains=3)))


def test_nodes_that_the_pod_cannot_use_are_not_domains():
    world = zones(a1="a", b1="b")
    world.put("a1", web())
    only_a = {"nodeSelector": {ZONE: "a"}}
    assert world.schedule(web(constraint(), **only_a)) == "a1"
    assert not world.schedule(web(constraint(nodeAffinityPolicy="Ignore"), **only_a))


def test_tainted_nodes_are_domains_unless_taints_are_honored():
    world = World(node("a1", labels={ZONE: "a"}), node("b1", labels={ZONE: "b"}, taints=[taint("k")]))
    world.put("a1", web())
    assert not world.schedule(web(constraint()))
    assert world.schedule(web(constraint(nodeTaintsPolicy="Honor"))) == "a1"


def test_pods_of_other_namespaces_do_not_count():
    world = zones(a1="a", b1="b")
    world.put("a1", web(namespace="other"))
    assert world.feasible(web(constraint())) == {"a1", "b1"}


def test_match_label_keys_count_one_revision_only():
    world = zones(a1="a", b1="b")
    world.put("a1", pod_info(labels={"app": "web", "rev": "1"}))
    new = constraint(matchLabelKeys=["rev"])

    def of(revision):
        return pod_info(labels={"app": "web", "rev": revision}, topologySpreadConstraints=[new])

    assert world.feasible(of("1")) == {"b1"}
    assert world.feasible(of("2")) == {"a1", "b1"}


def test_a_soft_constraint_prefers_but_does_not_forbid():
    world = zones(a1="a", a2="a", b1="b")
    world.put("a1", web())
    soft = constraint(when="ScheduleAnyway")
    assert {world.schedule(web(soft)) for _ in range(20)} == {"b1"}
    world.cache.remove_node("b1")
    assert world.schedule(web(soft))
