"""Questions about rights: what may be asked, and how."""

from __future__ import annotations

from typing import Any

import pytest

from refimpl.api.resources import (
    LOCALSUBJECTACCESSREVIEWS,
    SELFSUBJECTACCESSREVIEWS,
    SELFSUBJECTRULESREVIEWS,
    SUBJECTACCESSREVIEWS,
    TOKENREVIEWS,
)
from tests.apiserver.authorization.conftest import NODE_A, Send

GET_PODS = {"verb": "get", "resource": "pods", "namespace": "default"}
NULL = "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"


@pytest.mark.parametrize(
    ("path", "spec", "field", "why"),
    [
        (SELFSUBJECTACCESSREVIEWS.path(), {}, "spec.resourceAttributes", NULL),
        (
            SELFSUBJECTACCESSREVIEWS.path(),
            {"resourceAttributes": GET_PODS, "nonResourceAttributes": {"path": "/x"}},
            "spec.nonResourceAttributes",
            'Invalid value: {"path":"/x"}: cannot be specified in combination with resourceAttributes',
        ),
        (
            SUBJECTACCESSREVIEWS.path(),
            {"resourceAttributes": GET_PODS},
            "spec.user",
            'Invalid value: "": at least one of user or group must be specified',
        ),
    ],
)
async def test_a_review_that_asks_nothing_or_too_much_is_invalid(
    send: Send, path: str, spec: Any, field: str, why: str
) -> None:
    status, body = await send("POST", path, {"spec": spec})
    assert status == 422
    assert body["message"] == f'.authorization.k8s.io "" is invalid: {field}: {why}'
    assert body["details"]["group"] == "authorization.k8s.io"
    assert "kind" not in body["details"]


async def test_a_local_review_is_about_its_namespace(send: Send) -> None:
    path = LOCALSUBJECTACCESSREVIEWS.path("default")
    status, body = await send("POST", path, {"spec": {"user": "x", "resourceAttributes": GET_PODS}})
    assert (status, body["status"]) == (201, {"allowed": False})
    other = {**GET_PODS, "namespace": "kube-system"}
    status, body = await send("POST", path, {"spec": {"user": "x", "resourceAttributes": other}})
    assert (status, body["message"]) == (400, "spec.resourceAttributes.namespace must match namespace: default")


async def test_a_review_may_ask_with_a_field_selector(send: Send) -> None:
    selector = {"requirements": [{"key": "spec.nodeName", "operator": "In", "values": ["a"]}]}
    wanted = {"verb": "list", "resource": "pods"}
    for more, allowed in (({}, False), ({"fieldSelector": selector}, True)):
        body = {"spec": {"resourceAttributes": {**wanted, **more}}}
        _, review = await send("POST", SELFSUBJECTACCESSREVIEWS.path(), body, user=NODE_A)
        assert review["status"]["allowed"] is allowed


async def test_an_agents_rules_cannot_all_be_listed(send: Send) -> None:
    body = {"spec": {"namespace": "default"}}
    _, review = await send("POST", SELFSUBJECTRULESREVIEWS.path(), body, user=NODE_A)
    assert review["spec"] == {}
    assert review["status"]["incomplete"] is True
    assert review["status"]["evaluationError"] == "node authorizer does not support user rule resolution"
    status, body = await send("POST", SELFSUBJECTRULESREVIEWS.path(), {"spec": {}}, user=NODE_A)
    assert (status, body["message"]) == (400, "no namespace on request")


async def test_a_token_review_needs_a_token(send: Send) -> None:
    status, body = await send("POST", TOKENREVIEWS.path(), {"spec": {}})
    assert (status, body["message"]) == (400, "token is required for TokenReview in authentication")
