"""Credentials and Secrets are nowhere to be read but where they belong."""

from __future__ import annotations

import json
import logging
from base64 import b64encode
from pathlib import Path

import pytest

from refimpl.api import protobuf
from refimpl.api.http import ADMIN, Request
from refimpl.api.resources import EVENTS, SECRETS
from refimpl.apiserver.authorization.modes import NODE_AND_RBAC
from refimpl.apiserver.identity import authentication, pki
from refimpl.apiserver.identity.authentication import Credentials
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.client import kubeconfig
from refimpl.client.http import HttpTransport
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

TOKEN = "sesame-open"
SECRET = b64encode(b"very-secret").decode()


async def test_no_answer_and_no_log_shows_a_token(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    security = Security([authentication.tokens({TOKEN: ADMIN})], NODE_AND_RBAC)
    server = ApiServer(MemoryStore(), clock, security=security)
    await server.start()
    said = []
    for header in (f"Bearer {TOKEN}", f"Bearer {TOKEN}x", f"Bearer  {TOKEN}", f"Basic {TOKEN}", TOKEN):
        for method, path, body in (
            ("GET", "/api/v1/nodes", b""),
            ("GET", "/api/v1/nodes/none", b""),
            ("GET", "/metrics", b""),
            ("POST", "/api/v1/nodes", b"{broken"),
            ("PATCH", "/api/v1/nodes/none", b"[]"),
            ("GET", "/api/v1/namespaces/default/pods/none/exec", b""),
        ):
            response = await server.receive(Request(method, path, (), {"authorization": header}, body))
            assert isinstance(response.body, bytes)
            said.append(response.body.decode() + str(response.headers))
    assert [text for text in said if TOKEN in text] == []
    assert TOKEN not in caplog.text
    await server.close()


async def test_a_secret_is_shown_to_nobody_but_who_reads_it(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    server = ApiServer(MemoryStore(), clock)
    await server.start()
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"k": SECRET}}
    forms = ((json.dumps(secret).encode(), "application/json"), (protobuf.encode(secret), protobuf.MEDIA_TYPE))
    for body, media_type in forms:
        assert body is not None
        request = Request("POST", SECRETS.path("default"), (), {"content-type": media_type}, body)
        await server.handle(request)
        assert SECRET not in repr(request)
    for path in (EVENTS.path(), "/metrics", "/api/v1/namespaces/default/secrets/none"):
        response = await server.handle(Request("GET", path))
        assert isinstance(response.body, bytes)
        assert SECRET not in response.body.decode()
    table = {"accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}
    response = await server.handle(Request("GET", SECRETS.path("default"), (), table))
    assert isinstance(response.body, bytes)
    assert SECRET not in response.body.decode()
    assert SECRET not in caplog.text
    assert "very-secret" not in caplog.text
    await server.close()


def test_what_is_printed_by_mistake_shows_no_credentials() -> None:
    headers = {"authorization": f"Bearer {TOKEN}"}
    assert TOKEN not in repr(Request("GET", "/", (), headers))
    assert TOKEN not in repr(Credentials(headers, None, []))
    assert TOKEN not in repr(Security([authentication.tokens({TOKEN: ADMIN})]))


async def test_a_kubeconfig_that_is_printed_shows_no_key(tmp_path: Path, clock: Clock) -> None:
    authority = pki.Authority(tmp_path / "pki", clock)
    path = tmp_path / "kubeconfig"
    pki.write_private(path, pki.kubeconfig("https://h", client=authority.client("a", ADMIN), token=TOKEN))
    access = kubeconfig.load(path)
    assert access.client_key is not None
    assert access.client_key.decode()[30:60] not in repr(access)
    assert TOKEN not in repr(access)
    transport = HttpTransport(access)
    assert TOKEN not in repr(transport)
    await transport.aclose()
