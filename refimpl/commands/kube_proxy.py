"""`node-contract kube-proxy`: the service proxy of one node alone, as a client of any API server."""

from __future__ import annotations

import argparse
import asyncio
import socket
from collections.abc import Sequence
from contextlib import aclosing

import attrs

from refimpl.clock import Clock
from refimpl.commands.flags import add_flags, from_flags
from refimpl.commands.joining import add_kubeconfig_flags, join, wait_for_master
from refimpl.commands.service import Refused, add_common_flags, announce, serve
from refimpl.proxy import Proxier, ProxyConfig
from refimpl.proxy.config import MODES
from refimpl.proxy.dataplane import DataPlane
from refimpl.proxy.iptables import IptablesDataPlane, IptablesFailed
from refimpl.proxy.proxier import serves_slices
from refimpl.proxy.serving import ProxyServers
from refimpl.proxy.userspace import UserspaceDataPlane


def main(arguments: Sequence[str]) -> int:
    """The `kube-proxy` command."""
    parser = argparse.ArgumentParser(prog="node-contract kube-proxy", description=__doc__)
    add_kubeconfig_flags(parser)
    add_flags(parser, ProxyConfig)
    add_common_flags(parser)
    options = parser.parse_args(arguments)

    async def service() -> None:
        config, clock = from_flags(ProxyConfig, options), Clock()
        if config.proxy_mode not in MODES:
            raise Refused(f"--proxy-mode {config.proxy_mode!r}: must be one of {', '.join(MODES)}")
        async with aclosing(join(options, "kube-proxy")) as client:
            version = await wait_for_master(client)
            if not config.use_endpoints and not await serves_slices(client):
                config = attrs.evolve(config, use_endpoints=True)
            plane = data_plane(clock, config)
            node = config.hostname_override or socket.gethostname().lower()
            proxier = Proxier(client, clock, config, node, plane)
            servers = ProxyServers(clock, proxier.health, plane, config.proxy_mode, config.healthz_bind_address)
            where = await servers.open()
            announce(f"kube-proxy of {node} joined {version}, health at {where or 'nowhere'}")
            try:
                async with asyncio.TaskGroup() as group:
                    group.create_task(servers.run(), name="proxy health")
                    group.create_task(proxier.run(), name="proxy")
            except* IptablesFailed as failed:
                raise Refused(str(failed.exceptions[0])) from None

    return serve("kube-proxy", service, options)


def data_plane(clock: Clock, config: ProxyConfig) -> DataPlane:
    """What carries connections in the configured mode."""
    return IptablesDataPlane() if config.proxy_mode == "iptables" else UserspaceDataPlane(clock, config)
