"""Resource lists inside objects: canonical amounts, and the rules common to nodes and pods.

Source: kube-apiserver 1.36 `pkg/apis/core/{v1,validation,helper}`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes

NOT_NEGATIVE: Final = "must be greater than or equal to 0"
NOT_AN_INTEGER: Final = "must be an integer"

_INTEGER_RESOURCES: Final = frozenset(
    {
        "pods",
        "resourcequotas",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.nodeports",
        "services.loadbalancers",
    }
)


def canonicalize(parent: Object, *keys: str) -> None:
    """Rewrites the amounts of the resource lists below `parent` as the API stores them; null reads as zero."""
    for key in keys:
        amounts = parent.get(key)
        if amounts:
            for name, amount in amounts.items():
                amounts[name] = "0" if amount is None else quantity.canonical_milli(amount)


def canonicalize_one(parent: Object, key: str) -> None:
    """Rewrites a single amount as the API stores it; absent stays absent."""
    if parent.get(key) is not None:
        parent[key] = quantity.canonical(parent[key])


def is_native(name: str) -> bool:
    """Whether Kubernetes itself defines the resource: no domain, or one of its own."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """Whether it is a countable resource of somebody else, such as `example.com/gpu`."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not list(names.qualified_name(f"requests.{name}"))


def is_integer(name: str) -> bool:
    """Whether only whole amounts make sense."""
    return name in _INTEGER_RESOURCES or is_extended(name)


def amount_causes(name: str, amount: str, path: str) -> Iterable[Cause]:
    """What is wrong with one amount of one resource."""
    if quantity.parse(amount) < 0:
        yield causes.invalid(path, amount, NOT_NEGATIVE)
    if is_integer(name) and quantity.milli_value(amount) % 1000:
        yield causes.invalid(path, amount, NOT_AN_INTEGER)


def list_causes(amounts: Mapping[str, str] | None, path: str) -> Iterable[Cause]:
    """What is wrong with the amounts of a list such as `status.capacity`."""
    for name, amount in sorted((amounts or {}).items()):
        yield from amount_causes(name, amount, f"{path}.{name}")
