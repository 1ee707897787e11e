"""What is answered to writes that say too much, or mean another object."""

from __future__ import annotations

import json

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.apiserver.server import ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"
PODS = "/api/v1/namespaces/default/pods"
CONTROLLERS = "/api/v1/namespaces/default/replicationcontrollers"
JSON = "application/json"
MERGE = "application/merge-patch+json"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
OTHER = "00000000-0000-4000-8000-000000000001"
POD = {"metadata": {"name": "p"}, "spec": {"nodeName": "n", "containers": [{"name": "c", "image": "i"}]}}
CONTROLLER: Object = {
    "metadata": {"name": "r"},
    "spec": {
        "replicas": 2,
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}},
    },
}


async def send(
    server: ApiServer, method: str, path: str, body: object = None, form: str = JSON, accept: str = JSON, **query: str
) -> tuple[int, Object]:
    headers = {"content-type": form, "accept": accept}
    packed = b"" if body is None else json.dumps(body).encode()
    response = await server.handle(Request(method, path, tuple(query.items()), headers, packed))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def test_options_of_a_deletion_are_an_object(server: ApiServer) -> None:
    await send(server, "POST", MAPS, {"metadata": {"name": "m"}})
    status, said = await send(server, "DELETE", f"{MAPS}/m", [])
    assert status == 400
    assert said["message"].startswith("couldn't get version/kind; json parse error: json: cannot unmarshal array")
    assert (await send(server, "GET", f"{MAPS}/m"))[0] == 200


async def test_a_cascade_asked_for_in_the_old_way_is_accepted_until_it_is_done(server: ApiServer) -> None:
    await send(server, "POST", PODS, POD)
    assert (await send(server, "DELETE", f"{PODS}/p", {"orphanDependents": False}))[0] == 202
    assert (await send(server, "DELETE", f"{PODS}/p", {"orphanDependents": False, "gracePeriodSeconds": 0}))[0] == 200


async def test_only_an_apply_is_forced(server: ApiServer) -> None:
    await send(server, "POST", MAPS, {"metadata": {"name": "m"}})
    status, said = await send(server, "PATCH", f"{MAPS}/m", {}, MERGE, force="true")
    assert (status, said["message"]) == (
        422,
        'PatchOptions.meta.k8s.io "" is invalid: force: Forbidden: may not be specified for non-apply patch',
    )


async def test_a_manager_is_printable(server: ApiServer) -> None:
    status, said = await send(server, "POST", MAPS, {"metadata": {"name": "m"}}, fieldManager="é\n")
    assert status == 422
    assert said["details"]["causes"][0]["message"] == 'Invalid value: "é\\n": invalid character U+000A (at position 2)'


async def test_a_scale_is_shown_as_a_row(server: ApiServer) -> None:
    await send(server, "POST", CONTROLLERS, CONTROLLER)
    _, shown = await send(server, "GET", f"{CONTROLLERS}/r/scale", accept=TABLE)
    assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Desired", "Available", "Age"]
    assert shown["rows"][0]["cells"] == ["r", 2, 0, "0s"]


@pytest.mark.parametrize(
    ("method", "form", "said"),
    [
        ("PUT", JSON, 'on replicationcontrollers "r": StorageError: invalid object, Code: 4, '),
        ("PATCH", MERGE, f'on replicationcontrollers/scale "r": Precondition failed: UID in precondition: {OTHER}, '),
    ],
)
async def test_a_scale_is_that_of_the_workload_it_names(server: ApiServer, method: str, form: str, said: str) -> None:
    await send(server, "POST", CONTROLLERS, CONTROLLER)
    scale = {"metadata": {"name": "r", "uid": OTHER}, "spec": {"replicas": 5}}
    status, answer = await send(server, method, f"{CONTROLLERS}/r/scale", scale, form)
    assert (status, said in answer["message"]) == (409, True), answer["message"]


async def test_a_scale_that_is_put_has_a_name(server: ApiServer) -> None:
    await send(server, "POST", CONTROLLERS, CONTROLLER)
    status, said = await send(server, "PUT", f"{CONTROLLERS}/r/scale", {"spec": {"replicas": 5}})
    assert (status, "name must be provided" in said["message"]) == (400, True)


async def test_the_metadata_of_a_daemon_set_is_its_own_alone(server: ApiServer) -> None:
    sets = "/apis/apps/v1/namespaces/default/daemonsets"
    template = CONTROLLER["spec"]["template"]
    body = {"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}}
    _, made = await send(server, "POST", sets, body)
    assert "deprecated.daemonset.template.generation" in made["metadata"]["annotations"]
    _, shown = await send(server, "GET", f"{sets}/d", accept=TABLE)
    assert "annotations" not in shown["rows"][0]["object"]["metadata"]


async def test_an_eviction_names_its_pod(server: ApiServer) -> None:
    await send(server, "POST", PODS, POD)
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction"}
    status, said = await send(server, "POST", f"{PODS}/p/eviction", eviction)
    assert (status, said["message"]) == (400, "name in URL does not match name in Eviction object")


async def test_a_name_is_still_taken_by_what_is_being_deleted(server: ApiServer) -> None:
    held = {"metadata": {"name": "m", "finalizers": ["a.b/c"]}}
    await send(server, "POST", MAPS, held)
    taken = 'configmaps "m" already exists'
    assert (await send(server, "POST", MAPS, held))[1]["message"] == taken
    await send(server, "DELETE", f"{MAPS}/m")
    for query in ({}, {"dryRun": "All"}):
        status, said = await send(server, "POST", MAPS, held, **query)
        assert (status, said["reason"], said["message"]) == (409, "AlreadyExists", f"object is being deleted: {taken}")


async def test_a_binding_in_the_older_form_names_its_pod(server: ApiServer) -> None:
    status, said = await send(server, "POST", "/api/v1/namespaces/default/bindings", {"target": {"name": "n"}})
    assert (status, said["message"]) == (400, "Name parameter required.")


async def test_a_namespace_has_its_own_words_for_a_precondition(server: ApiServer) -> None:
    _, space = await send(server, "GET", "/api/v1/namespaces/default")
    status, said = await send(server, "DELETE", "/api/v1/namespaces/default", {"preconditions": {"uid": OTHER}})
    assert (status, said["details"]["kind"]) == (409, "namespaces")
    assert said["message"].endswith(
        f": Precondition failed: UID in precondition: {OTHER}, UID in object meta: {space['metadata']['uid']}"
    )


async def test_a_patch_may_take_the_kind_away_but_not_the_version(server: ApiServer) -> None:
    await send(server, "POST", MAPS, {"metadata": {"name": "m"}})
    status, kept = await send(server, "PATCH", f"{MAPS}/m", {"kind": None, "data": {"a": "b"}}, MERGE)
    assert (status, kept["kind"], kept["data"]) == (200, "ConfigMap", {"a": "b"})
    status, said = await send(server, "PATCH", f"{MAPS}/m", {"apiVersion": None}, MERGE)
    assert (status, said["message"]) == (
        400,
        "the name of the object (m based on URL) was undeterminable: name must be provided",
    )


async def test_a_log_begins_in_one_way(server: ApiServer) -> None:
    await send(server, "POST", PODS, {"metadata": {"name": "q"}, "spec": {"containers": [{"name": "c", "image": "i"}]}})
    when = {"sinceSeconds": "5", "sinceTime": "2017-01-01T00:00:00Z"}
    status, said = await send(server, "GET", f"{PODS}/q/log", **when)
    assert (status, said["details"]["causes"][0]["reason"]) == (422, "FieldValueForbidden")


@pytest.mark.parametrize(("text", "watches"), [("", True), ("f", True), ("no", True), ("FALSE", False), ("0", False)])
async def test_what_is_neither_false_nor_nought_is_true(server: ApiServer, text: str, watches: bool) -> None:
    query = (("watch", text), ("timeoutSeconds", "1"))
    response = await server.handle(Request("GET", MAPS, query, {"accept": JSON}, b""))
    assert isinstance(response.body, bytes) is not watches
