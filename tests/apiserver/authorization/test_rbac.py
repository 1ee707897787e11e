"""Roles and bindings: who may do what, where, and what is said."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from refimpl.api.errors import Object
from refimpl.api.http import ADMIN, User
from refimpl.api.resources import (
    CLUSTERROLEBINDINGS,
    CLUSTERROLES,
    ROLEBINDINGS,
    ROLES,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
)
from refimpl.apiserver.authorization import Attributes
from refimpl.apiserver.authorization.policy import rule
from refimpl.apiserver.authorization.rules import compiled, described, parts, uncovered
from refimpl.apiserver.server import ApiServer
from tests.apiserver.authorization.conftest import ALICE, May, Send


def role(name: str, *rules: str) -> Object:
    return {"metadata": {"name": name}, "rules": [rule(text) for text in rules]}


def binding(name: str, kind: str, bound: str, *subjects: tuple[str, str], namespace: str = "") -> Object:
    return {
        "metadata": {"name": name},
        "roleRef": {"kind": kind, "name": bound},
        "subjects": [
            {"kind": subject, "name": who, **({"namespace": namespace} if subject == "ServiceAccount" else {})}
            for subject, who in subjects
        ],
    }


async def test_nobody_may_do_anything_without_a_binding(may: May) -> None:
    assert not may(ALICE, "get", "pods", namespace="default").allowed
    assert may(ADMIN, "get", "pods", namespace="default").allowed


async def test_a_role_holds_in_its_namespace(send: Send, may: May) -> None:
    await send("POST", ROLES.path("default"), role("reader", "get,list - pods"))
    await send("POST", ROLEBINDINGS.path("default"), binding("b", "Role", "reader", ("User", "alice")))
    assert may(ALICE, "get", "pods", namespace="default", name="p").allowed
    assert may(ALICE, "list", "pods", namespace="default").allowed
    assert not may(ALICE, "watch", "pods", namespace="default").allowed
    assert not may(ALICE, "get", "pods", namespace="kube-system", name="p").allowed
    assert not may(ALICE, "list", "pods").allowed
    assert not may(ALICE, "get", "pods", namespace="default", name="p", subresource="log").allowed
    assert not may(User("bob"), "get", "pods", namespace="default").allowed


async def test_a_cluster_role_bound_in_a_namespace_holds_there_only(send: Send, may: May) -> None:
    await send("POST", CLUSTERROLES.path(), role("reader", "get - nodes,pods"))
    await send("POST", ROLEBINDINGS.path("default"), binding("b", "ClusterRole", "reader", ("Group", "developers")))
    assert may(ALICE, "get", "pods", namespace="default").allowed
    assert not may(ALICE, "get", "pods", namespace="other").allowed
    assert not may(ALICE, "get", "nodes").allowed
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "reader", ("Group", "developers")))
    assert may(ALICE, "get", "nodes").allowed
    assert may(ALICE, "get", "pods", namespace="other").allowed


async def test_a_change_counts_at_once(send: Send, may: May) -> None:
    await send("POST", CLUSTERROLES.path(), role("r", "get - nodes"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "r", ("User", "alice")))
    assert may(ALICE, "get", "nodes").allowed
    await send("PATCH", CLUSTERROLES.path(name="r"), {"rules": [rule("list - nodes")]})
    assert not may(ALICE, "get", "nodes").allowed
    assert may(ALICE, "list", "nodes").allowed
    await send("DELETE", CLUSTERROLEBINDINGS.path(name="b"))
    assert not may(ALICE, "list", "nodes").allowed


async def test_a_service_account_is_bound_by_its_name(send: Send, may: May) -> None:
    bound = binding("b", "ClusterRole", "view", ("ServiceAccount", "robot"), namespace="default")
    await send("POST", CLUSTERROLES.path(), role("r", "get - nodes"))
    await send("POST", CLUSTERROLEBINDINGS.path(), {**bound, "roleRef": {"kind": "ClusterRole", "name": "r"}})
    assert may(User("system:serviceaccount:default:robot"), "get", "nodes").allowed
    assert not may(User("system:serviceaccount:other:robot"), "get", "nodes").allowed


async def test_a_binding_of_a_missing_role_says_so(send: Send) -> None:
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "gone", ("User", "alice")))
    _, status = await send("GET", "/api/v1/nodes", user=ALICE)
    assert status["message"] == (
        'nodes is forbidden: User "alice" cannot list resource "nodes" in API group "" at the cluster scope: '
        'RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found'
    )


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ({"verb": "get", "resource": "nodes"}, "clusterrole"),
        ({"verb": "list", "resource": "configmaps", "namespace": "default"}, "role"),
    ],
)
async def test_a_review_says_why(send: Send, wanted: Any, text: str) -> None:
    await send("POST", CLUSTERROLES.path(), role("clusterrole", "get - nodes"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "clusterrole", ("User", "alice")))
    await send("POST", ROLES.path("default"), role("role", "list - configmaps"))
    await send("POST", ROLEBINDINGS.path("default"), binding("b", "Role", "role", ("User", "alice")))
    reasons = {
        "clusterrole": 'RBAC: allowed by ClusterRoleBinding "b" of ClusterRole "clusterrole" to User "alice"',
        "role": 'RBAC: allowed by RoleBinding "b/default" of Role "role" to User "alice"',
    }
    body = {"spec": {"resourceAttributes": wanted}}
    _, review = await send("POST", SELFSUBJECTACCESSREVIEWS.path(), body, user=ALICE)
    assert review["status"] == {"allowed": True, "reason": reasons[text]}
    _, other = await send("POST", SUBJECTACCESSREVIEWS.path(), {"spec": {"user": "bob", **body["spec"]}})
    assert other["status"] == {"allowed": False}


async def test_paths_outside_of_resources_have_rules_too(send: Send) -> None:
    assert (await send("GET", "/version", user=ALICE))[0] == 200
    assert (await send("GET", "/api/v1", user=ALICE))[0] == 200
    assert (await send("GET", "/metrics", user=ALICE))[1]["message"] == (
        'forbidden: User "alice" cannot get path "/metrics"'
    )
    await send("POST", CLUSTERROLES.path(), role("m", "get /metrics"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "m", ("User", "alice")))
    assert (await send("GET", "/metrics", user=ALICE))[0] == 200


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/api/v1/things", 'things is forbidden: User "alice" cannot list resource "things" in API group ""'),
        ("/apis/none/v1/x/y", 'x.none "y" is forbidden: User "alice" cannot get resource "x" in API group "none"'),
        ("/apis/apps/v9/namespaces/n/pods/p/log", 'cannot get resource "pods/log" in API group "apps" in the namesp'),
        ("/apis/none", 'forbidden: User "alice" cannot get path "/nothing"'),
    ],
)
async def test_what_is_not_served_is_forbidden_before_it_is_missing(send: Send, path: str, text: str) -> None:
    if path == "/apis/none":
        path = "/nothing"
    status, body = await send("GET", path, user=ALICE)
    assert status == 403
    assert text in body["message"]
    assert (await send("GET", path))[0] == 404


async def test_a_list_of_one_object_is_about_that_object(send: Send, may: May) -> None:
    await send("POST", CLUSTERROLES.path(), role("r", "get,list,watch - nodes n1"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("b", "ClusterRole", "r", ("User", "alice")))
    assert (await send("GET", "/api/v1/nodes", user=ALICE))[0] == 403
    assert (await send("GET", "/api/v1/nodes", user=ALICE, query="fieldSelector=metadata.name=n1"))[0] == 200
    assert (await send("GET", "/api/v1/nodes", user=ALICE, query="fieldSelector=metadata.name=n2"))[0] == 403


async def test_a_user_is_told_everything_the_user_may_do(send: Send) -> None:
    await send("POST", ROLES.path("default"), role("r", "get - pods"))
    await send("POST", ROLEBINDINGS.path("default"), binding("b", "Role", "r", ("User", "alice")))
    _, review = await send("POST", SELFSUBJECTRULESREVIEWS.path(), {"spec": {"namespace": "default"}}, user=ALICE)
    status = review["status"]
    assert {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]} in status["resourceRules"]
    assert any("/version" in each["nonResourceURLs"] for each in status["nonResourceRules"])
    assert status["incomplete"] is False
    _, elsewhere = await send("POST", SELFSUBJECTRULESREVIEWS.path(), {"spec": {"namespace": "other"}}, user=ALICE)
    assert "pods" not in str(elsewhere["status"]["resourceRules"])


async def test_what_every_cluster_has_is_there_and_comes_back(server: ApiServer, send: Send) -> None:
    _, roles = await send("GET", CLUSTERROLES.path())
    names = {item["metadata"]["name"] for item in roles["items"]}
    assert names >= {"cluster-admin", "admin", "edit", "view", "system:node", "system:kube-scheduler"}
    admin = next(item for item in roles["items"] if item["metadata"]["name"] == "cluster-admin")
    assert admin["metadata"]["labels"] == {"kubernetes.io/bootstrapping": "rbac-defaults"}
    await send("DELETE", CLUSTERROLES.path(name="view"))
    await server.start()
    assert (await send("GET", CLUSTERROLES.path(name="view")))[0] == 200


WORDS = st.sampled_from(["a", "b", "*"])
RULES = st.builds(
    lambda verbs, groups, resources, names: {
        "verbs": verbs,
        "apiGroups": groups,
        "resources": resources,
        **({"resourceNames": names} if names else {}),
    },
    st.lists(WORDS, min_size=1, max_size=2),
    st.lists(WORDS, min_size=1, max_size=2),
    st.lists(st.sampled_from(["a", "b", "a/s", "*/s", "*"]), min_size=1, max_size=2),
    st.lists(st.sampled_from(["n", "m"]), max_size=1),
)
QUESTIONS = st.builds(
    lambda verb, group, resource, subresource, name: Attributes(ALICE, verb, group, resource, subresource, name=name),
    *(st.sampled_from("abc") for _ in range(3)),
    st.sampled_from(["", "s", "t"]),
    st.sampled_from(["", "n", "m", "o"]),
)


@given(st.lists(RULES, max_size=3), st.lists(RULES, max_size=2), QUESTIONS)
def test_who_has_what_covers_a_rule_may_do_what_the_rule_allows(owned: Any, granted: Any, wanted: Attributes) -> None:
    if uncovered(owned, granted):
        return
    if any(compiled(each).allows(wanted) for each in granted):
        assert any(compiled(each).allows(wanted) for each in owned)


@given(RULES, QUESTIONS)
def test_the_parts_of_a_rule_allow_what_it_allows(whole: Any, wanted: Attributes) -> None:
    small = any(compiled(each).allows(wanted) for each in parts(whole))
    assert small is compiled(whole).allows(wanted)


def test_rules_are_described_in_few_words() -> None:
    rules = [rule("get - pods"), rule("list - pods"), rule("get - secrets s"), rule("get /x")]
    assert described(part for each in rules for part in parts(each)) == [
        '{APIGroups:[""], Resources:["pods"], Verbs:["get" "list"]}',
        '{APIGroups:[""], Resources:["secrets"], ResourceNames:["s"], Verbs:["get"]}',
        '{NonResourceURLs:["/x"], Verbs:["get"]}',
    ]
