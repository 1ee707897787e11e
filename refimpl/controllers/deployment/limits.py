"""How many pods more or fewer than wanted a rollout may have: `maxSurge` and `maxUnavailable` in pods.

Source: kube-controller-manager 1.36 `deployment_util.go` (`ResolveFenceposts`).
"""

from __future__ import annotations

import attrs

from refimpl.api.errors import Object
from refimpl.controllers.workloads.numbers import scaled


@attrs.frozen
class Limits:
    """The bounds of a rollout, in pods.

    Attributes:
        replicas: wanted.
        surge: how many more there may be.
        unavailable: how many fewer may be available.
    """

    replicas: int
    surge: int
    unavailable: int

    @property
    def maximum(self) -> int:
        """The most pods there may be."""
        return self.replicas + self.surge

    @property
    def minimum_available(self) -> int:
        """The fewest pods that must be available."""
        return self.replicas - self.unavailable


def is_rolling(deployment: Object) -> bool:
    """Whether the strategy is RollingUpdate (the default), not Recreate."""
    return (deployment["spec"].get("strategy") or {}).get("type") != "Recreate"


def limits_of(deployment: Object) -> Limits:
    """The bounds for this Deployment; Recreate has none to spare."""
    spec = deployment["spec"]
    replicas = 1 if spec.get("replicas") is None else int(spec["replicas"])
    if not is_rolling(deployment):
        return Limits(replicas, 0, 0)
    rolling = (spec.get("strategy") or {}).get("rollingUpdate") or {}
    surge = scaled(rolling.get("maxSurge"), replicas, round_up=True)
    unavailable = scaled(rolling.get("maxUnavailable"), replicas, round_up=False)
    if surge == 0 and unavailable == 0:
        unavailable = 1
    return Limits(replicas, surge, min(unavailable, replicas))
