"""The binary form: bodies are read in it, answers and watches are written in it, what is stored is the same."""

from __future__ import annotations

import json

import pytest

from refimpl.api import protobuf
from refimpl.api.errors import Object
from refimpl.api.http import Request, Response
from refimpl.api.protobuf.unknown import unwrap, wrap
from refimpl.api.protobuf.wire import fields
from refimpl.api.resources import CONFIGMAPS, LEASES, NAMESPACES, NODES, PODS, REPLICATIONCONTROLLERS, TOKENREVIEWS
from refimpl.apiserver.server import ApiServer
from refimpl.client.client import Client

BINARY = {"content-type": protobuf.MEDIA_TYPE, "accept": protobuf.MEDIA_TYPE}
NODE: Object = {
    "apiVersion": "v1",
    "kind": "Node",
    "metadata": {"name": "n1", "labels": {"a": "b"}},
    "status": {"capacity": {"cpu": "2", "memory": "1Gi"}, "nodeInfo": {"kubeletVersion": "v1.36.2"}},
}
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "p", "namespace": "default"},
    "spec": {"containers": [{"name": "c", "image": "i", "readinessProbe": {"httpGet": {"port": "http"}}}]},
}


def message(obj: Object) -> bytes:
    body = protobuf.encode(obj)
    assert body is not None
    return body


async def send(
    server: ApiServer, method: str, path: str, body: bytes = b"", query: str = "", **headers: str
) -> tuple[Response, Object]:
    parameters = tuple((key, value) for key, _, value in (part.partition("=") for part in query.split("&") if part))
    response = await server.handle(Request(method, path, parameters, {**BINARY, **headers}, body))
    assert isinstance(response.body, bytes)
    if response.header("content-type") == protobuf.MEDIA_TYPE:
        return response, protobuf.decode(response.body)
    return response, json.loads(response.body)


async def test_an_object_is_written_and_read_in_binary(server: ApiServer, client: Client):
    response, created = await send(server, "POST", NODES.path(), message(NODE))
    assert (response.status, response.header("content-type")) == (201, protobuf.MEDIA_TYPE)
    assert created["status"]["capacity"] == {"cpu": "2", "memory": "1Gi"}
    stored = await client.get(NODES, "n1")
    assert stored["metadata"]["labels"] == {"a": "b"}
    assert stored["spec"]["taints"] == created["spec"]["taints"]
    assert created["metadata"]["resourceVersion"] == stored["metadata"]["resourceVersion"]


async def test_what_is_stored_is_the_same_in_either_form(server: ApiServer, client: Client):
    await send(server, "POST", PODS.path("default"), message(POD))
    other = {**POD, "metadata": {"name": "q"}}
    as_json = await server.handle(
        Request("POST", PODS.path("default"), headers={"accept": "application/json"}, body=json.dumps(other).encode())
    )
    assert as_json.status == 201
    binary, plain = [await client.get(PODS, name, namespace="default") for name in ("p", "q")]
    assert binary["spec"] == plain["spec"]
    assert binary["status"] == plain["status"]


async def test_a_lease_is_renewed_in_binary(server: ApiServer, client: Client):
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "n1", "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": "n1", "renewTime": "2021-02-03T04:05:06.789012Z"},
    }
    _, created = await send(server, "POST", LEASES.path("kube-node-lease"), message(lease))
    renewed = {**created, "spec": {**created["spec"], "renewTime": "2021-02-03T04:05:16.789012Z"}}
    response, _ = await send(server, "PUT", LEASES.path("kube-node-lease", "n1"), message(renewed))
    assert response.status == 200
    stored = await client.get(LEASES, "n1", namespace="kube-node-lease")
    assert stored["spec"]["renewTime"] == "2021-02-03T04:05:16.789012Z"


async def test_a_patch_in_json_is_answered_in_binary(server: ApiServer):
    await send(server, "POST", NODES.path(), message(NODE))
    patch = {"content-type": "application/strategic-merge-patch+json"}
    response, patched = await send(
        server, "PATCH", NODES.path(name="n1"), b'{"metadata":{"labels":{"c":"d"}}}', **patch
    )
    assert response.status == 200
    assert patched["metadata"]["labels"] == {"a": "b", "c": "d"}


async def test_lists_and_pages_are_binary(server: ApiServer):
    for name in ("a", "b", "c"):
        body = message({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"k": name}})
        await send(server, "POST", CONFIGMAPS.path("default"), body)
    _, page = await send(server, "GET", CONFIGMAPS.path("default"), query="limit=2")
    assert page["kind"] == "ConfigMapList"
    assert [item["data"]["k"] for item in page["items"]] == ["a", "b"]
    assert page["metadata"]["remainingItemCount"] == 1
    _, rest = await send(server, "GET", CONFIGMAPS.path("default"), query=f"continue={page['metadata']['continue']}")
    assert [item["metadata"]["name"] for item in rest["items"]] == ["c"]


async def test_a_refusal_is_a_binary_status(server: ApiServer):
    response, status = await send(server, "GET", NODES.path(name="nobody"))
    assert (response.status, response.header("content-type")) == (404, protobuf.MEDIA_TYPE)
    assert (status["kind"], status["reason"], status["code"]) == ("Status", "NotFound", 404)


async def test_options_evictions_scales_and_bindings_are_read(server: ApiServer, client: Client):
    await send(server, "POST", NODES.path(), message(NODE))
    await send(server, "POST", PODS.path("default"), message(POD))
    binding = {
        "apiVersion": "v1",
        "kind": "Binding",
        "metadata": {"name": "p"},
        "target": {"kind": "Node", "name": "n1"},
    }
    response, _ = await send(server, "POST", PODS.path("default", "p", "binding"), message(binding))
    assert response.status == 201
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": "p"},
        "deleteOptions": {"dryRun": ["All"]},
    }
    response, _ = await send(server, "POST", PODS.path("default", "p", "eviction"), message(eviction))
    assert response.status == 201
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": {"uid": "another"}}
    response, status = await send(server, "DELETE", PODS.path("default", "p"), message(options))
    assert (response.status, status["reason"]) == (409, "Conflict")
    assert (await client.get(PODS, "p", namespace="default"))["spec"]["nodeName"] == "n1"


async def test_an_older_eviction_is_understood(server: ApiServer):
    await send(server, "POST", PODS.path("default"), message(POD))
    body = unwrap(message({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "other"}}))
    path = PODS.path("default", "p", "eviction")
    _, status = await send(server, "POST", path, wrap("policy/v1beta1", "Eviction", body.raw))
    assert status["message"] == "name in URL does not match name in Eviction object"


async def test_a_controller_is_scaled(server: ApiServer):
    controller = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "rc"},
        "spec": {
            "replicas": 1,
            "selector": {"a": "b"},
            "template": {"metadata": {"labels": {"a": "b"}}, "spec": POD["spec"]},
        },
    }
    await send(server, "POST", REPLICATIONCONTROLLERS.path("default"), message(controller))
    scale = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "rc"}, "spec": {"replicas": 3}}
    _, scaled = await send(server, "PUT", REPLICATIONCONTROLLERS.path("default", "rc", "scale"), message(scale))
    assert scaled["spec"] == {"replicas": 3}


async def test_reviews_are_answered(server: ApiServer):
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "spec": {"token": "x"}}
    _, answer = await send(server, "POST", TOKENREVIEWS.path(), message(review))
    assert answer["status"]["error"] == "invalid bearer token"


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "the object provided is unrecognized (must be of type Namespace): empty data (<empty>)"),
        (
            b'{"a":1}',
            (
                "the object provided is unrecognized (must be of type Namespace): provided data does not appear to be "
                'a protobuf message, expected prefix [107 56 115 0] ({"a":1})'
            ),
        ),
        (
            wrap("v1", "Namespace", b"\x08\x01"),
            (
                'Namespace in version "v1" cannot be handled as a Namespace: '
                "proto: wrong wireType = 0 for field ObjectMeta"
            ),
        ),
        (
            wrap("v1", "Node", b""),
            (
                'Node in version "v1" cannot be handled as a Namespace: '
                "converting (v1.Node) to (core.Namespace): unknown conversion"
            ),
        ),
    ],
)
async def test_a_bad_body_is_a_bad_request(server: ApiServer, body: bytes, why: str):
    response, status = await send(server, "POST", NAMESPACES.path(), body)
    assert (response.status, status["message"]) == (400, why)


async def test_no_body_is_the_servers_fault(server: ApiServer):
    good = message(POD)
    for position in range(4, len(good)):
        for byte in (0x00, 0x7F, 0xFF):
            body = good[:position] + bytes([byte]) + good[position + 1 :]
            response, _ = await send(server, "POST", PODS.path("default"), body)
            assert response.status in {201, 400, 409, 422}, (position, byte)
        response, _ = await send(server, "POST", PODS.path("default"), good[:position])
        assert response.status in {201, 400, 409, 422}, position


async def test_a_table_is_not_binary_but_metadata_is(server: ApiServer):
    await send(server, "POST", NODES.path(), message(NODE))
    table = f"{protobuf.MEDIA_TYPE};as=Table;g=meta.k8s.io;v=v1"
    response, _ = await send(server, "GET", NODES.path(name="n1"), accept=table)
    assert (response.status, response.header("content-type")) == (406, "application/json")
    partial = f"{protobuf.MEDIA_TYPE};as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    _, metadata = await send(server, "GET", NODES.path(name="n1"), accept=partial)
    assert (metadata["kind"], metadata["metadata"]["name"]) == ("PartialObjectMetadata", "n1")
    partials = f"{protobuf.MEDIA_TYPE};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    _, listed = await send(server, "GET", NODES.path(), accept=partials)
    assert [item["metadata"]["name"] for item in listed["items"]] == ["n1"]


@pytest.mark.parametrize("path", ["/api", "/apis", "/api/v1", "/apis/apps"])
async def test_discovery_is_binary_too(server: ApiServer, path: str):
    response, found = await send(server, "GET", path)
    assert response.status == 200
    assert found["kind"] in {"APIVersions", "APIGroupList", "APIResourceList", "APIGroup"}


def events(data: bytes) -> list[tuple[str, Object]]:
    """The events in the frames of a watch."""
    found = []
    while data:
        size = int.from_bytes(data[: protobuf.LENGTH_BYTES])
        event, data = data[protobuf.LENGTH_BYTES :][:size], data[protobuf.LENGTH_BYTES + size :]
        parts = {number: value for number, _, value in fields(event)}
        assert isinstance(parts[1], bytes)
        assert isinstance(parts[2], bytes)
        inner = next(value for _, _, value in fields(parts[2]) if isinstance(value, bytes))
        found.append((parts[1].decode(), protobuf.decode(inner)))
    return found


async def watch(server: ApiServer, query: str = "", accept: str = protobuf.MEDIA_TYPE) -> Response:
    parameters = (
        ("watch", "1"),
        *((key, value) for key, _, value in (part.partition("=") for part in query.split("&"))),
    )
    return await server.handle(Request("GET", NODES.path(), parameters, {"accept": accept}))


async def test_a_watch_is_a_stream_of_frames(server: ApiServer):
    await send(server, "POST", NODES.path(), message(NODE))
    stream = await watch(server, "allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan")
    assert stream.header("content-type") == "application/vnd.kubernetes.protobuf;stream=watch"
    assert not isinstance(stream.body, bytes)
    chunk = await anext(stream.body)
    (added, node), (bookmark, end) = events(chunk)
    assert (added, node["metadata"]["name"], bookmark) == ("ADDED", "n1", "BOOKMARK")
    assert end["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    await send(server, "DELETE", NODES.path(name="n1"))
    assert [kind for kind, _ in events(await anext(stream.body))] == ["DELETED"]
    await stream.body.aclose()  # type: ignore[attr-defined]


async def test_a_watch_from_long_ago_ends_with_a_binary_error(server: ApiServer):
    await send(server, "POST", NODES.path(), message(NODE))
    stream = await watch(server, "resourceVersion=1")
    assert not isinstance(stream.body, bytes)
    [(kind, status)] = [event async for chunk in stream.body for event in events(chunk)]
    assert (kind, status["code"], status["reason"]) == ("ERROR", 410, "Expired")


async def test_a_watch_cannot_be_yaml(server: ApiServer):
    response = await watch(server, accept="application/yaml")
    assert response.status == 406
