"""What is wrong with the resource requirements of a container or a pod.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` and `pkg/apis/core/helper`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, quantities

HUGE_PAGES: Final = "hugepages-"

_CONTAINER_RESOURCES: Final = frozenset({"cpu", "memory", "ephemeral-storage"})
_STANDARD_RESOURCES: Final = _CONTAINER_RESOURCES | {
    *(f"{prefix}.{name}" for prefix in ("requests", "limits") for name in sorted(_CONTAINER_RESOURCES)),
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "requests.storage",
    "storage",
    "services.nodeports",
    "services.loadbalancers",
}


def requirement_causes(resources: Object | None, path: str) -> Iterable[Cause]:
    """Rules for `limits` and `requests` of a container."""
    limits, requests = (resources or {}).get("limits") or {}, (resources or {}).get("requests") or {}
    for name, amount in sorted(limits.items()):
        yield from name_causes(name, f"{path}.limits[{name}]")
        yield from quantities.amount_causes(name, amount, f"{path}.limits[{name}]")
    for name, amount in sorted(requests.items()):
        yield from name_causes(name, f"{path}.requests[{name}]")
        yield from quantities.amount_causes(name, amount, f"{path}.requests[{name}]")
        yield from _pair_causes(name, amount, limits.get(name), path)
    asked = {*limits, *requests}
    if any(name.startswith(HUGE_PAGES) for name in asked) and not asked & {"cpu", "memory"}:
        yield causes.forbidden(path, "HugePages require cpu or memory")


def _pair_causes(name: str, request: str, limit: str | None, path: str) -> Iterable[Cause]:
    if limit is None:
        if not may_overcommit(name):
            yield causes.required(f"{path}.limits", "Limit must be set for non overcommitable resources")
        return
    order = quantity.compare(request, limit)
    if order and not may_overcommit(name):
        yield causes.invalid(f"{path}.requests", request, f"must be equal to {name} limit of {limit}")
    elif order > 0:
        yield causes.invalid(f"{path}.requests", request, f"must be less than or equal to {name} limit of {limit}")


def may_overcommit(name: str) -> bool:
    """Whether a request may be below its limit."""
    return quantities.is_native(name) and not name.startswith(HUGE_PAGES)


def is_standard(name: str) -> bool:
    """Whether Kubernetes knows the resource by this bare name."""
    return name in _STANDARD_RESOURCES or name.startswith(HUGE_PAGES)


def name_causes(name: str, path: str) -> Iterable[Cause]:
    """Rules for the name of a resource that a container asks for."""
    wrong = names.qualified_name(name)
    for why in wrong:
        yield causes.invalid(path, name, why)
    if "/" not in name:
        if not wrong and not is_standard(name):
            yield causes.invalid(path, name, "must be a standard resource type or fully qualified")
        if name not in _CONTAINER_RESOURCES and not name.startswith(HUGE_PAGES):
            yield causes.invalid(path, name, "must be a standard resource for containers")
    elif not quantities.is_native(name) and not quantities.is_extended(name):
        yield causes.invalid(path, name, "doesn't follow extended resource name standard")
