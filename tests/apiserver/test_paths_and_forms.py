"""Which URL names what, and in which form an answer is given."""

from __future__ import annotations

import pytest

from refimpl.api.errors import ApiError
from refimpl.api.http import Request
from refimpl.api.resources import DEPLOYMENTS, NAMESPACES, NODES, PODS, TABLE
from refimpl.apiserver import paths
from refimpl.apiserver.content import negotiation, yamltext
from refimpl.apiserver.paths import Target
from refimpl.apiserver.server import ApiServer


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/api/v1/nodes", Target(NODES)),
        ("/api/v1/nodes/", Target(NODES)),
        ("/api/v1/nodes/n1/status", Target(NODES, name="n1", subresource="status")),
        ("/api/v1/nodes/n1/proxy/logs/x", Target(NODES, name="n1", subresource="proxy", rest="logs/x")),
        ("/api/v1/pods", Target(PODS)),
        ("/api/v1/namespaces/ns/pods/p", Target(PODS, "ns", "p")),
        ("/api/v1/namespaces//pods", Target(PODS)),
        ("/api/v1/namespaces/ns", Target(NAMESPACES, name="ns")),
        ("/api/v1/namespaces/ns/status", Target(NAMESPACES, name="ns", subresource="status")),
        ("/api/v1/namespaces/ns/finalize", Target(NAMESPACES, name="ns", subresource="finalize")),
        ("/apis/apps/v1/namespaces/ns/deployments/d/scale", Target(DEPLOYMENTS, "ns", "d", "scale")),
        ("/api/v1/watch/namespaces/ns/pods", Target(PODS, "ns", watch=True)),
        ("/api/v1/watch/nodes/n1", Target(NODES, name="n1", watch=True)),
    ],
)
def test_a_path_names_a_target(path: str, target: Target):
    assert paths.parse(path) == target


@pytest.mark.parametrize(
    "path", ["/", "/api", "/api/v1", "/apis/apps/v1", "/apis/nope/v1/x", "//api/v1/nodes", "/x/y/z"]
)
def test_other_paths_are_somebody_elses(path: str):
    assert paths.parse(path) is None


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/watch/nodes/n/status",
        "/api/v1/nodes/n/status/x",
        "/api/v1/nope",
        "/api/v2/nodes",
        "/api/v1//nodes",
        "/api/v1/pods/p",
        "/api/v1/namespaces/ns/nodes",
        "/api/v1/nodes/n1/nope",
        "/apis/apps/v9/deployments",
    ],
)
def test_what_a_served_group_does_not_have_is_not_found(path: str):
    with pytest.raises(ApiError) as refusal:
        paths.parse(path)
    assert refusal.value.code == 404


@pytest.mark.parametrize("name", [".", "..", "a%b"])
def test_names_that_paths_give_a_meaning_to_are_refused(name: str):
    with pytest.raises(ApiError) as refusal:
        paths.parse(f"/api/v1/nodes/{name}")
    assert refusal.value.code == 400


def test_every_row_is_found_under_its_own_path():
    for row in TABLE:
        target = paths.parse(row.path("ns", "x"))
        assert target is not None
        assert (target.resource, target.name) == (row, "x")


@pytest.mark.parametrize(
    ("accept", "media_type", "transform"),
    [
        ("", "application/json", ""),
        ("*/*", "application/json", ""),
        ("application/yaml", "application/yaml", ""),
        ("application/json;q=0.1,application/yaml;q=0.9", "application/yaml", ""),
        ("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "application/json", "Table"),
        ("application/json,application/json;as=Table;v=v1;g=meta.k8s.io", "application/json", ""),
        ("application/json;as=Table;v=v2;g=meta.k8s.io,application/yaml", "application/yaml", ""),
        ("application/vnd.kubernetes.protobuf,application/json", "application/vnd.kubernetes.protobuf", ""),
        ("application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json", "application/json", ""),
        ("text/html,*/*;q=0.8", "application/json", ""),
    ],
)
def test_the_most_wanted_form_that_exists_is_taken(accept: str, media_type: str, transform: str):
    form = negotiation.form_of(Request("GET", "/", headers={"accept": accept}))
    assert (form.media_type, form.transform) == (media_type, transform)


@pytest.mark.parametrize("accept", ["text/html", "application/*", "nonsense"])
def test_what_cannot_be_written_is_refused_before_anything_else(accept: str):
    with pytest.raises(ApiError) as refusal:
        negotiation.check_media_type(Request("GET", "/", headers={"accept": accept}))
    assert refusal.value.code == 406


@pytest.mark.parametrize(
    ("query", "agent", "pretty"),
    [
        ((), "", False),
        ((), "curl/8", True),
        ((), "kubectl/v1.36", False),
        ((("pretty", "true"),), "", True),
        ((("pretty", "0"),), "curl/8", False),
    ],
)
def test_people_get_indented_json(query: tuple[tuple[str, str], ...], agent: str, pretty: bool):
    assert negotiation.wants_indentation(Request("GET", "/", query, {"user-agent": agent})) is pretty


def test_yaml_quotes_what_looks_like_another_type():
    text = yamltext.encode({"b": ["true", "1", "", "2018-01-01", "y", "plain", "a: b"], "a": {"m": 1, "t": "x\ny\n"}})
    assert text.decode() == (
        'a:\n  m: 1\n  t: |\n    x\n    y\nb:\n- "true"\n- "1"\n- ""\n- "2018-01-01"\n- "y"\n- plain\n- \'a: b\'\n'
    )


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "OPTIONS", "HEAD"])
async def test_the_version_can_only_be_read(server: ApiServer, method: str) -> None:
    assert (await server.handle(Request(method, "/version"))).status == 405
