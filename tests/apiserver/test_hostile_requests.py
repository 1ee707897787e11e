"""Whatever a client sends, it gets an answer, and a bad request is never the server's fault."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench import hostile
from refimpl.api.http import Request, Response
from refimpl.apiserver.server import MAX_BODY, ApiServer
from refimpl.clock import Clock, run, virtual_loop
from refimpl.storage.memory import MemoryStore


async def answer(requests: list[Request]) -> list[Response]:
    server = ApiServer(MemoryStore(), Clock.virtual(seed=1))
    await server.start()
    await server.handle(Request("POST", "/api/v1/nodes", body=b'{"metadata":{"name":"x"}}'))
    pod = b'{"metadata":{"name":"x"},"spec":{"containers":[{"name":"c","image":"i"}]}}'
    await server.handle(Request("POST", "/api/v1/namespaces/default/pods", body=pod))
    responses = []
    for request in requests:
        response = await server.handle(request)
        if not isinstance(response.body, bytes):
            await response.body.aclose()  # type: ignore[attr-defined]
        responses.append(response)
    await server.close()
    return responses


@settings(max_examples=80, deadline=None)
@given(requests=st.lists(hostile.REQUESTS, min_size=1, max_size=5))
def test_no_request_breaks_the_server(requests: list[Request]):
    for request, response in zip(requests, run(answer(requests), loop_factory=virtual_loop), strict=True):
        body = response.body if isinstance(response.body, bytes) else b""
        assert not hostile.is_broken(response.status, body), (request, response, request.body)


@pytest.mark.parametrize("media", ["application/json", "application/yaml"])
@pytest.mark.parametrize("brackets", [(b"[", b"]"), (b'{"a":', b"}")])
async def test_deep_nesting_is_a_bad_request(server: ApiServer, media: str, brackets: tuple[bytes, bytes]):
    body = brackets[0] * 20_000 + b"1" + brackets[1] * 20_000
    response = await server.handle(Request("POST", "/api/v1/nodes", (), {"content-type": media}, body))
    assert response.status == 400


async def test_bad_utf8_is_read_as_the_original_reads_it(server: ApiServer):
    body = b'{"metadata":{"name":"a","annotations":{"k":"\xff"}}}'
    response = await server.handle(Request("POST", "/api/v1/nodes", body=body))
    assert response.status == 201
    assert isinstance(response.body, bytes)
    assert json.loads(response.body)["metadata"]["annotations"] == {"k": "\ufffd"}


async def test_a_body_over_three_mebibytes_is_too_large(server: ApiServer):
    response = await server.handle(Request("POST", "/api/v1/nodes", body=b" " * (MAX_BODY + 1)))
    assert response.status == 413
