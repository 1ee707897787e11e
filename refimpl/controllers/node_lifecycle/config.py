"""Settings of the node lifecycle controller, under kube-controller-manager's names."""

from __future__ import annotations

import attrs


@attrs.frozen
class NodeLifecycleConfig:
    """When a silent node is given up, and how fast. Defaults of kube-controller-manager 1.36.

    Attributes:
        node_monitor_period: seconds to wait after one look at all nodes before the next.
        node_monitor_grace_period: seconds without heartbeat after which a node becomes Unknown.
        node_startup_grace_period: the same for a node that never posted its status, counted from its creation.
        node_eviction_rate: nodes a second that get the NoExecute taint, in each zone.
        secondary_node_eviction_rate: the same while a large zone is mostly not ready.
        large_cluster_size_threshold: nodes up to which a zone is small; a small zone that is mostly not ready gets no
            further NoExecute taints at all.
        unhealthy_zone_threshold: fraction of nodes not ready from which a zone is mostly not ready (never below three
            nodes).
    """

    node_monitor_period: float = 5.0
    node_monitor_grace_period: float = 50.0
    node_startup_grace_period: float = 60.0
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_size_threshold: int = 50
    unhealthy_zone_threshold: float = 0.55
