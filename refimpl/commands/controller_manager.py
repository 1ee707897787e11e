"""`node-contract controller-manager`: the controllers alone, as clients of any API server."""

from __future__ import annotations

import argparse
import socket
from collections.abc import Sequence
from contextlib import aclosing

from refimpl.client.leaderelection import Election, LeaderElector
from refimpl.clock import Clock
from refimpl.commands.components import CONTROLLER_MANAGER_FLAGS
from refimpl.commands.flags import add_flags, from_flags
from refimpl.commands.joining import add_kubeconfig_flags, join, wait_for_master
from refimpl.commands.service import Refused, add_common_flags, announce, serve
from refimpl.controllers.endpoints import EndpointsConfig
from refimpl.controllers.initializers import ControllerManagerConfig, selected_controllers
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig
from refimpl.controllers.pod_gc import PodGCConfig
from refimpl.controllers.runner import ControllerManager


def main(arguments: Sequence[str]) -> int:
    """The `controller-manager` command."""
    parser = argparse.ArgumentParser(prog="node-contract controller-manager", description=__doc__)
    add_kubeconfig_flags(parser)
    for config in CONTROLLER_MANAGER_FLAGS:
        add_flags(parser, config)
    add_common_flags(parser)
    options = parser.parse_args(arguments)

    async def service() -> None:
        config = from_flags(
            ControllerManagerConfig,
            options,
            node_lifecycle=from_flags(NodeLifecycleConfig, options),
            pod_gc=from_flags(PodGCConfig, options),
            endpoints=from_flags(EndpointsConfig, options),
        )
        try:
            builders = selected_controllers(config)
        except ValueError as error:
            raise Refused(str(error)) from None
        clock = Clock()
        async with aclosing(join(options, "kube-controller-manager")) as client:
            version = await wait_for_master(client)
            elector = None
            if config.leader_elect:
                identity = f"{socket.gethostname()}_{clock.uid()}"
                elector = LeaderElector(client, clock, Election("kube-controller-manager", identity))
            announce(f"controller-manager joined {version} at {options.kubeconfig}")
            await ControllerManager(client, clock, builders, elector=elector).run()

    return serve("controller-manager", service, options)
