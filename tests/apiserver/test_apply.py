"""Server-side apply: owners on the wire, conflicts, and what is no configuration."""

from __future__ import annotations

import json
from typing import Any

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.apiserver.server import ApiServer

MAPS = "/api/v1/namespaces/default/configmaps"
NODES = "/api/v1/nodes"
JSON = "application/json"
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


async def send(
    server: ApiServer, method: str, path: str, body: Any = None, form: str = JSON, **query: str
) -> tuple[int, Object]:
    headers = {"content-type": form, "accept": JSON, "user-agent": "recorder/1"}
    packed = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    response = await server.handle(Request(method, path, tuple(query.items()), headers, packed))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def apply(server: ApiServer, manager: str, data: dict[str, str], **query: str) -> tuple[int, Object]:
    return await send(server, "PATCH", f"{MAPS}/m", config(data), APPLY, fieldManager=manager, **query)


def config(data: dict[str, str] | None = None, **metadata: Any) -> Object:
    made: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", **metadata}}
    return made if data is None else {**made, "data": data}


def owners(obj: Object) -> list[tuple[str, str, Object]]:
    entries = obj["metadata"].get("managedFields") or []
    return [(entry["manager"], entry["operation"], entry["fieldsV1"]) for entry in entries]


async def test_whoever_creates_an_object_is_noted_and_conflicts_are_theirs(server: ApiServer) -> None:
    _, made = await send(server, "POST", MAPS, config({"k": "1"}))
    assert owners(made) == [("recorder", "Update", {"f:data": {".": {}, "f:k": {}}})]
    status, said = await apply(server, "b", {"k": "2"})
    assert (status, said["reason"]) == (409, "Conflict")
    assert said["message"] == 'Apply failed with 1 conflict: conflict with "recorder" using v1: .data.k'
    assert said["details"] == {
        "causes": [
            {"reason": "FieldManagerConflict", "message": 'conflict with "recorder" using v1', "field": ".data.k"}
        ]
    }
    status, forced = await apply(server, "b", {"k": "2"}, force="true")
    assert (status, forced["data"]) == (200, {"k": "2"})
    assert owners(forced) == [("b", "Apply", {"f:data": {"f:k": {}}}), ("recorder", "Update", {"f:data": {}})]
    _, said = await apply(server, "c", {"k": "3"})
    assert said["message"] == 'Apply failed with 1 conflict: conflict with "b": .data.k'


async def test_several_conflicts_are_listed_by_manager(server: ApiServer) -> None:
    await apply(server, "b", {"k": "1", "l": "1"})
    await send(server, "PATCH", f"{MAPS}/m", {"data": {"z": "1"}}, MERGE)
    _, said = await apply(server, "c", {"k": "2", "l": "2", "z": "2"})
    assert said["message"] == (
        'Apply failed with 3 conflicts: conflicts with "b":\n- .data.k\n- .data.l\n'
        'conflicts with "recorder" using v1:\n- .data.z'
    )


async def test_an_apply_makes_takes_away_and_does_nothing(server: ApiServer) -> None:
    status, made = await apply(server, "b", {"k": "1"})
    assert (status, owners(made)) == (201, [("b", "Apply", {"f:data": {"f:k": {}}})])
    assert await apply(server, "b", {"k": "1"}) == (200, made)
    status, changed = await apply(server, "b", {"j": "1"})
    assert (status, changed["data"]) == (200, {"j": "1"})


async def test_owners_can_be_forgotten(server: ApiServer) -> None:
    await send(server, "POST", MAPS, config({"k": "1"}))
    _, kept = await send(server, "PUT", f"{MAPS}/m", config({"k": "1"}))
    assert owners(kept)
    _, forgotten = await send(server, "PATCH", f"{MAPS}/m", {"metadata": {"managedFields": [{}]}}, MERGE)
    assert "managedFields" not in forgotten["metadata"]
    _, changed = await send(server, "PATCH", f"{MAPS}/m", {"data": {"u": "1"}}, MERGE)
    assert "managedFields" not in changed["metadata"]
    _, said = await apply(server, "d", {"u": "2"})
    assert said["message"].endswith('conflict with "before-first-apply" using v1: .data.u')


async def test_a_client_may_say_who_owns_what_but_only_in_a_readable_way(server: ApiServer) -> None:
    _, made = await send(server, "POST", MAPS, config({"k": "1"}))
    (entry,) = made["metadata"]["managedFields"]
    moved = {"metadata": {"managedFields": [{**entry, "manager": "other", "operation": "Apply"}]}}
    _, kept = await send(server, "PATCH", f"{MAPS}/m", moved, MERGE)
    assert owners(kept) == [("other", "Apply", {"f:data": {".": {}, "f:k": {}}})]
    for unread in ([], [{**entry, "operation": "Bad"}], [{"manager": "x"}], [{**entry, "fieldsV1": {"f:a": 1}}]):
        _, same = await send(server, "PATCH", f"{MAPS}/m", {"metadata": {"managedFields": unread}}, MERGE)
        assert same == kept


async def test_kubectl_takes_over_what_it_applied_on_its_own(server: ApiServer) -> None:
    note = "kubectl.kubernetes.io/last-applied-configuration"
    before = config({"k": "1"}, annotations={note: json.dumps(config({"k": "1"}))})
    await send(server, "POST", MAPS, before, fieldManager="kubectl-client-side-apply")
    assert (await apply(server, "other", {"k": "2"}))[0] == 409
    status, taken = await apply(server, "kubectl", {"k": "2"})
    assert (status, taken["data"]) == (200, {"k": "2"})
    assert json.loads(taken["metadata"]["annotations"][note])["data"] == {"k": "2"}
    await send(server, "PATCH", f"{MAPS}/m", {"data": {"k": "9"}}, MERGE)
    assert (await apply(server, "kubectl", {"k": "3"}))[0] == 409


async def test_heartbeats_have_no_owners_until_somebody_applies(server: ApiServer) -> None:
    _, made = await send(server, "POST", NODES, {"metadata": {"name": "n"}, "spec": {"podCIDR": "10.0.0.0/24"}})
    assert not owners(made)
    status = {"status": {"conditions": [{"type": "Ready", "status": "True"}]}}
    applied = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, **status}
    _, kept = await send(server, "PATCH", f"{NODES}/n/status", applied, APPLY, fieldManager="a")
    (entry,) = kept["metadata"]["managedFields"]
    assert (entry["manager"], entry["subresource"]) == ("a", "status")
    applied["status"] = {"conditions": [{"type": "Ready", "status": "False"}]}
    _, said = await send(server, "PATCH", f"{NODES}/n/status", applied, APPLY, fieldManager="b")
    assert said["message"] == (
        'Apply failed with 1 conflict: conflict with "a" with subresource "status": '
        '.status.conditions[type="Ready"].status'
    )


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("{bad", 400, "error decoding YAML: error converting YAML to JSON: yaml: line 1: did not find expected"),
        ("[]", 400, "error decoding YAML: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array"),
        ("", 400, "Incorrect version specified in apply patch. Specified patch version: , expected: v1"),
        ({**config(), "apiVersion": "v2"}, 400, "Incorrect version specified in apply patch. Specified patch version"),
        (config(managedFields=[{"manager": "x", "operation": "Apply"}]), 400, "metadata.managedFields must be nil"),
        (
            {**config(), "bogus": 1},
            500,
            "failed to create typed patch object (/m; /v1, Kind=ConfigMap): .bogus: field not declared in schema",
        ),
        (
            config(uid="00000000-0000-4000-8000-000000000001"),
            409,
            'Operation cannot be fulfilled on configmaps "m": uid',
        ),
        (config(resourceVersion="5"), 201, ""),
    ],
)
async def test_what_cannot_be_applied_is_refused(server: ApiServer, body: Any, status: int, message: str) -> None:
    code, said = await send(server, "PATCH", f"{MAPS}/m", body, APPLY, fieldManager="a")
    assert code == status
    assert said.get("message", "").startswith(message)
