"""Flags and kubeconfigs: who is let in, and as whom."""

from __future__ import annotations

import asyncio
import stat
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.x509.oid import NameOID

from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.clock import Clock
from refimpl.cluster import node_user
from refimpl.commands import access, main
from refimpl.commands.access import Access
from refimpl.commands.service import Refused


def subject(path: Path) -> tuple[str, list[str]]:
    """User and groups of the certificate in a kubeconfig."""
    certificate = kubeconfig.load(path).client_certificate
    assert certificate is not None
    found = x509.load_pem_x509_certificate(certificate).subject
    name = found.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value
    return str(name), [str(each.value) for each in found.get_attributes_for_oid(NameOID.ORGANIZATION_NAME)]


def test_every_component_has_a_user_of_its_own() -> None:
    assert {name: user.name for name, user in access.users(2).items()} == {
        "controller-manager": "system:kube-controller-manager",
        "scheduler": "system:kube-scheduler",
        "kube-proxy": "system:kube-proxy",
        "node-1": "system:node:node-1",
        "node-2": "system:node:node-2",
    }


async def test_a_kubeconfig_proves_a_user_and_is_its_owners_alone(tmp_path: Path, clock: Clock) -> None:
    authority = pki.Authority(tmp_path / "pki", clock)
    path = tmp_path / "kubeconfigs" / "node-1"
    access.write_kubeconfig(path, "https://127.0.0.1:1", authority, "node-1", node_user("node-1"))
    assert subject(path) == ("system:node:node-1", ["system:nodes"])
    assert access.server_of(path) == "https://127.0.0.1:1"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("words", "who"),
    [
        (["--node", "w"], ("system:node:w", ["system:nodes"])),
        (["--user", "jane", "--group", "a", "--group", "b"], ("jane", ["a", "b"])),
    ],
)
def test_credentials_for_somebody_else(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], who: tuple[str, list[str]]
) -> None:
    asyncio.run(_authority(tmp_path))
    arguments = ["kubeconfig", "--data-dir", str(tmp_path), "--server", "https://h:1", *words]
    assert main(arguments) == 0
    written = tmp_path / "written"
    written.write_text(capsys.readouterr().out)
    assert subject(written) == who


async def _authority(path: Path) -> pki.Authority:
    return pki.Authority(path, Clock())


def test_without_an_authority_there_are_no_credentials(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["kubeconfig", "--data-dir", str(tmp_path), "--server", "https://h:1", "--user", "u"]) == 1
    assert "holds no certificate authority" in capsys.readouterr().err


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(Refused, match="no mode 'Webhook'"):
        Access(authorization_mode=("Webhook",))


def test_an_unknown_plug_in_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    words = ["apiserver", "--data-dir", str(tmp_path), "--listen", "127.0.0.1:0", "--disable-admission-plugins", "None"]
    assert main(words) == 1
    assert "no plug-in 'None'" in capsys.readouterr().err
