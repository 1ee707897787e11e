"""Who may do what: flags of the API server, and the kubeconfigs of those who are to use it."""

from __future__ import annotations

from pathlib import Path

import attrs

from refimpl.api.http import User
from refimpl.apiserver.authorization.modes import MODES, NODE_AND_RBAC
from refimpl.apiserver.identity import pki
from refimpl.client import kubeconfig
from refimpl.commands.service import Refused


@attrs.frozen
class Access:
    """Who may do what.

    Attributes:
        authorization_mode: how requests are authorized, in this order: `Node`, `RBAC`, `AlwaysAllow`, `AlwaysDeny`;
            Node,RBAC unless told otherwise.
        anonymous_auth: treat whoever shows no credentials as `system:anonymous` instead of refusing.
    """

    authorization_mode: tuple[str, ...] = NODE_AND_RBAC
    anonymous_auth: bool = False

    def __attrs_post_init__(self) -> None:
        for mode in self.authorization_mode:
            if mode not in MODES:
                raise Refused(f"--authorization-mode: no mode {mode!r}; there are {', '.join(MODES)}")


def users(nodes: int) -> dict[str, User]:
    """The components of a cluster by name, and the user that each is."""
    # The API server needs the flags above, and starts sooner without all the other components.
    from refimpl.cluster import PROXY, SCHEDULER, node_user
    from refimpl.controllers.permissions import CONTROLLER_MANAGER

    components = {"controller-manager": CONTROLLER_MANAGER, "scheduler": SCHEDULER, "kube-proxy": PROXY}
    return components | {f"node-{number}": node_user(f"node-{number}") for number in range(1, nodes + 1)}


def write_kubeconfig(path: Path, server: str, authority: pki.Authority, name: str, user: User) -> None:
    """Writes a kubeconfig that only its owner may read, with a client certificate for a user.

    Args:
        path: of the file.
        server: URL of the API server.
        authority: signs the certificate.
        name: of the certificate's files.
        user: whom it proves.
    """
    client = authority.client(name, user)
    pki.write_private(path, pki.kubeconfig(server, ca=authority.pair.certificate, client=client))


def server_of(path: Path) -> str:
    """The URL in a kubeconfig."""
    return kubeconfig.load(path).server
