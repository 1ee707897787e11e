"""What is wrong with the scheduling part of a pod spec: tolerations, affinity, topology spread.

Source: kube-apiserver 1.36 `pkg/apis/core/validation`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from refimpl.api import names
from refimpl.api.errors import Cause, Object
from refimpl.apiserver.kinds import causes, labelselectors
from refimpl.apiserver.kinds.nodes.validation import effect_causes

EMPTY_KEY_NEEDS_EXISTS: Final = (
    'operator must be Exists when `key` is empty, which means "match all values and all keys"'
)
REQUIRED: Final = "requiredDuringSchedulingIgnoredDuringExecution"
PREFERRED: Final = "preferredDuringSchedulingIgnoredDuringExecution"


def toleration_causes(tolerations: list[Object], path: str) -> Iterable[Cause]:
    """Rules for tolerations."""
    for index, toleration in enumerate(tolerations):
        yield from _toleration_causes(toleration, f"{path}[{index}]")


def _toleration_causes(toleration: Object, path: str) -> Iterable[Cause]:
    key, operator = toleration.get("key", ""), toleration.get("operator", "")
    value, effect = toleration.get("value", ""), toleration.get("effect", "")
    if key:
        yield from labelselectors.key_causes(key, f"{path}.key")
    elif operator != "Exists":
        yield causes.invalid(f"{path}.operator", operator, EMPTY_KEY_NEEDS_EXISTS)
    if toleration.get("tolerationSeconds") is not None and effect != "NoExecute":
        yield causes.invalid(f"{path}.effect", effect, "effect must be 'NoExecute' when `tolerationSeconds` is set")
    if operator in {"", "Equal"}:
        if wrong := names.label_value(value):
            yield causes.invalid(f"{path}.operator", value, ";".join(wrong))
    elif operator == "Exists":
        if value:
            yield causes.invalid(f"{path}.operator", value, "value must be empty when `operator` is 'Exists'")
    else:
        yield causes.not_supported(f"{path}.operator", operator, ("Equal", "Exists"))
    yield from effect_causes(effect, f"{path}.effect", may_be_empty=True)


def affinity_causes(affinity: Object | None, path: str) -> Iterable[Cause]:
    """Rules for affinity of all three sorts."""
    affinity = affinity or {}
    if affinity.get("nodeAffinity") is not None:
        yield from _node_affinity_causes(affinity["nodeAffinity"], f"{path}.nodeAffinity")
    for key in ("podAffinity", "podAntiAffinity"):
        if affinity.get(key) is not None:
            yield from _pod_affinity_causes(affinity[key], f"{path}.{key}")


def _node_affinity_causes(affinity: Object, path: str) -> Iterable[Cause]:
    if affinity.get(REQUIRED) is not None:
        yield from labelselectors.node_selector_causes(affinity[REQUIRED], f"{path}.{REQUIRED}")
    for index, term in enumerate(affinity.get(PREFERRED) or []):
        here = f"{path}.{PREFERRED}[{index}]"
        yield from _weight_causes(term, here)
        yield from labelselectors.node_selector_term_causes(term.get("preference") or {}, f"{here}.preference")


def _weight_causes(term: Object, path: str) -> Iterable[Cause]:
    weight = term.get("weight", 0)
    if not 1 <= weight <= 100:
        yield causes.invalid(f"{path}.weight", weight, "must be in the range 1-100")


def _pod_affinity_causes(affinity: Object, path: str) -> Iterable[Cause]:
    for index, term in enumerate(affinity.get(REQUIRED) or []):
        yield from _pod_affinity_term_causes(term, f"{path}.{REQUIRED}[{index}]")
    for index, weighted in enumerate(affinity.get(PREFERRED) or []):
        here = f"{path}.{PREFERRED}[{index}]"
        yield from _weight_causes(weighted, here)
        yield from _pod_affinity_term_causes(weighted.get("podAffinityTerm") or {}, f"{here}.podAffinityTerm")


def _pod_affinity_term_causes(term: Object, path: str) -> Iterable[Cause]:
    yield from labelselectors.label_selector_causes(term.get("labelSelector"), f"{path}.labelSelector")
    yield from labelselectors.label_selector_causes(term.get("namespaceSelector"), f"{path}.namespaceSelector")
    for namespace in term.get("namespaces") or []:
        for why in names.dns1123_label(namespace):
            yield causes.invalid(f"{path}.namespace", namespace, why)
    topology_key = term.get("topologyKey", "")
    if not topology_key:
        yield causes.required(f"{path}.topologyKey", "can not be empty")
    yield from labelselectors.key_causes(topology_key, f"{path}.topologyKey")


def topology_spread_causes(constraints: list[Object], path: str) -> Iterable[Cause]:
    """Rules for topology spread constraints."""
    for index, constraint in enumerate(constraints):
        here = f"{path}[{index}]"
        yield from _constraint_causes(constraint, here)
        pair = _pair(constraint)
        if pair in [_pair(later) for later in constraints[index + 1 :]]:
            shown = f"{{{pair[0]}, {pair[1]}}}"
            yield causes.duplicate(f"{here}.{{topologyKey, whenUnsatisfiable}}", shown)
        yield from labelselectors.label_selector_causes(constraint.get("labelSelector"), f"{here}.labelSelector")


def _pair(constraint: Object) -> tuple[str, str]:
    return constraint.get("topologyKey", ""), constraint.get("whenUnsatisfiable", "")


def _constraint_causes(constraint: Object, path: str) -> Iterable[Cause]:
    topology_key, action = _pair(constraint)
    skew, least = constraint.get("maxSkew", 0), constraint.get("minDomains")
    if skew <= 0:
        yield causes.invalid(f"{path}.maxSkew", skew, "must be greater than zero")
    if not topology_key:
        yield causes.required(f"{path}.topologyKey", "can not be empty")
    if action not in {"DoNotSchedule", "ScheduleAnyway"}:
        yield causes.not_supported(f"{path}.whenUnsatisfiable", action, ("DoNotSchedule", "ScheduleAnyway"))
    if least is not None and least <= 0:
        yield causes.invalid(f"{path}.minDomains", least, "must be greater than zero")
    if least is not None and action != "DoNotSchedule":
        why = f"can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {action}"
        yield causes.invalid(f"{path}.minDomains", least, why)
    for key in ("nodeAffinityPolicy", "nodeTaintsPolicy"):
        if constraint.get(key) not in {None, "Honor", "Ignore"}:
            yield causes.not_supported(f"{path}.{key}", constraint[key], ("Honor", "Ignore"))
