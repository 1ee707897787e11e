"""Settings of the pod garbage collector."""

from __future__ import annotations

from typing import Final

import attrs

CHECK_PERIOD: Final = 20.0
"""Seconds to wait between passes; not configurable in Kubernetes."""

QUARANTINE: Final = 40.0
"""Seconds for which a missing node may still turn up; not configurable in Kubernetes."""


@attrs.frozen
class PodGCConfig:
    """When finished pods become too many. Default of kube-controller-manager 1.36.

    Attributes:
        terminated_pod_gc_threshold: finished pods that may exist before the oldest are deleted; 0 for no limit.
    """

    terminated_pod_gc_threshold: int = 12500
