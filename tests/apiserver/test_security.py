"""Who may ask: tokens, certificates, impersonation, reviews."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from refimpl.api.http import ADMIN, Request, User
from refimpl.api.resources import SELFSUBJECTACCESSREVIEWS, SELFSUBJECTREVIEWS, SUBJECTACCESSREVIEWS, TOKENREVIEWS
from refimpl.apiserver.authorization import Attributes, Decision
from refimpl.apiserver.identity import authentication
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

REVIEWS = {"selfsubjectreviews", "selfsubjectaccessreviews", "subjectaccessreviews", "tokenreviews"}
NODE = User("system:node:n1", ("system:nodes", "system:authenticated"), "u1")


def only_nodes(attributes: Attributes) -> Decision | None:
    if attributes.user == ADMIN or attributes.resource in REVIEWS:
        return Decision(allowed=True)
    if attributes.resource == "nodes":
        return Decision(allowed=attributes.verb == "get", reason="nodes may be read")
    return None


@pytest.fixture
async def guarded(clock: Clock) -> AsyncIterator[ApiServer]:
    table = authentication.tokens({"n1": NODE, "admin": ADMIN})
    security = Security([table, authentication.client_certificate], authorizers=[only_nodes])
    server = ApiServer(MemoryStore(), clock, security=security)
    await server.start()
    yield server
    await server.close()


async def whoami(server: ApiServer, subject: Any = None, **headers: str) -> tuple[int, Any]:
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    response = await server.receive(Request("POST", SELFSUBJECTREVIEWS.path(), (), sent, b"{}"), subject)
    assert isinstance(response.body, bytes)
    answer = json.loads(response.body)
    return response.status, answer.get("status", {}) if response.status == 201 else answer["reason"]


async def test_a_known_token_is_its_user(guarded: ApiServer):
    status, answer = await whoami(guarded, authorization="Bearer n1")
    assert status == 201
    assert answer == {"userInfo": {"username": NODE.name, "uid": "u1", "groups": list(NODE.groups)}}


@pytest.mark.parametrize("header", ["Bearer nobody", "Basic bjE=", "Bearer", "n1", "Bearer  n1"])
async def test_anything_else_is_unauthorized(guarded: ApiServer, header: str):
    assert await whoami(guarded, authorization=header) == (401, "Unauthorized")


async def test_without_credentials_nobody_comes_in(guarded: ApiServer):
    assert await whoami(guarded) == (401, "Unauthorized")
    assert (await guarded.receive(Request("GET", "/healthz"))).status == 401


async def test_a_certificates_subject_is_its_user(guarded: ApiServer):
    subject = ((("organizationName", "system:nodes"),), (("organizationName", "more"),), (("commonName", "joe"),))
    status, answer = await whoami(guarded, subject)
    assert status == 201
    assert answer["userInfo"] == {"username": "joe", "groups": ["system:nodes", "more", "system:authenticated"]}


async def test_one_may_ask_as_somebody_else(guarded: ApiServer):
    headers = {"impersonate_user": "bob", "impersonate_group": "a, b"}
    _, answer = await whoami(guarded, authorization="Bearer admin", **headers)
    assert answer["userInfo"] == {"username": "bob", "groups": ["a", "b", "system:authenticated"]}
    assert await whoami(guarded, authorization="Bearer admin", impersonate_group="a") == (400, "BadRequest")


async def review(server: ApiServer, path: str, spec: Any) -> Any:
    response = await server.handle(Request("POST", path, body=json.dumps({"spec": spec}).encode(), user=NODE))
    assert isinstance(response.body, bytes)
    return json.loads(response.body)["status"]


async def test_token_reviews_know_the_tokens(guarded: ApiServer):
    known = await review(guarded, TOKENREVIEWS.path(), {"token": "n1"})
    assert known["authenticated"] is True
    assert known["user"]["username"] == NODE.name
    unknown = await review(guarded, TOKENREVIEWS.path(), {"token": "x"})
    assert unknown == {"user": {}, "error": "invalid bearer token"}


async def test_access_reviews_ask_the_authorizers(guarded: ApiServer):
    def spec(verb: str, resource: str) -> Any:
        return {"resourceAttributes": {"verb": verb, "resource": resource}}

    path = SELFSUBJECTACCESSREVIEWS.path()
    assert await review(guarded, path, spec("get", "nodes")) == {"allowed": True, "reason": "nodes may be read"}
    refused = {"allowed": False, "denied": True, "reason": "nodes may be read"}
    assert await review(guarded, path, spec("delete", "nodes")) == refused
    assert await review(guarded, path, spec("get", "pods")) == {"allowed": False}
    other = await review(guarded, SUBJECTACCESSREVIEWS.path(), {"user": "x", **spec("get", "nodes")})
    assert other["allowed"] is True


async def test_what_no_authorizer_allows_is_forbidden(guarded: ApiServer):
    async def reason(method: str, path: str, query: tuple[tuple[str, str], ...] = ()) -> tuple[int, str]:
        response = await guarded.handle(Request(method, path, query, user=NODE))
        assert isinstance(response.body, bytes)
        return response.status, json.loads(response.body).get("message", "")

    who = f'User "{NODE.name}" cannot'
    assert (await reason("GET", "/api/v1/nodes/none"))[0] == 404
    assert await reason("GET", "/api/v1/nodes") == (
        403,
        f'nodes is forbidden: {who} list resource "nodes" in API group "" at the cluster scope: nodes may be read',
    )
    assert await reason("GET", "/api/v1/namespaces/ns/pods", (("watch", "1"),)) == (
        403,
        f'pods is forbidden: {who} watch resource "pods" in API group "" in the namespace "ns"',
    )
    status, message = await reason("PUT", "/apis/apps/v1/namespaces/ns/deployments/d/scale")
    assert status == 403
    assert 'deployments.apps "d" is forbidden' in message
    assert message.endswith('update resource "deployments/scale" in API group "apps" in the namespace "ns"')
    assert await reason("GET", "/version") == (403, f'forbidden: {who} get path "/version"')
