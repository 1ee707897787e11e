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
