"""The pods of the scenario `feasibility`: what they demand or tolerate, and where that lets them go."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import attrs

from conformance.drive.taints import own_key
from conformance.judge.taints import BY_CONDITION, NO_EXECUTE, NO_SCHEDULE, NOT_READY, UNSCHEDULABLE
from conformance.naming import DOMAIN

ANIMAL, SIZE, TAIL, COLLAR = (f"{DOMAIN}/{name}" for name in ("animal", "size", "tail", "collar"))
KEY = own_key("closed")
VALUE = "mine"

LABELS: Mapping[str, Mapping[str, str]] = {
    "cat": {ANIMAL: "cat", SIZE: "5"},
    "dog": {ANIMAL: "dog", SIZE: "12", TAIL: "long", COLLAR: ""},
}
"""Labels of two nodes; the sizes compare otherwise as numbers than as texts."""


@attrs.frozen
class Selecting:
    """A pod that selects among the nodes `cat` and `dog`.

    Attributes:
        role: of the pod.
        node: which of them it fits; empty for none.
        why: what it demands.
        selector: its nodeSelector.
        terms: the terms of its required node affinity.
    """

    role: str
    node: str
    why: str
    selector: Mapping[str, str] = attrs.field(factory=dict)
    terms: tuple[Mapping[str, Any], ...] = ()


@attrs.frozen
class Tolerating:
    """A pod for one node only.

    Attributes:
        role: of the pod.
        node: role of the node.
        fits: whether the node must take it.
        why: what decides.
        tolerations: its tolerations.
    """

    role: str
    node: str
    fits: bool
    why: str
    tolerations: tuple[Mapping[str, Any], ...] = ()


def _term(*expressions: tuple[str, str, tuple[str, ...]], fields: str = "matchExpressions") -> dict[str, Any]:
    return {fields: [_expression(*expression) for expression in expressions]}


def _expression(key: str, operator: str, values: Iterable[str]) -> dict[str, Any]:
    return {"key": key, "operator": operator, **({"values": list(values)} if values else {})}


def _on(operator: str, role: str) -> dict[str, Any]:
    return _term(("metadata.name", operator, (role,)), fields="matchFields")


SELECTING = (
    Selecting("both-labels", "cat", "two labels that it has", {ANIMAL: "cat", SIZE: "5"}),
    Selecting("one-label", "", "two labels of which each node has one", {ANIMAL: "cat", SIZE: "12"}),
    Selecting("in", "cat", "animal In cat, cow", terms=(_term((ANIMAL, "In", ("cat", "cow"))),)),
    Selecting("in-last", "cat", "animal In cow, cat", terms=(_term((ANIMAL, "In", ("cow", "cat"))),)),
    Selecting("not-in", "dog", "animal NotIn cat", terms=(_term((ANIMAL, "NotIn", ("cat",))),)),
    Selecting("not-in-absent", "cat", "tail NotIn long", terms=(_term((TAIL, "NotIn", ("long",))),)),
    Selecting("exists-empty", "dog", "collar Exists, whatever its value", terms=(_term((COLLAR, "Exists", ())),)),
    Selecting("nothing", "", "a term that demands nothing, which nobody matches", terms=({},)),
    Selecting("exists", "dog", "tail Exists", terms=(_term((TAIL, "Exists", ())),)),
    Selecting("absent", "cat", "tail DoesNotExist", terms=(_term((TAIL, "DoesNotExist", ())),)),
    Selecting("greater", "dog", "size Gt 5", terms=(_term((SIZE, "Gt", ("5",))),)),
    Selecting("less", "cat", "size Lt 12", terms=(_term((SIZE, "Lt", ("12",))),)),
    Selecting("greatest", "", "size Gt 12", terms=(_term((SIZE, "Gt", ("12",))),)),
    Selecting("least", "", "size Lt 5", terms=(_term((SIZE, "Lt", ("5",))),)),
    Selecting(
        "either-term",
        "dog",
        "animal In cow, or tail Exists",
        terms=(_term((ANIMAL, "In", ("cow",))), _term((TAIL, "Exists", ()))),
    ),
    Selecting(
        "all-expressions",
        "",
        "animal In cat and tail Exists",
        terms=(_term((ANIMAL, "In", ("cat",)), (TAIL, "Exists", ())),),
    ),
    Selecting("this-name", "dog", "metadata.name In dog", terms=(_on("In", "dog"),)),
    Selecting("other-name", "cat", "metadata.name NotIn dog", terms=(_on("NotIn", "dog"),)),
    Selecting(
        "name-and-label",
        "",
        "metadata.name In cat and tail Exists",
        terms=({**_on("In", "cat"), **_term((TAIL, "Exists", ()))},),
    ),
    Selecting(
        "not-name-and-label",
        "",
        "metadata.name NotIn dog and tail Exists",
        terms=({**_on("NotIn", "dog"), **_term((TAIL, "Exists", ()))},),
    ),
    Selecting(
        "selector-and-term", "", "label animal=cat and tail Exists", {ANIMAL: "cat"}, (_term((TAIL, "Exists", ())),)
    ),
)


def _exists(key: str, effect: str = NO_SCHEDULE) -> dict[str, str]:
    return {"key": key, "operator": "Exists", **({"effect": effect} if effect else {})}


def _closed(effect: str) -> tuple[Tolerating, ...]:
    """Pods for the node that has a taint of that effect."""
    node, other = effect.lower(), NO_EXECUTE if effect == NO_SCHEDULE else NO_SCHEDULE
    exact = {"key": KEY, "operator": "Equal", "value": VALUE, "effect": effect}
    return (
        Tolerating(f"{node}-plain", node, False, f"the {effect} taint is not tolerated"),
        Tolerating(f"{node}-equal", node, True, "the taint is tolerated with its value", (exact,)),
        Tolerating(f"{node}-exists", node, True, "the taint is tolerated with any value", (_exists(KEY, effect),)),
        Tolerating(f"{node}-any-effect", node, True, "the taint is tolerated with any effect", (_exists(KEY, ""),)),
        Tolerating(f"{node}-value", node, False, "another value is tolerated", ({**exact, "value": "yours"},)),
        Tolerating(f"{node}-effect", node, False, f"the effect {other} is tolerated", ({**exact, "effect": other},)),
        Tolerating(f"{node}-key", node, False, "another key is tolerated", ({**exact, "key": own_key("else")},)),
    )


_FOR_AN_HOUR = {"key": KEY, "operator": "Exists", "effect": NO_EXECUTE, "tolerationSeconds": 3600}

CLOSED = (
    *_closed(NO_SCHEDULE),
    *_closed(NO_EXECUTE),
    Tolerating("limited", NO_EXECUTE.lower(), True, "the taint is tolerated, if for an hour only", (_FOR_AN_HOUR,)),
    Tolerating("prefer-plain", "prefernoschedule", True, "PreferNoSchedule only asks to be avoided"),
)

CORDONED = (
    Tolerating("cordoned-plain", "cordoned", False, "the node is unschedulable"),
    Tolerating("cordoned-tolerant", "cordoned", True, "that is tolerated", (_exists(UNSCHEDULABLE),)),
)

UNREADY = (
    Tolerating("unready-plain", "unready", False, "the node is not ready"),
    Tolerating("unready-tolerant", "unready", True, "the taint not-ready is tolerated", (_exists(NOT_READY, ""),)),
)

TROUBLES: Mapping[str, tuple[str, ...]] = {
    "disk": ("DiskPressure",),
    "pid": ("PIDPressure",),
    "network": ("NetworkUnavailable",),
    "memory": ("MemoryPressure",),
    "disk-and-pid": ("DiskPressure", "PIDPressure"),
}
"""Conditions of nodes, each calling for a taint."""


def _troubled(node: str, conditions: tuple[str, ...]) -> tuple[Tolerating, ...]:
    keys = [BY_CONDITION[condition] for condition in conditions]
    said = " and ".join(conditions)
    all_of_them = tuple(_exists(key) for key in keys)
    halves = tuple(
        Tolerating(f"{node}-half-{n}", node, False, f"of {said} only one is tolerated", (_exists(key),))
        for n, key in enumerate(keys)
        if len(keys) > 1
    )
    return (
        Tolerating(f"{node}-plain", node, False, f"{said} is True"),
        *halves,
        Tolerating(f"{node}-tolerant", node, True, f"the taint of {said} is tolerated", all_of_them),
    )


TROUBLED = tuple(pod for node, conditions in TROUBLES.items() for pod in _troubled(node, conditions))

TOLERATING = (*CLOSED, *CORDONED, *UNREADY, *TROUBLED)
