"""The condition that tells a pod, and whoever owns it, that the master is about to take it away.

Source: kube-controller-manager 1.36 (`DisruptionTarget`, GA since 1.31).
"""

from __future__ import annotations

from refimpl.api import meta
from refimpl.api.errors import Object

DISRUPTION_TARGET = "DisruptionTarget"


def disruption_target(pod: Object, reason: str, message: str, stamp: str) -> Object | None:
    """The condition to write into a pod's status; None when the pod carries the same one already.

    Args:
        pod: as just read.
        reason: who disrupts, e.g. `DeletionByTaintManager`.
        message: why, for people.
        stamp: now, as the API writes it.
    """
    wanted: Object = {"type": DISRUPTION_TARGET, "status": "True", "reason": reason, "message": message}
    if pod["metadata"].get("generation"):
        wanted["observedGeneration"] = pod["metadata"]["generation"]
    known = meta.condition(pod, DISRUPTION_TARGET)
    if known is not None and all(known.get(field) == value for field, value in wanted.items()):
        return None
    since = known["lastTransitionTime"] if known is not None and known["status"] == "True" else stamp
    return {**wanted, "lastTransitionTime": since}
