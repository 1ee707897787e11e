"""`node-contract kubeconfig`: credentials for somebody else, signed by the authority of a cluster.

node-contract kubeconfig --data-dir DIR --server https://127.0.0.1:6443 --node worker-1 > worker-1.kubeconfig
node-contract kubeconfig --data-dir DIR --server https://127.0.0.1:6443 --user jane --group developers
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

from refimpl.api.http import User
from refimpl.apiserver.identity import pki
from refimpl.clock import Clock
from refimpl.cluster import node_user


def main(arguments: Sequence[str]) -> int:
    """The `kubeconfig` command."""
    parser = argparse.ArgumentParser(
        prog="node-contract kubeconfig", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data-dir", type=Path, required=True, metavar="DIR", help="where ca.crt and ca.key are")
    parser.add_argument("--server", required=True, metavar="URL", help="of the API server")
    who = parser.add_mutually_exclusive_group(required=True)
    who.add_argument("--node", metavar="NAME", help="for the agent of a node")
    who.add_argument("--user", metavar="NAME", help="for a user")
    parser.add_argument("--group", action="append", default=[], metavar="NAME", help="of the user; may be repeated")
    options = parser.parse_args(arguments)
    user = node_user(options.node) if options.node else User(options.user, tuple(options.group))
    if not (options.data_dir / "ca.key").exists():
        print(f"kubeconfig: {options.data_dir} holds no certificate authority", file=sys.stderr)
        return 1
    sys.stdout.write(asyncio.run(credentials(options.data_dir, options.server, user)).decode())
    return 0


async def credentials(directory: Path, server: str, user: User) -> bytes:
    """A kubeconfig for a user, signed by the authority in a directory."""
    authority = pki.Authority(directory, Clock())
    client = authority.client(f"user-{user.name.replace(':', '-').replace('/', '-')}", user)
    return pki.kubeconfig(server, ca=authority.pair.certificate, client=client)
