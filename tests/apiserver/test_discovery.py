from __future__ import annotations

import json

import pytest

from refimpl.api.errors import ApiError
from refimpl.api.http import Request
from refimpl.api.resources import TABLE
from refimpl.apiserver import health
from refimpl.apiserver.documents import discovery
from refimpl.apiserver.documents.discovery import AGGREGATED, Discovery

ALL_VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]


@pytest.fixture(scope="module")
def served():
    return Discovery(other_paths=health.PATHS)


def get(served, path, method="GET", **headers):
    return served.page(
        Request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
    )


def read(served, path, **headers):
    return json.loads(get(served, path, **headers).body)


def test_the_core_group_has_one_version_at_the_address_the_client_used(served):
    assert read(served, "/api", host="10.0.0.1:6443") == {
        "kind": "APIVersions",
        "versions": ["v1"],
        "serverAddressByClientCIDRs": [{"clientCIDR": "0.0.0.0/0", "serverAddress": "10.0.0.1:6443"}],
    }


def test_groups_come_in_the_order_of_kube_apiserver(served):
    groups = read(served, "/apis")["groups"]
    assert [group["name"] for group in groups][:4] == [
        "apps",
        "events.k8s.io",
        "authentication.k8s.io",
        "authorization.k8s.io",
    ]
    apps = {"groupVersion": "apps/v1", "version": "v1"}
    assert groups[0] == {"name": "apps", "versions": [apps], "preferredVersion": apps}
    assert read(served, "/apis/apps/") == {"kind": "APIGroup", "apiVersion": "v1", **groups[0]}


def test_a_group_version_lists_resources_and_subresources(served):
    listed = read(served, "/apis/apps/v1")
    resources = {entry["name"]: entry for entry in listed.pop("resources")}
    assert listed == {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "apps/v1"}
    assert list(resources) == sorted(resources)
    assert resources["deployments"] == {
        "name": "deployments",
        "singularName": "deployment",
        "namespaced": True,
        "kind": "Deployment",
        "verbs": ALL_VERBS,
        "shortNames": ["deploy"],
        "categories": ["all"],
        "storageVersionHash": "8aSe+NMegvE=",
    }
    assert resources["deployments/scale"] == {
        "name": "deployments/scale",
        "singularName": "",
        "namespaced": True,
        "group": "autoscaling",
        "version": "v1",
        "kind": "Scale",
        "verbs": ["get", "patch", "update"],
    }
    assert resources["daemonsets/status"]["kind"] == "DaemonSet"


def test_the_core_resource_list_does_not_say_its_own_version(served):
    listed = read(served, "/api/v1")
    assert list(listed) == ["kind", "groupVersion", "resources"]
    resources = {entry["name"]: entry for entry in listed["resources"]}
    assert resources["nodes"]["storageVersionHash"] == "XwShjMxG9Fs="
    assert resources["pods"]["storageVersionHash"] == "xPOwRZ+Yhw8="
    assert resources["pods/eviction"]["kind"] == "Eviction"
    assert resources["pods/eviction"]["group"] == "policy"
    assert resources["pods/eviction"]["verbs"] == ["create"]
    assert resources["pods/log"]["verbs"] == ["get"]
    assert "storageVersionHash" not in resources["bindings"]
    assert "storageVersionHash" not in resources["componentstatuses"]


def test_every_row_of_the_table_can_be_found(served):
    for row in TABLE:
        entries = {entry["name"]: entry for entry in served.resource_list(row.group, row.version)["resources"]}
        assert entries[row.plural]["kind"] == row.kind
        assert entries[row.plural]["verbs"] == sorted(row.verbs)
        assert {f"{row.plural}/{name}" for name in row.subresources} <= set(entries)


def test_aggregated_discovery_says_all_at_once(served):
    answer = get(served, "/apis", accept=AGGREGATED)
    assert answer.header("content-type") == AGGREGATED
    assert answer.header("vary") == "Accept"
    assert answer.header("cache-control") == "public"
    body = json.loads(answer.body)
    assert (body["kind"], body["apiVersion"], body["metadata"]) == (
        "APIGroupDiscoveryList",
        "apidiscovery.k8s.io/v2",
        {},
    )
    apps = body["items"][0]
    assert apps["metadata"] == {"name": "apps"}
    (v1,) = apps["versions"]
    assert v1["freshness"] == "Current"
    (replica_sets,) = [entry for entry in v1["resources"] if entry["resource"] == "replicasets"]
    assert replica_sets == {
        "resource": "replicasets",
        "responseKind": {"group": "", "version": "", "kind": "ReplicaSet"},
        "scope": "Namespaced",
        "singularResource": "replicaset",
        "verbs": ALL_VERBS,
        "shortNames": ["rs"],
        "categories": ["all"],
        "subresources": [
            {
                "subresource": "scale",
                "responseKind": {"group": "autoscaling", "version": "v1", "kind": "Scale"},
                "verbs": ["get", "patch", "update"],
            },
            {
                "subresource": "status",
                "responseKind": {"group": "", "version": "", "kind": "ReplicaSet"},
                "verbs": ["get", "patch", "update"],
            },
        ],
    }


def test_the_core_group_is_aggregated_without_a_name(served):
    (core,) = read(served, "/api", accept=AGGREGATED)["items"]
    assert core["metadata"] == {}
    assert [version["version"] for version in core["versions"]] == ["v1"]


def test_a_client_that_has_the_document_gets_304(served):
    tag = get(served, "/apis", accept=AGGREGATED).header("etag")
    assert tag.startswith('"')
    assert len(tag) == 130
    again = get(served, "/apis", accept=AGGREGATED, if_none_match=tag)
    assert (again.status, again.body, again.header("etag")) == (304, b"", tag)
    assert get(served, "/apis", accept=AGGREGATED, if_none_match='"different"').status == 200


@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (f"{AGGREGATED},application/json", "APIGroupDiscoveryList"),
        (f"application/json,{AGGREGATED}", "APIGroupList"),
        ("application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,application/json", "APIGroupList"),
        ("*/*", "APIGroupList"),
        ("", "APIGroupList"),
    ],
)
def test_the_first_form_that_the_server_knows_counts(served, accept, kind):
    assert read(served, "/apis", accept=accept)["kind"] == kind


def test_discovery_comes_as_yaml_too(served):
    answer = get(served, "/apis/apps", accept="application/yaml")
    assert answer.header("content-type") == "application/yaml"
    assert b"name: apps\n" in answer.body


def test_the_version_is_indented_and_open(served):
    answer = get(served, "/version/")
    assert answer.body.startswith(b'{\n  "major": "1",\n  "minor": "36",')
    assert json.loads(answer.body)["gitVersion"] == discovery.GIT_VERSION


def test_the_root_lists_the_paths_that_are_served(served):
    paths = read(served, "/")["paths"]
    assert paths == sorted(paths)
    assert {"/api", "/api/v1", "/apis", "/apis/", "/apis/apps", "/apis/apps/v1", "/healthz", "/version"} <= set(paths)
    assert read(served, "/index.html")["paths"] == paths


@pytest.mark.parametrize("path", ["/nope", "/apis/nosuch.io", "/apis/nosuch.io/v1/things", "//api", "/swagger.json"])
def test_other_paths_are_left_to_others(served, path):
    assert get(served, path) is None


@pytest.mark.parametrize("path", ["/api/v2", "/api/v2/nodes", "/apis/policy/v1beta1", "/apis/apps/v9/deployments"])
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_unknown_version_of_a_known_group_is_404(served, path, method):
    with pytest.raises(ApiError, match="the server could not find the requested resource") as refused:
        get(served, path, method)
    assert refused.value.code == 404


@pytest.mark.parametrize("method", ["HEAD", "POST", "OPTIONS"])
def test_discovery_can_only_be_read(served, method):
    with pytest.raises(ApiError) as refused:
        get(served, "/api/v1", method)
    assert refused.value.code == 405


def test_an_unacceptable_form_is_406(served):
    with pytest.raises(ApiError) as refused:
        get(served, "/apis", accept="text/html")
    assert refused.value.code == 406
