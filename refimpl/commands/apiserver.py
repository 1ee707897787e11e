"""`node-contract apiserver`: the API server alone, over TLS, with a certificate authority of its own.

Certificates are kept in the data directory and used again at the next start; so a kubeconfig that was written once
stays good. The administrator proves who they are by client certificate.
"""

from __future__ import annotations

import argparse
import re
import sqlite3
from collections.abc import Sequence
from pathlib import Path

from refimpl.api.http import ADMIN, User
from refimpl.apiserver.admission.chain import PLUGINS
from refimpl.apiserver.http import asgi
from refimpl.apiserver.identity import authentication, pki
from refimpl.apiserver.identity.tokensigner import TokenSigner
from refimpl.apiserver.nodeproxy.kubeletclient import KubeletClient
from refimpl.apiserver.security import Security
from refimpl.apiserver.server import ApiServer
from refimpl.apiserver.settings import Settings
from refimpl.clock import Clock
from refimpl.commands.access import Access
from refimpl.commands.flags import add_flags, from_flags
from refimpl.commands.service import Refused, add_common_flags, announce, serve
from refimpl.storage.base import Store, StoreFailed
from refimpl.storage.memory import MemoryStore
from refimpl.storage.sqlite import SqliteStore

KUBELET_CLIENT = User("kube-apiserver-kubelet-client", ("system:masters",))
"""As whom the API server asks kubelets."""

_TOKEN_LINE = re.compile(r'(?P<token>[^,]+),(?P<name>[^,]+),(?P<uid>[^,]*)(,"?(?P<groups>[^"]*)"?)?')


def main(arguments: Sequence[str]) -> int:
    """The `apiserver` command."""
    parser = argparse.ArgumentParser(prog="node-contract apiserver", description=__doc__)
    parser.add_argument("--listen", default="127.0.0.1:6443", metavar="HOST:PORT", help="port 0 takes any free one")
    parser.add_argument(
        "--store", default="memory", metavar="memory|sqlite:PATH|etcd:URL,URL", help="where objects are kept"
    )
    parser.add_argument("--data-dir", type=Path, default=Path("node-contract-pki"), metavar="DIR", help="certificates")
    parser.add_argument("--kubeconfig-out", type=Path, metavar="FILE", help="where to write the admin's kubeconfig")
    parser.add_argument("--token-auth-file", type=Path, metavar="FILE", help='lines of TOKEN,USER,UID,"GROUP,GROUP"')
    parser.add_argument("--insecure-http", action="store_true", help="plain HTTP; everybody is the administrator")
    add_flags(parser, Settings)
    add_flags(parser, Access)
    add_common_flags(parser)
    options = parser.parse_args(arguments)

    async def service() -> None:
        settings, security = _settings(options), _security(options)
        host, port = _address(options.listen)
        clock = Clock()
        listener = asgi.listen(host, port)
        address = f"{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"
        authority = None if options.insecure_http else pki.Authority(options.data_dir, clock)
        kubelets = KubeletClient(authority.client("apiserver-kubelet-client", KUBELET_CLIENT) if authority else None)
        server = ApiServer(
            _store(options.store),
            clock,
            security=security,
            settings=settings,
            client_ca=authority.pair.certificate.read_text() if authority else "",
            kubelets=kubelets,
        )
        try:
            await server.start()
        except (sqlite3.Error, StoreFailed) as error:
            raise Refused(f"--store {options.store}: {error}") from None
        tls = authority.serving((host, "localhost", "127.0.0.1")) if authority else None
        url = f"http{'s' if tls else ''}://{address}"
        if options.kubeconfig_out is not None:
            pki.write_private(options.kubeconfig_out, _kubeconfig(url, authority))
        try:
            await asgi.serve(server, listener, tls=tls, ready=lambda: announce(f"apiserver listens on {url}"))
        finally:
            await server.close()
            await kubelets.aclose()

    return serve("apiserver", service, options)


def _address(text: str) -> tuple[str, int]:
    host, sign, port = text.rpartition(":")
    if not sign or not port.isdigit():
        raise Refused(f"--listen {text!r}: must be HOST:PORT")
    return host.strip("[]") or "127.0.0.1", int(port)


def _store(text: str) -> Store:
    if text == "memory":
        return MemoryStore()
    kind, _, place = text.partition(":")
    if kind == "etcd" and all(url.startswith(("http://", "https://")) for url in place.split(",")):
        from refimpl.storage.etcd import EtcdStore

        return EtcdStore(place.split(","))
    if kind != "sqlite" or not place:
        raise Refused(f"--store {text!r}: must be `memory`, `sqlite:PATH` or `etcd:http://HOST:PORT`")
    Path(place).parent.mkdir(parents=True, exist_ok=True)
    return SqliteStore(Path(place))


def _settings(options: argparse.Namespace) -> Settings:
    settings = from_flags(Settings, options)
    try:
        settings.older_rows()
    except ValueError as wrong:
        raise Refused(f"--runtime-config: {wrong}") from None
    for name in settings.disable_admission_plugins:
        if name not in PLUGINS:
            raise Refused(f"--disable-admission-plugins: no plug-in {name!r}; there are {', '.join(PLUGINS)}")
    return settings


def _security(options: argparse.Namespace) -> Security:
    access = from_flags(Access, options)
    if options.insecure_http:
        return Security((lambda _: ADMIN,), access.authorization_mode)
    authenticators: list[authentication.Authenticator] = [authentication.client_certificate]
    if options.token_auth_file is not None:
        authenticators.append(authentication.tokens(_tokens(options.token_auth_file)))
    if access.anonymous_auth:
        authenticators.append(authentication.anonymous)
    signer = TokenSigner.kept(options.data_dir / "sa.key")
    return Security(tuple(authenticators), access.authorization_mode, signer=signer)


def _tokens(path: Path) -> dict[str, User]:
    """The table of a token file.

    Raises:
        Refused: it cannot be read, or a line has another form.
    """
    try:
        lines = path.read_text().splitlines()
    except OSError as error:
        raise Refused(f"--token-auth-file {path}: {error.strerror}") from None
    table = {}
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        match = _TOKEN_LINE.fullmatch(line.strip())
        if match is None:
            raise Refused(f'--token-auth-file {path}: line {number} is not TOKEN,USER,UID,"GROUP,GROUP"')
        groups = tuple(filter(None, (match["groups"] or "").split(",")))
        table[match["token"]] = User(match["name"], (*groups, authentication.AUTHENTICATED))
    return table


def _kubeconfig(url: str, authority: pki.Authority | None) -> bytes:
    """The administrator's."""
    if authority is None:
        return pki.kubeconfig(url)
    return pki.kubeconfig(url, ca=authority.pair.certificate, client=authority.client("admin", ADMIN))
