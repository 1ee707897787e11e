"""Where a node's Events go: at a bounded rate, so that a node in trouble does not drown its master.

Source: kubelet 1.36 `eventRecordQPS`, `eventBurst` of KubeletConfiguration.
"""

from __future__ import annotations

from refimpl.client.client import Client
from refimpl.client.events import EventRecorder, Rate
from refimpl.clock import Clock
from refimpl.kubelet.config import KubeletConfig


def node_recorder(client: Client, clock: Clock, config: KubeletConfig, name: str) -> EventRecorder:
    """The recorder of a kubelet.

    Args:
        client: the API, as this node.
        clock: time.
        config: settings; the era decides the rate.
        name: the node's name.
    """
    rate = Rate(config.rules.events_per_second, config.rules.events_at_once)
    return EventRecorder(client, clock, "kubelet", name, rate=rate)
