"""Requests in somebody else's name."""

from __future__ import annotations

from typing import Any

import pytest

from refimpl.api.http import ADMIN, User
from refimpl.api.resources import CLUSTERROLEBINDINGS, CLUSTERROLES, SELFSUBJECTREVIEWS
from tests.apiserver.authorization.conftest import ALICE, Send
from tests.apiserver.authorization.test_rbac import binding, role


async def whoami(send: Send, user: User = ADMIN, **headers: str) -> tuple[int, Any]:
    status, body = await send("POST", SELFSUBJECTREVIEWS.path(), {}, user=user, **headers)
    return (status, body["status"]["userInfo"]) if status == 201 else (status, body["message"])


@pytest.mark.parametrize(
    ("headers", "groups"),
    [
        ({"impersonate_user": "bob"}, ["system:authenticated"]),
        ({"impersonate_user": "bob", "impersonate_group": "x, y"}, ["x", "y", "system:authenticated"]),
        ({"impersonate_user": "system:node:n"}, ["system:nodes", "system:authenticated"]),
        (
            {"impersonate_user": "system:serviceaccount:ns:robot"},
            ["system:serviceaccounts", "system:serviceaccounts:ns", "system:authenticated"],
        ),
        ({"impersonate_user": "system:node:n", "impersonate_group": "other"}, ["other", "system:authenticated"]),
    ],
)
async def test_an_administrator_may_be_anybody(send: Send, headers: Any, groups: list[str]) -> None:
    status, user = await whoami(send, **headers)
    assert (status, user["username"], user["groups"]) == (201, headers["impersonate_user"], groups)


async def test_nobody_else_may(send: Send) -> None:
    status, message = await whoami(send, ALICE, impersonate_user="bob")
    assert status == 403
    assert message == (
        'selfsubjectreviews.authentication.k8s.io is forbidden: User "alice" cannot impersonate-on:user-info:create '
        'resource "selfsubjectreviews" in API group "authentication.k8s.io" at the cluster scope'
    )


async def test_the_older_right_is_enough(send: Send) -> None:
    await send("POST", CLUSTERROLES.path(), role("i", "impersonate - users bob"))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("i", "ClusterRole", "i", ("User", "alice")))
    assert (await whoami(send, ALICE, impersonate_user="bob"))[1]["username"] == "bob"
    assert (await whoami(send, ALICE, impersonate_user="eve"))[0] == 403
    assert (await whoami(send, ALICE, impersonate_user="bob", impersonate_group="system:masters"))[0] == 403


async def test_the_right_to_one_action_in_ones_name_is_enough_for_it(send: Send) -> None:
    rules = ("impersonate:user-info authentication.k8s.io users bob", "impersonate-on:user-info:create * *")
    await send("POST", CLUSTERROLES.path(), role("i", *rules))
    await send("POST", CLUSTERROLEBINDINGS.path(), binding("i", "ClusterRole", "i", ("User", "alice")))
    assert (await whoami(send, ALICE, impersonate_user="bob"))[0] == 201
    status, body = await send("GET", "/api/v1/nodes", user=ALICE, impersonate_user="bob")
    assert status == 403
    assert "cannot impersonate-on:user-info:list" in body["message"]


async def test_rights_are_those_of_the_other(send: Send) -> None:
    status, body = await send("GET", "/api/v1/nodes", impersonate_user="alice")
    assert status == 403
    assert 'User "alice" cannot list resource "nodes"' in body["message"]
    status, _ = await send("GET", "/api/v1/nodes/n", impersonate_user="system:node:n")
    assert status == 404


async def test_groups_need_a_user(send: Send) -> None:
    status, message = await whoami(send, impersonate_group="a")
    assert status == 400
    assert "without impersonating a user name" in message
