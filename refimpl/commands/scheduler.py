"""`node-contract scheduler`: the scheduler alone, as a client of any API server."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import aclosing

from refimpl.clock import Clock
from refimpl.commands.flags import add_flags, from_flags
from refimpl.commands.joining import add_kubeconfig_flags, join, wait_for_master
from refimpl.commands.service import add_common_flags, announce, serve
from refimpl.scheduler import Scheduler, SchedulerConfig


def main(arguments: Sequence[str]) -> int:
    """The `scheduler` command."""
    parser = argparse.ArgumentParser(prog="node-contract scheduler", description=__doc__)
    add_kubeconfig_flags(parser)
    add_flags(parser, SchedulerConfig)
    add_common_flags(parser)
    options = parser.parse_args(arguments)

    async def service() -> None:
        async with aclosing(join(options, "kube-scheduler")) as client:
            version = await wait_for_master(client)
            announce(f"scheduler joined {version} at {options.kubeconfig}")
            await Scheduler(client, Clock(), from_flags(SchedulerConfig, options)).run()

    return serve("scheduler", service, options)
