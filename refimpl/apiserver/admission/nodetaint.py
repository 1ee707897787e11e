"""A new node is not ready until the node controller has seen that it is.

Source: kube-apiserver 1.36 `plugin/pkg/admission/nodetaint`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.api.resources import NODES
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (NODES,)

NOT_READY: Final = "node.kubernetes.io/not-ready"


def admit(ctx: Context, _old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if ctx.operation == "CREATE" and not ctx.subresource and new is not None:
        add_not_ready_taint(new)


def add_not_ready_taint(node: Object) -> None:
    """Adds `not-ready:NoSchedule` after the node's own taints, unless it is there."""
    spec = node.setdefault("spec", {})
    taints = spec.get("taints") or []
    if not any(taint.get("key") == NOT_READY and taint.get("effect") == "NoSchedule" for taint in taints):
        spec["taints"] = [*taints, {"key": NOT_READY, "effect": "NoSchedule"}]
