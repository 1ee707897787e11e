"""What is wrong with a ResourceQuota or a LimitRange.

Source: kube-apiserver 1.36 `pkg/apis/core/validation` and `pkg/apis/core/helper`.
"""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from refimpl.api import names, quantity
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, quantities
from refimpl.apiserver.kinds.podspec import resources

STANDARD_TYPES: Final = frozenset({"Pod", "Container", "PersistentVolumeClaim"})
SCOPES: Final = frozenset(
    {
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    }
)
OPPOSITES: Final = (("BestEffort", "NotBestEffort"), ("Terminating", "NotTerminating"))
_NOT_COUNTED: Final = frozenset({"storage"})


def quota_causes(spec: Object) -> Iterable[Cause]:
    """Rules for the spec of a ResourceQuota."""
    for name, amount in sorted((spec.get("hard") or {}).items()):
        path = f"spec.hard[{name}]"
        wrong = list(_resource_causes(name, path))
        yield from wrong
        if "/" not in name and (wrong or name in _NOT_COUNTED):
            yield causes.invalid(path, name, "must be a standard resource for quota")
        yield from quantities.amount_causes(name, amount, path)
    yield from _scope_causes(spec.get("scopes") or [])


def _resource_causes(name: str, path: str) -> Iterable[Cause]:
    wrong = list(names.qualified_name(name))
    for why in wrong:
        yield causes.invalid(path, name, why)
    if not wrong and "/" not in name and not resources.is_standard(name):
        yield causes.invalid(path, name, "must be a standard resource type or fully qualified")


def _scope_causes(scopes: list[str]) -> Iterable[Cause]:
    for scope in scopes:
        if scope not in SCOPES:
            yield causes.invalid("spec.scopes", scopes, "unsupported scope")
    for one, other in OPPOSITES:
        if one in scopes and other in scopes:
            yield causes.invalid("spec.scopes", scopes, "conflicting scopes")


def quota_change_causes(old: Object, new: Object) -> Iterable[Cause]:
    """The scopes of a quota are fixed."""
    before, after = old.get("scopes") or [], new.get("scopes") or []
    if sorted(set(before)) != sorted(set(after)):
        yield causes.invalid("spec.scopes", after or None, causes.IMMUTABLE)


def limit_range_causes(spec: Object) -> Iterable[Cause]:
    """Rules for the spec of a LimitRange."""
    taken: set[str] = set()
    for index, item in enumerate(spec.get("limits") or []):
        kind, path = item.get("type", ""), f"spec.limits[{index}]"
        yield from _type_causes(kind, f"{path}.type")
        if kind in taken:
            yield causes.duplicate(f"{path}.type", kind)
        taken.add(kind)
        yield from _name_causes(item, kind, path)
        if kind == "PersistentVolumeClaim" and not any("storage" in (item.get(key) or {}) for key in ("min", "max")):
            why = "either minimum or maximum storage value is required, but neither was provided"
            yield causes.required(f"{path}.limits", why)
        for name in sorted({name for key in _KEYS for name in item.get(key) or {}}):
            yield from _amount_causes(item, name, path)


_KEYS: Final = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")


def _type_causes(kind: str, path: str) -> Iterable[Cause]:
    wrong = list(names.qualified_name(kind))
    for why in wrong:
        yield causes.invalid(path, kind, why)
    if not wrong and "/" not in kind and kind not in STANDARD_TYPES:
        yield causes.invalid(path, kind, "must be a standard limit type or fully qualified")


def _name_causes(item: Object, kind: str, path: str) -> Iterable[Cause]:
    for key in _KEYS:
        amounts = item.get(key) or {}
        if amounts and kind == "Pod" and key in {"default", "defaultRequest"}:
            yield causes.forbidden(f"{path}.{key}", "may not be specified when `type` is 'Pod'")
            continue
        for name in sorted(amounts):
            here = f"{path}.{key}[{name}]"
            rule = resources.name_causes if kind in {"Pod", "Container"} else _resource_causes
            yield from rule(name, here)


def _amount_causes(item: Object, name: str, path: str) -> Iterable[Cause]:
    """The amounts of one resource must be in order."""
    given = {key: (item.get(key) or {}).get(name) for key in _KEYS}
    for left, right, at, shown, why in _ORDER:
        lower, upper = given[left], given[right]
        if lower is not None and upper is not None and quantity.compare(lower, upper) > 0:
            yield causes.invalid(f"{path}.{at}[{name}]", given[shown], why.format(lower, upper))
    ratio = given["maxLimitRequestRatio"]
    if ratio is None:
        return
    here = f"{path}.maxLimitRequestRatio[{name}]"
    if quantity.parse(ratio) < 1:
        yield causes.invalid(here, ratio, f"ratio {ratio} is less than 1")
    least, most = quantity.parse(given["min"] or "0"), quantity.parse(given["max"] or "0")
    if given["max"] is not None and least > Decimal(0) and quantity.parse(ratio) > most / least:
        yield causes.invalid(here, ratio, f"ratio {ratio} is greater than max/min = {most / least:f}")


# What may not exceed what; where that is said, of which amount, and how.
_ORDER: Final = (
    ("min", "max", "min", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min", "min value {} is greater than default value {}"),
    ("default", "max", "default", "max", "default value {} is greater than max value {}"),
)
