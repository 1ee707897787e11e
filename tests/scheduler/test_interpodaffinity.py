"""Affinity and anti-affinity between pods."""

from __future__ import annotations

import pytest

from refimpl.api.resources import NAMESPACES
from tests.scheduler.objects import node, pod_info
from tests.scheduler.world import World

ZONE = "topology.kubernetes.io/zone"
HOST = "kubernetes.io/hostname"


def term(app: str, key: str = HOST, **more):
    return {"topologyKey": key, "labelSelector": {"matchLabels": {"app": app}}, **more}


def near(*terms):
    return {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def apart(*terms):
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": list(terms)}}


def app(name: str, affinity=None, **kwargs):
    return pod_info(labels={"app": name}, **({"affinity": affinity} if affinity else {}), **kwargs)


@pytest.fixture
def world() -> World:
    return World(*(node(name, labels={ZONE: name[0]}) for name in ("a1", "a2", "b1", "b2")))


def test_a_pod_goes_where_its_companions_are(world: World):
    world.put("a2", app("db"))
    assert world.feasible(app("web", near(term("db")))) == {"a2"}
    assert world.feasible(app("web", near(term("db", ZONE)))) == {"a1", "a2"}


def test_without_companions_it_waits(world: World):
    message = world.diagnose(app("web", near(term("db")))).message
    assert message == "0/4 nodes are available: 4 node(s) didn't match pod affinity rules."


def test_the_first_of_a_group_that_wants_to_be_together_may_go_anywhere(world: World):
    first, second = (app("web", near(term("web"))) for _ in range(2))
    chosen = world.schedule(first)
    assert chosen
    world.put(chosen, first)
    assert world.feasible(second) == {chosen}


def test_a_pod_stays_away_from_those_it_does_not_like(world: World):
    world.put("a1", app("noisy"))
    assert world.feasible(app("web", apart(term("noisy", ZONE)))) == {"b1", "b2"}


def test_replicas_that_do_not_like_each_other_get_a_node_each(world: World):
    placed = world.schedule_all(app("web", apart(term("web"))) for _ in range(5))
    assert sorted(placed) == ["", "a1", "a2", "b1", "b2"]
    message = world.diagnose(app("web", apart(term("web")))).message
    assert message == "0/4 nodes are available: 4 node(s) didn't satisfy existing pods anti-affinity rules."


def test_pods_already_there_keep_others_away(world: World):
    world.put("a1", app("hermit", apart(term("web", ZONE))))
    assert world.feasible(app("web")) == {"b1", "b2"}
    assert world.feasible(app("db")) == {"a1", "a2", "b1", "b2"}


def test_terms_look_into_the_pod_s_own_namespace_unless_they_say_otherwise(world: World):
    world.know(NAMESPACES, {"metadata": {"name": "other", "labels": {"team": "x"}}})
    world.put("a1", app("noisy", namespace="other"))

    def choices(**more):
        return world.feasible(app("web", apart(term("noisy", **more))))

    assert "a1" in choices()
    assert "a1" not in choices(namespaces=["other"])
    assert "a1" not in choices(namespaceSelector={})
    assert "a1" not in choices(namespaceSelector={"matchLabels": {"team": "x"}})
    assert "a1" in choices(namespaceSelector={"matchLabels": {"team": "y"}})


def test_preferences_count_for_and_against(world: World):
    world.put("a1", app("db"))

    def preferring(kind):
        preferred = [{"weight": 10, "podAffinityTerm": term("db", ZONE)}]
        return app("web", {kind: {"preferredDuringSchedulingIgnoredDuringExecution": preferred}})

    assert {world.schedule(preferring("podAffinity")) for _ in range(20)} == {"a2"}
    assert {world.schedule(preferring("podAntiAffinity")) for _ in range(20)} == {"b1", "b2"}
