"""Whatever a client sends, it gets an answer, and a bad request is never the server's fault."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from refimpl.api.http import Request, Response
from refimpl.api.resources import TABLE
from refimpl.apiserver.server import MAX_BODY, ApiServer
from refimpl.clock import Clock, run, virtual_loop
from refimpl.storage.memory import MemoryStore

METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS", "FOO")
MEDIA = (
    "",
    "application/json",
    "application/yaml",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/json-patch+json",
    "application/apply-patch+yaml",
    "application/vnd.kubernetes.protobuf",
    "text/plain; charset=x",
)
ACCEPT = ("", "*/*", "application/json", "application/yaml", "application/json;as=Table;g=meta.k8s.io;v=v1", ";;,=")
PARAMETERS = (
    "limit", "continue", "resourceVersion", "resourceVersionMatch", "labelSelector", "fieldSelector", "watch",
    "timeoutSeconds", "dryRun", "fieldManager", "fieldValidation", "force", "pretty", "gracePeriodSeconds",
    "propagationPolicy", "includeObject", "sendInitialEvents", "allowWatchBookmarks", "container", "tailLines",
)  # fmt: skip
DELIBERATE = (
    "resourceVersion should not be set",
    "strconv.ParseUint",
    "resourceVersion: Invalid value",
    "target.",
    "unable to find",
    "does not contain declared merge key",
    "failed to create typed patch object",
    "unknown patch type",
    "invalid patch format",
    "connection refused",
)
"""Texts of the answers 500 that the original gives, too."""

Scalars = st.one_of(st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(max_size=8))
Keys = st.sampled_from(
    ["kind", "apiVersion", "metadata", "spec", "status", "name", "labels", "taints", "containers", "conditions",
     "items", "$patch", "$setElementOrder/taints", "op", "path", "value", "uid", "resourceVersion", "finalizers",
     "data", "target", "preconditions", "gracePeriodSeconds", "namespace", "generateName", "ownerReferences",
     "annotations", "replicas"]
)  # fmt: skip
Trees = st.recursive(
    Scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(Keys, inner, max_size=5)),
    max_leaves=20,
)
Bodies = st.one_of(st.binary(max_size=60), Trees.map(lambda tree: json.dumps(tree).encode()))
Paths = st.one_of(
    st.sampled_from([path for row in TABLE for path in (row.path("default"), row.path("default", "x"))]),
    st.sampled_from([row.path("default", "x", name) for row in TABLE for name in row.subresources]),
    st.text(max_size=20).map(lambda text: "/" + text),
    st.sampled_from(
        ["/", "/api", "/apis", "/api/v1/", "/version", "/healthz", "/openapi/v2", "/openapi/v3", "/metrics"]
    ),
)
Queries = st.lists(
    st.tuples(
        st.sampled_from(PARAMETERS),
        st.one_of(st.text(max_size=12), st.sampled_from(["1", "0", "-1", "true", "All", "a=b", "a in (b)", "Exact"])),
    ),
    max_size=4,
).map(tuple)
Requests = st.builds(
    lambda method, path, query, body, media, accept: Request(
        method, path, query, {"content-type": media, "accept": accept}, body
    ),
    st.sampled_from(METHODS), Paths, Queries, Bodies, st.sampled_from(MEDIA), st.sampled_from(ACCEPT),
)  # fmt: skip


async def answer(requests: list[Request]) -> list[Response]:
    server = ApiServer(MemoryStore(), Clock.virtual(seed=1))
    await server.start()
    await server.handle(Request("POST", "/api/v1/nodes", body=b'{"metadata":{"name":"x"}}'))
    pod = b'{"metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
    await server.handle(Request("POST", "/api/v1/namespaces/default/pods", body=pod))
    responses = []
    for request in requests:
        response = await server.handle(request)
        if not isinstance(response.body, bytes):
            await response.body.aclose()  # type: ignore[attr-defined]
        responses.append(response)
    await server.close()
    return responses


def is_deliberate(response: Response) -> bool:
    body: Any = response.body
    return any(text.encode() in body for text in DELIBERATE)


@settings(max_examples=60, deadline=None)
@given(requests=st.lists(Requests, min_size=1, max_size=5))
def test_no_request_breaks_the_server(requests: list[Request]):
    for request, response in zip(requests, run(answer(requests), loop_factory=virtual_loop), strict=True):
        assert response.status < 500 or response.status == 504 or is_deliberate(response), (request, response)


@pytest.mark.parametrize("media", ["application/json", "application/yaml"])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
async def test_deep_nesting_is_a_bad_request(server: ApiServer, media: str, brackets: tuple[bytes, bytes]):
    body = brackets[0] * 20_000 + b"1" + brackets[1] * 20_000
    response = await server.handle(Request("POST", "/api/v1/nodes", (), {"content-type": media}, body))
    assert response.status == 400


async def test_bad_utf8_is_read_as_the_original_reads_it(server: ApiServer):
    body = b'{"metadata":{"name":"a","annotations":{"k":"\xff"}}}'
    response = await server.handle(Request("POST", "/api/v1/nodes", body=body))
    assert response.status == 201
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["metadata"]["annotations"] == {"k": "\ufffd"}


async def test_a_body_over_three_mebibytes_is_too_large(server: ApiServer):
    response = await server.handle(Request("POST", "/api/v1/nodes", body=b" " * (MAX_BODY + 1)))
    assert response.status == 413
