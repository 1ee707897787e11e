"""The command lines of a cluster's components, and the flags that `up` hands on to them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import attrs

from refimpl.apiserver.settings import Settings
from refimpl.commands.access import Access
from refimpl.commands.flags import add_flags
from refimpl.controllers.endpoints import EndpointsConfig
from refimpl.controllers.initializers import ControllerManagerConfig
from refimpl.controllers.node_lifecycle import NodeLifecycleConfig
from refimpl.controllers.pod_gc import PodGCConfig
from refimpl.kubelet.config import KubeletConfig
from refimpl.kubelet.live import RUNTIMES
from refimpl.kubelet.runtime.docker import DockerConfig
from refimpl.scheduler import SchedulerConfig

CONTROLLER_MANAGER_FLAGS: Final = (ControllerManagerConfig, NodeLifecycleConfig, PodGCConfig, EndpointsConfig)
_APISERVER: Final = (Settings, Access)
_SCHEDULER: Final = (SchedulerConfig,)
_KUBELET: Final = (KubeletConfig, DockerConfig)
_PER_NODE: Final = ("hostname_override", "root_dir", "port", "address", "node_ip")


def add_forwarded_flags(parser: argparse.ArgumentParser) -> None:
    """Adds every component's flags to `up`, which hands them on."""
    for config in (*_APISERVER, *CONTROLLER_MANAGER_FLAGS, *_SCHEDULER):
        add_flags(parser, config)
    add_flags(parser, KubeletConfig, leave_out=_PER_NODE)
    add_flags(parser, DockerConfig)
    parser.add_argument(
        "--cluster-ip-device",
        default="",
        metavar="DEVICE",
        help="give Services' addresses to this network device, e.g. lo (root); else see /proxyz of kube-proxy",
    )
    parser.add_argument(
        "--container-runtime",
        choices=RUNTIMES,
        default="process",
        help="what runs the nodes' containers",
    )


def apiserver_words(options: argparse.Namespace, directory: Path, kubeconfig: Path) -> list[str]:
    """The API server: SQLite and certificates in the data directory."""
    return [
        "apiserver",
        f"--listen={options.listen}",
        f"--store=sqlite:{directory / 'store.sqlite3'}",
        f"--data-dir={directory / 'pki'}",
        f"--kubeconfig-out={kubeconfig}",
        "--kubelet-preferred-address-types=InternalIP",
        *_given(options, _APISERVER),
    ]


def controller_manager_words(options: argparse.Namespace, kubeconfig: Path) -> list[str]:
    """The controller manager."""
    return ["controller-manager", f"--kubeconfig={kubeconfig}", *_given(options, CONTROLLER_MANAGER_FLAGS)]


def scheduler_words(options: argparse.Namespace, kubeconfig: Path) -> list[str]:
    """The scheduler."""
    return ["scheduler", f"--kubeconfig={kubeconfig}", *_given(options, _SCHEDULER)]


def kube_proxy_words(options: argparse.Namespace, kubeconfig: Path) -> list[str]:
    """The service proxy: one for all nodes, which are on the same machine; node ports are for this machine only."""
    return [
        "kube-proxy",
        f"--kubeconfig={kubeconfig}",
        "--hostname-override=node-1",
        "--nodeport-addresses=127.0.0.1",
        "--healthz-bind-address=127.0.0.1:0",
        *([f"--cluster-ip-device={options.cluster_ip_device}"] if options.cluster_ip_device else []),
    ]


def kubelet_words(options: argparse.Namespace, name: str, directory: Path, kubeconfig: Path) -> list[str]:
    """One node; its server takes any free port, its files have their own directory."""
    return [
        "kubelet",
        f"--kubeconfig={kubeconfig}",
        f"--hostname-override={name}",
        f"--container-runtime={options.container_runtime}",
        f"--root-dir={directory / 'nodes' / name}",
        f"--client-ca-file={directory / 'pki' / 'ca.crt'}",
        "--port=0",
        *_given(options, _KUBELET),
    ]


def _given(options: argparse.Namespace, configs: tuple[type[Any], ...]) -> Iterator[str]:
    for config in configs:
        for field in attrs.fields(config):
            value = getattr(options, field.name, None)
            if value is not None and field.name not in _PER_NODE:
                yield f"--{field.name.replace('_', '-')}={_text(value)}"


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{key}={each}" for key, each in value.items())
    if isinstance(value, tuple):
        return ",".join(value)
    return str(value)
