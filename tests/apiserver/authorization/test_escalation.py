"""Nobody hands on rights they do not have."""

from __future__ import annotations

import pytest

from refimpl.api.http import User
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, ROLEBINDINGS, ROLES
from tests.apiserver.authorization.conftest import ALICE, Send
from tests.apiserver.authorization.test_rbac import binding, role

WRITE = "create,update,patch,delete rbac.authorization.k8s.io roles,rolebindings,clusterroles,clusterrolebindings"


@pytest.fixture
async def alice_writes_roles(send: Send) -> None:
    await send("POST", CLUSTERROLES.path(), role("writer", WRITE, "get,list - pods"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("writer", "ClusterRole", "writer", ("User", "alice")))


async def test_a_role_holds_what_its_writer_has(send: Send, alice_writes_roles: None) -> None:
    path = ROLES.path("default")
    assert (await send("POST", path, role("fine", "get - pods"), user=ALICE))[0] == 201
    status, body = await send("POST", path, role("more", "get,delete - pods", "get - secrets"), user=ALICE)
    assert status == 403
    assert body["message"] == (
        'roles.rbac.authorization.k8s.io "more" is forbidden: user "alice" '
        '(groups=["developers" "system:authenticated"]) is attempting to grant RBAC permissions not currently held:\n'
        '{APIGroups:[""], Resources:["pods"], Verbs:["delete"]}\n'
        '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}'
    )
    patch = {"rules": [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]}
    assert (await send("PATCH", ROLES.path("default", "fine"), patch, user=ALICE))[0] == 403
    kept = {"metadata": {"finalizers": ["example.com/x"]}}
    assert (await send("PATCH", CLUSTERROLES.path(name="cluster-admin"), kept, user=ALICE))[0] == 200


async def test_a_role_is_bound_by_those_who_have_it(send: Send, alice_writes_roles: None) -> None:
    bound = binding("b", "ClusterRole", "cluster-admin", ("User", "alice"))
    status, body = await send("POST", CLUSTERROLEBINDINGS.path(), bound, user=ALICE)
    assert status == 403
    assert '{APIGroups:["*"], Resources:["*"], Verbs:["*"]}' in body["message"]
    assert (await send("POST", ROLEBINDINGS.path("default"), bound, user=ALICE))[0] == 403
    own = binding("b", "ClusterRole", "writer", ("User", "bob"))
    assert (await send("POST", CLUSTERROLEBINDINGS.path(), own, user=ALICE))[0] == 201
    missing = binding("c", "ClusterRole", "none", ("User", "bob"))
    status, body = await send("POST", CLUSTERROLEBINDINGS.path(), missing, user=ALICE)
    assert (status, body["message"]) == (404, 'clusterrole.rbac.authorization.k8s.io "none" not found')


async def test_who_may_bind_or_escalate_is_free_to(send: Send, alice_writes_roles: None) -> None:
    more = role("more", "bind rbac.authorization.k8s.io clusterroles view", "escalate rbac.authorization.k8s.io roles")
    await send("POST", CLUSTERROLES.path(), more)
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("more", "ClusterRole", "more", ("User", "alice")))
    bound = binding("v", "ClusterRole", "view", ("User", "bob"))
    assert (await send("POST", CLUSTERROLEBINDINGS.path(), bound, user=ALICE))[0] == 201
    assert (await send("POST", ROLES.path("default"), role("all", "* * *"), user=ALICE))[0] == 201
    assert (await send("POST", CLUSTERROLES.path(), role("all", "* * *"), user=ALICE))[0] == 403


async def test_what_gathers_roles_takes_everything(send: Send, alice_writes_roles: None) -> None:
    gathering = {
        "metadata": {"name": "g"},
        "aggregationRule": {"clusterRoleSelectors": [{"matchLabels": {"a": "b"}}]},
        "rules": [],
    }
    status, body = await send("POST", CLUSTERROLES.path(), gathering, user=ALICE)
    assert status == 403
    assert body["message"].endswith("must have cluster-admin privileges to use the aggregationRule")
    root = User("root", ("system:masters",))
    assert (await send("POST", CLUSTERROLES.path(), gathering, user=root))[0] == 201
