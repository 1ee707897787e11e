from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from refimpl.api.http import Request
from refimpl.api.resources import NODES, TABLE
from refimpl.apiserver.documents import openapiv2
from refimpl.apiserver.documents.openapi import OpenApi

V2_PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


@pytest.fixture(scope="module")
def served():
    return OpenApi()


def get(served, path, method="GET", query=(), **headers):
    wire = {name.replace("_", "-"): value for name, value in headers.items()}
    return served.page(Request(method, path, query=query, headers=wire))


def document(served, name):
    return json.loads(get(served, f"/openapi/v3/{name}").body)


def hash_of(served, name):
    index = json.loads(get(served, "/openapi/v3").body)
    return index["paths"][name]["serverRelativeURL"].partition("?hash=")[2]


def test_the_index_names_every_group_version_with_a_hash(served):
    answer = get(served, "/openapi/v3", accept="application/json")
    assert answer.header("content-type") == "text/plain; charset=utf-8"
    paths = json.loads(answer.body)["paths"]
    assert set(paths) == {row.root[1:] for row in TABLE}
    digest = hash_of(served, "apis/apps/v1")
    assert len(digest) == 128
    assert paths["apis/apps/v1"] == {"serverRelativeURL": f"/openapi/v3/apis/apps/v1?hash={digest}"}


def test_a_document_carries_its_hash_as_etag(served):
    digest = hash_of(served, "apis/coordination.k8s.io/v1")
    path = "/openapi/v3/apis/coordination.k8s.io/v1"
    plain = get(served, path)
    assert (plain.status, plain.header("etag"), plain.header("vary")) == (200, f'"{digest}"', "Accept")
    assert plain.header("cache-control") == "no-cache, private"
    lasting = get(served, path, query=(("hash", digest),))
    assert (lasting.status, lasting.header("cache-control")) == (200, "public, immutable")
    assert get(served, path, if_none_match=f'"{digest}"').status == 304
    moved = get(served, path, query=(("hash", "0000"),))
    assert (moved.status, moved.header("location")) == (301, f"{path}?hash={digest}")


def test_documents_are_the_same_in_every_run(served):
    assert OpenApi().document("api/v1") == served.document("api/v1")


def test_what_is_not_there_is_404_and_what_cannot_be_written_406(served):
    assert get(served, "/openapi/v3/apis/nosuch.io/v1").status == 404
    assert (
        get(served, "/openapi/v3/api/v1", accept="application/com.github.proto-openapi.spec.v3+protobuf").status == 406
    )
    assert get(served, "/openapi/v2", accept="text/plain").status == 406
    assert get(served, "/openapi/v4") is None


def test_every_patch_takes_field_validation_and_dry_run_and_says_its_kind(served):
    for name in served.names:
        for path, item in document(served, name)["paths"].items():
            if "patch" not in item:
                continue
            parameters = {parameter["name"] for parameter in item["patch"]["parameters"]}
            assert {"fieldValidation", "dryRun"} <= parameters, path
            assert set(item["patch"]["x-kubernetes-group-version-kind"]) == {"group", "version", "kind"}


def test_every_row_has_its_urls(served):
    for row in TABLE:
        paths = document(served, row.root[1:])["paths"]
        item = paths[row.path("{namespace}" if row.namespaced else None)]
        assert ("post" in item) is ("create" in row.verbs)
        if row.stored:
            one = paths[row.path("{namespace}" if row.namespaced else None, "{name}")]
            assert ("patch" in one) is ("patch" in row.verbs)
            kind = {"group": row.group, "version": row.version, "kind": row.kind}
            assert one["get"]["x-kubernetes-group-version-kind"] == kind


def test_operations_have_names_of_their_own(served):
    for name in served.names:
        operations = [
            item[method]["operationId"]
            for item in document(served, name)["paths"].values()
            for method in item
            if method != "parameters"
        ]
        assert len(operations) == len(set(operations))
    nodes = document(served, "api/v1")["paths"][NODES.path()]
    assert nodes["get"]["operationId"] == "listCoreV1Node"
    assert nodes["get"]["tags"] == ["core_v1"]


def references(value) -> Iterator[str]:
    if isinstance(value, dict):
        if "$ref" in value:
            yield value["$ref"]
        for below in value.values():
            yield from references(below)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


def test_every_reference_leads_somewhere(served):
    for name in served.names:
        whole = document(served, name)
        schemas = whole["components"]["schemas"]
        assert {ref.removeprefix("#/components/schemas/") for ref in references(whole)} <= set(schemas)


def test_schemas_keep_what_kubectl_explains_and_merges_by(served):
    schemas = document(served, "api/v1")["components"]["schemas"]
    status = schemas["io.k8s.api.core.v1.NodeStatus"]["properties"]
    assert status["conditions"]["x-kubernetes-patch-merge-key"] == "type"
    assert status["conditions"]["x-kubernetes-patch-strategy"] == "merge"
    assert status["nodeInfo"]["allOf"] == [{"$ref": "#/components/schemas/io.k8s.api.core.v1.NodeSystemInfo"}]
    assert schemas["io.k8s.api.core.v1.Taint"]["required"] == ["effect", "key"]
    assert schemas["io.k8s.api.core.v1.Node"]["x-kubernetes-group-version-kind"] == [
        {"group": "", "version": "v1", "kind": "Node"}
    ]


def test_old_kubectls_get_one_document_about_everything(served):
    answer = get(served, "/openapi/v2")
    assert answer.header("content-type") == "application/json"
    whole = json.loads(answer.body)
    assert whole["swagger"] == "2.0"
    assert {ref.removeprefix("#/definitions/") for ref in references(whole)} <= set(whole["definitions"])
    assert "/apis/apps/v1/namespaces/{namespace}/deployments/{name}" in whole["paths"]
    quantity = whole["definitions"]["io.k8s.apimachinery.pkg.api.resource.Quantity"]
    assert quantity["type"] == "string"
    assert "oneOf" not in answer.body.decode()


def fields(message: bytes) -> list[tuple[int, bytes | int]]:
    """The fields of a protobuf message, undecoded."""

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = message[at]
            at += 1
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7

    at, found = 0, []
    while at < len(message):
        tag = varint()
        if tag & 7 == 2:
            size = varint()
            found.append((tag >> 3, message[at : at + size]))
            at += size
        else:
            found.append((tag >> 3, varint()))
    return found


def every(message: bytes, number: int) -> list[bytes]:
    return [value for found, value in fields(message) if found == number]


def named(messages: list[bytes]) -> dict[str, bytes]:
    return {every(message, 1)[0].decode(): every(message, 2)[0] for message in messages}


@pytest.fixture(scope="module")
def protobuf(served):
    answer = get(served, "/openapi/v2", accept=V2_PROTOBUF)
    assert answer.header("content-type") == openapiv2.PROTOBUF
    return answer.body


def test_the_protobuf_form_has_the_same_definitions(served, protobuf):
    whole = json.loads(get(served, "/openapi/v2").body)
    assert every(protobuf, 1) == [b"2.0"]
    definitions = named(every(every(protobuf, 9)[0], 1))
    assert list(definitions) == list(whole["definitions"])
    taint = definitions["io.k8s.api.core.v1.Taint"]
    assert every(taint, 19) == [b"effect", b"key"]
    properties = named(every(every(taint, 25)[0], 1))
    assert set(properties) == {"effect", "key", "timeAdded", "value"}
    assert every(every(properties["key"], 22)[0], 1) == [b"string"]
    assert every(properties["timeAdded"], 1) == [b"#/definitions/io.k8s.apimachinery.pkg.apis.meta.v1.Time"]


def test_the_protobuf_form_keeps_lists_maps_and_extensions(protobuf):
    definitions = named(every(every(protobuf, 9)[0], 1))
    status = named(every(every(definitions["io.k8s.api.core.v1.NodeStatus"], 25)[0], 1))
    item = every(every(status["conditions"], 23)[0], 1)[0]
    assert every(item, 1) == [b"#/definitions/io.k8s.api.core.v1.NodeCondition"]
    extensions = {name: every(value, 2)[0] for name, value in named(every(status["conditions"], 31)).items()}
    assert extensions["x-kubernetes-patch-merge-key"] == b'"type"\n'
    amount = every(every(status["capacity"], 21)[0], 1)[0]
    assert every(amount, 1) == [b"#/definitions/io.k8s.apimachinery.pkg.api.resource.Quantity"]


def test_the_protobuf_form_says_that_patches_can_be_tried_out(protobuf):
    paths = named(every(every(protobuf, 8)[0], 2))
    patch = every(paths["/api/v1/nodes/{name}"], 8)[0]
    queries = [every(every(every(parameter, 1)[0], 2)[0], 3)[0] for parameter in every(patch, 8)]
    assert {every(query, 4)[0] for query in queries} >= {b"dryRun", b"fieldValidation"}
    extensions = {name: every(value, 2)[0] for name, value in named(every(patch, 13)).items()}
    assert json.loads(extensions["x-kubernetes-group-version-kind"]) == {"group": "", "version": "v1", "kind": "Node"}
