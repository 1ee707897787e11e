"""What must hold for every kind of the table, whatever its rules."""

from __future__ import annotations

import json

import pytest

from refimpl.api import typed
from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.api.resources import TABLE, Resource
from refimpl.apiserver.kinds import strategy_for
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from tests.apiserver_kinds.support import named, pod, template
from tests.apiserver_kinds.test_small_kinds import CLAIM, PEM, SLICE, VOLUME

SELECTING = {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template(a="b")}}
RUN_ONCE = {"spec": {"template": {**template(a="b"), **pod(restartPolicy="Never")}}}

BODIES: dict[str, Object] = {
    "certificatesigningrequests": {"spec": {"request": PEM, "signerName": "a.b/c", "usages": ["client auth"]}},
    "clusterrolebindings": {"roleRef": {"kind": "ClusterRole", "name": "r"}},
    "controllerrevisions": {"revision": 1},
    "cronjobs": {"spec": {"schedule": "* * * * *", "jobTemplate": RUN_ONCE}},
    "csidrivers": {"spec": {}},
    "csinodes": {"spec": {"drivers": []}},
    "daemonsets": SELECTING,
    "deployments": SELECTING,
    "endpointslices": SLICE,
    "horizontalpodautoscalers": {"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "x"}}},
    "ingressclasses": {"spec": {"controller": "a.b/c"}},
    "ingresses": {"spec": {"defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}}},
    "jobs": RUN_ONCE,
    "persistentvolumeclaims": CLAIM,
    "persistentvolumes": VOLUME,
    "pods": pod(),
    "podtemplates": {"template": template(a="b")},
    "replicasets": SELECTING,
    "replicationcontrollers": {"spec": {"template": template(a="b")}},
    "rolebindings": {"roleRef": {"kind": "Role", "name": "r"}},
    "runtimeclasses": {"handler": "h"},
    "services": {"spec": {"ports": [{"port": 80}]}},
    "statefulsets": {"spec": {"serviceName": "s", **SELECTING["spec"]}},
    "storageclasses": {"provisioner": "a/b"},
    "volumeattachments": {"spec": {"attacher": "a", "nodeName": "n", "source": {"persistentVolumeName": "v"}}},
}
EVENT = {
    "eventTime": "2017-07-18T09:00:00.000000Z",
    "reportingController": "k",
    "reportingInstance": "n",
    "action": "a",
    "reason": "r",
    "type": "Normal",
    "regarding": {"namespace": "default"},
}
ROWS = [row for row in TABLE if row.stored and "create" in row.verbs]


def body(row: Resource) -> Object:
    if row.plural == "events":
        return EVENT if row.group else {"involvedObject": {"namespace": "default"}}
    return BODIES.get(row.plural, {})


async def made(row: Resource) -> tuple[ApiServer, Object]:
    server = ApiServer(MemoryStore(), Clock.virtual())
    await server.start()
    obj = named(row, body(row))
    obj["metadata"].pop("uid")
    response = await server.handle(Request("POST", row.path("default"), body=json.dumps(obj).encode()))
    assert response.status == 201, response.body
    assert isinstance(response.body, bytes)
    return server, json.loads(response.body)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.qualified_plural)
async def test_a_stored_object_is_complete_and_survives_a_round_trip(row: Resource) -> None:
    server, obj = await made(row)
    again = json.loads(json.dumps(obj))
    strategy_for(row).default(again)
    assert again == obj
    assert typed.decode(row.api_version, row.kind, again) == obj
    response = await server.handle(Request("PUT", row.path("default", "x"), body=json.dumps(obj).encode()))
    assert (response.status, json.loads(response.body)) == (200, obj)  # type: ignore[arg-type]


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.qualified_plural)
async def test_every_object_has_a_row(row: Resource) -> None:
    server, obj = await made(row)
    columns = strategy_for(row).columns or ()
    cells = [column.cell(obj, server.clock) for column in columns]
    assert len({column.name for column in columns}) == len(columns)
    assert all(cell is None or isinstance(cell, str | int | bool) for cell in cells)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.qualified_plural)
async def test_every_selectable_field_is_a_text(row: Resource) -> None:
    _, obj = await made(row)
    assert all(isinstance(getter(obj), str) for getter in strategy_for(row).fields.values())
