"""The old list of the control plane's parts."""

from __future__ import annotations

import json

from refimpl.api.http import Request
from refimpl.apiserver.server import ApiServer

TABLE = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


async def test_the_store_is_shown_with_its_health(server: ApiServer) -> None:
    for path in ("/api/v1/componentstatuses", "/api/v1/componentstatuses/etcd-0"):
        response = await server.handle(Request("GET", path, (), TABLE))
        assert isinstance(response.body, bytes)
        shown = json.loads(response.body)
        assert [column["name"] for column in shown["columnDefinitions"]] == ["Name", "Status", "Message", "Error"]
        assert [row["cells"] for row in shown["rows"]] == [["etcd-0", "Healthy", "ok", ""]]


async def test_a_part_that_is_not_there_is_a_failure_and_nobody_watches(server: ApiServer) -> None:
    missing = await server.handle(Request("GET", "/api/v1/componentstatuses/scheduler"))
    assert missing.status == 500
    assert b"Component not found: scheduler" in bytes(missing.body)
    watch = await server.handle(Request("GET", "/api/v1/componentstatuses", (("watch", "1"),)))
    assert watch.status == 405
    assert b'watch is not supported on resources of kind \\"componentstatuses\\"' in bytes(watch.body)


async def test_parts_are_selected(server: ApiServer) -> None:
    for selector, found in (("fieldSelector", 1), ("labelSelector", 0)):
        text = "metadata.name=etcd-0" if selector == "fieldSelector" else "a=b"
        response = await server.handle(Request("GET", "/api/v1/componentstatuses", ((selector, text),)))
        assert isinstance(response.body, bytes)
        assert len(json.loads(response.body)["items"]) == found
