"""Every pod tolerates a node that fails, for a while.

Source: kube-apiserver 1.36 `plugin/pkg/admission/defaulttolerationseconds`.
"""

from __future__ import annotations

from typing import Final

from refimpl.api.errors import Object
from refimpl.api.resources import PODS
from refimpl.apiserver.strategy import Context

CONCERNS: Final = (PODS,)

NOT_READY: Final = "node.kubernetes.io/not-ready"
UNREACHABLE: Final = "node.kubernetes.io/unreachable"


def admit(ctx: Context, _old: Object | None, new: Object | None) -> None:
    """See `chain.Plugin`."""
    if not ctx.subresource and new is not None:
        settings = ctx.settings
        add_tolerations(
            new, settings.default_not_ready_toleration_seconds, settings.default_unreachable_toleration_seconds
        )


def add_tolerations(pod: Object, not_ready_seconds: int, unreachable_seconds: int) -> None:
    """Adds a toleration for each of the two failures that the pod says nothing about."""
    spec = pod["spec"]
    own = spec.get("tolerations") or []
    added = [
        {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}
        for key, seconds in ((NOT_READY, not_ready_seconds), (UNREACHABLE, unreachable_seconds))
        if not any(speaks_of(toleration, key) for toleration in own)
    ]
    if added:
        spec["tolerations"] = [*own, *added]


def speaks_of(toleration: Object, key: str) -> bool:
    """Whether the toleration is about being evicted for a taint of this key, whatever it says about it."""
    return toleration.get("key", "") in {"", key} and toleration.get("effect", "") in {"", "NoExecute"}
