"""Reading a kubeconfig: where the API server is and how to prove who one is.

Source: client-go 1.36 `tools/clientcmd` (one file, no merging; exec and auth-provider plug-ins are not supported).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import attrs
import yaml

Entry = Mapping[str, Any]


@attrs.frozen
class Access:
    """How to reach an API server.

    Attributes:
        server: base URL, without a slash at the end.
        ca: PEM certificates to trust; None means those of the system.
        insecure: whether to skip the verification of the server's certificate.
        tls_server_name: name to verify instead of the URL's host; empty for the host.
        proxy: URL of a proxy; empty for none (proxy variables of the environment are not used).
        token: bearer token; empty for none.
        token_file: file to read the token from, again and again as it is rotated; wins over `token`.
        client_certificate: PEM client certificate, or None.
        client_key: its PEM private key, or None.
        username: for basic authentication; empty for none.
        password: for basic authentication.
        namespace: the context's default namespace.
    """

    server: str
    ca: bytes | None = None
    insecure: bool = False
    tls_server_name: str = ""
    proxy: str = ""
    token: str = attrs.field(default="", repr=False)
    token_file: Path | None = None
    client_certificate: bytes | None = attrs.field(default=None, repr=False)
    client_key: bytes | None = attrs.field(default=None, repr=False)
    username: str = ""
    password: str = attrs.field(default="", repr=False)
    namespace: str = "default"


def load(path: Path, context: str = "") -> Access:
    """Reads one context of a kubeconfig.

    Args:
        path: the file.
        context: the context's name; empty for the current one.

    Raises:
        ValueError: the file cannot be read or understood, or an entry is missing, incomplete or not supported; the
            text names file and entry.
    """
    return _File(path, _parse(path)).access(context)


def _parse(path: Path) -> Entry:
    try:
        content = yaml.safe_load(path.read_text())
    except OSError as error:
        raise ValueError(f"{path}: cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{path}: is not YAML: {error}") from error
    match content:
        case dict():
            return content
    raise ValueError(f"{path}: is not a kubeconfig: no mapping at the top")


@attrs.frozen
class _File:
    """A parsed kubeconfig, with its path for error texts and relative file names."""

    path: Path
    content: Entry

    def access(self, name: str) -> Access:
        name = name or str(self.content.get("current-context") or "")
        if not name:
            raise ValueError(f"{self.path}: no current-context is set; name a context")
        context = self._entry("contexts", "context", name)
        cluster_name, user_name = str(context.get("cluster") or ""), str(context.get("user") or "")
        cluster = self._entry("clusters", "cluster", cluster_name)
        user = self._entry("users", "user", user_name) if user_name else {}
        cluster_place, user_place = f'cluster "{cluster_name}"', f'user "{user_name}"'
        server = str(cluster.get("server") or "")
        if not server.startswith(("http://", "https://")):
            raise ValueError(f"{self.path}: {cluster_place}: server must be an http or https URL, not {server!r}")
        for unsupported in ("exec", "auth-provider"):
            if user.get(unsupported):
                raise ValueError(f"{self.path}: {user_place}: {unsupported} is not supported; use a token")
        token_file = user.get("tokenFile")
        access = Access(
            server.rstrip("/"),
            ca=self._data(cluster, "certificate-authority", cluster_place),
            insecure=bool(cluster.get("insecure-skip-tls-verify")),
            tls_server_name=str(cluster.get("tls-server-name") or ""),
            proxy=str(cluster.get("proxy-url") or ""),
            token=str(user.get("token") or ""),
            token_file=self._beside(token_file) if token_file else None,
            client_certificate=self._data(user, "client-certificate", user_place),
            client_key=self._data(user, "client-key", user_place),
            username=str(user.get("username") or ""),
            password=str(user.get("password") or ""),
            namespace=str(context.get("namespace") or "default"),
        )
        if (access.client_certificate is None) is not (access.client_key is None):
            raise ValueError(f"{self.path}: {user_place}: client-certificate and client-key must come together")
        return access

    def _entry(self, section: str, kind: str, name: str) -> Entry:
        entries = {
            str(entry.get("name")): entry.get(kind)
            for entry in self.content.get(section) or ()
            if isinstance(entry, dict)
        }
        match entries.get(name):
            case dict() as found:
                return found
        known = ", ".join(sorted(entries)) or "none"
        raise ValueError(f'{self.path}: no {kind} "{name}" (there are: {known})')

    def _data(self, entry: Entry, field: str, place: str) -> bytes | None:
        """The content of `FIELD-data` (base64), or of the file that `FIELD` names; None when neither is set."""
        if inline := entry.get(f"{field}-data"):
            try:
                return base64.b64decode(inline, validate=True)
            except (binascii.Error, ValueError, TypeError) as error:
                raise ValueError(f"{self.path}: {place}: {field}-data is not base64: {error}") from error
        if name := entry.get(field):
            try:
                return self._beside(name).read_bytes()
            except OSError as error:
                raise ValueError(f"{self.path}: {place}: {field} {name}: {error.strerror}") from error
        return None

    def _beside(self, name: str) -> Path:
        """File names are relative to the kubeconfig's directory."""
        return self.path.parent / name
