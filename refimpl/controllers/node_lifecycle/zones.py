"""Zones: failures that hit many nodes at once are more likely the network's than the nodes'.

Source: kube-controller-manager 1.36 `ComputeZoneState`, `ReducedQPSFunc`; component-helpers `GetZoneKey`.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

import attrs

from refimpl.api import meta
from refimpl.api.errors import Object
from refimpl.controllers.node_lifecycle.config import NodeLifecycleConfig
from refimpl.controllers.node_lifecycle.health import holds

Zone = tuple[str, str]
"""Region and zone; both empty for nodes without labels, which together make up a zone."""

EXCLUDE_LABEL = "node.kubernetes.io/exclude-disruption"


class ZoneState(StrEnum):
    """How badly a zone is hit."""

    INITIAL = "Initial"
    NORMAL = "Normal"
    PARTIAL_DISRUPTION = "PartialDisruption"
    FULL_DISRUPTION = "FullDisruption"


@attrs.frozen
class ZoneCount:
    """The nodes of a zone that count, by readiness; a node without Ready condition is not ready."""

    ready: int
    not_ready: int

    @property
    def size(self) -> int:
        """All nodes that count."""
        return self.ready + self.not_ready


def zone_of(node: Object) -> Zone:
    """The zone of a node; the legacy labels win over `topology.kubernetes.io`."""
    labels = meta.labels(node)
    if not labels:
        return "", ""
    zone = labels.get("failure-domain.beta.kubernetes.io/zone")
    if zone is None:
        zone = labels.get("topology.kubernetes.io/zone", "")
    region = labels.get("failure-domain.beta.kubernetes.io/region")
    if region is None:
        region = labels.get("topology.kubernetes.io/region", "")
    return region, zone


def is_excluded(node: Object) -> bool:
    """Whether a node is left out of the counts (not out of tainting)."""
    return EXCLUDE_LABEL in meta.labels(node)


def count_zone(ready_conditions: Iterable[Object | None]) -> ZoneCount:
    """Counts the nodes of one zone by their Ready conditions."""
    states = [holds(condition) for condition in ready_conditions]
    return ZoneCount(states.count(True), states.count(False))


def zone_state(count: ZoneCount, config: NodeLifecycleConfig) -> ZoneState:
    """How badly a zone is hit: entirely, mostly (at least three nodes and the threshold fraction), or not."""
    if count.ready == 0 and count.not_ready > 0:
        return ZoneState.FULL_DISRUPTION
    if count.not_ready > 2 and count.not_ready / count.size >= config.unhealthy_zone_threshold:
        return ZoneState.PARTIAL_DISRUPTION
    return ZoneState.NORMAL


def eviction_rate(state: ZoneState, size: int, config: NodeLifecycleConfig) -> float:
    """Nodes a second that may get the NoExecute taint; 0 means none at all.

    A zone that is down entirely is evicted at the full rate: as long as another zone has a ready node, the fault is
    its own.
    """
    if state is not ZoneState.PARTIAL_DISRUPTION:
        return config.node_eviction_rate
    return config.secondary_node_eviction_rate if size > config.large_cluster_size_threshold else 0.0
