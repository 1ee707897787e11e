"""What pod workers work with, in one value."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import attrs

from refimpl.client.client import Client
from refimpl.clock import Clock
from refimpl.kubelet.era import Era
from refimpl.kubelet.pods.statusmanager import StatusManager
from refimpl.kubelet.pods.termination import ContainerEvent
from refimpl.kubelet.runtime.base import Runtime


@attrs.frozen(kw_only=True)
class WorkerContext:
    """What pod workers work with.

    Attributes:
        client: the API, for ConfigMaps and Secrets.
        clock: time.
        runtime: where containers run.
        era: rules of the kubelet's generation.
        longest_backoff: seconds between restarts of a crashing container.
        statuses: where statuses go.
        host_ips: the node's addresses.
        allocatable: what the node can give.
        runtime_errors: why no pod can be worked on now; empty when it can.
        network_errors: why only pods on the host's network can start; empty when all can.
        event: records an event about a pod or one of its containers.
    """

    client: Client
    clock: Clock
    runtime: Runtime
    era: Era
    longest_backoff: float
    statuses: StatusManager
    host_ips: Callable[[], Sequence[str]]
    allocatable: Callable[[], Mapping[str, str]]
    runtime_errors: Callable[[], Sequence[str]]
    network_errors: Callable[[], Sequence[str]]
    event: ContainerEvent
