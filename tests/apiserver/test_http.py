"""The server over TLS on loopback, with a real client. These need real time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import attrs
import httpx
import pytest
import websockets

from refimpl.api.http import ADMIN, User
from refimpl.api.resources import NODES
from refimpl.apiserver.http import asgi
from refimpl.apiserver.identity import authentication, pki
from refimpl.apiserver.objects.broadcast import Broadcaster
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.base import StoreFailed
from refimpl.storage.memory import MemoryStore

pytestmark = pytest.mark.live
NODE = User("system:node:n1", ("system:nodes",))


@attrs.define
class Running:
    server: ApiServer
    task: asyncio.Task[None]
    url: str
    authority: pki.Authority

    def client(self, pair: pki.Pair | None = None, **headers: str) -> httpx.AsyncClient:
        context = ssl.create_default_context(cafile=str(self.authority.pair.certificate))
        if pair is not None:
            context.load_cert_chain(pair.certificate, pair.key)
        return httpx.AsyncClient(base_url=self.url, verify=context, headers=headers)


@pytest.fixture
async def running(tmp_path: Path) -> AsyncIterator[Running]:
    clock = Clock()
    authority = pki.Authority(tmp_path / "pki", clock)
    security = Security([authentication.tokens({"secret": ADMIN}), authentication.client_certificate])
    server = ApiServer(MemoryStore(), clock, security=security)
    await server.start()
    listener = asgi.listen("127.0.0.1", 0)
    url = f"https://127.0.0.1:{listener.getsockname()[1]}"
    serving = asyncio.Event()
    task = asyncio.create_task(asgi.serve(server, listener, tls=authority.serving(["127.0.0.1"]), ready=serving.set))
    await serving.wait()
    yield Running(server, task, url, authority)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, StoreFailed):
        await task
    await server.close()


async def test_a_token_and_a_certificate_prove_who_asks(running: Running):
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    async with running.client(authorization="Bearer secret") as client:
        answer = (await client.post(path, json={})).json()
        assert answer["status"]["userInfo"]["username"] == ADMIN.name
    async with running.client(running.authority.client("n1", NODE)) as client:
        answer = (await client.post(path, json={})).json()
        groups = [*NODE.groups, "system:authenticated"]
        assert answer["status"]["userInfo"] == {"username": NODE.name, "groups": groups}
    async with running.client() as client:
        response = await client.get("/api/v1/nodes")
        assert (response.status_code, response.json()["reason"]) == (401, "Unauthorized")


async def test_a_certificate_of_another_authority_is_refused(running: Running, tmp_path: Path):
    stranger = pki.Authority(tmp_path / "other", Clock()).client("n1", NODE)
    async with running.client(stranger) as client:
        with pytest.raises(httpx.TransportError):
            await client.get("/api/v1/nodes")


async def test_paths_queries_and_bodies_arrive_as_sent(running: Running):
    async with running.client(authorization="Bearer secret") as client:
        made = await client.post("/api/v1/nodes", json={"metadata": {"name": "n1", "labels": {"a/b": "c"}}})
        assert made.status_code == 201
        listed = await client.get("/api/v1/nodes", params={"labelSelector": "a/b in (c,d)"})
        assert [item["metadata"]["name"] for item in listed.json()["items"]] == ["n1"]
        assert (await client.get("/api/v1/nodes/a%2Fb")).status_code == 404
        assert int(listed.headers["content-length"]) == len(listed.content)


async def test_a_body_that_is_too_large_is_refused_while_it_comes(running: Running):
    async with running.client(authorization="Bearer secret") as client:
        response = await client.post("/api/v1/nodes", content=b" " * (4 * 1024 * 1024))
        assert (response.status_code, response.json()["reason"]) == (413, "RequestEntityTooLarge")


def watchers(broadcaster: Broadcaster) -> int:
    return sum(len(group._watchers) for group in broadcaster._groups.values())


async def test_a_watch_streams_and_its_end_is_noticed(running: Running):
    async with running.client(authorization="Bearer secret") as client:
        async with client.stream("GET", "/api/v1/nodes", params={"watch": "1"}) as response:
            lines = response.aiter_lines()
            await client.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})
            event = json.loads(await anext(lines))
            assert (event["type"], event["object"]["metadata"]["name"]) == ("ADDED", "n1")
            assert watchers(running.server.registry.broadcaster(NODES)) == 1
        for _ in range(100):
            if not watchers(running.server.registry.broadcaster(NODES)):
                return
            await asyncio.sleep(0.02)
    pytest.fail("the watcher is still there")


async def test_stopping_ends_watches_and_frees_the_port(running: Running):
    async with (
        running.client(authorization="Bearer secret") as client,
        client.stream("GET", "/api/v1/nodes", params={"watch": "1"}) as response,
    ):
        running.task.cancel()
        assert [line async for line in response.aiter_lines()] == []
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(3):
            await running.task
    port = int(running.url.rpartition(":")[2])
    asgi.listen("127.0.0.1", port).close()


async def test_clients_that_come_back_at_once_do_not_delay_the_end(running: Running):
    async def follow(client: httpx.AsyncClient) -> None:
        with contextlib.suppress(httpx.TransportError):
            while True:
                async with client.stream("GET", "/api/v1/nodes", params={"watch": "1"}) as response:
                    await response.aread()

    async with running.client(authorization="Bearer secret") as client:
        follower = asyncio.create_task(follow(client))
        await asyncio.sleep(0.3)
        running.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            async with asyncio.timeout(asgi.GRACEFUL_SHUTDOWN - 0.5):
                await running.task
        await follower


async def test_a_failed_store_stops_the_server(running: Running, monkeypatch: pytest.MonkeyPatch):
    async def broken(*_: object) -> int:
        raise StoreFailed("disk full")

    monkeypatch.setattr(MemoryStore, "write", broken)
    async with running.client(authorization="Bearer secret") as client:
        assert (await client.post("/api/v1/nodes", json={"metadata": {"name": "n1"}})).status_code == 500
    with pytest.raises(StoreFailed, match="disk full"):
        async with asyncio.timeout(3):
            await running.task


async def test_exec_without_a_way_to_the_node_is_answered_over_a_websocket_too(running: Running):
    context = ssl.create_default_context(cafile=str(running.authority.pair.certificate))
    url = running.url.replace("https", "wss") + "/api/v1/namespaces/default/pods/none/exec?command=ls"
    with pytest.raises(websockets.InvalidStatus) as refusal:
        async with websockets.connect(url, ssl=context, additional_headers={"authorization": "Bearer secret"}):
            pass
    assert refusal.value.response.status_code == 404


async def test_exec_over_spdy_is_told_what_it_needs(running: Running):
    pod = {"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}}
    node = {"metadata": {"name": "n1"}}
    async with running.client(authorization="Bearer secret") as client:
        assert (await client.post("/api/v1/nodes", json=node)).status_code == 201
        assert (await client.post("/api/v1/namespaces/default/pods", json=pod)).status_code == 201
        path = "/api/v1/namespaces/default/pods/p/exec?command=ls&stdout=true"
        refused = await client.post(path, headers={"upgrade": "SPDY/3.1", "connection": "upgrade"})
        assert refused.status_code == 400
        assert "SPDY is not served" in refused.json()["message"]
        assert (await client.get(path)).json()["message"] == "Upgrade request required"


def test_a_port_that_is_taken_is_an_error():
    taken = socket.socket()
    taken.bind(("127.0.0.1", 0))
    taken.listen()
    with pytest.raises(OSError, match="in use"):
        asgi.listen("127.0.0.1", taken.getsockname()[1])
    taken.close()
