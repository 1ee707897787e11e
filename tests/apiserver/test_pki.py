"""Certificates are made once and used again."""

from __future__ import annotations

import stat
from datetime import timedelta
from pathlib import Path

import yaml
from cryptography import x509

from refimpl.api.http import ADMIN, User
from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.clock import Clock


def read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


async def test_everything_is_kept_for_the_next_start(tmp_path: Path, clock: Clock):
    first, second = pki.Authority(tmp_path, clock), pki.Authority(tmp_path, clock)
    before = [first.pair.certificate.read_bytes(), first.serving(["10.0.0.1"]).certificate.read_bytes()]
    after = [second.pair.certificate.read_bytes(), second.serving(["10.0.0.1"]).certificate.read_bytes()]
    assert before == after


async def test_a_new_address_needs_a_new_certificate(tmp_path: Path, clock: Clock):
    authority = pki.Authority(tmp_path, clock)
    before = authority.serving(["10.0.0.1"]).certificate.read_bytes()
    tls = authority.serving(["10.0.0.1", "master.example"])
    assert tls.certificate.read_bytes() != before
    names = read(tls.certificate).extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert {"master.example", "kubernetes.default.svc"} <= set(names.get_values_for_type(x509.DNSName))
    assert [str(address) for address in names.get_values_for_type(x509.IPAddress)] == ["10.0.0.1"]


async def test_a_client_certificate_names_user_and_groups(tmp_path: Path, clock: Clock):
    user = User("system:node:n1", ("system:nodes", "system:authenticated"))
    certificate = read(pki.Authority(tmp_path, clock).client("n1", user).certificate)
    assert certificate.subject.rfc4514_string() == "CN=system:node:n1,O=system:nodes"


async def test_a_certificate_near_its_end_is_replaced(tmp_path: Path, clock: Clock):
    old = pki.Authority(tmp_path, clock).client("admin", ADMIN).certificate.read_bytes()
    later = Clock(epoch=clock.now() + timedelta(days=340), seed=1)
    assert pki.Authority(tmp_path, later).client("admin", ADMIN).certificate.read_bytes() != old


async def test_a_new_authority_signs_everything_anew(tmp_path: Path, clock: Clock):
    old = pki.Authority(tmp_path, clock).client("admin", ADMIN).certificate.read_bytes()
    (tmp_path / "ca.key").unlink()
    assert pki.Authority(tmp_path, clock).client("admin", ADMIN).certificate.read_bytes() != old


def modes(directory: Path) -> dict[str, int]:
    return {path.name: stat.S_IMODE(path.stat().st_mode) for path in directory.glob("*.key")}


async def test_keys_are_their_owners_only(tmp_path: Path, clock: Clock):
    pki.Authority(tmp_path, clock).serving([])
    assert modes(tmp_path) == {"ca.key": 0o600, "apiserver.key": 0o600}


async def test_a_kubeconfig_has_everything_in_it(tmp_path: Path, clock: Clock):
    authority = pki.Authority(tmp_path / "pki", clock)
    pair = authority.client("admin", ADMIN)
    text = pki.kubeconfig("https://127.0.0.1:1", ca=authority.pair.certificate, client=pair)
    pki.write_private(tmp_path / "config", text)
    access = kubeconfig.load(tmp_path / "config")
    assert access.server == "https://127.0.0.1:1"
    assert access.ca == authority.pair.certificate.read_bytes()
    assert access.client_certificate == pair.certificate.read_bytes()
    with_token = yaml.safe_load(pki.kubeconfig("http://x", token="t"))
    assert with_token["users"][0]["user"] == {"token": "t"}
