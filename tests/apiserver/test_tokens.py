"""Tokens of service accounts, and the certificates by which clients are known."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from refimpl.api.errors import Object
from refimpl.api.http import Request
from refimpl.apiserver.identity.tokensigner import ISSUER, TokenSigner
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.clock import Clock
from refimpl.storage.memory import MemoryStore

ACCOUNTS = "/api/v1/namespaces/default/serviceaccounts"
PODS = "/api/v1/namespaces/default/pods"
TRUST = "/api/v1/namespaces/kube-system/configmaps/extension-apiserver-authentication"
WHOAMI = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
POD = {"metadata": {"name": "p"}, "spec": {"serviceAccountName": "sa", "containers": [{"name": "c", "image": "i"}]}}
UID = "00000000-0000-4000-8000-000000000001"


async def send(server: ApiServer, method: str, path: str, body: object = None) -> tuple[int, Object]:
    packed = b"" if body is None else json.dumps(body).encode()
    response = await server.handle(Request(method, path, (), {"content-type": "application/json"}, packed))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body)


async def whoami(server: ApiServer, token: str) -> tuple[int, Object]:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    response = await server.receive(Request("POST", WHOAMI, (), headers, b"{}"))
    assert isinstance(response.body, bytes)
    return response.status, json.loads(response.body).get("status")


@pytest.fixture
async def server(clock: Clock) -> ApiServer:
    server = ApiServer(MemoryStore(), clock, security=Security(signer=TokenSigner.made(clock.random)))
    await server.start()
    await send(server, "POST", ACCOUNTS, {"metadata": {"name": "sa"}})
    return server


async def issue(server: ApiServer, **spec: object) -> Object:
    status, answer = await send(server, "POST", f"{ACCOUNTS}/sa/token", {"spec": spec})
    assert status == 201, answer
    return answer


async def test_a_token_proves_its_account_until_it_ends(server: ApiServer) -> None:
    answer = await issue(server, expirationSeconds=600)
    assert (answer["kind"], answer["apiVersion"]) == ("TokenRequest", "authentication.k8s.io/v1")
    assert answer["metadata"]["name"] == "sa"
    assert answer["spec"] == {"audiences": [ISSUER], "expirationSeconds": 600, "boundObjectRef": None}
    assert answer["status"]["expirationTimestamp"] > answer["metadata"]["creationTimestamp"]
    status, found = await whoami(server, answer["status"]["token"])
    assert (status, found["userInfo"]["username"]) == (201, "system:serviceaccount:default:sa")
    assert "system:serviceaccounts:default" in found["userInfo"]["groups"]
    await asyncio.sleep(601)
    assert (await whoami(server, answer["status"]["token"]))[0] == 401


async def test_a_token_lasts_an_hour_unless_told_otherwise(server: ApiServer) -> None:
    assert (await issue(server))["spec"]["expirationSeconds"] == 3600


async def test_a_token_bound_to_a_pod_ends_with_it(server: ApiServer) -> None:
    await send(server, "POST", PODS, POD)
    answer = await issue(server, boundObjectRef={"apiVersion": "v1", "kind": "Pod", "name": "p"})
    assert (await whoami(server, answer["status"]["token"]))[0] == 201
    await send(server, "DELETE", f"{PODS}/p")
    assert (await whoami(server, answer["status"]["token"]))[0] == 401


async def test_a_token_for_others_and_a_forged_one_are_not_taken(server: ApiServer) -> None:
    for_others = (await issue(server, audiences=["vault"]))["status"]["token"]
    assert (await whoami(server, for_others))[0] == 401
    token = (await issue(server))["status"]["token"]
    head, body, signature = token.split(".")
    assert (await whoami(server, f"{head}.{body}.{signature[::-1]}"))[0] == 401


@pytest.mark.parametrize(
    ("request_", "code", "said"),
    [
        ({"spec": {"expirationSeconds": 5}}, 422, "may not specify a duration less than 10 minutes"),
        ({"spec": {"expirationSeconds": 2**33}}, 422, "may not specify a duration larger than 2^32 seconds"),
        ({"metadata": {"name": "other"}}, 422, "must match the service account name if specified"),
        ({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "Pod", "name": "none"}}}, 404, "not found"),
        ({"spec": {"boundObjectRef": {"apiVersion": "v1", "kind": "X", "name": "x"}}}, 400, "cannot bind token"),
    ],
)
async def test_a_request_that_cannot_be_met_is_refused(
    server: ApiServer, request_: Object, code: int, said: str
) -> None:
    status, answer = await send(server, "POST", f"{ACCOUNTS}/sa/token", request_)
    assert (status, said in answer["message"]) == (code, True), answer["message"]


async def test_a_token_is_bound_to_the_very_object(server: ApiServer) -> None:
    await send(server, "POST", PODS, POD)
    reference = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": UID}
    assert (await send(server, "POST", f"{ACCOUNTS}/sa/token", {"spec": {"boundObjectRef": reference}}))[0] == 409
    assert (await send(server, "POST", f"{ACCOUNTS}/none/token", {}))[0] == 404


def test_the_key_is_kept_for_the_next_start(tmp_path: Path) -> None:
    token = TokenSigner.kept(tmp_path / "sa.key").sign({"sub": "x"})
    assert TokenSigner.kept(tmp_path / "sa.key").claims(token) == {"sub": "x"}
    assert (tmp_path / "sa.key").stat().st_mode & 0o077 == 0


async def test_extensions_learn_by_which_certificates_clients_are_known(clock: Clock) -> None:
    store = MemoryStore()
    for certificate in ("first", "second"):
        server = ApiServer(store, clock, client_ca=certificate)
        await server.start()
        assert (await send(server, "GET", TRUST))[1]["data"] == {"client-ca-file": certificate}
    without = ApiServer(MemoryStore(), clock)
    await without.start()
    assert (await send(without, "GET", TRUST))[0] == 404
