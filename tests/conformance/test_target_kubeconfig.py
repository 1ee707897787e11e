"""Kubeconfigs in all their forms become a way to the API, or one clear line."""

from __future__ import annotations

import base64
import datetime as dt
import json
import os
import ssl
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
import respx
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from conformance.target import TargetError
from conformance.wire import HttpWire
from fixtures import kubeconfig
from fixtures.credentials import BearerAuth, ExecAuth, TokenFileAuth, run_plugin
from fixtures.endpoint import EndpointTarget, authentication, curl_options
from fixtures.kubeconfig import KubeconfigError

pytestmark = pytest.mark.live  # credential plugins are processes: no virtual time


def pair() -> tuple[bytes, bytes]:
    """A self-signed certificate and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "admin")])
    start = dt.datetime(2020, 1, 1, tzinfo=dt.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + dt.timedelta(days=36500))
        .sign(key, hashes.SHA256())
    )
    text = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    return (
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(serialization.Encoding.PEM, *text),
    )


def config(folder: Path, *, user: Any = None, context: str = "one", **cluster: Any) -> Path:
    path = folder / "config"
    document = {
        "clusters": [{"name": "c", "cluster": {"server": "https://api.test:6443/", **cluster}}],
        "users": [{"name": "u", "user": user or {}}],
        "contexts": [{"name": name, "context": {"cluster": "c", "user": "u"}} for name in ("one", "two")],
        "current-context": context,
    }
    path.write_text(yaml.safe_dump(document))
    return path


def plugin(folder: Path, script: str, **more: Any) -> Path:
    """A kubeconfig with a credential plugin made of a shell script next to it."""
    command = folder / "plugin"
    command.write_text("#!/bin/sh\n" + script)
    command.chmod(command.stat().st_mode | stat.S_IXUSR)
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": "./plugin", **more}
    return config(folder, user={"exec": spec})


def credential(**status: str) -> str:
    version = "client.authentication.k8s.io/v1"
    return json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": status})


async def authorization(auth: httpx.Auth | None, *statuses: int) -> list[str]:
    """The Authorization headers of the requests that one call takes."""
    with respx.mock(base_url="https://api.test:6443") as mock:
        route = mock.get("/version").mock(side_effect=[httpx.Response(status) for status in statuses or (200,)])
        async with httpx.AsyncClient(base_url="https://api.test:6443", auth=auth) as client:
            await client.get("/version")
        return [call.request.headers.get("Authorization", "") for call in route.calls]


def test_the_current_context_is_taken_unless_another_is_named(tmp_path: Path):
    path = config(tmp_path)
    assert kubeconfig.load(path).name == "one"
    assert kubeconfig.load(path, "two").name == "two"
    assert kubeconfig.load(path).server == "https://api.test:6443"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("{{{", "not YAML"),
        ("- a", "no list of clusters"),
        ("clusters: []", "no current-context is set"),
        ("clusters: []\ncurrent-context: x", "no context 'x'; it has: none"),
        ("clusters: []\ncontexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x", "no cluster with a server"),
    ],
)
def test_an_unusable_kubeconfig_is_one_line(tmp_path: Path, text: str, complaint: str):
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(KubeconfigError, match=complaint) as caught:
        kubeconfig.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_kubeconfig_is_one_line(tmp_path: Path):
    with pytest.raises(TargetError, match="No such file"):
        EndpointTarget(tmp_path / "none", None)


def test_kubectl_s_variable_names_the_file(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("KUBECONFIG", f"/a/b{os.pathsep}/c")
    assert kubeconfig.default_path() == Path("/a/b")
    monkeypatch.delenv("KUBECONFIG")
    assert kubeconfig.default_path() == Path.home() / ".kube" / "config"


@pytest.mark.parametrize("inline", [True, False])
def test_certificates_come_inline_or_from_files_beside_the_kubeconfig(tmp_path: Path, inline: bool):
    certificate, key = pair()
    if inline:
        data = {"client-certificate-data": certificate, "client-key-data": key}
        user = {name: base64.b64encode(value).decode() for name, value in data.items()}
        more = {"certificate-authority-data": base64.b64encode(certificate).decode()}
    else:
        (tmp_path / "cert").write_bytes(certificate)
        (tmp_path / "key").write_bytes(key)
        user = {"client-certificate": "cert", "client-key": "key"}
        more = {"certificate-authority": "cert"}
    context = kubeconfig.load(config(tmp_path, user=user, **more))
    assert (context.certificate, context.ca) == ((certificate, key), certificate)
    assert kubeconfig.ssl_context(context).verify_mode is ssl.CERT_REQUIRED


def test_verification_can_be_switched_off(tmp_path: Path):
    context = kubeconfig.load(config(tmp_path, **{"insecure-skip-tls-verify": True}))
    assert kubeconfig.ssl_context(context).verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(
    ("user", "complaint"),
    [
        ({"client-certificate-data": "eA=="}, "belong together"),
        ({"client-certificate-data": "!", "client-key-data": "eA=="}, "not base64"),
        ({"client-certificate": "nowhere", "client-key": "nowhere"}, "nowhere"),
    ],
)
def test_half_a_certificate_is_named(tmp_path: Path, user: Any, complaint: str):
    with pytest.raises(KubeconfigError, match=complaint):
        kubeconfig.load(config(tmp_path, user=user))


def test_a_malformed_certificate_is_named(tmp_path: Path):
    junk = base64.b64encode(b"junk").decode()
    context = kubeconfig.load(config(tmp_path, **{"certificate-authority-data": junk}))
    with pytest.raises(KubeconfigError, match="certificates cannot be used"):
        kubeconfig.ssl_context(context)


async def test_a_token_is_sent(tmp_path: Path):
    auth = authentication(kubeconfig.load(config(tmp_path, user={"token": "t"})))
    assert isinstance(auth, BearerAuth)
    assert await authorization(auth) == ["Bearer t"]


async def test_a_token_file_is_read_again_for_every_request(tmp_path: Path):
    auth = authentication(kubeconfig.load(config(tmp_path, user={"tokenFile": "token"})))
    assert isinstance(auth, TokenFileAuth)
    for token in ("one", "two"):
        (tmp_path / "token").write_text(token + "\n")
        assert await authorization(auth) == [f"Bearer {token}"]


async def test_basic_authentication_is_sent(tmp_path: Path):
    auth = authentication(kubeconfig.load(config(tmp_path, user={"username": "u", "password": "p"})))
    assert await authorization(auth) == ["Basic dTpw"]


async def test_a_plugin_s_token_is_kept_until_it_is_refused(tmp_path: Path):
    path = plugin(
        tmp_path, f"echo x >> calls\necho '{credential(token='t')}'".replace("calls", str(tmp_path / "calls"))
    )
    auth = authentication(kubeconfig.load(path))
    assert isinstance(auth, ExecAuth)
    assert await authorization(auth) == ["Bearer t"]
    assert await authorization(auth) == ["Bearer t"]
    assert len((tmp_path / "calls").read_text().split()) == 1
    assert await authorization(auth, 401, 200) == ["Bearer t", "Bearer t"]
    assert len((tmp_path / "calls").read_text().split()) == 2


async def test_an_expired_token_is_fetched_anew(tmp_path: Path):
    status = credential(token="t", expirationTimestamp="2020-01-01T00:00:00Z")
    path = plugin(tmp_path, f"echo x >> {tmp_path}/calls\necho '{status}'")
    auth = authentication(kubeconfig.load(path))
    await authorization(auth)
    await authorization(auth)
    assert len((tmp_path / "calls").read_text().split()) == 2


async def test_a_plugin_is_told_what_it_is_asked_for(tmp_path: Path):
    script = f"echo \"$KUBERNETES_EXEC_INFO $OWN $1\" > {tmp_path}/told\necho '{credential(token='t')}'"
    path = plugin(tmp_path, script, env=[{"name": "OWN", "value": "mine"}], args=["login"])
    await run_plugin(kubeconfig.load(path))
    told = (tmp_path / "told").read_text()
    assert '"kind": "ExecCredential"' in told
    assert told.endswith("mine login\n")


@pytest.mark.parametrize(
    ("script", "complaint"),
    [
        ("echo no >&2; exit 3", "ended with 3: no"),
        ("echo hello", "printed no ExecCredential"),
        ('echo \'{"status": {}, "apiVersion": "v9"}\'', "answered as v9"),
    ],
)
async def test_a_plugin_that_fails_is_one_line(tmp_path: Path, script: str, complaint: str):
    with pytest.raises(KubeconfigError, match=complaint):
        await run_plugin(kubeconfig.load(plugin(tmp_path, script)))


async def test_a_plugin_that_is_not_installed_says_how_to_get_it(tmp_path: Path):
    spec = {"apiVersion": "client.authentication.k8s.io/v1", "command": "no-such-plugin", "installHint": "get it there"}
    with pytest.raises(KubeconfigError, match=r"no-such-plugin: No such file or directory \(get it there\)"):
        await run_plugin(kubeconfig.load(config(tmp_path, user={"exec": spec})))


async def test_a_plugin_of_an_unknown_version_is_refused(tmp_path: Path):
    spec = {"apiVersion": "client.authentication.k8s.io/v1alpha1", "command": "x"}
    with pytest.raises(KubeconfigError, match="v1alpha1"):
        await run_plugin(kubeconfig.load(config(tmp_path, user={"exec": spec})))


def test_the_curl_options_never_show_a_secret(tmp_path: Path):
    certificate, key = pair()
    data = {"client-certificate-data": certificate, "client-key-data": key}
    user = {name: base64.b64encode(value).decode() for name, value in data.items()} | {"token": "secret"}
    context = kubeconfig.load(config(tmp_path, user=user, **{"insecure-skip-tls-verify": True}))
    assert curl_options(context) == '-k -H "Authorization: Bearer $TOKEN" --cert "$CERT" --key "$KEY"'
    assert "secret" not in repr(context)


async def test_a_connection_that_fails_is_one_line_with_address_and_cause():
    wire = HttpWire(httpx.AsyncClient(base_url="http://127.0.0.1:9", trust_env=False))
    with pytest.raises(Exception, match=r"^no answer from http://127\.0\.0\.1:9: .*Connect call failed"):
        await wire.send("GET", "/version", {}, b"")
    await wire.aclose()
