"""`node-contract kubelet`: one node alone; it joins any API server, a real one too.

A stopped kubelet leaves its containers running, as a real one does; the next one on the same root directory finds them.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path

import attrs

from refimpl.clock import Clock
from refimpl.commands.flags import add_flags, from_flags, given_flags
from refimpl.commands.joining import add_kubeconfig_flags, join
from refimpl.commands.service import Refused, add_common_flags, announce, serve
from refimpl.kubelet import configfile
from refimpl.kubelet.config import ConfigError, KubeletConfig
from refimpl.kubelet.live import RUNTIMES, kill_leftovers, live_kubelet, open_endpoint, run_live
from refimpl.kubelet.runtime.base import RuntimeUnavailable
from refimpl.kubelet.runtime.docker import DockerConfig


def main(arguments: Sequence[str]) -> int:
    """The `kubelet` command."""
    options = parser().parse_args(arguments)

    async def service() -> None:
        config = configuration(options)
        docker = from_flags(DockerConfig, options)
        clock = Clock()
        async with aclosing(join(options, "kubelet")) as client:
            try:
                kubelet = live_kubelet(client, clock, config, options.container_runtime, docker)
            except (ConfigError, ValueError) as error:
                raise Refused(str(error)) from None
            endpoint = open_endpoint(kubelet, options.client_ca_file)
            announce(f"kubelet {kubelet.name} serves on https://{endpoint.address}:{endpoint.port}")
            try:
                await run_live(kubelet, endpoint, clock)
            except RuntimeUnavailable as error:
                raise Refused(str(error)) from None
            finally:
                if options.with_parent and config.root_dir:
                    await kill_leftovers(clock, Path(config.root_dir), options.container_runtime, docker, kubelet.name)

    return serve("kubelet", service, options)


def parser() -> argparse.ArgumentParser:
    """What the command understands."""
    found = argparse.ArgumentParser(prog="node-contract kubelet", description=__doc__)
    add_kubeconfig_flags(found)
    found.add_argument("--container-runtime", choices=RUNTIMES, default="process", help="what runs the containers")
    found.add_argument(
        "--config", type=Path, metavar="FILE", help="a KubeletConfiguration; what flags say wins over it"
    )
    found.add_argument("--client-ca-file", type=Path, metavar="FILE", help="who may ask this kubelet for logs")
    add_flags(found, KubeletConfig)
    add_flags(found, DockerConfig)
    add_common_flags(found)
    return found


def configuration(options: argparse.Namespace) -> KubeletConfig:
    """The settings of the configuration file, if there is one, and of the flags.

    Raises:
        Refused: the file cannot be read.
    """
    try:
        base = configfile.read(options.config) if options.config else KubeletConfig()
    except ConfigError as error:
        raise Refused(str(error)) from None
    return attrs.evolve(base, **given_flags(KubeletConfig, options))
