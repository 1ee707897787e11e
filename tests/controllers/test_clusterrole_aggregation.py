"""Roles that gather other roles."""

from __future__ import annotations

import asyncio

from refimpl.api.errors import Object
from refimpl.api.resources import CLUSTERROLES
from refimpl.apiserver.authorization.modes import NODE_AND_RBAC
from refimpl.clock import Clock
from refimpl.cluster import Cluster, ClusterConfig
from refimpl.controllers.clusterrole_aggregation import gathered


def role(name: str, rules: list[Object], **labels: str) -> Object:
    return {"metadata": {"name": name, "labels": labels}, "rules": rules}


READ: Object = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
WRITE: Object = {"verbs": ["update"], "apiGroups": [""], "resources": ["pods"]}


def test_a_role_gathers_each_rule_of_those_it_selects_once() -> None:
    whole = {
        **role("whole", [], part="yes"),
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"part": "yes"}}]},
    }
    roles = [whole, role("b", [WRITE, READ], part="yes"), role("a", [READ], part="yes"), role("c", [READ], part="no")]
    assert gathered(whole, roles) == [READ, WRITE]


async def test_the_roles_of_a_cluster_are_filled_in_and_follow_what_they_gather(clock: Clock) -> None:
    config = ClusterConfig(scheduler=None, authorization=NODE_AND_RBAC)
    async with Cluster(config, clock) as cluster:
        client = cluster.client()
        await asyncio.sleep(1)
        view = await client.get(CLUSTERROLES, "view")
        assert any("pods" in rule["resources"] for rule in view["rules"])
        admin = await client.get(CLUSTERROLES, "admin")
        assert all(rule in admin["rules"] for rule in view["rules"])
        more = role("more", [{"verbs": ["get"], "apiGroups": ["example.com"], "resources": ["things"]}])
        more["metadata"]["labels"] = {"rbac.authorization.k8s.io/aggregate-to-view": "true"}
        await client.create(CLUSTERROLES, {**more, "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole"})
        await asyncio.sleep(1)
        assert more["rules"][0] in (await client.get(CLUSTERROLES, "edit"))["rules"]
