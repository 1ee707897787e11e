"""How a component command joins a cluster: its kubeconfig becomes a client."""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from refimpl.api.errors import ApiError
from refimpl.client import kubeconfig
from refimpl.client.client import Client
from refimpl.client.http import HttpTransport
from refimpl.client.transport import Unreachable
from refimpl.commands.service import Refused

_FIRST_ANSWER_WITHIN = 30.0


def add_kubeconfig_flags(parser: argparse.ArgumentParser) -> None:
    """`--kubeconfig` and `--context`."""
    parser.add_argument("--kubeconfig", type=Path, required=True, metavar="FILE", help="how to reach the API server")
    parser.add_argument("--context", default="", metavar="NAME", help="default: the file's current-context")


def join(options: argparse.Namespace, user_agent: str) -> Client:
    """A client for the API server of `--kubeconfig`.

    Raises:
        Refused: the file cannot be used.
    """
    try:
        access = kubeconfig.load(options.kubeconfig, options.context)
        return Client(HttpTransport(access), user_agent=user_agent)
    except ValueError as error:
        raise Refused(str(error)) from None


async def wait_for_master(client: Client) -> str:
    """Waits until the API server answers; returns its version.

    Raises:
        Refused: it does not let us in.
        Unreachable: it did not answer in time.
    """
    for attempt in range(int(_FIRST_ANSWER_WITHIN)):
        try:
            return str((await client.request("GET", "/version"))["gitVersion"])
        except Unreachable:
            if attempt + 1 == int(_FIRST_ANSWER_WITHIN):
                raise
        except ApiError as error:
            raise Refused(f"the API server refuses: {error}") from None
        await asyncio.sleep(1)
    raise AssertionError("unreachable")
