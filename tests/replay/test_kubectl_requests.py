"""What kubectl 1.36 sent in the recorded sessions is answered with the recorded statuses and forms."""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qsl, unquote, urlsplit

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import ADMIN, Request
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.settings import Settings
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore
from tests.replay import sessions
from tests.replay.compare import Bindings

BINARY = "(protobuf)"
PROTOBUF = "application/vnd.kubernetes.protobuf"
OPENAPI_HASH = re.compile(r"hash=[0-9A-F]+&")


def request_of(data: Object, bindings: Bindings, *, json_only: bool) -> Request:
    """A recorded request with this run's values."""
    # The hash is that of the recorded server's document: without one the current document is answered.
    url = urlsplit(bindings.substitute(OPENAPI_HASH.sub("", data["url"]).replace("<random>", "1")))
    headers = {name.lower(): value for name, value in data["other_headers"].items()}
    accepted = data.get("accept", "")
    if json_only:
        accepted = ",".join(part for part in accepted.split(",") if not part.startswith(PROTOBUF))
    headers |= {"accept": accepted} if accepted else {}
    headers |= {"content-type": data["content_type"]} if data.get("content_type") else {}
    body = bindings.substitute(data.get("body"))
    packed = b"" if body is None else body.encode() if isinstance(body, str) else json.dumps(body).encode()
    return Request(data["method"], unquote(url.path), tuple(parse_qsl(url.query, True)), headers, packed)


async def see(server: ApiServer, bindings: Bindings) -> None:
    """Learns the versions and the uid that kubectl takes from what it reads first."""
    for path in ("/api/v1/nodes", "/api/v1/namespaces/default/replicationcontrollers"):
        listed = await server.receive(Request("GET", path))
        assert isinstance(listed.body, bytes)
        found = json.loads(listed.body)
        bindings.values["<rv9>"] = found["metadata"]["resourceVersion"]
        for item in found["items"]:
            bindings.values["<uid1>"] = item["metadata"]["uid"]
            bindings.values["<rv1>"] = item["metadata"]["resourceVersion"]


async def stand_in(server: ApiServer, data: Object, session: sessions.Session) -> None:
    """Does by other means what a request did whose binary body was not recorded, where later ones depend on it."""
    if data["method"] == "DELETE" and not session.json_only:
        await server.receive(Request("DELETE", urlsplit(data["url"]).path))


async def remove(server: ApiServer, data: Object) -> None:
    """Ends a pod that is being deleted, as a kubelet does."""
    await server.receive(Request("DELETE", urlsplit(data["url"]).path, (("gracePeriodSeconds", "0"),)))


def needs_a_kubelet(session: sessions.Session, at: int) -> bool:
    """Whether a pod that was seen being deleted is gone in the next answer."""
    return sessions.has_kubelet(session) and session.requests[at]["response_status"] == 404


@pytest.mark.parametrize("name", sessions.session_names())
async def test_requests_of_kubectl_are_answered_as_recorded(name: str) -> None:
    session, bindings = sessions.session(name), Bindings()
    server = ApiServer(
        MemoryStore(),
        Clock.virtual(seed=1),
        security=Security([lambda _: ADMIN]),
        settings=Settings(protect_storage=True),
    )
    await server.start()
    await sessions.prepare(server, session)
    await see(server, bindings)
    found = []
    for at, data in enumerate(session.requests):
        if data.get("body") == BINARY:
            await stand_in(server, data, session)
            continue
        if needs_a_kubelet(session, at):
            await remove(server, data)
        response = await server.receive(request_of(data, bindings, json_only=session.json_only))
        if not isinstance(response.body, bytes):
            await response.body.aclose()
        want = (data["response_status"], data.get("response_content_type"))
        got = (response.status, response.header("content-type"))
        if want != got:
            found.append(f"{data['method']} {data['url']}: want {want}, got {got}")
    await server.close()
    assert not found, "\n".join(found)
